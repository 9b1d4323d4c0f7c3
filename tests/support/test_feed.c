/* SPDX-License-Identifier: MIT */
#include "tests/support/feed.h"
#include "tests/support/test.h"

struct seen {
    struct gn_slice input;
    unsigned n_calls;
    size_t max_pieces;
};

static void check_joined(const struct gn_feed *feed, void *arg)
{
    struct seen *seen = arg;
    size_t at = 0;

    for (size_t i = 0; i < feed->n_pieces; i++) {
        struct gn_slice piece = feed->pieces[i];

        cr_assert_gt(piece.len, 0, "%s", feed->way);
        cr_assert_leq(at + piece.len, seen->input.len, "%s", feed->way);
        cr_assert(
                gn_slice_eq(piece, gn_slice_of(seen->input.ptr + at, piece.len)), "%s", feed->way);
        at += piece.len;
    }
    cr_assert_eq(at, seen->input.len, "%s", feed->way);
    seen->n_calls++;
    seen->max_pieces = GN_MAX(seen->max_pieces, feed->n_pieces);
}

Test(feed, goes_every_way_once)
{
    static const struct {
        const char *text;
        unsigned n_calls;
        size_t max_pieces;
    } cases[] = {{"", 1, 0}, {"a", 1, 1}, {"ab", 3, 2}, {"abcdef", 7, 6}};

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct seen seen = {.input = gn_slice_str(cases[i].text)};

        gn_feed_all_ways(seen.input, check_joined, &seen);
        cr_assert_eq(seen.n_calls, cases[i].n_calls, "\"%s\"", cases[i].text);
        cr_assert_eq(seen.max_pieces, cases[i].max_pieces, "\"%s\"", cases[i].text);
    }
}

Test(feed, cuts_into_equal_pieces_and_a_rest)
{
    struct seen seen = {.input = GN_LIT("abcdefg")};

    gn_feed_pieces(seen.input, 3, check_joined, &seen);
    cr_assert_eq(seen.n_calls, 1);
    cr_assert_eq(seen.max_pieces, 3);
}
