/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_WATCHDOG_H
#define GN_BRIDGE_PY_WATCHDOG_H

/*
 * Somebody who looks at the clock while a thread is busy with code it cannot
 * interrupt: a short-lived thread that calls a function when a deadline passes
 * before it is told that all is well.
 *
 * Ownership: embedded; must be ended before it dies.
 */

#include <pthread.h>
#include <stdbool.h>

#include "server/base/clock.h"

/** Runs on the watchdog's thread; returns the next deadline to watch, or GN_NEVER to stop. */
typedef gn_deadline (*gn_watchdog_fn)(void *arg);

struct gn_watchdog {
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows; taken by nobody for long */
    pthread_cond_t ended;
    gn_deadline deadline;
    bool is_over;
    bool is_running; /* a thread could be had */
    gn_watchdog_fn on_late;
    void *arg;
};

/** Starts watching. Without a thread to be had it watches nothing: the exit may then hang. */
void gn_watchdog_begin(
        struct gn_watchdog *dog, gn_deadline deadline, gn_watchdog_fn on_late, void *arg);
/** All is well: `on_late` is not running and will not run any more. */
void gn_watchdog_end(struct gn_watchdog *dog);

#endif
