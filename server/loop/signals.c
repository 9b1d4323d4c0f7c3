/* SPDX-License-Identifier: MIT */
#include "server/loop/signals.h"

#include "server/base/alloc.h"

#include "server/loop/loop_priv.h"

/*
 * libev installs a handler (SA_RESTART) that sets a flag and writes to the
 * loop's eventfd. signalfd is not used: it needs the signal blocked in every
 * thread, and programs started by the application would inherit that mask.
 */

_Static_assert(sizeof(ev_signal) <= sizeof(((struct gn_signal *)0)->ev), "ev_signal fits");

static ev_signal *watcher(struct gn_signal *watch)
{
    return (ev_signal *)(void *)&watch->ev;
}

static void on_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
    struct gn_signal *watch = GN_CONTAINER_OF(w, struct gn_signal, ev);

    (void)ev;
    (void)revents;
    gn_assert_loop_thread(watch->loop);
    watch->fn(watch, w->signum);
}

void gn_signal_start(struct gn_signal *watch, struct gn_loop *loop, int signum, gn_signal_fn fn)
{
    gn_signal_stop(watch);
    watch->loop = loop;
    watch->fn = fn;
    ev_signal_init(watcher(watch), on_signal, signum);
    ev_signal_start(loop->ev, watcher(watch));
}

void gn_signal_stop(struct gn_signal *watch)
{
    if (watch->loop != NULL) {
        ev_signal_stop(watch->loop->ev, watcher(watch));
    }
}
