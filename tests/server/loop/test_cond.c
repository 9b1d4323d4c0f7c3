/* SPDX-License-Identifier: MIT */
#include "server/loop/cond.h"
#include "tests/support/test.h"

enum { N_WAITERS = 4 };

struct waiting {
    struct fixture *fixture;
    gn_deadline deadline;
    bool shielded;
    enum gn_err rc;
    unsigned order; /* 1 for who ran first; 0: still waiting */
    struct gn_task *task;
};

struct fixture {
    struct gn_loop *loop;
    struct gn_task_pool *pool;
    struct gn_cond cond;
    unsigned n_run;
    struct waiting waiting[N_WAITERS];
};

static void wait_once(void *arg)
{
    struct waiting *w = arg;
    struct fixture *f = w->fixture;

    gn_assert_loop_thread(f->loop);
    w->rc = w->shielded ? gn_cond_await_shielded(&f->cond, w->deadline)
                        : gn_cond_await(&f->cond, w->deadline);
    w->order = ++f->n_run;
}

static void setup(struct fixture *f)
{
    *f = (struct fixture){.n_run = 0};
    cr_assert_eq(gn_loop_create(&f->loop, NULL), GN_OK);
    gn_assert_loop_thread(f->loop);
    f->pool = gn_task_pool_create(f->loop, N_WAITERS, N_WAITERS);
    gn_cond_init(&f->cond);
    for (unsigned i = 0; i < N_WAITERS; i++) {
        f->waiting[i] = (struct waiting){.fixture = f, .deadline = GN_NEVER};
    }
}

static void start(struct fixture *f, unsigned i)
{
    gn_assert_loop_thread(f->loop);
    cr_assert_eq(gn_task_start(f->pool, wait_once, &f->waiting[i], &f->waiting[i].task), GN_OK);
}

static void teardown(struct fixture *f)
{
    gn_assert_loop_thread(f->loop);
    cr_assert(gn_list_is_empty(&f->cond.waiters));
    gn_task_pool_destroy(&f->pool);
    gn_loop_destroy(&f->loop);
}

Test(cond, signal_wakes_the_longest_waiting_only)
{
    struct fixture f;

    setup(&f);
    gn_assert_loop_thread(f.loop);
    start(&f, 0);
    start(&f, 1);
    gn_cond_signal(&f.cond);
    cr_assert_eq(f.n_run, 0, "later in this turn, not during the call");
    gn_loop_run_once(f.loop);
    cr_assert_eq(f.waiting[0].order, 1);
    cr_assert_eq(f.waiting[0].rc, GN_OK);
    cr_assert_eq(f.waiting[1].order, 0);
    gn_cond_signal(&f.cond);
    gn_loop_run_once(f.loop);
    cr_assert_eq(f.waiting[1].order, 2);
    teardown(&f);
}

Test(cond, signal_without_a_waiter_is_not_kept)
{
    struct fixture f;

    setup(&f);
    gn_assert_loop_thread(f.loop);
    gn_cond_signal(&f.cond);
    start(&f, 0);
    gn_loop_run_once(f.loop);
    cr_assert_eq(f.n_run, 0);
    gn_task_cancel(f.waiting[0].task);
    cr_assert_eq(f.waiting[0].rc, GN_ERR_CANCELLED);
    teardown(&f);
}

Test(cond, broadcast_wakes_all_in_order)
{
    struct fixture f;

    setup(&f);
    gn_assert_loop_thread(f.loop);
    for (unsigned i = 0; i < N_WAITERS; i++) {
        start(&f, i);
    }
    gn_cond_broadcast(&f.cond);
    gn_loop_run_once(f.loop);
    for (unsigned i = 0; i < N_WAITERS; i++) {
        cr_assert_eq(f.waiting[i].order, i + 1);
    }
    teardown(&f);
}

Test(cond, two_signals_in_one_turn_wake_two)
{
    struct fixture f;

    setup(&f);
    gn_assert_loop_thread(f.loop);
    start(&f, 0);
    start(&f, 1);
    start(&f, 2);
    gn_cond_signal(&f.cond);
    gn_cond_signal(&f.cond);
    gn_loop_run_once(f.loop);
    cr_assert_eq(f.n_run, 2);
    gn_cond_signal(&f.cond);
    gn_loop_run_once(f.loop);
    cr_assert_eq(f.n_run, 3);
    teardown(&f);
}

Test(cond, deadline_passes)
{
    struct fixture f;

    setup(&f);
    gn_assert_loop_thread(f.loop);
    f.waiting[0].deadline = gn_loop_after_ms(f.loop, 1);
    f.waiting[1].deadline = gn_loop_after_ms(f.loop, 1);
    f.waiting[1].shielded = true;
    f.waiting[2].deadline = gn_loop_now(f.loop);
    for (unsigned i = 0; i < 3; i++) {
        start(&f, i);
    }
    cr_assert_eq(f.waiting[2].rc, GN_ERR_TIMEOUT, "at once, when it has passed already");
    while (f.n_run < 3) {
        gn_loop_run_once(f.loop);
    }
    cr_assert_eq(f.waiting[0].rc, GN_ERR_TIMEOUT);
    cr_assert_eq(f.waiting[1].rc, GN_ERR_TIMEOUT);
    teardown(&f);
}

Test(cond, shielded_wait_outlasts_cancellation)
{
    struct fixture f;

    setup(&f);
    gn_assert_loop_thread(f.loop);
    f.waiting[0].shielded = true;
    start(&f, 0);
    gn_task_cancel(f.waiting[0].task);
    cr_assert_eq(f.n_run, 0);
    gn_cond_signal(&f.cond);
    gn_loop_run_once(f.loop);
    cr_assert_eq(f.waiting[0].rc, GN_OK);
    teardown(&f);
}
