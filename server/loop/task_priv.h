/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_LOOP_TASK_PRIV_H
#define GN_SERVER_LOOP_TASK_PRIV_H

/* How waits are built: task.c suspends and resumes, cond.c decides why too. */

#include "server/loop/task.h"
#include "server/loop/task_fiber.h"

enum gn_task_state {
    GN_TASK_RUNNING,  /* on the processor, or below one that it resumed */
    GN_TASK_WAITING,  /* until woken, its deadline, or cancelled */
    GN_TASK_SHIELDED, /* until woken or its deadline */
    GN_TASK_WOKEN,    /* its wait is over; it runs later in this turn */
    GN_TASK_ENDED,    /* has returned; a child that is not joined yet */
};

/** Lies at the top of the stack it runs on. */
struct gn_task {
    unsigned magic;
    enum gn_task_state state;
    bool is_cancelled;
    enum gn_err woken_by; /* what the wait returns; valid when it ends */
    struct gn_task_pool *pool;
    struct gn_task *caller; /* who resumed it; NULL: the loop. While RUNNING */
    struct gn_task *parent; /* who must join it; NULL: nobody */
    struct gn_task *joiner; /* who waits in gn_task_join_await */
    gn_task_fn fn;
    void *arg;
    struct gn_list link;     /* in the pool's idle list, or the parent's children */
    struct gn_list children; /* spawned and not joined */
    struct gn_defer resume;  /* queued while WOKEN */
    struct gn_timer timer;   /* the deadline of the wait */
    struct gn_fiber fiber;
};

#define GN_TASK_MAGIC 0x5b1f8e27u

/**
 * Suspends the running task. state: WAITING or SHIELDED.
 *
 * Returns: what gn_task_wake said, GN_ERR_TIMEOUT, or GN_ERR_CANCELLED (WAITING
 *          only; at once when it is cancelled already)
 */
GN_LOOP_THREAD enum gn_err gn_task_suspend(enum gn_task_state state, gn_deadline deadline);

/** Ends the wait of a suspended task, which runs later in this turn. */
GN_LOOP_THREAD void gn_task_wake(struct gn_task *task, enum gn_err why);

/** The same, but it runs during this call: from callbacks of the loop only. */
GN_LOOP_THREAD void gn_task_wake_now(struct gn_task *task, enum gn_err why);

/** The running task; asserts that there is one. */
GN_LOOP_THREAD struct gn_task *gn_task_self(void);

/** Gives the stack of an ended task back. */
GN_LOOP_THREAD void gn_task_release(struct gn_task *task);

#endif
