/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_LOOP_TASK_H
#define GN_SERVER_LOOP_TASK_H

/*
 * Tasks: functions on small stacks of their own that may wait without blocking
 * the loop. Application handlers are tasks; connections are not (they are step
 * machines and own no stack while idle).
 *
 * A task starts at once, on a stack from the loop's pool. If it returns
 * without waiting, the stack goes to the next task. If it waits, it keeps its
 * stack until it returns.
 *
 * Every wait takes an absolute deadline; GN_NEVER must be written out.
 * Cancelling a task makes its pending and every later wait return
 * GN_ERR_CANCELLED; it unwinds by returning and is never killed.
 *
 * Thread: the loop thread. No Python runs on a task stack; no task runs on a
 * worker thread. Stacks are 64 KiB with a guard page: no arrays over 4 KiB.
 */

#include <stdbool.h>

#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/loop/loop.h"

struct gn_task;
struct gn_task_pool;

typedef void (*gn_task_fn)(void *arg);

/**
 * A pool of stacks for one loop.
 *
 * Units: max_tasks bounds the tasks alive at once; max_idle_stacks those kept mapped for reuse.
 */
GN_LOOP_THREAD struct gn_task_pool *gn_task_pool_create(
        struct gn_loop *loop, unsigned max_tasks, unsigned max_idle_stacks);
/** No task may be alive. */
GN_LOOP_THREAD void gn_task_pool_destroy(struct gn_task_pool **pool);
unsigned gn_task_pool_n_alive(const struct gn_task_pool *pool);

/**
 * Runs `fn(arg)` as a task until it returns or first waits.
 *
 * Returns: GN_OK          it has run; `*task_out` (may be NULL) is NULL when it has returned
 *                         already, else a borrowed handle, valid until the task returns
 *          GN_ERR_FULL    max_tasks are alive
 *          GN_ERR_SYSTEM  no stack could be mapped
 */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_task_start(
        struct gn_task_pool *pool, gn_task_fn fn, void *arg, struct gn_task **task_out);

/** The running task, or NULL on the loop's own stack. */
GN_LOOP_THREAD struct gn_task *gn_task_current(void);
/**
 * Makes the pending wait of `task` and every later one return GN_ERR_CANCELLED.
 * A task that is waiting runs during this call, and has usually returned after
 * it: the exceptions are waits that something else still needs (a function on
 * a worker thread, gn_cond_await_shielded, a cancelled child). A task that is
 * running, the calling one included, learns of it at its next wait.
 */
GN_LOOP_THREAD void gn_task_cancel(struct gn_task *task);
GN_LOOP_THREAD bool gn_task_is_cancelled(const struct gn_task *task);
/** The loop of the running task. */
GN_LOOP_THREAD struct gn_loop *gn_task_loop(void);

/* All of these may only be called from a task. */

/** Returns GN_OK at `until`, or GN_ERR_CANCELLED. Lets the loop turn at least once. */
GN_LOOP_THREAD GN_AWAITS GN_MUST_CHECK enum gn_err gn_sleep_await(gn_deadline until);

/**
 * Waits until `fd` is ready for any of `events` (GN_IO_READ, GN_IO_WRITE).
 *
 * Returns: GN_OK (`*ready_out`, may be NULL, says which), GN_ERR_TIMEOUT, GN_ERR_CANCELLED
 */
GN_LOOP_THREAD GN_AWAITS GN_MUST_CHECK enum gn_err gn_fd_await(
        int fd, unsigned events, unsigned *ready_out, gn_deadline deadline);

/**
 * Waits until `task`, a child from gn_task_spawn, has returned; OK at once
 * when it has. `*task` is set to NULL on GN_OK. A child that has been cancelled
 * is waited for even when the caller is cancelled too: it is on its way out.
 *
 * Returns: GN_OK, GN_ERR_TIMEOUT, GN_ERR_CANCELLED
 */
GN_LOOP_THREAD GN_AWAITS GN_MUST_CHECK enum gn_err gn_task_join_await(
        struct gn_task **task, gn_deadline deadline);

/**
 * Starts a task that belongs to the calling one: it must be joined, or
 * cancelled and joined, before its parent returns (asserted). Unlike
 * gn_task_start the handle stays valid until the join.
 */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_task_spawn(
        gn_task_fn fn, void *arg, struct gn_task **task_out);

/**
 * Cancels a child and waits until it has returned, whatever happens: for the
 * way out. NULL is allowed; `*task` is set to NULL.
 */
GN_LOOP_THREAD GN_AWAITS void gn_task_reap_await(struct gn_task **task);

#endif
