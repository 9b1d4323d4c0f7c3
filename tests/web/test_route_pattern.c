/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"
#include "web/route_pattern.h"

static void expect(
        const struct gn_route_segment *s, enum gn_route_segment_kind kind, const char *text)
{
    cr_assert_eq(s->kind, kind, "%s", text);
    cr_assert(gn_slice_eq(s->text, gn_slice_str(text)), "%.*s", (int)s->text.len, s->text.ptr);
}

Test(route_pattern, is_cut_into_segments)
{
    struct gn_route_segment segments[GN_ROUTE_DEPTH];
    struct gn_arena arena = {0};
    unsigned n;

    cr_assert_eq(gn_route_pattern_parse(
                         &arena, GN_LIT("/u%20v/{id:int}/{x}//{rest:path}"), segments, &n, NULL),
            GN_OK);
    cr_assert_eq(n, 5);
    expect(&segments[0], GN_SEGMENT_LITERAL, "u v");
    expect(&segments[1], GN_SEGMENT_INT, "id");
    expect(&segments[2], GN_SEGMENT_ANY, "x");
    expect(&segments[3], GN_SEGMENT_LITERAL, "");
    expect(&segments[4], GN_SEGMENT_TAIL, "rest");
    cr_assert_eq(gn_route_pattern_parse(&arena, GN_LIT("/"), segments, &n, NULL), GN_OK);
    cr_assert_eq(n, 1);
    expect(&segments[0], GN_SEGMENT_LITERAL, "");
    gn_arena_fini(&arena);
}

Test(route_pattern, says_what_is_wrong)
{
    static const struct {
        struct gn_slice pattern;
        const char *message;
    } cases[] = {
            {GN_LIT_INIT("users"), "pattern 'users' must start with /"},
            {GN_LIT_INIT("/{id:float}"), "pattern '/{id:float}': 'float' is neither int nor path"},
            {GN_LIT_INIT("/a{id}"), "pattern '/a{id}': a parameter must be a whole segment"},
            {GN_LIT_INIT("/{p:path}/x"), "pattern '/{p:path}/x': a path parameter must stand last"},
            {GN_LIT_INIT("/{a}/{a}"), "pattern '/{a}/{a}': two parameters have the same name"},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_route_segment segments[GN_ROUTE_DEPTH];
        struct gn_arena arena = {0};
        struct gn_error err = {0};
        unsigned n;

        cr_assert_eq(gn_route_pattern_parse(&arena, cases[i].pattern, segments, &n, &err),
                GN_ERR_INVALID);
        cr_assert_str_eq(err.message, cases[i].message);
        gn_arena_fini(&arena);
    }
}
