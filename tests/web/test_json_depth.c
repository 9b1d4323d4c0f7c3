/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"
#include "web/json_depth.h"

Test(json_depth, counts_brackets_and_braces_outside_of_strings)
{
    static const struct {
        struct gn_slice text;
        unsigned depth; /* the least `max` that passes */
    } cases[] = {
            {GN_LIT_INIT(""), 0},
            {GN_LIT_INIT("1"), 0},
            {GN_LIT_INIT("[]"), 1},
            {GN_LIT_INIT("[[],[],{}]"), 2},
            {GN_LIT_INIT("{\"a\":[{}]}"), 3},
            {GN_LIT_INIT("[\"[[[[\"]"), 1},
            {GN_LIT_INIT("[\"\\\"[[\"]"), 1},
            {GN_LIT_INIT("[\"\\\\\",[]]"), 2},
            {GN_LIT_INIT("]]]]["), 1},
            {GN_LIT_INIT("[\"unfinished [["), 1},
            {GN_LIT_INIT("[\"unfinished \\"), 1},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert(gn_json_is_shallow(cases[i].text, cases[i].depth), "%.*s", (int)cases[i].text.len,
                cases[i].text.ptr);
        cr_assert(cases[i].depth == 0 || !gn_json_is_shallow(cases[i].text, cases[i].depth - 1),
                "%.*s", (int)cases[i].text.len, cases[i].text.ptr);
    }
}
