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
static const struct gn_validators absent = {.exists = false};

Test(http_conditional, evaluates_in_the_order_of_the_rfc)
{
    enum {
        HOLDS = GN_PRECONDITION_HOLDS,
        SAME_304 = GN_PRECONDITION_NOT_MODIFIED,
        FAILED = GN_PRECONDITION_FAILED
    };
    static const struct {
        struct gn_slice request;
        const struct gn_validators *v;
        int want;
    } cases[] = {
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

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct head_run run;

        head_run_text(&run, cases[i].request);
        cr_assert_eq(run.result, GN_HTTP1_DONE);
        cr_assert_eq((int)gn_http_preconditions(&run.head, cases[i].v, NOW), cases[i].want,
                "case %zu", i);
        head_run_fini(&run);
    }
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
