/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_MESSENGER_H
#define GN_BRIDGE_PY_MESSENGER_H

/*
 * The loop never takes the GIL; a messenger takes it on the loop's behalf. It
 * is one thread, started with the first errand, which waits for the GIL as
 * long as it takes, and how long that has been can be asked: a GIL that does
 * not move shows there.
 *
 * Thread: the loop's, but for an errand's `run`.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include "server/base/attr.h"
#include "server/base/clock.h"
#include "server/loop/loop.h"

struct gn_messenger;
struct gn_errand;

/** Embedded in what is asked for; lives until `done` has been called. Zeroed but for run, done. */
struct gn_errand {
    /** On the messenger's thread, holding the GIL; leaves no exception set. */
    void (*run)(struct gn_errand *errand);
    /** On the loop, once, whether it has run or not; the caller may free it here. */
    void (*done)(struct gn_errand *errand);
    struct gn_errand *next; /* private */
    struct gn_post post;    /* private */
    atomic_int state;       /* private */
};

/** Never NULL; without a thread until an errand is sent. */
struct gn_messenger *gn_messenger_create(struct gn_loop *loop);

/** Sends it; errands run in order. One that has been done may be sent again. */
GN_LOOP_THREAD void gn_messenger_send(struct gn_messenger *messenger, struct gn_errand *errand);

/**
 * An errand that has not begun will not run any more; `done` follows all the
 * same, when the messenger comes back.
 *
 * Returns: false when it runs or has run
 */
GN_LOOP_THREAD bool gn_errand_cancel(struct gn_errand *errand);
/** Whether it ran, for `done` to know. */
bool gn_errand_has_run(const struct gn_errand *errand);

/** Since when the messenger has been waiting for the GIL; 0: it is not. */
GN_ANY_THREAD gn_deadline gn_messenger_waits_since(const struct gn_messenger *messenger);

/**
 * Ends the thread when it has done what it was sent for. Blocks, so only when
 * the loop has ended; the GIL must not be held. What is done is told to the
 * loop, which must run once more.
 *
 * Returns: true   ended and freed
 *          false  it still waits for the GIL at `deadline`, and is left behind, with its thread
 */
GN_LOOP_THREAD GN_MUST_CHECK bool gn_messenger_end(
        struct gn_messenger **messenger, gn_deadline deadline);

#endif
