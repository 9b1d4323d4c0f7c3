/* SPDX-License-Identifier: MIT */
/*
 * A worker takes from the queue, runs, pushes what has run, and looks again.
 * When it finds nothing it sleeps on a condition of its own, at the head of
 * `idle`, and ends when nobody has called it for `idle_ms` and the others are
 * enough.
 *
 * A thread cannot join itself: one that has ended puts itself on `ended`, and
 * the next call on the loop thread joins it.
 */
#include <signal.h>
#include <stdio.h>

#include "server/base/alloc.h"
#include "server/base/thread_cond.h"

#include "bridge/exec/executor_priv.h"

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

static void note_arrival(struct gn_exec_worker *self)
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
static bool sleep_until_called(struct gn_exec_worker *self)
{
    struct gn_executor *exec = self->exec;
    gn_deadline until = gn_deadline_after_ms(gn_clock_now(), exec->options.idle_ms);
    bool stays = true;

    gn_list_prepend(&exec->shared.idle, &self->link);
    exec->shared.n_idle++;
    while (!self->is_called && !exec->shared.is_ending && stays) {
        if (!gn_thread_cond_wait_until(&self->called, &exec->shared.lock, until)) {
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
static struct gn_work *next_work(struct gn_exec_worker *self)
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

static void name_thread(const struct gn_exec_worker *self)
{
    char name[GN_EXEC_NAME_BYTES];

    (void)snprintf(name, sizeof(name), "%.10s-%u", self->exec->name, self->number);
    (void)pthread_setname_np(pthread_self(), name);
}

static void *worker_main(void *arg)
{
    struct gn_exec_worker *self = arg;
    struct gn_executor *exec = self->exec;
    struct gn_work *work;

    name_thread(self);
    if (exec->options.on_thread_start != NULL) {
        exec->options.on_thread_start(exec->options.thread_arg);
    }
    gn_exec_lock(exec);
    while ((work = next_work(self)) != NULL) {
        gn_exec_unlock(exec);
        work->run(work);
        push_done(exec, work);
        gn_exec_lock(exec);
    }
    exec->shared.n_threads--;
    gn_exec_unlock(exec);
    if (exec->options.on_thread_exit != NULL) {
        exec->options.on_thread_exit(exec->options.thread_arg);
    }
    gn_exec_lock(exec);
    exec->shared.n_alive--;
    gn_list_append(&exec->shared.ended, &self->link);
    pthread_cond_signal(&exec->shared.one_ended);
    gn_exec_unlock(exec);
    return NULL;
}

/** Signals are for the main thread: workers block them all. */
bool gn_exec_start_worker(struct gn_executor *exec)
{
    struct gn_exec_worker *worker = gn_xcalloc(sizeof(*worker));
    sigset_t all;
    sigset_t before;
    int failed;

    worker->exec = exec;
    worker->number = (unsigned)exec->shared.n_started;
    worker->is_called = true;
    gn_list_init(&worker->link);
    gn_thread_cond_init(&worker->called);
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

void gn_exec_join_ended(struct gn_executor *exec)
{
    struct gn_list ended;
    struct gn_list *node;

    gn_list_init(&ended);
    gn_exec_lock(exec);
    gn_list_splice(&ended, &exec->shared.ended);
    gn_exec_unlock(exec);
    while ((node = gn_list_pop(&ended)) != NULL) {
        struct gn_exec_worker *worker = GN_LIST_ENTRY(node, struct gn_exec_worker, link);

        (void)pthread_join(worker->id, NULL);
        pthread_cond_destroy(&worker->called);
        gn_free(worker);
    }
}
