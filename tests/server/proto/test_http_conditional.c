/* SPDX-License-Identifier: MIT */
#include "server/proto/http_conditional.h"
#include "tests/server/proto/head_run.h"
#include "tests/support/test.h"

#define NOW INT64_C(1700000000)
#define CHANGED INT64_C(784111777) /* Sun, 06 Nov 1994 08:49:37 GMT */
#define SAME "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"
#define REQUEST(method, fields) GN_LIT_INIT(method " / HTTP/1.1\r\nHost: h\r\n" fields "\r\n")
#define GET(fields) REQUEST("GET", fields)
#define PUT(fields) REQUEST("PUT", fields)

static const struct gn_validators strong = {.exists = true,
        .etag = GN_LIT_INIT("\"a,b\""),
        .has_last_modified = true,
        .last_modified_s = CHANGED};
static const struct gn_validators weak = {.exists = true,
        .etag = GN_LIT_INIT("W/\"a\""),
        .has_last_modified = true,
        .last_modified_s = CHANGED};
static const struct gn_validators dateless = {.exists = true, .etag = GN_LIT_INIT("\"a\"")};
static const struct gn_validators absent = {.exists = false};

enum {
    HOLDS = GN_PRECONDITION_HOLDS,
    SAME_304 = GN_PRECONDITION_NOT_MODIFIED,
    FAILED = GN_PRECONDITION_FAILED
};

struct condition {
    struct gn_slice request;
    const struct gn_validators *v;
    int want;
};

static void check_conditions(const struct condition *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct head_run run;

        head_run_text(&run, cases[i].request);
        cr_assert_eq(run.result, GN_HTTP1_DONE);
        cr_assert_eq((int)gn_http_preconditions(&run.head, cases[i].v, NOW), cases[i].want,
                "case %zu: " GN_SLICE_FMT, i, GN_SLICE_ARG(cases[i].request));
        head_run_fini(&run);
    }
}

Test(http_conditional, evaluates_in_the_order_of_the_rfc)
{
    static const struct condition cases[] = {
            {GET(""), &strong, HOLDS},
            {GET("If-None-Match: \"a,b\"\r\n"), &strong, SAME_304},
            {GET("If-None-Match: W/\"a,b\"\r\n"), &strong, SAME_304},
            {GET("If-None-Match: \"x\", \"a,b\"\r\n"), &strong, SAME_304},
            {GET("If-None-Match: \"x\"\r\nIf-None-Match: \"a,b\"\r\n"), &strong, SAME_304},
            {GET("If-None-Match: \"a\"\r\n"), &weak, SAME_304},
            {GET("If-None-Match: \"x\"\r\n"), &strong, HOLDS},
            {GET("If-None-Match: *\r\n"), &strong, SAME_304},
            {GET("If-None-Match: *\r\n"), &absent, HOLDS},
            {PUT("If-None-Match: *\r\n"), &strong, FAILED},
            {PUT("If-None-Match: *\r\n"), &absent, HOLDS},
            {GET("If-None-Match: a,b\r\n"), &strong, HOLDS},
            {GET("If-None-Match: \"a,b\r\n"), &strong, HOLDS},
            {GET("If-None-Match:\r\n"), &strong, HOLDS},
            {REQUEST("HEAD", "If-None-Match: \"a,b\"\r\n"), &strong, SAME_304},
            {GET("If-Modified-Since: " SAME "\r\n"), &strong, SAME_304},
            {GET("If-Modified-Since: " AFTER "\r\n"), &strong, SAME_304},
            {GET("If-Modified-Since: " BEFORE "\r\n"), &strong, HOLDS},
            {GET("If-Modified-Since: yesterday\r\n"), &strong, HOLDS},
            {GET("If-Modified-Since: " SAME "\r\n"), &absent, HOLDS},
            {PUT("If-Modified-Since: " SAME "\r\n"), &strong, HOLDS},
            /* the tag takes the place of the date */
            {GET("If-None-Match: \"x\"\r\nIf-Modified-Since: " SAME "\r\n"), &strong, HOLDS},
            {GET("If-None-Match: \"a,b\"\r\nIf-Modified-Since: " BEFORE "\r\n"), &strong, SAME_304},
            {PUT("If-Match: \"a,b\"\r\n"), &strong, HOLDS},
            {PUT("If-Match: *\r\n"), &strong, HOLDS},
            {PUT("If-Match: *\r\n"), &absent, FAILED},
            {PUT("If-Match: \"x\"\r\n"), &strong, FAILED},
            {PUT("If-Match: W/\"a\"\r\n"), &weak, FAILED},
            {PUT("If-Unmodified-Since: " SAME "\r\n"), &strong, HOLDS},
            {PUT("If-Unmodified-Since: " BEFORE "\r\n"), &strong, FAILED},
            {PUT("If-Unmodified-Since: nonsense\r\n"), &strong, HOLDS},
            {PUT("If-Match: \"a,b\"\r\nIf-Unmodified-Since: " BEFORE "\r\n"), &strong, HOLDS},
            {GET("If-Match: \"a,b\"\r\nIf-None-Match: \"a,b\"\r\n"), &strong, SAME_304},
            {GET("If-Match: \"x\"\r\nIf-None-Match: \"a,b\"\r\n"), &strong, FAILED},
    };

    check_conditions(cases, GN_ARRAY_LEN(cases));
}

