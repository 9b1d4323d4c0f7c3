/* SPDX-License-Identifier: MIT */
#include "deploy/program/proxies.h"
#include "tests/support/test.h"

Test(proxies, show_fields_as_they_are_written)
{
    static const struct {
        const char *text;
        const char *shown;
    } cases[] = {
            {"forwarded , X-Real-IP", "x-real-ip,forwarded"},
            {"x-forwarded-for", "x-forwarded-for"},
            {"none", ""},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_error err = {0};
        struct gn_buf shown;
        unsigned fields;

        gn_buf_init(&shown, 256);
        cr_assert_eq(gn_proxies_parse_forwarded(&fields, gn_slice_str(cases[i].text), &err), GN_OK,
                "%s", err.message);
        gn_proxies_show_forwarded(&fields, &shown);
        cr_assert(gn_slice_eq(gn_buf_slice(&shown), gn_slice_str(cases[i].shown)), "%s",
                cases[i].text);
        gn_buf_fini(&shown);
    }
}
