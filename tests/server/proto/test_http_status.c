/* SPDX-License-Identifier: MIT */
#include "server/proto/http_status.h"
#include "tests/support/test.h"

Test(http_status, has_the_registered_phrases)
{
    static const struct {
        int status;
        struct gn_slice reason;
    } cases[] = {
            {100, GN_LIT_INIT("Continue")},
            {103, GN_LIT_INIT("Early Hints")},
            {200, GN_LIT_INIT("OK")},
            {226, GN_LIT_INIT("IM Used")},
            {304, GN_LIT_INIT("Not Modified")},
            {404, GN_LIT_INIT("Not Found")},
            {413, GN_LIT_INIT("Content Too Large")},
            {431, GN_LIT_INIT("Request Header Fields Too Large")},
            {451, GN_LIT_INIT("Unavailable For Legal Reasons")},
            {505, GN_LIT_INIT("HTTP Version Not Supported")},
            {511, GN_LIT_INIT("Network Authentication Required")},
            /* without a phrase of their own */
            {99, GN_LIT_INIT("Unknown")},
            {199, GN_LIT_INIT("Unknown")},
            {299, GN_LIT_INIT("Unknown")},
            {306, GN_LIT_INIT("Unknown")},
            {430, GN_LIT_INIT("Unknown")},
            {599, GN_LIT_INIT("Unknown")},
            {600, GN_LIT_INIT("Unknown")},
            {-1, GN_LIT_INIT("Unknown")},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert(gn_slice_eq(gn_http_status_reason(cases[i].status), cases[i].reason), "%d",
                cases[i].status);
    }
}

Test(http_status, knows_what_may_have_content)
{
    cr_assert(gn_http_status_has_body(200));
    cr_assert(gn_http_status_has_body(404));
    cr_assert_not(gn_http_status_has_body(101));
    cr_assert_not(gn_http_status_has_body(204));
    cr_assert_not(gn_http_status_has_body(304));
}

Test(http_status, knows_the_classes)
{
    cr_assert(gn_http_status_is_valid(100));
    cr_assert(gn_http_status_is_valid(599));
    cr_assert_not(gn_http_status_is_valid(99));
    cr_assert_not(gn_http_status_is_valid(600));
    cr_assert(gn_http_status_is_interim(103));
    cr_assert_not(gn_http_status_is_interim(200));
    cr_assert(gn_http_status_is_error(400));
    cr_assert(gn_http_status_is_error(599));
    cr_assert_not(gn_http_status_is_error(399));
}
