/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include "server/base/buf.h"
#include "tests/support/test.h"

Test(buf, grows_to_its_limit_and_not_beyond)
{
    static const size_t limits[] = {0, 1, 7, 256, 257, 1000, 5000};

    for (size_t i = 0; i < GN_ARRAY_LEN(limits); i++) {
        struct gn_buf b;

        gn_buf_init(&b, limits[i]);
        for (size_t k = 0; k < limits[i]; k++) {
            cr_assert_eq(gn_buf_append(&b, GN_LIT("x")), GN_OK);
            cr_assert(b.len <= b.cap && b.cap <= b.limit);
        }
        cr_assert_eq(b.len, limits[i]);
        cr_assert_eq(gn_buf_append(&b, GN_LIT("x")), GN_ERR_TOO_BIG, "limit %zu", limits[i]);
        cr_assert_eq(gn_buf_append(&b, GN_LIT("")), GN_OK);
        cr_assert_eq(b.len, limits[i]);
        gn_buf_fini(&b);
        cr_assert_null(b.ptr);
    }
}

Test(buf, refused_append_changes_nothing)
{
    struct gn_buf b;

    gn_buf_init(&b, 4);
    cr_assert_eq(gn_buf_append(&b, GN_LIT("abc")), GN_OK);
    cr_assert_eq(gn_buf_append(&b, GN_LIT("de")), GN_ERR_TOO_BIG);
    cr_assert_eq(gn_buf_reserve(&b, SIZE_MAX), GN_ERR_TOO_BIG);
    cr_assert(gn_slice_eq(gn_buf_slice(&b), GN_LIT("abc")));
    gn_buf_fini(&b);
}

Test(buf, formats_to_the_brim)
{
    /* Just fits, with and without room for a NUL, and just does not. */
    static const struct {
        size_t limit;
        enum gn_err rc;
    } cases[] = {{9, GN_ERR_TOO_BIG}, {10, GN_OK}, {11, GN_OK}, {300, GN_OK}, {3000, GN_OK}};

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_buf b;

        gn_buf_init(&b, cases[i].limit);
        cr_assert_eq(gn_buf_append(&b, GN_LIT("12345")), GN_OK);
        cr_assert_eq(
                gn_buf_printf(&b, "%s%d", "abc", 42), cases[i].rc, "limit %zu", cases[i].limit);
        cr_assert(gn_slice_eq(gn_buf_slice(&b),
                          cases[i].rc == GN_OK ? GN_LIT("12345abc42") : GN_LIT("12345")),
                "limit %zu", cases[i].limit);
        gn_buf_fini(&b);
    }
}

Test(buf, formats_nothing)
{
    struct gn_buf b;

    gn_buf_init(&b, 0);
    cr_assert_eq(gn_buf_printf(&b, "%s", ""), GN_OK);
    cr_assert_eq(b.len, 0);
    gn_buf_fini(&b);
}

Test(buf, formats_long_text)
{
    struct gn_buf b;

    gn_buf_init(&b, 100 * 1000);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(gn_buf_printf(&b, "%0900d", i), GN_OK);
    }
    cr_assert_eq(b.len, 90 * 1000);
    cr_assert_eq(b.ptr[b.len - 1], '9');
    cr_assert_eq(b.ptr[899], '0');
    gn_buf_fini(&b);
}

Test(buf, consumes_from_the_front)
{
    struct gn_buf b;

    gn_buf_init(&b, 100);
    cr_assert_eq(gn_buf_append(&b, GN_LIT("hello world")), GN_OK);
    gn_buf_consume(&b, 6);
    cr_assert(gn_slice_eq(gn_buf_slice(&b), GN_LIT("world")));
    gn_buf_consume(&b, 0);
    gn_buf_consume(&b, 5);
    cr_assert_eq(b.len, 0);
    cr_assert_eq(gn_buf_append(&b, GN_LIT("again")), GN_OK);
    gn_buf_clear(&b);
    cr_assert_eq(b.len, 0);
    cr_assert(b.cap > 0);
    gn_buf_fini(&b);
}

Test(buf, consuming_more_than_there_is_aborts, .signal = SIGABRT)
{
    struct gn_buf b;

    gn_buf_init(&b, 100);
    (void)!gn_buf_append(&b, GN_LIT("abc"));
    gn_buf_consume(&b, 4);
}
