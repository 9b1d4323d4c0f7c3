/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_SAMPLER_H
#define GN_BRIDGE_PY_SAMPLER_H

/*
 * Where a Python thread is, without the GIL: a signal sent to the thread has
 * it write down its own stack. For when the GIL cannot be had; else
 * gn_pyerr_stack says more and disturbs nobody.
 *
 * A signal's handler belongs to the process, so there is one sampler at most.
 *
 * Thread: the loop's. Nothing here blocks.
 */

#include <sys/types.h>

#include "server/base/attr.h"
#include "server/base/err.h"
#include "server/base/list.h"
#include "server/base/slice.h"
#include "server/loop/loop.h"

/** How long a thread may take to answer before it is passed over. */
#define GN_SAMPLE_MS 500

struct gn_sampler;
struct gn_sample;

/** Embedded in what asks; lives until `fn` has been called. */
struct gn_sample {
    pid_t thread; /* the kernel's number of it (gettid) */
    /**
     * On the loop, once. `text`, valid during the call, has the innermost call
     * first; a thread that runs no Python has none.
     *
     * rc: GN_OK, GN_ERR_TIMEOUT (it did not answer), GN_ERR_NOT_FOUND (it has
     *     ended), GN_ERR_CLOSED (the sampler is being destroyed)
     */
    void (*fn)(struct gn_sample *sample, enum gn_err rc, struct gn_slice text);
    struct gn_list link; /* private */
};

/**
 * Takes over `signum`, one that does nothing by default, such as SIGURG.
 *
 * Returns: NULL when there is one already, or it could not be made; the latter is logged
 */
GN_LOOP_THREAD GN_NEEDS_GIL struct gn_sampler *gn_sampler_create(struct gn_loop *loop, int signum);

/** Samples are taken one after the other; `fn` is never called during this call. */
GN_LOOP_THREAD void gn_sampler_ask(struct gn_sampler *sampler, struct gn_sample *sample);

/** Those that wait are called back. The signal stays caught, and does nothing. Accepts NULL. */
GN_LOOP_THREAD void gn_sampler_destroy(struct gn_sampler **sampler);

#endif
