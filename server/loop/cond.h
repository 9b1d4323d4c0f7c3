/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_LOOP_COND_H
#define GN_SERVER_LOOP_COND_H

/*
 * A condition that tasks wait for. There is no lock: everything is on the loop
 * thread. No spurious wake-ups, but the state may have changed again by the
 * time the task runs: re-check it.
 *
 * Ownership: embedded; no task may be waiting when it dies.
 */

#include "server/base/list.h"
#include "server/loop/task.h"

struct gn_cond {
    struct gn_list waiters; /* in order of arrival */
};

void gn_cond_init(struct gn_cond *cond);
/** Wakes the longest waiting task, if any; it runs later in this turn. */
GN_LOOP_THREAD void gn_cond_signal(struct gn_cond *cond);
GN_LOOP_THREAD void gn_cond_broadcast(struct gn_cond *cond);
/** Returns: GN_OK when signalled, GN_ERR_TIMEOUT, GN_ERR_CANCELLED. */
GN_LOOP_THREAD GN_AWAITS GN_MUST_CHECK enum gn_err gn_cond_await(
        struct gn_cond *cond, gn_deadline deadline);
/**
 * The same, but cancellation does not cut it short: for memory that another
 * thread still uses. The signal must be certain to come soon.
 *
 * Returns: GN_OK when signalled, GN_ERR_TIMEOUT
 */
GN_LOOP_THREAD GN_AWAITS GN_MUST_CHECK enum gn_err gn_cond_await_shielded(
        struct gn_cond *cond, gn_deadline deadline);

#endif
