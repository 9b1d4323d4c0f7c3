/* SPDX-License-Identifier: MIT */
#include "bridge/exec/executor.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "server/base/alloc.h"
#include "server/base/obj.h"

#include "bridge/exec/cond_priv.h"

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
 * A thread cannot join itself: one that has ended puts itself on `ended`, and
 * the next call on the loop thread joins it.
 *
 * Stopping with workers stuck: `is_orphaned` tells them to touch neither the
 * loop nor the stack. A worker between that look and the end of its post is
 * counted in `n_posting`; stopping waits for that moment to pass. The executor
 * is then left to those workers for the rest of the process.
 */

enum { NAME_BYTES = 16 }; /* with NUL: what the kernel keeps of a thread's name */

struct worker {
    struct gn_executor *exec;
    struct gn_list link; /* in `idle` or `ended`; unlinked while it works */
    pthread_t id;
    unsigned number;
    pthread_cond_t called;
    bool is_called;
};

struct gn_executor {
    unsigned magic;
    struct gn_executor_options options;
    char name[NAME_BYTES];
    struct gn_loop *loop;
    struct gn_post finished;

    struct { /* loop thread only */
        unsigned n_unfinished;
        uint64_t n_completed;
        uint64_t n_refused;
        bool is_stopped; /* the last post frees */
    } home;

    struct { /* any thread, under lock */
        pthread_mutex_t lock;
        pthread_cond_t one_ended; /* gn_executor_stop waits */
        struct gn_list queue;     /* struct gn_work, in order of submission */
        struct gn_list idle;      /* struct worker, the last to fall asleep first */
        struct gn_list ended;     /* struct worker, to be joined */
        unsigned n_queued;
        unsigned n_coming;
        unsigned n_threads; /* that serve */
        unsigned n_alive;   /* that have not ended; n_threads and those on their way out */
        unsigned n_idle;
        uint64_t n_started;
        bool is_closed;
        bool is_ending; /* workers end when the queue is empty */
    } shared;

    _Atomic(struct gn_work *) done_stack; /* newest first */
    atomic_bool is_posted;                /* `finished` is on its way */
    atomic_uint n_posting;
    atomic_bool is_orphaned;
};

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

static void lock(struct gn_executor *exec)
{
    pthread_mutex_lock(&exec->shared.lock);
}

static void unlock(struct gn_executor *exec)
{
    pthread_mutex_unlock(&exec->shared.lock);
}

/* ---- on a worker ------------------------------------------------------- */

static void push_done(struct gn_executor *exec, struct gn_work *work)
{
    struct gn_work *head;

    atomic_fetch_add(&exec->n_posting, 1);
    if (!atomic_load(&exec->is_orphaned)) {
        head = atomic_load_explicit(&exec->done_stack, memory_order_relaxed);
        do {
            work->next = head;
        } while (!atomic_compare_exchange_weak_explicit(
                &exec->done_stack, &head, work, memory_order_acq_rel, memory_order_relaxed));
        if (head == NULL) {
            atomic_store(&exec->is_posted, true);
            gn_loop_post(exec->loop, &exec->finished);
        }
    }
    atomic_fetch_sub(&exec->n_posting, 1);
}

static void note_arrival(struct worker *self)
{
    if (self->is_called) {
        self->is_called = false;
        self->exec->shared.n_coming--;
    }
}

/**
 * Sleeps until called; the lock is held. False when it is to end: idle for long
 * and not one of the minimum, or the executor is ending.
 */
static bool sleep_until_called(struct worker *self)
{
    struct gn_executor *exec = self->exec;
    gn_deadline until = gn_deadline_after_ms(gn_clock_now(), exec->options.idle_ms);
    bool stays = true;

    gn_list_prepend(&exec->shared.idle, &self->link);
    exec->shared.n_idle++;
    while (!self->is_called && !exec->shared.is_ending && stays) {
        if (!gn_cond_wait_until(&self->called, &exec->shared.lock, until)) {
            until = GN_NEVER;
            stays = self->is_called || exec->shared.n_threads <= exec->options.min_threads;
        }
    }
    if (gn_list_is_linked(&self->link)) {
        gn_list_unlink(&self->link);
        exec->shared.n_idle--;
    }
    note_arrival(self);
    return stays && !exec->shared.is_ending;
}

/** The next work, or NULL when this worker is to end. The lock is held. */
static struct gn_work *next_work(struct worker *self)
{
    struct gn_executor *exec = self->exec;
    struct gn_list *node;

    note_arrival(self);
    while ((node = gn_list_pop(&exec->shared.queue)) == NULL) {
        if (!sleep_until_called(self) && gn_list_is_empty(&exec->shared.queue)) {
            return NULL;
        }
    }
    exec->shared.n_queued--;
    return GN_LIST_ENTRY(node, struct gn_work, link);
}

static void name_thread(const struct worker *self)
{
    char name[NAME_BYTES];

    (void)snprintf(name, sizeof(name), "%.10s-%u", self->exec->name, self->number);
    (void)pthread_setname_np(pthread_self(), name);
}

