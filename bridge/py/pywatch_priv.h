/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_PYWATCH_PRIV_H
#define GN_BRIDGE_PY_PYWATCH_PRIV_H

/*
 * What an executor has to look after its calls with: those that are late
 * (late.c), the GIL (gil_watch.c), and what they look with.
 *
 * Thread: the loop's.
 */

#include "bridge/py/gil_watch.h"
#include "bridge/py/look.h"
#include "bridge/py/messenger.h"
#include "bridge/py/sampler.h"
#include "server/base/list.h"
#include "server/loop/timeout_list.h"

struct gn_pyexec;
struct gn_pycall;
struct gn_pylate;

/** Loop thread only. */
struct gn_pywatch {
    struct gn_messenger *messenger;
    struct gn_sampler *sampler;   /* NULL: none */
    struct gn_list lates;         /* calls out of time, and what is still under way for them */
    struct gn_timeout_list grace; /* of those calls, after which their workers are stuck */
    unsigned n_stuck;
    bool is_exhausted; /* the owner has been told */
    struct gn_gil_watch gil;
};

GN_LOOP_THREAD GN_NEEDS_GIL void gn_pywatch_init(struct gn_pyexec *exec);

/**
 * Ends it, with the loop over and the GIL not held. Nothing is called back any
 * more.
 *
 * Returns: false when the messenger still waits for the GIL at `deadline`, and is left behind
 */
GN_LOOP_THREAD GN_MUST_CHECK bool gn_pywatch_end(struct gn_pyexec *exec, gn_deadline deadline);

/** late.c: the call has been done; forgets it. */
GN_LOOP_THREAD void gn_pylate_ended(struct gn_pycall *call);
/** late.c: its worker counts as stuck. */
bool gn_pylate_is_stuck(const struct gn_pylate *late);
/** late.c: drops all. */
GN_LOOP_THREAD void gn_pylate_fini(struct gn_pywatch *watch);
void gn_pylate_on_grace(struct gn_timeout *timeout);

/** A look at `n` of the executor's threads. */
GN_LOOP_THREAD struct gn_look *gn_pywatch_look(
        struct gn_pyexec *exec, unsigned n, gn_look_fn fn, void *arg);

#endif
