/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_THREAD_EXIT_H
#define GN_BRIDGE_PY_THREAD_EXIT_H

/*
 * What a worker thread does before it ends, when it was idle for too long or
 * the server stops: it closes what belongs to it alone.
 *
 *  - Callables in `threading.current_thread().gustnado_at_exit`, a list that each
 *    worker has, run on that worker, the last one first. A view that opens a
 *    connection for its thread appends its close() there.
 *  - Django's database connections of that thread are closed, if Django is loaded.
 *
 * Thread-locals are dropped by Python itself after that.
 */

#include "server/base/attr.h"

/* At most so many callables run, so that one that adds itself anew cannot go on for ever. */
#define GN_THREAD_EXIT_MAX 1000

/** Gives the threading.Thread (a PyObject *) its list. Logs what goes wrong. */
GN_NEEDS_GIL void gn_thread_exit_prepare(void *thread);

/** Runs what the list holds; on that thread. An exception is logged, and the next one runs. */
GN_NEEDS_GIL void gn_thread_exit_run(void *thread);

#endif
