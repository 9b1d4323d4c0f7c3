/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_PYCREW_H
#define GN_BRIDGE_PY_PYCREW_H

/*
 * The workers of a Python executor as a crew: hired, looked after, dismissed.
 * They are threads that Python itself starts (threading.Thread), so that their
 * names, thread-locals, profilers and debuggers behave as everywhere else.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/attr.h"
#include "server/base/clock.h"

struct gn_pyexec;

/** Starts one more worker, which counts from now on. With the executor's lock held.
 *  Returns: false when no thread could be had, now or within the last second. */
GN_ANY_THREAD bool gn_pycrew_start_locked(struct gn_pyexec *exec);

/** Logs why none could be had (shared.births_errno; 0: nothing to say). Without the lock. */
void gn_pycrew_report(int births_errno);

/**
 * Looks which workers use their processor and which wait outside Python, by
 * their CPU time since the last look, and classes calls anew that run for longer
 * than their class says. With the executor's lock held.
 *
 * Units: elapsed_ns: since the last look; 0: this is the first, nobody is known to wait
 */
GN_LOOP_THREAD void gn_pycrew_look_locked(
        struct gn_pyexec *exec, gn_deadline now, int64_t elapsed_ns);

/**
 * Lets go of the workers that have left and whose threads have ended. With
 * `may_wait`, from a thread that Python knows, gives each a second to end.
 *
 * Returns: false when some are left: something they own hangs when dropped
 */
GN_NEEDS_GIL bool gn_pycrew_reap(struct gn_pyexec *exec, bool may_wait);

/** Frees what reaping let go of. When nobody can wake a worker any more. */
void gn_pycrew_free_spare(struct gn_pyexec *exec);

/**
 * Has every worker leave and joins them. Runs turns of the loop meanwhile: a
 * call that writes to a client needs it to end.
 *
 * Returns: false when some were still busy at `deadline`, or do not end
 */
GN_LOOP_THREAD bool gn_pycrew_end(struct gn_pyexec *exec, gn_deadline deadline);

#endif
