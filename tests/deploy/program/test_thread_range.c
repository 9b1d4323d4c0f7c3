/* SPDX-License-Identifier: MIT */
#include "deploy/program/thread_range.h"
#include "tests/support/test.h"

Test(thread_range, reads_a_number_or_two)
{
    static const struct {
        const char *text;
        unsigned min;
        unsigned max; /* 0: refused */
        const char *shown;
    } cases[] = {
            {"1", 1, 1, "1:1"},
            {"8", 1, 8, "1:8"},
            {"2:8", 2, 8, "2:8"},
            {"3:3", 3, 3, "3:3"},
            {"1024", 1, 1024, "1:1024"},
            {"1024:1024", 1024, 1024, "1024:1024"},
            {.text = "0"},
            {.text = "1025"},
            {.text = "9:8"},
            {.text = "2:1025"},
            {.text = ""},
            {.text = ":"},
            {.text = "2:"},
            {.text = ":8"},
            {.text = "many"},
            {.text = "-1"},
            {.text = "1:2:3"},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_thread_range range = {.min = 77, .max = 78};
        struct gn_error err = {0};
        struct gn_buf shown;
        enum gn_err rc = gn_thread_range_parse(&range, gn_slice_str(cases[i].text), &err);

        if (cases[i].max == 0) {
            cr_assert_eq(rc, GN_ERR_INVALID, "%s", cases[i].text);
            cr_assert_eq(range.min, 77, "%s", cases[i].text);
            cr_assert_not_null(strstr(err.message, "1 to 1024, or MIN:MAX"), "%s", err.message);
            continue;
        }
        cr_assert_eq(rc, GN_OK, "%s: %s", cases[i].text, err.message);
        cr_assert_eq(range.min, cases[i].min, "%s", cases[i].text);
        cr_assert_eq(range.max, cases[i].max, "%s", cases[i].text);
        gn_buf_init(&shown, 64);
        gn_thread_range_show(&range, &shown);
        cr_assert(gn_slice_eq(gn_buf_slice(&shown), gn_slice_str(cases[i].shown)), "%s",
                cases[i].text);
        gn_buf_fini(&shown);
    }
}
