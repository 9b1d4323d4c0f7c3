/* SPDX-License-Identifier: MIT */
#include "server/loop/cond.h"

#include "server/base/alloc.h"

#include "server/loop/task_priv.h"

/*
 * A waiter lies on its task's stack. Signalling takes it off the list, so two
 * signals in one turn wake two tasks, and a task that was signalled keeps its
 * signal even when its deadline passes or it is cancelled before it runs.
 */

struct waiter {
    struct gn_list link;
    struct gn_task *task;
};

void gn_cond_init(struct gn_cond *cond)
{
    gn_list_init(&cond->waiters);
}

GN_LOOP_THREAD static bool wake_first(struct gn_cond *cond)
{
    struct gn_list *node = gn_list_pop(&cond->waiters);

    if (node == NULL) {
        return false;
    }
    gn_task_wake(GN_LIST_ENTRY(node, struct waiter, link)->task, GN_OK);
    return true;
}

void gn_cond_signal(struct gn_cond *cond)
{
    (void)wake_first(cond);
}

void gn_cond_broadcast(struct gn_cond *cond)
{
    while (wake_first(cond)) {
    }
}

GN_LOOP_THREAD static enum gn_err await(
        struct gn_cond *cond, enum gn_task_state state, gn_deadline deadline)
{
    struct waiter waiter = {.task = gn_task_self()};
    enum gn_err rc;

    if (deadline <= gn_loop_now(gn_task_loop())) {
        return GN_ERR_TIMEOUT;
    }
    gn_list_append(&cond->waiters, &waiter.link);
    rc = gn_task_suspend(state, deadline);
    gn_list_unlink(&waiter.link);
    return rc;
}

enum gn_err gn_cond_await(struct gn_cond *cond, gn_deadline deadline)
{
    return await(cond, GN_TASK_WAITING, deadline);
}

enum gn_err gn_cond_await_shielded(struct gn_cond *cond, gn_deadline deadline)
{
    return await(cond, GN_TASK_SHIELDED, deadline);
}
