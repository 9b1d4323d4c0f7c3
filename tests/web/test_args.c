/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"
#include "web/args.h"

static void check(struct gn_slice text, const char *const *pairs, unsigned n_pairs)
{
    struct gn_arena arena = {0};
    const struct gn_arg *list;
    unsigned n;

    cr_assert_eq(gn_args_parse(&arena, text, 100, &list, &n), GN_OK);
    cr_assert_eq(n, n_pairs, "%.*s: %u", (int)text.len, text.ptr, n);
    for (unsigned i = 0; i < n; i++) {
        cr_assert(gn_slice_eq(list[i].name, gn_slice_str(pairs[2 * i])), "name %u", i);
        cr_assert(gn_slice_eq(list[i].value, gn_slice_str(pairs[2 * i + 1])), "value %u", i);
        cr_assert_not_null(list[i].value.ptr);
    }
    gn_arena_fini(&arena);
}

Test(args, decodes_names_and_values_in_order)
{
    static const char *const pairs[] = {
            "a", "1", "b", "", "c", "", "a b", "c+d=&", "\xc3\xa9", "%zz", "", "x"};

    check(GN_LIT("a=1&&b=&c&a+b=c%2Bd%3D%26&%C3%A9=%zz&=x"), pairs, 6);
    check(GN_LIT(""), NULL, 0);
    check(GN_LIT("&&&"), NULL, 0);
}

Test(args, finds_the_last_of_a_name)
{
    struct gn_arena arena = {0};
    const struct gn_arg *list;
    unsigned n;

    cr_assert_eq(gn_args_parse(&arena, GN_LIT("a=1&b=2&a=3"), 100, &list, &n), GN_OK);
    cr_assert(gn_slice_eq(gn_args_last(list, n, GN_LIT("a")), GN_LIT("3")));
    cr_assert(gn_slice_eq(gn_args_last(list, n, GN_LIT("b")), GN_LIT("2")));
    cr_assert_null(gn_args_last(list, n, GN_LIT("c")).ptr);
    gn_arena_fini(&arena);
}

Test(args, bounds_the_number_of_pairs)
{
    struct gn_arena arena = {0};
    const struct gn_arg *list;
    unsigned n;

    cr_assert_eq(gn_args_parse(&arena, GN_LIT("a&b&c"), 3, &list, &n), GN_OK);
    cr_assert_eq(gn_args_parse(&arena, GN_LIT("a&b&c&d"), 3, &list, &n), GN_ERR_TOO_BIG);
    gn_arena_fini(&arena);
}
