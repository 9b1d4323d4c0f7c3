/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_LOOK_H
#define GN_BRIDGE_PY_LOOK_H

/*
 * A look at where some Python threads are, whatever the GIL does: while it can
 * be had, Python says it (source lines included, nobody disturbed); when it
 * cannot be had within GN_LOOK_MS, or there is none that would hold the others
 * still, each thread says it in a signal's handler.
 *
 * Thread: the loop's. Nothing here blocks.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "server/base/attr.h"
#include "server/base/buf.h"
#include "server/loop/loop.h"

/** How long Python is given to answer. */
#define GN_LOOK_MS 250
/** Beyond this, threads that have not been asked by then are not. */
#define GN_LOOK_LIMIT_MS 4000

struct gn_look;
struct gn_messenger;
struct gn_sampler;

struct gn_look_target {
    unsigned long python_thread; /* threading.get_ident() */
    pid_t thread;                /* gettid() */
    struct gn_buf stack;         /* the result: lines of text; empty: it could not be had */
    struct gn_buf said;          /* private: what the messenger writes */
};

/** On the loop, once; the look is the callee's to destroy. */
typedef void (*gn_look_fn)(struct gn_look *look, void *arg);

struct gn_look_options {
    struct gn_loop *loop;
    struct gn_messenger *messenger; /* borrowed; outlives the look */
    struct gn_sampler *sampler;     /* likewise; NULL: only Python is asked */
    bool is_gil_off; /* threads run on while Python is asked, so it must not be: its frames would be
                        read while they change */
    gn_look_fn fn;
    void *arg;
};

/** With `n` targets, to be filled in before it starts. Never NULL. */
struct gn_look *gn_look_create(const struct gn_look_options *options, unsigned n);
/** Number `i` of `n`; lives as long as the look. */
struct gn_look_target *gn_look_target(struct gn_look *look, unsigned i);
unsigned gn_look_count(const struct gn_look *look);

/** `fn` follows, never during this call, unless it is destroyed before. */
GN_LOOP_THREAD void gn_look_start(struct gn_look *look);
/** True when the GIL could not be had, so that threads wrote themselves. */
bool gn_look_was_without_gil(const struct gn_look *look);

/** At any time; accepts NULL inside. */
GN_LOOP_THREAD void gn_look_destroy(struct gn_look **look);

#endif
