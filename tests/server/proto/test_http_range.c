/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "server/proto/http_range.h"
#include "tests/support/test.h"

static void check(struct gn_slice value, uint64_t size, const char *want)
{
    struct gn_byte_ranges r;
    enum gn_range_result result = gn_http_ranges_parse(value, size, &r);
    char got[256] = "";
    size_t n = 0;

    if (result == GN_RANGE_UNSATISFIABLE) {
        cr_assert_str_eq(want, "416", GN_SLICE_FMT, GN_SLICE_ARG(value));
        return;
    }
    for (unsigned i = 0; i < r.n && result == GN_RANGE_PARTIAL; i++) {
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%" PRIu64 "-%" PRIu64 " ",
                r.ranges[i].first, r.ranges[i].last);
    }
    cr_assert_str_eq(got, want, GN_SLICE_FMT ": %s", GN_SLICE_ARG(value), got);
}

Test(http_range, reads_ranges)
{
    check(GN_LIT("bytes=0-99"), 1000, "0-99 ");
    check(GN_LIT("Bytes=0-0"), 1000, "0-0 ");
    check(GN_LIT("bytes=500-"), 1000, "500-999 ");
    check(GN_LIT("bytes=-500"), 1000, "500-999 ");
    check(GN_LIT("bytes=-5000"), 1000, "0-999 ");
    check(GN_LIT("bytes=900-5000"), 1000, "900-999 ");
    check(GN_LIT("bytes=0-99999999999999999999999"), 1000, "0-999 ");
    check(GN_LIT("bytes=0-0, 500-, 2-3"), 1000, "0-0 500-999 2-3 ");
    check(GN_LIT("bytes=0-0,,2-3,"), 1000, "0-0 2-3 ");
    check(GN_LIT("bytes=5000-6000, 0-1"), 1000, "0-1 ");
    check(GN_LIT("bytes=-1000"), 1000, "0-999 ");
    check(GN_LIT("bytes=-1"), 1, "0-0 ");
    check(GN_LIT("bytes=999-"), 1000, "999-999 ");
    check(GN_LIT("bytes=0-999"), 1000, "0-999 ");
    check(GN_LIT("bytes=0-1000"), 1000, "0-999 ");
    check(GN_LIT("bytes=-0, 0-1"), 1000, "0-1 ");
    check(GN_LIT("bytes=-99999999999999999999999"), 1000, "0-999 ");
    check(GN_LIT("bytes=500-599, 0-99"), 1000, "500-599 0-99 ");
    check(GN_LIT("bytes=0-499, 500-999"), 1000, "0-499 500-999 ");
    check(GN_LIT("bytes=0-1,2-3,4-5,6-7,8-9,10-11,12-13,14-15"), 1000,
            "0-1 2-3 4-5 6-7 8-9 10-11 12-13 14-15 ");
}

/* RFC 9110 14.1.2: a suffix longer than the whole is the whole, also when that is empty. */
Test(http_range, the_end_of_something_empty_is_all_of_it)
{
    check(GN_LIT("bytes=-1"), 0, "");
    check(GN_LIT("bytes=-99999999999999999999999"), 0, "");
    check(GN_LIT("bytes=0-, -1"), 0, "");
    check(GN_LIT("bytes=-1, 0-"), 0, "");
}

Test(http_range, says_what_lies_outside)
{
    check(GN_LIT("bytes=1000-"), 1000, "416");
    check(GN_LIT("bytes=1000-2000, 5000-"), 1000, "416");
    check(GN_LIT("bytes=-0"), 1000, "416");
    check(GN_LIT("bytes=0-"), 0, "416");
    check(GN_LIT("bytes=-0"), 0, "416");
    check(GN_LIT("bytes=99999999999999999999-"), 1000, "416");
}

Test(http_range, ignores_nonsense_and_greed)
{
    check(GN_LIT(""), 1000, "");
    check(GN_LIT("bytes"), 1000, "");
    check(GN_LIT("bytes="), 1000, "");
    check(GN_LIT("bytes=,"), 1000, "");
    check(GN_LIT("bytes=a-b"), 1000, "");
    check(GN_LIT("bytes=-"), 1000, "");
    check(GN_LIT("bytes=5"), 1000, "");
    check(GN_LIT("bytes=5-4"), 1000, "");
    check(GN_LIT("bytes=+5-9"), 1000, "");
    check(GN_LIT("bytes=5--9"), 1000, "");
    check(GN_LIT("bytes= 5-9 x"), 1000, "");
    check(GN_LIT("items=0-5"), 1000, "");
    check(GN_LIT("bytes=0-1, x"), 1000, "");
}

/* Ranges that overlap, or are many, make a small request a large answer. */
Test(http_range, apache_cve_2011_3192_ignores_ranges_that_overlap_or_are_many)
{
    check(GN_LIT("bytes=0-,0-,0-"), 1000, "");
    check(GN_LIT("bytes=0-5,5-9"), 1000, "");
    check(GN_LIT("bytes=5-9,0-5"), 1000, "");
    check(GN_LIT("bytes=0-5,-999"), 1000, "");
    check(GN_LIT("bytes=0-9,2-3"), 1000, "");
    check(GN_LIT("bytes=0-1,2-3,4-5,6-7,8-9,10-11,12-13,14-15,16-17"), 1000, "");
}

Test(http_range, formats_content_range)
{
    struct gn_arena arena = {0};
    struct gn_byte_range r = {.first = 5, .last = 9};

    cr_assert(gn_slice_eq(gn_http_content_range(&arena, &r, 100), GN_LIT("bytes 5-9/100")));
    cr_assert(gn_slice_eq(gn_http_content_range_unsatisfied(&arena, 100), GN_LIT("bytes */100")));
    gn_arena_fini(&arena);
}