Test(http_conditional, knows_what_does_not_count)
{
    static const struct condition cases[] = {
            {PUT("If-Match: \"x\", W/\"a,b\", \"a,b\"\r\n"), &strong, HOLDS},
            {PUT("If-Match: W/\"a,b\"\r\n"), &strong, FAILED},
            {PUT("If-Match: \"a\"\r\n"), &weak, FAILED},
            {PUT("If-Match:\r\n"), &strong, FAILED},
            {PUT("If-Match: *\r\n"), &dateless, HOLDS},
            {PUT("If-None-Match: \"a,b\"\r\n"), &strong, FAILED},
            {PUT("If-None-Match: \"x\"\r\n"), &strong, HOLDS},
            {GET("If-Unmodified-Since: " BEFORE "\r\n"), &strong, FAILED},
            {GET("If-Unmodified-Since: " SAME "\r\nIf-None-Match: \"a,b\"\r\n"), &strong, SAME_304},
            {GET("If-Unmodified-Since: " BEFORE "\r\nIf-None-Match: \"a,b\"\r\n"), &strong, FAILED},
            {GET("If-Unmodified-Since: " AFTER "\r\nIf-Modified-Since: " SAME "\r\n"), &strong,
                    SAME_304},
            {REQUEST("HEAD", "If-Modified-Since: " SAME "\r\n"), &strong, SAME_304},
            /* without a date of last change there is nothing to compare with */
            {GET("If-Modified-Since: " SAME "\r\n"), &dateless, HOLDS},
            {PUT("If-Unmodified-Since: " BEFORE "\r\n"), &dateless, HOLDS},
            /* a date is no list */
            {GET("If-Modified-Since: " SAME "\r\nIf-Modified-Since: " SAME "\r\n"), &strong, HOLDS},
            {GET("If-Modified-Since: " SAME ", " SAME "\r\n"), &strong, HOLDS},
            {PUT("If-Unmodified-Since: " BEFORE "\r\nIf-Unmodified-Since: " BEFORE "\r\n"), &strong,
                    HOLDS},
            /* methods that select nothing */
            {REQUEST("OPTIONS", "If-Match: \"x\"\r\n"), &strong, HOLDS},
            {REQUEST("OPTIONS", "If-None-Match: *\r\n"), &strong, HOLDS},
            {REQUEST("TRACE", "If-Unmodified-Since: " BEFORE "\r\n"), &strong, HOLDS},
            {REQUEST("DELETE", "If-Match: \"x\"\r\n"), &strong, FAILED},
            {REQUEST("BREW", "If-Match: \"x\"\r\n"), &strong, FAILED},
    };

    check_conditions(cases, GN_ARRAY_LEN(cases));
}

