/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_LATE_H
#define GN_BRIDGE_PY_LATE_H

/*
 * What becomes of a call that has run out of time while a worker runs it:
 *
 *  1. The log says which call, how long it queued and ran, and where its
 *     worker is: the Python stack of that moment.
 *  2. TimeoutError is raised there, once, at the next bytecode the call
 *     executes. It can hit that call only: it is raised under the GIL while
 *     the worker is in it, and what was not delivered by its end is withdrawn.
 *     From now on it takes no room: other dear calls may begin (rule 8). In the
 *     limit of its family it counts until it ends, for it has a worker.
 *  3. Has it not ended stuck_ms later, its worker is stuck: counted, and said
 *     in the log; again when it comes back. Others take its place as long as
 *     max_threads allows.
 *  4. When no call can run any more, because all workers are stuck or one of
 *     them never let go of the GIL, the owner is told (options.exhausted).
 *
 * Thread: the loop's.
 */

#include "bridge/py/pyexec.h"
#include "server/base/slice.h"

/**
 * Says that `call`, which gn_pyexec_withdraw could not take back, is late.
 * Once per call, before its `done`.
 *
 * Valid: `what`, which names the call in the log, is copied
 */
GN_LOOP_THREAD void gn_pyexec_late(
        struct gn_pyexec *exec, struct gn_pycall *call, struct gn_slice what);

/** Called by the call itself, on its worker: whether TimeoutError has been raised in it. */
GN_WORKER_THREAD GN_NEEDS_GIL bool gn_pyexec_was_interrupted(
        struct gn_pyexec *exec, const struct gn_pycall *call);

#endif
