/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "server/base/alloc.h"
#include "server/proto/cookies.h"
#include "tests/support/test.h"

static void check(struct gn_slice field, const char *want)
{
    struct gn_slice name, value;
    char got[256] = "";
    size_t n = 0;

    while (gn_cookie_next(&field, &name, &value)) {
        n += (size_t)snprintf(got + n, sizeof(got) - n, "[" GN_SLICE_FMT "|" GN_SLICE_FMT "]",
                GN_SLICE_ARG(name), GN_SLICE_ARG(value));
    }
    cr_assert_str_eq(got, want);
}

Test(cookies, reads_as_browsers_write)
{
    check(GN_LIT(""), "");
    check(GN_LIT("a=b"), "[a|b]");
    check(GN_LIT("a=b; c=d"), "[a|b][c|d]");
    check(GN_LIT("a=b;c=d"), "[a|b][c|d]");
    check(GN_LIT(" a = b ;; c=d=e; "), "[a|b][c|d=e]");
    check(GN_LIT("a; b="), "[|a][b|]");
    check(GN_LIT("=x"), "[|x]");
    check(GN_LIT("===;;;"), "[|==]");
    check(GN_LIT("a=\"b c\"; d={\"e\":1}"), "[a|\"b c\"][d|{\"e\":1}]");
}

Test(cookies, finds_the_first_of_a_name)
{
    const struct gn_header headers[] = {
            {.name = GN_LIT("Host"), .value = GN_LIT("a=0"), .id = GN_HDR_HOST},
            {.name = GN_LIT("Cookie"), .value = GN_LIT("b=1; a=2; a=3"), .id = GN_HDR_COOKIE},
            {.name = GN_LIT("Cookie"), .value = GN_LIT("c=4"), .id = GN_HDR_COOKIE},
    };

    cr_assert(gn_slice_eq(gn_cookie_find(headers, 3, GN_LIT("a")), GN_LIT("2")));
    cr_assert(gn_slice_eq(gn_cookie_find(headers, 3, GN_LIT("c")), GN_LIT("4")));
    cr_assert_null(gn_cookie_find(headers, 3, GN_LIT("A")).ptr);
}

Test(cookies, unquotes)
{
    static const struct {
        struct gn_slice in, out;
    } cases[] = {
            {GN_LIT_INIT("plain"), GN_LIT_INIT("plain")},
            {GN_LIT_INIT(""), GN_LIT_INIT("")},
            {GN_LIT_INIT("\""), GN_LIT_INIT("\"")},
            {GN_LIT_INIT("\"\""), GN_LIT_INIT("")},
            {GN_LIT_INIT("\"a b\""), GN_LIT_INIT("a b")},
            {GN_LIT_INIT("\"a\\\"b\\\\c\""), GN_LIT_INIT("a\"b\\c")},
            {GN_LIT_INIT("\"\\303\\251\\054\""), GN_LIT_INIT("\xc3\xa9,")},
            {GN_LIT_INIT("\"\\400\\8\""), GN_LIT_INIT("4008")},
            {GN_LIT_INIT("\"\\05\""), GN_LIT_INIT("05")},
            {GN_LIT_INIT("\"a\\\""), GN_LIT_INIT("a\\")},
    };
    struct gn_arena arena = {0};

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_slice got = gn_cookie_unquote(&arena, cases[i].in);

        cr_assert(gn_slice_eq(got, cases[i].out), "%zu: " GN_SLICE_FMT, i, GN_SLICE_ARG(got));
    }
    gn_arena_fini(&arena);
}

/* Quadratic elsewhere. */
Test(cookies, tornado_cve_2024_52804_cpython_cve_2024_7592_unquoting_is_linear)
{
    enum { N = 1 << 20 };
    struct gn_arena arena = {0};
    char *text = gn_xalloc(N);
    struct gn_slice out;

    for (size_t i = 0; i < N; i++) {
        text[i] = i % 2 == 0 ? '\\' : '"';
    }
    text[0] = '"';
    out = gn_cookie_unquote(&arena, gn_slice_of(text, N));
    cr_assert_gt(out.len, N / 2 - 2);
    gn_arena_fini(&arena);
    gn_free(text);
}

static void check_set(const struct gn_set_cookie *cookie, const char *want)
{
    struct gn_arena arena = {0};
    struct gn_slice out;

    cr_assert_eq(gn_set_cookie_format(&arena, cookie, &out), GN_OK);
    cr_assert(gn_slice_eq(out, gn_slice_str(want)), GN_SLICE_FMT, GN_SLICE_ARG(out));
    gn_arena_fini(&arena);
}

Test(cookies, writes_attributes)
{
    struct gn_set_cookie c = {.name = GN_LIT("a"), .value = GN_LIT("b")};

    check_set(&c, "a=b");
    c.path = GN_LIT("/");
    c.domain = GN_LIT("h.example");
    c.has_max_age = true;
    c.max_age_s = -5;
    c.has_expires = true;
    c.is_secure = true;
    c.is_http_only = true;
    c.is_partitioned = true;
    c.same_site = GN_SAME_SITE_NONE;
    check_set(&c,
            "a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Domain=h.example; "
            "Path=/; Secure; HttpOnly; SameSite=None; Partitioned");
    c = (struct gn_set_cookie){.name = GN_LIT("a"), .same_site = GN_SAME_SITE_LAX};
    check_set(&c, "a=; SameSite=Lax");
    c.same_site = GN_SAME_SITE_STRICT;
    check_set(&c, "a=; SameSite=Strict");
}

Test(cookies, refuses_what_would_inject_attributes)
{
    static const struct gn_set_cookie cases[] = {
            {.name = GN_LIT_INIT("")},
            {.name = GN_LIT_INIT("a b")},
            {.name = GN_LIT_INIT("a=")},
            {.name = GN_LIT_INIT("a;")},
            {.name = GN_LIT_INIT("a"), .value = GN_LIT_INIT("b; Domain=evil")},
            {.name = GN_LIT_INIT("a"), .value = GN_LIT_INIT("b c")},
            {.name = GN_LIT_INIT("a"), .value = GN_LIT_INIT("b,c")},
            {.name = GN_LIT_INIT("a"), .value = GN_LIT_INIT("b\"")},
            {.name = GN_LIT_INIT("a"), .value = GN_LIT_INIT("b\\")},
            {.name = GN_LIT_INIT("a"), .value = GN_LIT_INIT("b\r\nX: y")},
            {.name = GN_LIT_INIT("a"), .value = GN_LIT_INIT("\xc3\xa9")},
            {.name = GN_LIT_INIT("a"), .path = GN_LIT_INIT("/; Secure")},
            {.name = GN_LIT_INIT("a"), .path = GN_LIT_INIT("/\n")},
            {.name = GN_LIT_INIT("a"), .domain = GN_LIT_INIT("h;x")},
            {.name = GN_LIT_INIT("a"), .domain = GN_LIT_INIT("\x7f")},
    };
    struct gn_arena arena = {0};
    struct gn_slice out;

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert_eq(gn_set_cookie_format(&arena, &cases[i], &out), GN_ERR_INVALID, "%zu", i);
    }
    gn_arena_fini(&arena);
}
