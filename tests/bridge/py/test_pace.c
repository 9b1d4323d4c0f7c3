/* SPDX-License-Identifier: MIT */
#include "bridge/py/pace.h"
#include "server/base/attr.h"
#include "tests/support/test.h"

#define US INT64_C(1000)
#define MS (1000 * US)

/* A pace that has seen the same sample for long. */
static struct gn_pace settled(struct gn_pace_sample sample)
{
    struct gn_pace pace;

    gn_pace_init(&pace, 1);
    for (unsigned i = 0; i < 200; i++) {
        gn_pace_add(&pace, &sample);
    }
    return pace;
}

Test(pace, starts_with_one_runner)
{
    struct gn_pace pace;

    gn_pace_init(&pace, 1);
    cr_assert_eq(gn_pace_target(&pace), 1);
    cr_assert_not(gn_pace_has_surplus(&pace, 2));
    gn_pace_init(&pace, 4);
    cr_assert_eq(gn_pace_target(&pace), 4);
}

Test(pace, settles_on_what_calls_do)
{
    static const struct {
        const char *name;
        struct gn_pace_sample sample;
        unsigned least;
        unsigned most;
    } cases[] = {
            {"computes", {50 * US, 50 * US, false, 1}, 1, 1},
            {"computes and is pre-empted", {500 * US, 50 * US, false, 1}, 1, 1},
            {"computes, two at a time", {100 * US, 50 * US, true, 2}, 1, 2},
            {"waits a third of its time", {300 * US, 200 * US, true, 1}, 2, 2},
            {"waits as long as it computes", {200 * US, 100 * US, true, 1}, 2, 2},
            {"waits three quarters", {400 * US, 100 * US, true, 1}, 4, 4},
            {"mostly waits", {1020 * US, 20 * US, true, 1}, 51, 51},
            {"waits for long", {50 * MS, 20 * US, true, 1}, 51, 51},
            {"mostly waits, many at a time", {10 * MS, 20 * US, true, 40}, 51, 51},
            {"too short to measure", {100, 0, false, 1}, 1, 1},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_pace pace = settled(cases[i].sample);
        unsigned target = gn_pace_target(&pace);

        cr_assert(target >= cases[i].least && target <= cases[i].most, "%s: %u", cases[i].name,
                target);
    }
}

Test(pace, lets_surplus_go_only_where_python_is_busy)
{
    struct gn_pace busy = settled((struct gn_pace_sample){100 * US, 50 * US, true, 2});
    struct gn_pace waiting = settled((struct gn_pace_sample){10 * MS, 20 * US, true, 40});

    cr_assert(gn_pace_has_surplus(&busy, 3));
    cr_assert_not(gn_pace_has_surplus(&busy, 1));
    cr_assert_not(gn_pace_has_surplus(&waiting, 64));
}

Test(pace, forgets)
{
    struct gn_pace pace = settled((struct gn_pace_sample){10 * MS, 20 * US, true, 1});
    const struct gn_pace_sample computes = {50 * US, 50 * US, false, 1};

    for (unsigned i = 0; i < 200; i++) {
        gn_pace_add(&pace, &computes);
    }
    cr_assert_eq(gn_pace_target(&pace), 1);
}

Test(pace, without_a_gil_counts_per_core)
{
    struct gn_pace pace;
    const struct gn_pace_sample computes = {50 * US, 50 * US, false, 2};
    const struct gn_pace_sample two = {60 * US, 50 * US, true, 2};
    const struct gn_pace_sample waits = {200 * US, 100 * US, true, 2};

    gn_pace_init(&pace, 2);
    for (unsigned i = 0; i < 200; i++) {
        gn_pace_add(&pace, &computes);
        gn_pace_add(&pace, &two);
    }
    cr_assert_eq(gn_pace_target(&pace), 2);
    for (unsigned i = 0; i < 200; i++) {
        gn_pace_add(&pace, &waits);
    }
    cr_assert_eq(gn_pace_target(&pace), 4, "each core is free for half of the time");
}

Test(pace, one_dear_call_does_not_outweigh_all)
{
    struct gn_pace pace = settled((struct gn_pace_sample){1020 * US, 20 * US, true, 1});
    const struct gn_pace_sample dear = {900 * MS, 900 * MS, false, 1};
    const struct gn_pace_sample usual = {1020 * US, 20 * US, true, 1};

    gn_pace_add(&pace, &dear);
    for (unsigned i = 0; i < 100; i++) {
        gn_pace_add(&pace, &usual);
    }
    cr_assert_geq(gn_pace_target(&pace), 25);
}

Test(stall, does_nothing_while_nothing_waits)
{
    struct gn_stall stall;

    gn_stall_init(&stall);
    for (unsigned i = 0; i < 100; i++) {
        cr_assert_eq(gn_stall_check(&stall, 0, 1, 1, false), 0);
    }
}

Test(stall, replaces_runners_that_wait_ever_faster)
{
    struct gn_stall stall;

    gn_stall_init(&stall);
    cr_assert_eq(gn_stall_check(&stall, 100, 0, 1, false), 1);
    cr_assert_eq(gn_stall_check(&stall, 100, 0, 1, false), 2);
    cr_assert_eq(gn_stall_check(&stall, 100, 0, 1, false), 4);
    cr_assert_eq(gn_stall_check(&stall, 3, 0, 1, false), 3);
    cr_assert_eq(gn_stall_check(&stall, 100, 0, 1, true), 1);
}

Test(stall, fills_up_to_the_target_at_once)
{
    struct gn_stall stall;

    gn_stall_init(&stall);
    cr_assert_eq(gn_stall_check(&stall, 100, 3, 40, true), 37);
    cr_assert_eq(gn_stall_check(&stall, 10, 3, 40, true), 10);
}

Test(stall, lets_others_in_slowly_while_one_computes)
{
    struct gn_stall stall;
    unsigned n_woken = 0;

    gn_stall_init(&stall);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(gn_stall_check(&stall, 9, 1, 1, false), 0);
    }
    cr_assert_eq(gn_stall_check(&stall, 9, 1, 1, false), 1);
    for (unsigned i = 0; i < 100; i++) {
        n_woken += gn_stall_check(&stall, 9, 2, 1, false);
    }
    cr_assert(n_woken >= 3 && n_woken <= 5, "%u", n_woken);
    cr_assert_eq(gn_stall_check(&stall, 9, 1, 1, true), 0);
}
