/* SPDX-License-Identifier: MIT */
#include "server/loop/timeout_list.h"
#include "tests/support/test.h"

struct fixture {
    struct gn_loop *loop;
    struct gn_timeout_list list;
    unsigned n_expired;
};

struct entry {
    struct gn_timeout timeout;
    struct fixture *fixture;
    unsigned order; /* 1 for who expired first */
    gn_deadline expired_at;
    struct entry *disarms;
    bool arms_again;
    unsigned stop_after; /* the loop stops when so many have expired */
};

static void on_expired(struct gn_timeout *timeout)
{
    struct entry *e = GN_CONTAINER_OF(timeout, struct entry, timeout);
    struct fixture *f = e->fixture;

    gn_assert_loop_thread(f->loop);
    cr_assert_not(gn_timeout_is_armed(timeout));
    e->order = ++f->n_expired;
    e->expired_at = gn_loop_now(f->loop);
    if (e->disarms != NULL) {
        gn_timeout_disarm(&e->disarms->timeout);
    }
    if (e->arms_again) {
        e->arms_again = false;
        gn_timeout_arm(&f->list, timeout);
    }
    if (f->n_expired >= e->stop_after) {
        gn_loop_stop(f->loop);
    }
}

static void setup(struct fixture *f, int64_t duration_ms)
{
    *f = (struct fixture){.n_expired = 0};
    cr_assert_eq(gn_loop_create(&f->loop, NULL), GN_OK);
    gn_assert_loop_thread(f->loop);
    gn_timeout_list_init(&f->list, f->loop, duration_ms, on_expired);
}

static void teardown(struct fixture *f)
{
    gn_assert_loop_thread(f->loop);
    gn_timeout_list_fini(&f->list);
    gn_loop_destroy(&f->loop);
}

Test(timeout_list, expires_in_order_and_not_early)
{
    struct fixture f;
    struct entry a = {.fixture = &f, .stop_after = 3};
    struct entry b = a;
    struct entry c = a;
    gn_deadline at;

    setup(&f, 5);
    gn_assert_loop_thread(f.loop);
    gn_timeout_arm(&f.list, &a.timeout);
    gn_timeout_arm(&f.list, &b.timeout);
    gn_timeout_arm(&f.list, &c.timeout);
    gn_timeout_arm(&f.list, &a.timeout);
    at = a.timeout.at;
    gn_loop_run(f.loop);
    cr_assert_eq(b.order, 1);
    cr_assert_eq(c.order, 2);
    cr_assert_eq(a.order, 3, "whoever is armed last expires last");
    cr_assert(a.expired_at >= at);
    teardown(&f);
}

Test(timeout_list, entry_may_be_armed_again_in_its_callback)
{
    struct fixture f;
    struct entry a = {.fixture = &f, .stop_after = 2, .arms_again = true};

    setup(&f, 2);
    gn_assert_loop_thread(f.loop);
    gn_timeout_arm(&f.list, &a.timeout);
    gn_loop_run(f.loop);
    cr_assert_eq(f.n_expired, 2);
    teardown(&f);
}

Test(timeout_list, disarmed_by_a_neighbour_in_the_same_turn)
{
    struct fixture f;
    struct entry b = {.fixture = &f, .stop_after = 1};
    struct entry a = {.fixture = &f, .stop_after = 1, .disarms = &b};

    setup(&f, 1);
    gn_assert_loop_thread(f.loop);
    gn_timeout_arm(&f.list, &a.timeout);
    gn_timeout_arm(&f.list, &b.timeout);
    gn_loop_run(f.loop);
    cr_assert_eq(f.n_expired, 1);
    cr_assert_eq(b.order, 0);
    teardown(&f);
}

Test(timeout_list, zero_duration_never_expires)
{
    struct fixture f;
    struct entry a = {.fixture = &f};

    setup(&f, 0);
    gn_assert_loop_thread(f.loop);
    gn_timeout_arm(&f.list, &a.timeout);
    cr_assert_not(gn_timeout_is_armed(&a.timeout));
    cr_assert_not(gn_timer_is_running(&f.list.timer));
    teardown(&f);
}

Test(timeout_list, arming_does_not_touch_the_running_timer)
{
    struct fixture f;
    struct entry a = {.fixture = &f};
    struct entry b = {.fixture = &f};
    gn_deadline timer_at;

    setup(&f, 60 * 1000);
    gn_assert_loop_thread(f.loop);
    gn_timeout_arm(&f.list, &a.timeout);
    timer_at = f.list.timer.at;
    gn_loop_run_once(f.loop);
    gn_timeout_arm(&f.list, &b.timeout);
    gn_timeout_arm(&f.list, &a.timeout);
    gn_timeout_disarm(&b.timeout);
    cr_assert(a.timeout.at > timer_at);
    cr_assert_eq(f.list.timer.at, timer_at);
    cr_assert(gn_timer_is_running(&f.list.timer));
    teardown(&f);
    cr_assert_not(gn_timeout_is_armed(&a.timeout), "fini disarms");
}

Test(timeout_list, moves_between_lists)
{
    struct fixture f;
    struct fixture g;
    struct entry a = {.fixture = &g, .stop_after = 1};

    setup(&f, 60 * 1000);
    gn_assert_loop_thread(f.loop);
    g = (struct fixture){.loop = f.loop};
    gn_timeout_list_init(&g.list, g.loop, 1, on_expired);
    gn_timeout_arm(&f.list, &a.timeout);
    gn_timeout_arm(&g.list, &a.timeout);
    cr_assert(gn_list_is_empty(&f.list.entries));
    gn_loop_run(g.loop);
    cr_assert_eq(g.n_expired, 1);
    gn_timeout_list_fini(&g.list);
    teardown(&f);
}
