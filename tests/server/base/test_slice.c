/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/base/slice.h"
#include "tests/support/test.h"

static const struct gn_slice none = {.ptr = NULL, .len = 0};

Test(slice, splits_on_each_separator)
{
    struct gn_slice rest = GN_LIT("a,,b");
    struct gn_slice token;

    cr_assert(gn_slice_split(&rest, ',', &token));
    cr_assert(gn_slice_eq(token, GN_LIT("a")));
    cr_assert(gn_slice_split(&rest, ',', &token));
    cr_assert_eq(token.len, 0);
    cr_assert(gn_slice_split(&rest, ',', &token));
    cr_assert(gn_slice_eq(token, GN_LIT("b")));
    cr_assert_not(gn_slice_split(&rest, ',', &token));
}

Test(slice, splits_an_empty_text_into_one_token)
{
    struct gn_slice rest = GN_LIT("");
    struct gn_slice token = GN_LIT("x");

    cr_assert(gn_slice_split(&rest, ',', &token));
    cr_assert_eq(token.len, 0);
    cr_assert_not(gn_slice_split(&rest, ',', &token));
    rest = none;
    cr_assert_not(gn_slice_split(&rest, ',', &token));
    rest = GN_LIT("a,");
    cr_assert(gn_slice_split(&rest, ',', &token));
    cr_assert(gn_slice_split(&rest, ',', &token));
    cr_assert_eq(token.len, 0, "a separator at the end has something behind it");
    cr_assert_not(gn_slice_split(&rest, ',', &token));
}

Test(slice, compares_bytes)
{
    cr_assert(gn_slice_eq(none, GN_LIT("")));
    cr_assert(gn_slice_eq(GN_LIT("a\0b"), gn_slice_of("a\0b", 3)));
    cr_assert_not(gn_slice_eq(GN_LIT("a\0b"), GN_LIT("a\0c")));
    cr_assert_not(gn_slice_eq(GN_LIT("a"), GN_LIT("ab")));
    cr_assert(gn_slice_eq(gn_slice_str(NULL), none));
    cr_assert(gn_slice_eq(gn_slice_str("abc"), GN_LIT("abc")));
}

Test(slice, compares_ascii_letters_without_case)
{
    cr_assert(gn_slice_eq_nocase(GN_LIT("Content-Length"), GN_LIT("content-LENGTH")));
    cr_assert_not(gn_slice_eq_nocase(GN_LIT("a"), GN_LIT("ab")));
    cr_assert_not(gn_slice_eq_nocase(GN_LIT("@"), GN_LIT("`")), "32 apart, but no letters");
    cr_assert_not(gn_slice_eq_nocase(GN_LIT("\xc4"), GN_LIT("\xe4")));
    cr_assert(gn_slice_eq_nocase(none, GN_LIT("")));
}

Test(slice, starts_and_ends)
{
    cr_assert(gn_slice_starts_with(GN_LIT("/static/x"), GN_LIT("/static/")));
    cr_assert_not(gn_slice_starts_with(GN_LIT("/st"), GN_LIT("/static/")));
    cr_assert(gn_slice_starts_with(GN_LIT("a"), none));
    cr_assert(gn_slice_starts_with(none, none));
    cr_assert(gn_slice_ends_with(GN_LIT("x.html"), GN_LIT(".html")));
    cr_assert_not(gn_slice_ends_with(GN_LIT("html"), GN_LIT(".html")));
    cr_assert(gn_slice_ends_with(none, none));
}

Test(slice, skips_at_most_its_length)
{
    cr_assert(gn_slice_eq(gn_slice_skip(GN_LIT("abc"), 1), GN_LIT("bc")));
    cr_assert_eq(gn_slice_skip(GN_LIT("abc"), 3).len, 0);
    cr_assert_eq(gn_slice_skip(GN_LIT("abc"), 4).len, 0);
    cr_assert_eq(gn_slice_skip(none, 1).len, 0);
}

