/* SPDX-License-Identifier: MIT */
#include "server/proto/http_method.h"
#include "tests/support/test.h"

Test(http_method, names_and_numbers_agree)
{
    for (unsigned m = GN_METHOD_GET; m < GN_METHOD_N; m++) {
        struct gn_slice name = gn_http_method_name((enum gn_http_method)m);

        cr_assert_gt(name.len, 0);
        cr_assert_eq(gn_http_method_from(name), m);
    }
}

Test(http_method, others_are_other)
{
    static const struct gn_slice names[] = {GN_LIT_INIT(""), GN_LIT_INIT("get"), GN_LIT_INIT("GE"),
            GN_LIT_INIT("GETS"), GN_LIT_INIT("PROPFIND"), GN_LIT_INIT("BREW")};

    for (size_t i = 0; i < GN_ARRAY_LEN(names); i++) {
        cr_assert_eq(gn_http_method_from(names[i]), GN_METHOD_OTHER);
    }
    cr_assert_eq(gn_http_method_name(GN_METHOD_OTHER).len, 0);
    cr_assert_eq(gn_http_method_name(GN_METHOD_N).len, 0);
}

Test(http_method, knows_safe_and_idempotent_ones)
{
    cr_assert(gn_http_method_is_safe(GN_METHOD_GET));
    cr_assert(gn_http_method_is_safe(GN_METHOD_HEAD));
    cr_assert(gn_http_method_is_safe(GN_METHOD_OPTIONS));
    cr_assert(gn_http_method_is_safe(GN_METHOD_TRACE));
    cr_assert_not(gn_http_method_is_safe(GN_METHOD_POST));
    cr_assert_not(gn_http_method_is_safe(GN_METHOD_OTHER));
    cr_assert(gn_http_method_is_idempotent(GN_METHOD_GET));
    cr_assert(gn_http_method_is_idempotent(GN_METHOD_PUT));
    cr_assert(gn_http_method_is_idempotent(GN_METHOD_DELETE));
    cr_assert_not(gn_http_method_is_idempotent(GN_METHOD_POST));
    cr_assert_not(gn_http_method_is_idempotent(GN_METHOD_PATCH));
}
