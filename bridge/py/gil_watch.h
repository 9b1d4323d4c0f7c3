/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_GIL_WATCH_H
#define GN_BRIDGE_PY_GIL_WATCH_H

/*
 * Whether the GIL moves: while an executor is busy, its messenger is sent for
 * it now and then. When it has waited for gil_watch_ms, the log gets one block
 * with what every thread is doing (bridge/py/dump.h), at most once a minute,
 * and one line when the GIL moves again.
 *
 * Thread: the loop's.
 */

#include <stdbool.h>

#include "bridge/py/messenger.h"
#include "server/loop/loop.h"

struct gn_pyexec;
struct gn_pydump;

struct gn_gil_watch {
    struct gn_pyexec *exec;
    struct gn_timer tick; /* runs while the executor is busy */
    struct gn_errand probe;
    bool is_probe_out;
    gn_deadline stuck_since; /* of the episode in the log; 0: the GIL moves */
    gn_deadline reported_at; /* the last block; 0: none */
    struct gn_pydump *dump;  /* for the log; NULL: none under way */
};

GN_LOOP_THREAD void gn_gil_watch_init(struct gn_gil_watch *watch, struct gn_pyexec *exec);
/** There is work: watch until there is none. */
GN_LOOP_THREAD void gn_gil_watch_begin(struct gn_gil_watch *watch);
/** An errand that is out is left to come back. */
GN_LOOP_THREAD void gn_gil_watch_fini(struct gn_gil_watch *watch);

#endif
