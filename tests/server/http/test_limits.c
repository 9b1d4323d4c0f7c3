/* SPDX-License-Identifier: MIT */
#include "server/http/limits.h"
#include "tests/support/test.h"

Test(limits, the_defaults_are_those_that_are_documented)
{
    struct gn_http_limits l = gn_http_limits_default();

    cr_assert_eq(l.request_line_bytes, 8190);
    cr_assert_eq(l.field_bytes, 8190);
    cr_assert_eq(l.fields, 100);
    cr_assert_eq(l.head_bytes, 65536);
    cr_assert_eq(l.body_bytes, 64u << 20);
    cr_assert_eq(l.body_memory_bytes, 65536);
    cr_assert_eq(l.pipeline_bytes, 65536);
    cr_assert_eq(l.output_bytes, 262144);
    cr_assert_eq(l.output_low_bytes, 65536);
    cr_assert_eq(l.head_ms, 10000);
    cr_assert_eq(l.idle_ms, 75000);
    cr_assert_eq(l.body_idle_ms, 30000);
    cr_assert_eq(l.write_stall_ms, 60000);
    cr_assert_eq(l.linger_ms, 2000);
    cr_assert_eq(l.body_rate_bytes_s, 240);
    cr_assert_eq(l.body_rate_grace_ms, 10000);
    cr_assert_eq(l.drain_bytes, 262144);
}
