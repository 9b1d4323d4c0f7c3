/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_PYWORKER_H
#define GN_BRIDGE_PY_PYWORKER_H

/*
 * What a worker of a Python executor does: take a call, run it, send it back,
 * take the next one, and sleep without the GIL when none waits.
 */

#include "server/base/attr.h"

struct gn_pyexec;
struct gn_pyworker;

/** The life of one worker, on its own thread: returns when it has left. */
GN_NEEDS_GIL void gn_pyworker_live(struct gn_pyworker *w);

/** Drops the references that wait to be dropped; between calls, and amid one that streams. */
GN_NEEDS_GIL void gn_pyworker_drop_waiting(struct gn_pyexec *exec);

#endif
