/* SPDX-License-Identifier: MIT */
#include "server/base/clock.h"
#include "tests/support/test.h"

Test(clock, monotonic_never_goes_back)
{
    gn_deadline before = gn_clock_now();

    for (int i = 0; i < 1000; i++) {
        gn_deadline now = gn_clock_now();

        cr_assert(now >= before);
        before = now;
    }
}

Test(clock, wall_clock_is_in_this_century)
{
    cr_assert(gn_clock_wall() > INT64_C(1577836800) * GN_NS_PER_S, "after 2020");
}

Test(clock, thread_time_passes_while_computing)
{
    const int64_t start = gn_clock_thread_cpu();

    while (gn_clock_thread_cpu() == start) {
    }
    cr_assert(gn_clock_thread_cpu() > start);
}

Test(clock, deadlines_saturate)
{
    static const struct {
        gn_deadline now;
        int64_t ms;
        gn_deadline want;
    } cases[] = {
            {1000, 0, 1000},
            {1000, 2, 1000 + 2 * GN_NS_PER_MS},
            {0, INT64_MAX, GN_NEVER},
            {GN_NEVER, 1, GN_NEVER},
            {GN_NEVER, 0, GN_NEVER},
            {GN_NEVER - 5, 1, GN_NEVER},
            {5, GN_NEVER / GN_NS_PER_MS, GN_NEVER},
            {1000, -1, 1000 - GN_NS_PER_MS},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert_eq(gn_deadline_after_ms(cases[i].now, cases[i].ms), cases[i].want, "case %zu", i);
    }
}
