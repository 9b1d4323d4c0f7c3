/* SPDX-License-Identifier: MIT */
/*
 * Out: a list under a lock. Work goes to the worker that fell asleep last, if
 * one sleeps, else to a new thread, else it waits. Each worker sleeps on a
 * condition of its own, so that exactly the one that was called wakes, and the
 * ones that have slept longest are left to retire. `n_coming` counts workers
 * called or started that have not looked at the queue yet: so much of the queue
 * is not really waiting, and does not count towards its limit.
 *
 * Back: a stack with one atomic head that workers push to and the loop takes
 * whole; the push that finds it empty posts `finished`. That post may be posted
 * again once its function has begun, and the function takes the stack after
 * that, so no completion is left behind. Taking releases and pushing acquires:
 * who finds the stack empty also sees that the post is free again.
 *
 * Stopping with workers stuck: `is_orphaned` tells them to touch neither the
 * loop nor the stack. A worker between that look and the end of its post is
 * counted in `n_posting`; stopping waits for that moment to pass. The executor
 * is then left to those workers for the rest of the process.
 */
#include "bridge/exec/executor.h"

#include <sched.h>
#include <stdio.h>

#include "server/base/alloc.h"
#include "server/base/obj.h"
#include "server/base/thread_cond.h"

#include "bridge/exec/executor_priv.h"

#define GN_EXECUTOR_MAGIC 0x3f92c0aeu

struct gn_executor_options gn_executor_options_default(void)
{
    return (struct gn_executor_options){
            .max_threads = 16,
            .idle_ms = 10 * 1000,
            .queue_limit = 1024,
            .name = "gn-exec",
    };
}

/* ---- work, from the loop ----------------------------------------------- */

GN_LOOP_THREAD static void finish(
        struct gn_executor *exec, struct gn_work *work, enum gn_err status)
{
    exec->home.n_unfinished--;
    if (status == GN_OK) {
        exec->home.n_completed++;
    }
    work->done(work, status);
}

/** Calls `done` of everything that has run, in the order it ended. */
GN_LOOP_THREAD static void take_done(struct gn_executor *exec)
{
    struct gn_work *newest =
            atomic_exchange_explicit(&exec->done_stack, NULL, memory_order_acq_rel);
    struct gn_work *oldest = NULL;

    while (newest != NULL) {
        struct gn_work *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct gn_work *work = oldest;

        oldest = work->next; /* before `done`, which may free it */
        finish(exec, work, GN_OK);
    }
}

static void free_executor(struct gn_executor *exec)
{
    pthread_mutex_destroy(&exec->shared.lock);
    pthread_cond_destroy(&exec->shared.one_ended);
    exec->magic = 0;
    gn_free(exec);
}

static void on_finished(struct gn_post *post)
{
    struct gn_executor *exec = GN_CONTAINER_OF(post, struct gn_executor, finished);

    GN_CHECK_OBJ(exec, GN_EXECUTOR_MAGIC);
    gn_assert_loop_thread(exec->loop);
    atomic_store(&exec->is_posted, false);
    if (exec->home.is_stopped) {
        free_executor(exec);
        return;
    }
    take_done(exec);
}

/** The lock is held. */
static void call_worker(struct gn_executor *exec)
{
    struct gn_exec_worker *worker =
            GN_LIST_ENTRY(gn_list_pop(&exec->shared.idle), struct gn_exec_worker, link);

    exec->shared.n_idle--;
    exec->shared.n_coming++;
    worker->is_called = true;
    pthread_cond_signal(&worker->called);
}

/** The lock is held. Wakes a sleeping worker or starts one; false when neither can be had. */
static bool get_help(struct gn_executor *exec)
{
    if (exec->shared.n_idle > 0) {
        call_worker(exec);
        return true;
    }
    return exec->shared.n_threads < exec->options.max_threads && gn_exec_start_worker(exec);
}

/** The lock is held. */
static enum gn_err enqueue(struct gn_executor *exec, struct gn_work *work)
{
    if (exec->shared.is_closed) {
        return GN_ERR_CLOSED;
    }
    if (!get_help(exec)) {
        if (exec->shared.n_threads == 0) {
            return GN_ERR_SYSTEM;
        }
        if (exec->shared.n_queued >= exec->options.queue_limit + exec->shared.n_coming) {
            return GN_ERR_FULL;
        }
    }
    gn_list_append(&exec->shared.queue, &work->link);
    exec->shared.n_queued++;
    return GN_OK;
}

enum gn_err gn_executor_submit(struct gn_executor *exec, struct gn_work *work)
{
    enum gn_err rc;
    bool has_ended;

    GN_CHECK_OBJ(exec, GN_EXECUTOR_MAGIC);
    gn_exec_lock(exec);
    rc = enqueue(exec, work);
    has_ended = !gn_list_is_empty(&exec->shared.ended);
    gn_exec_unlock(exec);
    if (rc == GN_OK) {
        exec->home.n_unfinished++;
    } else if (rc == GN_ERR_FULL) {
        exec->home.n_refused++;
    }
    if (has_ended) {
        gn_exec_join_ended(exec);
    }
    return rc;
}

