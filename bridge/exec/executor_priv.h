/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_EXEC_EXECUTOR_PRIV_H
#define GN_BRIDGE_EXEC_EXECUTOR_PRIV_H

/*
 * What the loop's half of an executor (executor.c) and its workers
 * (executor_worker.c) share.
 *
 * Lock: `shared.lock`, held for list and number work only, and while a thread
 * is created; no function of anybody else is called under it.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "bridge/exec/executor.h"

enum { GN_EXEC_NAME_BYTES = 16 }; /* with NUL: what the kernel keeps of a thread's name */

struct gn_exec_worker {
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
    char name[GN_EXEC_NAME_BYTES];
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
        struct gn_list idle;      /* struct gn_exec_worker, the last to fall asleep first */
        struct gn_list ended;     /* struct gn_exec_worker, to be joined */
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

static inline void gn_exec_lock(struct gn_executor *exec)
{
    pthread_mutex_lock(&exec->shared.lock);
}

static inline void gn_exec_unlock(struct gn_executor *exec)
{
    pthread_mutex_unlock(&exec->shared.lock);
}

/**
 * Starts a worker, which counts as coming; the lock is held.
 *
 * Returns: false when the system has no further thread
 */
GN_MUST_CHECK bool gn_exec_start_worker(struct gn_executor *exec);

/** Joins threads that have ended; the lock must not be held. */
void gn_exec_join_ended(struct gn_executor *exec);

#endif
