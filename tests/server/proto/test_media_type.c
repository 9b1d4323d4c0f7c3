/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "server/base/alloc.h"
#include "server/proto/media_type.h"
#include "tests/support/test.h"

Test(media_type, parses_types)
{
    struct gn_media_type m;

    cr_assert_eq(gn_media_type_parse(GN_LIT("text/html"), &m), GN_OK);
    cr_assert(gn_media_type_is(&m, GN_LIT("TEXT"), GN_LIT("html")));
    cr_assert_eq(m.parameters.len, 0);
    cr_assert_eq(gn_media_type_parse(GN_LIT(" Text/HTML \t; charset=utf-8 "), &m), GN_OK);
    cr_assert(gn_media_type_is(&m, GN_LIT("text"), GN_LIT("html")));
    cr_assert(gn_slice_eq(m.parameters, GN_LIT(" charset=utf-8")));
    cr_assert_not(gn_media_type_is(&m, GN_LIT("text"), GN_LIT("plain")));
}

Test(media_type, refuses_malformed_types)
{
    static const struct gn_slice cases[] = {GN_LIT_INIT(""), GN_LIT_INIT("text"),
            GN_LIT_INIT("text/"), GN_LIT_INIT("/html"), GN_LIT_INIT("text /html"),
            GN_LIT_INIT("text/ html"), GN_LIT_INIT("text/html x"), GN_LIT_INIT("text/html, a/b"),
            GN_LIT_INIT("\"text\"/html")};
    struct gn_media_type m;

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert_eq(gn_media_type_parse(cases[i], &m), GN_ERR_INVALID, "%zu", i);
    }
}

static void check(struct gn_slice parameters, const char *want)
{
    struct gn_parameter p;
    char got[256] = "";
    size_t n = 0;

    while (gn_parameter_next(&parameters, &p)) {
        n += (size_t)snprintf(got + n, sizeof(got) - n, "[" GN_SLICE_FMT "%s" GN_SLICE_FMT "]",
                GN_SLICE_ARG(p.name), p.is_quoted ? "~" : "=", GN_SLICE_ARG(p.value));
    }
    (void)snprintf(got + n, sizeof(got) - n, "%s", parameters.len > 0 ? "!" : "");
    cr_assert_str_eq(got, want);
}

Test(media_type, walks_parameters)
{
    check(GN_LIT(""), "");
    check(GN_LIT(" ; ;"), "");
    check(GN_LIT("a=b"), "[a=b]");
    check(GN_LIT(" a=b;c=\"d\";"), "[a=b][c~d]");
    check(GN_LIT("a = b ; ;c= \"\""), "[a=b][c~]");
    check(GN_LIT("a=\"x;\\\"y\\\\\"; b=c"), "[a~x;\\\"y\\\\][b=c]");
    check(GN_LIT("a=b; c"), "[a=b]!");
    check(GN_LIT("a="), "!");
    check(GN_LIT("a=b c"), "!");
    check(GN_LIT("a=\"b"), "!");
    check(GN_LIT("a=\"b\\\""), "!");
    check(GN_LIT("a=\"b\"c"), "!");
    check(GN_LIT("=b"), "!");
}

Test(media_type, finds_and_unquotes_parameters)
{
    struct gn_arena arena = {0};
    struct gn_slice all = GN_LIT("a=1; B=\"x\\\"y\\z\"; b=2");

    cr_assert(gn_slice_eq(gn_parameter_find(&arena, all, GN_LIT("b")), GN_LIT("x\"yz")));
    cr_assert(gn_slice_eq(gn_parameter_find(&arena, all, GN_LIT("A")), GN_LIT("1")));
    cr_assert_null(gn_parameter_find(&arena, all, GN_LIT("c")).ptr);
    cr_assert(gn_slice_eq(gn_unquote(&arena, GN_LIT("a\\")), GN_LIT("a\\")));
    gn_arena_fini(&arena);
}

/* Quadratic elsewhere: a quoted parameter full of escapes, and very many parameters. */
Test(media_type, tornado_cve_2025_67726_parameters_in_linear_time)
{
    enum { N = 1 << 20 };
    struct gn_arena arena = {0};
    char *text = gn_xalloc(N);
    struct gn_parameter p;
    struct gn_slice rest = gn_slice_of(text, N);
    unsigned n = 0;

    memset(text, '\\', N);
    memcpy(text, "a=\"", 3);
    cr_assert_not(gn_parameter_next(&rest, &p), "the quote has no end");
    text[N - 1] = '"';
    cr_assert_eq(gn_parameter_find(&arena, gn_slice_of(text, N), GN_LIT("b")).len, 0);
    for (size_t i = 0; i < N; i += 4) {
        memcpy(text + i, "a=b;", 4);
    }
    rest = gn_slice_of(text, N);
    while (gn_parameter_next(&rest, &p)) {
        n++;
    }
    cr_assert_eq(n, N / 4);
    gn_arena_fini(&arena);
    gn_free(text);
}

static unsigned html(const char *accept)
{
    return gn_accept_quality(gn_slice_str(accept), GN_LIT("text"), GN_LIT("html"));
}

Test(media_type, weighs_accept)
{
    cr_assert_eq(html(""), 1000);
    cr_assert_eq(html("text/html"), 1000);
    cr_assert_eq(html("TEXT/HTML;q=0.5"), 500);
    cr_assert_eq(html("text/*;q=0.25, */*;q=0.1"), 250);
    cr_assert_eq(html("*/*;q=0.1, text/plain"), 100);
    cr_assert_eq(html("*/*, text/html;q=0"), 0);
    cr_assert_eq(html("text/html;level=1;q=0.3"), 300);
    cr_assert_eq(html("application/json"), 0);
    cr_assert_eq(html("text/html;q=0.001"), 1);
    cr_assert_eq(html("text/html;q=1.000"), 1000);
    cr_assert_eq(html("text/html;q=1.5"), 1000);
    cr_assert_eq(html("text/html;q=x"), 1000);
    cr_assert_eq(html("text/html;q=0.x"), 1000);
    cr_assert_eq(html("text/html;q=0,5"), 0);
    cr_assert_eq(html("nonsense, text/html;q=0.7"), 700);
    cr_assert_eq(html("*/html"), 0);
}

Test(media_type, weighs_tokens)
{
    cr_assert_eq(gn_token_quality(GN_LIT("gzip, br;q=0.5"), GN_LIT("gzip")), 1000);
    cr_assert_eq(gn_token_quality(GN_LIT("gzip, BR ; q=0.5"), GN_LIT("br")), 500);
    cr_assert_eq(gn_token_quality(GN_LIT("*;q=0.2, br"), GN_LIT("gzip")), 200);
    cr_assert_eq(gn_token_quality(GN_LIT("*, gzip;q=0"), GN_LIT("gzip")), 0);
    cr_assert_eq(gn_token_quality(GN_LIT("gzip x, br"), GN_LIT("gzip")), 0);
    cr_assert_eq(gn_token_quality(GN_LIT(""), GN_LIT("gzip")), 0);
}