static void *worker_main(void *arg)
{
    struct worker *self = arg;
    struct gn_executor *exec = self->exec;
    struct gn_work *work;

    name_thread(self);
    if (exec->options.on_thread_start != NULL) {
        exec->options.on_thread_start(exec->options.thread_arg);
    }
    lock(exec);
    while ((work = next_work(self)) != NULL) {
        unlock(exec);
        work->run(work);
        push_done(exec, work);
        lock(exec);
    }
    exec->shared.n_threads--;
    unlock(exec);
    if (exec->options.on_thread_exit != NULL) {
        exec->options.on_thread_exit(exec->options.thread_arg);
    }
    lock(exec);
    exec->shared.n_alive--;
    gn_list_append(&exec->shared.ended, &self->link);
    pthread_cond_signal(&exec->shared.one_ended);
    unlock(exec);
    return NULL;
}

/* ---- threads, from the loop -------------------------------------------- */

/** The lock is held. Signals are for the main thread: workers block them all. */
static bool start_worker(struct gn_executor *exec)
{
    struct worker *worker = gn_xcalloc(sizeof(*worker));
    sigset_t all;
    sigset_t before;
    int failed;

    worker->exec = exec;
    worker->number = (unsigned)exec->shared.n_started;
    worker->is_called = true;
    gn_list_init(&worker->link);
    gn_cond_init_monotonic(&worker->called);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&worker->id, NULL, worker_main, worker);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        pthread_cond_destroy(&worker->called);
        gn_free(worker);
        return false;
    }
    exec->shared.n_started++;
    exec->shared.n_threads++;
    exec->shared.n_alive++;
    exec->shared.n_coming++;
    return true;
}

/** The lock is held. */
static void call_worker(struct gn_executor *exec)
{
    struct worker *worker = GN_LIST_ENTRY(gn_list_pop(&exec->shared.idle), struct worker, link);

    exec->shared.n_idle--;
    exec->shared.n_coming++;
    worker->is_called = true;
    pthread_cond_signal(&worker->called);
}

/** Joins threads that have ended; the lock must not be held. */
static void join_ended(struct gn_executor *exec)
{
    struct gn_list ended;
    struct gn_list *node;

    gn_list_init(&ended);
    lock(exec);
    gn_list_splice(&ended, &exec->shared.ended);
    unlock(exec);
    while ((node = gn_list_pop(&ended)) != NULL) {
        struct worker *worker = GN_LIST_ENTRY(node, struct worker, link);

        (void)pthread_join(worker->id, NULL);
        pthread_cond_destroy(&worker->called);
        gn_free(worker);
    }
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

/** The lock is held. Wakes a sleeping worker or starts one; false when neither can be had. */
static bool get_help(struct gn_executor *exec)
{
    if (exec->shared.n_idle > 0) {
        call_worker(exec);
        return true;
    }
    return exec->shared.n_threads < exec->options.max_threads && start_worker(exec);
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
    lock(exec);
    rc = enqueue(exec, work);
    has_ended = !gn_list_is_empty(&exec->shared.ended);
    unlock(exec);
    if (rc == GN_OK) {
        exec->home.n_unfinished++;
    } else if (rc == GN_ERR_FULL) {
        exec->home.n_refused++;
    }
    if (has_ended) {
        join_ended(exec);
    }
    return rc;
}

bool gn_executor_withdraw(struct gn_executor *exec, struct gn_work *work)
{
    bool was_queued;

    GN_CHECK_OBJ(exec, GN_EXECUTOR_MAGIC);
    lock(exec);
    was_queued = gn_list_is_linked(&work->link);
    if (was_queued) {
        gn_list_unlink(&work->link);
        exec->shared.n_queued--;
    }
    unlock(exec);
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

    lock(exec);
    stats.n_threads = exec->shared.n_threads;
    stats.n_idle = exec->shared.n_idle;
    stats.n_queued = exec->shared.n_queued;
    stats.n_started = exec->shared.n_started;
    unlock(exec);
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
    gn_cond_init_monotonic(&exec->shared.one_ended);
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
    lock(exec);
    exec->shared.is_closed = true;
    unlock(exec);
}

/** Waits for the workers to finish the queue and end. What is left of it goes to `left_out`. */
static bool end_workers(struct gn_executor *exec, gn_deadline deadline, struct gn_list *left_out)
{
    bool in_time = true;
    bool have_ended;

    lock(exec);
    exec->shared.is_closed = true;
    exec->shared.is_ending = true;
    while (exec->shared.n_idle > 0) {
        call_worker(exec);
    }
    while (exec->shared.n_alive > 0 && in_time) {
        in_time = gn_cond_wait_until(&exec->shared.one_ended, &exec->shared.lock, deadline);
    }
    gn_list_splice(left_out, &exec->shared.queue);
    exec->shared.n_queued = 0;
    have_ended = exec->shared.n_alive == 0;
    unlock(exec);
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
    join_ended(ending);
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