Test(slice, finds_the_first)
{
    cr_assert_eq(gn_slice_find(GN_LIT("a=b=c"), '='), 1);
    cr_assert_eq(gn_slice_find(GN_LIT("abc"), '='), 3);
    cr_assert_eq(gn_slice_find(none, '='), 0);
}

Test(slice, trims_spaces_and_tabs_only)
{
    static const struct {
        struct gn_slice in;
        struct gn_slice want;
    } cases[] = {
            {GN_LIT_INIT(" \ta b\t "), GN_LIT_INIT("a b")},
            {GN_LIT_INIT(" \t "), GN_LIT_INIT("")},
            {GN_LIT_INIT(""), GN_LIT_INIT("")},
            {GN_LIT_INIT("\na\r"), GN_LIT_INIT("\na\r")},
            {GN_LIT_INIT("\va"), GN_LIT_INIT("\va")},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert(gn_slice_eq(gn_slice_trim_ows(cases[i].in), cases[i].want), "case %zu", i);
    }
    cr_assert_eq(gn_slice_trim_ows(none).len, 0);
}

Test(slice, reads_decimal_numbers_strictly)
{
    static const struct {
        struct gn_slice in;
        uint64_t max;
        enum gn_err rc;
        uint64_t value;
    } cases[] = {
            {GN_LIT_INIT("0"), 10, GN_OK, 0},
            {GN_LIT_INIT("000000000000000000000000000007"), 10, GN_OK, 7},
            {GN_LIT_INIT("10"), 10, GN_OK, 10},
            {GN_LIT_INIT("11"), 10, GN_ERR_TOO_BIG, 0},
            {GN_LIT_INIT("5"), 3, GN_ERR_TOO_BIG, 0},
            {GN_LIT_INIT("1"), 0, GN_ERR_TOO_BIG, 0},
            {GN_LIT_INIT("18446744073709551615"), UINT64_MAX, GN_OK, UINT64_MAX},
            {GN_LIT_INIT("18446744073709551616"), UINT64_MAX, GN_ERR_TOO_BIG, 0},
            {GN_LIT_INIT("99999999999999999999999"), UINT64_MAX, GN_ERR_TOO_BIG, 0},
            {GN_LIT_INIT(""), 10, GN_ERR_INVALID, 0},
            {GN_LIT_INIT("-1"), 10, GN_ERR_INVALID, 0},
            {GN_LIT_INIT("+1"), 10, GN_ERR_INVALID, 0},
            {GN_LIT_INIT(" 1"), 10, GN_ERR_INVALID, 0},
            {GN_LIT_INIT("1 "), 10, GN_ERR_INVALID, 0},
            {GN_LIT_INIT("1\0"), 10, GN_ERR_INVALID, 0},
            {GN_LIT_INIT("0x1"), 10, GN_ERR_INVALID, 0},
            {GN_LIT_INIT("99x"), 10, GN_ERR_INVALID, 0},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        uint64_t value = 0;

        cr_assert_eq(
                gn_slice_to_u64(cases[i].in, cases[i].max, &value), cases[i].rc, "case %zu", i);
        cr_assert_eq(value, cases[i].value, "case %zu", i);
    }
}

Test(slice, becomes_a_c_string_unless_it_holds_a_nul)
{
    char *text = NULL;

    cr_assert_eq(gn_slice_to_cstr(GN_LIT("/etc/hosts"), &text), GN_OK);
    cr_assert_str_eq(text, "/etc/hosts");
    gn_free(text);
    cr_assert_eq(gn_slice_to_cstr(none, &text), GN_OK);
    cr_assert_str_eq(text, "");
    gn_free(text);
    text = NULL;
    cr_assert_eq(gn_slice_to_cstr(GN_LIT("a\0b"), &text), GN_ERR_INVALID);
    cr_assert_null(text);
}