Test(http_conditional, if_range_wants_a_strong_validator)
{
    static const struct gn_validators fresh = {.exists = true,
            .etag = GN_LIT_INIT("\"a\""),
            .has_last_modified = true,
            .last_modified_s = CHANGED};
    static const struct {
        struct gn_slice request;
        const struct gn_validators *v;
        int64_t now;
        bool want;
    } cases[] = {
            {GET(""), &strong, NOW, true},
            {GET("If-Range: \"a,b\"\r\n"), &strong, NOW, true},
            {GET("If-Range: \"x\"\r\n"), &strong, NOW, false},
            {GET("If-Range: W/\"a\"\r\n"), &weak, NOW, false},
            {GET("If-Range: " SAME "\r\n"), &strong, NOW, true},
            {GET("If-Range: " AFTER "\r\n"), &strong, NOW, false},
            {GET("If-Range: " SAME "\r\n"), &fresh, CHANGED, false},
            {GET("If-Range: " SAME "\r\n"), &absent, NOW, false},
            {GET("If-Range: nonsense\r\n"), &strong, NOW, false},
            {GET("If-Range: W/\"a,b\"\r\n"), &strong, NOW, false},
            {GET("If-Range: \"a\"\r\n"), &weak, NOW, false},
            {GET("If-Range: \"a,b\", \"x\"\r\n"), &strong, NOW, false},
            {GET("If-Range: *\r\n"), &strong, NOW, false},
            {GET("If-Range: " BEFORE "\r\n"), &strong, NOW, false},
            {GET("If-Range: " SAME "\r\n"), &fresh, CHANGED + 1, true},
            {GET("If-Range: " SAME "\r\n"), &dateless, NOW, false},
            {GET("If-Range: \"a,b\"\r\nIf-Range: \"a,b\"\r\n"), &strong, NOW, false},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct head_run run;

        head_run_text(&run, cases[i].request);
        cr_assert_eq(gn_http_if_range(&run.head, cases[i].v, cases[i].now), cases[i].want,
                "case %zu", i);
        head_run_fini(&run);
    }
}

Test(http_conditional, compares_etags)
{
    cr_assert(gn_etag_is_valid(GN_LIT("\"\"")));
    cr_assert(gn_etag_is_valid(GN_LIT("W/\"x\xff\\\"")));
    cr_assert_not(gn_etag_is_valid(GN_LIT("")));
    cr_assert_not(gn_etag_is_valid(GN_LIT("\"")));
    cr_assert_not(gn_etag_is_valid(GN_LIT("W/")));
    cr_assert_not(gn_etag_is_valid(GN_LIT("w/\"x\"")));
    cr_assert_not(gn_etag_is_valid(GN_LIT("\"a b\"")));
    cr_assert_not(gn_etag_is_valid(GN_LIT("\"a\"b\"")));
    cr_assert(gn_etag_eq_strong(GN_LIT("\"1\""), GN_LIT("\"1\"")));
    cr_assert_not(gn_etag_eq_strong(GN_LIT("W/\"1\""), GN_LIT("W/\"1\"")));
    cr_assert_not(gn_etag_eq_strong(GN_LIT("\"1\""), GN_LIT("\"2\"")));
    cr_assert(gn_etag_eq_weak(GN_LIT("W/\"1\""), GN_LIT("\"1\"")));
    cr_assert_not(gn_etag_eq_weak(GN_LIT("W/\"1\""), GN_LIT("W/\"2\"")));
    cr_assert_not(gn_etag_eq_weak(GN_LIT("1"), GN_LIT("1")));
}
