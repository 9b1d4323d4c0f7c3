/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_EXEC_EXECUTOR_H
#define GN_BRIDGE_EXEC_EXECUTOR_H

/*
 * Worker threads for C functions that block: databases, name look-ups, disks.
 * Handlers use bridge/exec/run.h; this is the pool beneath it. Python never
 * runs here (bridge/py/pyexec.h).
 *
 * Work goes out under one lock, to an idle worker or a new one; what has run
 * comes back over a lock-free stack, and only the worker that finds it empty
 * wakes the loop.
 *
 * Thread: the loop thread, but for the functions handed to it. No lock is held
 * while any of them runs.
 */

#include <stdint.h>

#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/base/list.h"
#include "server/loop/loop.h"

struct gn_executor;
struct gn_work;

/** Embedded in what is run; alive until `done`, or until it has been withdrawn. */
struct gn_work {
    /** On a worker thread. */
    void (*run)(struct gn_work *work);
    /**
     * On the loop thread, once; may free the work.
     * status: GN_OK          it has run
     *         GN_ERR_CLOSED  it never will: the executor was stopped
     */
    void (*done)(struct gn_work *work, enum gn_err status);

    /* private */
    struct gn_list link;  /* queued; under the executor's lock */
    struct gn_work *next; /* completion stack */
};

struct gn_executor_options {
    unsigned min_threads; /* kept when idle; 0: none; none is started before it is needed */
    unsigned max_threads; /* at least 1 */
    int64_t idle_ms;      /* a surplus worker retires after this */
    unsigned queue_limit; /* work waiting for a worker; beyond: GN_ERR_FULL */
    const char *name;     /* of the threads, "name-3"; at most 10 characters count */
    void (*on_thread_start)(void *arg); /* on the new worker; NULL allowed */
    void (*on_thread_exit)(void *arg);  /* on the worker, before it ends; NULL allowed */
    void *thread_arg;
};

/** 0 to 16 threads, idle for 10 s, 1024 waiting, "gn-exec". */
struct gn_executor_options gn_executor_options_default(void);

struct gn_executor_stats {
    unsigned n_threads;
    unsigned n_idle;
    unsigned n_queued;
    unsigned n_unfinished; /* submitted, and neither done nor withdrawn */
    uint64_t n_completed;  /* since the start */
    uint64_t n_refused;    /* since the start: full */
    uint64_t n_started;    /* threads since the start */
};

/** `options` is copied, name included. Never NULL. */
GN_LOOP_THREAD struct gn_executor *gn_executor_create(
        struct gn_loop *loop, const struct gn_executor_options *options);

/**
 * Queues work; a worker takes it in order of submission.
 *
 * Returns: GN_OK          `done` follows, never during this call
 *          GN_ERR_FULL    queue_limit are waiting; nothing was taken
 *          GN_ERR_CLOSED  gn_executor_close has been called; nothing was taken
 *          GN_ERR_SYSTEM  no worker exists and no thread could be started
 */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_executor_submit(
        struct gn_executor *exec, struct gn_work *work);

/** Takes back work that no worker has started: true; then `done` does not follow. */
GN_LOOP_THREAD GN_MUST_CHECK bool gn_executor_withdraw(
        struct gn_executor *exec, struct gn_work *work);

GN_LOOP_THREAD struct gn_executor_stats gn_executor_stats(struct gn_executor *exec);

/** Refuses new work from now on; what was taken runs to its end. */
GN_LOOP_THREAD void gn_executor_close(struct gn_executor *exec);

/**
 * Closes, and blocks the calling thread until everything taken has run and its
 * `done` too, or until `deadline`; then `done(…, GN_ERR_CLOSED)` for what is
 * still queued. For the end of the program: while the loop runs, close, and
 * look at n_unfinished.
 *
 * Returns: GN_OK           all workers have ended; `*exec` is NULL
 *          GN_ERR_TIMEOUT  some are still in a function; what they use must stay
 *                          alive. `*exec` is NULL; `done` of theirs is not called
 */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_executor_stop(
        struct gn_executor **exec, gn_deadline deadline);

#endif
