/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_LOOP_SIGNALS_H
#define GN_SERVER_LOOP_SIGNALS_H

/*
 * Signals as loop callbacks. The program watches the few it acts on; a library
 * guest of a foreign process watches none.
 *
 * Thread: the loop thread; the callback runs between other callbacks, never in
 * signal context.
 */

#include "server/loop/loop.h"

struct gn_signal;
typedef void (*gn_signal_fn)(struct gn_signal *watch, int signum);

struct gn_signal {
    struct gn_loop *loop;
    gn_signal_fn fn;
    union {
        void *align;
        char bytes[56];
    } ev;
};

GN_LOOP_THREAD void gn_signal_start(
        struct gn_signal *watch, struct gn_loop *loop, int signum, gn_signal_fn fn);
GN_LOOP_THREAD void gn_signal_stop(struct gn_signal *watch);

#endif
