/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "server/proto/http_date.h"
#include "tests/support/test.h"

enum { NOW = 1700000000 }; /* November 2023 */

static int64_t parse(const char *text)
{
    int64_t unix_s = -1;

    cr_assert_eq(gn_http_date_parse(gn_slice_str(text), NOW, &unix_s), GN_OK, "%s", text);
    return unix_s;
}

Test(http_date, formats_imf_fixdate)
{
    static const struct {
        int64_t unix_s;
        const char *text;
    } cases[] = {
            {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
            {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
            {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
            {1709251199, "Thu, 29 Feb 2024 23:59:59 GMT"},
            {-1, "Wed, 31 Dec 1969 23:59:59 GMT"},
            {INT64_MIN, "Mon, 01 Jan 0001 00:00:00 GMT"},
            {INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    char text[GN_HTTP_DATE_BYTES];

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        gn_http_date_format(cases[i].unix_s, text);
        cr_assert(memcmp(text, cases[i].text, sizeof(text)) == 0, "%.29s, not %s", text,
                cases[i].text);
    }
}

Test(http_date, agrees_with_the_c_library)
{
    for (int64_t s = -2000000000; s < 6000000000; s += 86400 * 5 + 12347) {
        time_t t = (time_t)s;
        struct tm tm;
        char text[GN_HTTP_DATE_BYTES];
        char want[64];

        cr_assert_not_null(gmtime_r(&t, &tm));
        strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        gn_http_date_format(s, text);
        cr_assert(memcmp(text, want, sizeof(text)) == 0, "%.29s, not %s", text, want);
        cr_assert_eq(parse(want), s, "%s", want);
    }
}

Test(http_date, parses_the_three_forms)
{
    cr_assert_eq(parse("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    cr_assert_eq(parse("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
    cr_assert_eq(parse("Sun Nov  6 08:49:37 1994"), 784111777);
    cr_assert_eq(parse("Wed Nov 16 08:49:37 1994"), 784975777);
}

Test(http_date, takes_two_digit_years_near_now)
{
    cr_assert_eq(parse("Monday, 01-Jan-73 00:00:00 GMT"), 3250454400); /* 2073 */
    cr_assert_eq(parse("Monday, 01-Jan-74 00:00:00 GMT"), 126230400);  /* 1974 */
}

Test(http_date, accepts_a_leap_second)
{
    cr_assert_eq(parse("Sat, 31 Dec 2016 23:59:60 GMT"), 1483228800);
}

Test(http_date, refuses_everything_else)
{
    static const char *const cases[] = {
            "",
            "Sun",
            "1994-11-06T08:49:37Z",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            " Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "sun, 06 Nov 1994 08:49:37 GMT",
            "Xun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 29 Feb 2023 08:49:37 GMT",
            "Sun, 29 Feb 1900 08:49:37 GMT",
            "Sun, 06 Nov 0000 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 1994 08.49.37 GMT",
            "Sun, 06 Nov +994 08:49:37 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
    };
    int64_t unix_s;

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert_eq(gn_http_date_parse(gn_slice_str(cases[i]), NOW, &unix_s), GN_ERR_INVALID, "%s",
                cases[i]);
    }
}

Test(http_date, caches_one_second)
{
    struct gn_http_date_cache cache = {0};
    struct gn_slice first = gn_http_date_cached(&cache, 0);

    cr_assert(gn_slice_eq(first, GN_LIT("Thu, 01 Jan 1970 00:00:00 GMT")));
    cr_assert_eq(gn_http_date_cached(&cache, 0).ptr, first.ptr);
    cr_assert(
            gn_slice_eq(gn_http_date_cached(&cache, 61), GN_LIT("Thu, 01 Jan 1970 00:01:01 GMT")));
}
