/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_EXEC_RUN_H
#define GN_BRIDGE_EXEC_RUN_H

/*
 * Blocking C functions from a task: Tornado's run_in_executor.
 *
 * Two forms, which differ in who owns the argument:
 *
 *  - gn_executor_run_await: a call that may be withdrawn while it waits for a
 *    worker, but is waited for once it runs. So `arg` may live on the caller's
 *    stack.
 *  - gn_job: an object of its own that can be abandoned at any time. So it owns
 *    its data and frees it when the function has returned.
 *
 * Thread: the loop thread; `fn` and `run` on a worker.
 */

#include "bridge/exec/executor.h"
#include "server/base/clock.h"
#include "server/base/err.h"

typedef void (*gn_run_fn)(void *arg);

/**
 * Runs `fn(arg)` on a worker and waits until it has returned. Only from a task.
 *
 * At the deadline, and when the task is cancelled, work that is still queued
 * is withdrawn. Once `fn` runs nothing cuts the wait short: bound the time in `fn`.
 *
 * Returns: GN_OK             fn has run, in time or not
 *          GN_ERR_TIMEOUT    no worker was free before the deadline; fn never ran
 *          GN_ERR_CANCELLED  the task was cancelled first; fn never ran
 *          GN_ERR_FULL, GN_ERR_CLOSED, GN_ERR_SYSTEM  as gn_executor_submit; fn never ran
 */
GN_LOOP_THREAD GN_AWAITS GN_MUST_CHECK enum gn_err gn_executor_run_await(
        struct gn_executor *exec, gn_run_fn fn, void *arg, gn_deadline deadline);

struct gn_job;

struct gn_job_ops {
    /** On a worker. */
    void (*run)(void *data);
    /**
     * On the loop thread, once, unless the job was abandoned. `data` is freed after it.
     * status: GN_OK, or GN_ERR_CLOSED when it never ran because the executor was stopped
     */
    void (*done)(void *data, enum gn_err status, void *owner);
    /** On the loop thread, once, last, run or not. NULL: gn_free. */
    void (*free_data)(void *data);
};

/**
 * Queues a job, which owns `data` from now on.
 *
 * Returns: GN_OK         `*job_out` (may be NULL) is a borrowed handle, valid until `done` returns
 *          GN_ERR_FULL, GN_ERR_CLOSED, GN_ERR_SYSTEM  as gn_executor_submit; `data` has been
 *                        freed, `done` does not follow
 */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_job_start(struct gn_executor *exec,
        const struct gn_job_ops *ops, void *take_data, void *owner, struct gn_job **job_out);

/**
 * `done` will not be called. A job that no worker has started never runs; one
 * that runs frees its data when it has. `*job` is set to NULL; NULL is allowed.
 */
GN_LOOP_THREAD void gn_job_abandon(struct gn_job **job);

#endif