bool gn_executor_withdraw(struct gn_executor *exec, struct gn_work *work)
{
    bool was_queued;

    GN_CHECK_OBJ(exec, GN_EXECUTOR_MAGIC);
    gn_exec_lock(exec);
    was_queued = gn_list_is_linked(&work->link);
    if (was_queued) {
        gn_list_unlink(&work->link);
        exec->shared.n_queued--;
    }
    gn_exec_unlock(exec);
    if (was_queued) {
        exec->home.n_unfinished--;
    }
    return was_queued;
}

struct gn_executor_stats gn_executor_stats(struct gn_executor *exec)
{
    struct gn_executor_stats stats = {
            .n_unfinished = exec->home.n_unfinished,
            .n_completed = exec->home.n_completed,
            .n_refused = exec->home.n_refused,
    };

    gn_exec_lock(exec);
    stats.n_threads = exec->shared.n_threads;
    stats.n_idle = exec->shared.n_idle;
    stats.n_queued = exec->shared.n_queued;
    stats.n_started = exec->shared.n_started;
    gn_exec_unlock(exec);
    return stats;
}

/* ---- life -------------------------------------------------------------- */

struct gn_executor *gn_executor_create(
        struct gn_loop *loop, const struct gn_executor_options *options)
{
    struct gn_executor *exec = gn_xcalloc(sizeof(*exec));

    gn_assert(options->max_threads > 0 && options->min_threads <= options->max_threads);
    exec->magic = GN_EXECUTOR_MAGIC;
    exec->options = *options;
    (void)snprintf(exec->name, sizeof(exec->name), "%s", options->name);
    exec->options.name = exec->name;
    exec->loop = loop;
    exec->finished.fn = on_finished;
    pthread_mutex_init(&exec->shared.lock, NULL);
    gn_thread_cond_init(&exec->shared.one_ended);
    gn_list_init(&exec->shared.queue);
    gn_list_init(&exec->shared.idle);
    gn_list_init(&exec->shared.ended);
    atomic_init(&exec->done_stack, NULL);
    atomic_init(&exec->is_posted, false);
    atomic_init(&exec->n_posting, 0);
    atomic_init(&exec->is_orphaned, false);
    return exec;
}

void gn_executor_close(struct gn_executor *exec)
{
    GN_CHECK_OBJ(exec, GN_EXECUTOR_MAGIC);
    gn_exec_lock(exec);
    exec->shared.is_closed = true;
    gn_exec_unlock(exec);
}

/** Waits for the workers to finish the queue and end. What is left of it goes to `left_out`. */
static bool end_workers(struct gn_executor *exec, gn_deadline deadline, struct gn_list *left_out)
{
    bool in_time = true;
    bool have_ended;

    gn_exec_lock(exec);
    exec->shared.is_closed = true;
    exec->shared.is_ending = true;
    while (exec->shared.n_idle > 0) {
        call_worker(exec);
    }
    while (exec->shared.n_alive > 0 && in_time) {
        in_time = gn_thread_cond_wait_until(&exec->shared.one_ended, &exec->shared.lock, deadline);
    }
    gn_list_splice(left_out, &exec->shared.queue);
    exec->shared.n_queued = 0;
    have_ended = exec->shared.n_alive == 0;
    gn_exec_unlock(exec);
    return have_ended;
}

GN_LOOP_THREAD static void refuse(struct gn_executor *exec, struct gn_list *left)
{
    struct gn_list *node;

    while ((node = gn_list_pop(left)) != NULL) {
        finish(exec, GN_LIST_ENTRY(node, struct gn_work, link), GN_ERR_CLOSED);
    }
}

enum gn_err gn_executor_stop(struct gn_executor **exec, gn_deadline deadline)
{
    struct gn_executor *ending = *exec;
    struct gn_list left;
    bool have_ended;

    if (ending == NULL) {
        return GN_OK;
    }
    GN_CHECK_OBJ(ending, GN_EXECUTOR_MAGIC);
    *exec = NULL;
    gn_list_init(&left);
    have_ended = end_workers(ending, deadline, &left);
    gn_exec_join_ended(ending);
    if (!have_ended) {
        atomic_store(&ending->is_orphaned, true);
        while (atomic_load(&ending->n_posting) > 0) {
            (void)sched_yield(); /* at most one write to the loop's eventfd away */
        }
    }
    take_done(ending);
    refuse(ending, &left);
    if (!have_ended) {
        return GN_ERR_TIMEOUT;
    }
    if (atomic_load(&ending->is_posted)) {
        ending->home.is_stopped = true;
    } else {
        free_executor(ending);
    }
    return GN_OK;
}
