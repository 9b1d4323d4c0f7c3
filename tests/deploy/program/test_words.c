/* SPDX-License-Identifier: MIT */
#include "deploy/program/words.h"
#include "server/base/attr.h"
#include "tests/support/test.h"

Test(words, splits_as_a_shell_does)
{
    static const struct {
        const char *line;
        const char *words[4];
    } cases[] = {
            {"", {NULL}},
            {"  \t\n ", {NULL}},
            {"one", {"one"}},
            {" --bind  :80 app ", {"--bind", ":80", "app"}},
            {"--f='a b' \"c d\"", {"--f=a b", "c d"}},
            {"a'b'\"c\"d", {"abcd"}},
            {"'' \"\"", {"", ""}},
            {"a\\ b \\' '\"'", {"a b", "'", "\""}},
            {"end\\", {"end\\"}},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char **words;
        unsigned n;
        unsigned expected = 0;

        cr_assert_eq(gn_words_split(cases[i].line, &words, &n, NULL), GN_OK, "%s", cases[i].line);
        while (expected < 4 && cases[i].words[expected] != NULL) {
            expected++;
        }
        cr_assert_eq(n, expected, "<%s>: %u words", cases[i].line, n);
        for (unsigned k = 0; k < n; k++) {
            cr_assert_str_eq(words[k], cases[i].words[k]);
        }
        gn_words_free(words, n);
    }
}

Test(words, refuses_a_quote_left_open)
{
    static const char *const lines[] = {"'", "a \"b", "x 'y\""};

    for (unsigned i = 0; i < GN_ARRAY_LEN(lines); i++) {
        struct gn_error err = {0};
        char **words;
        unsigned n;

        cr_assert_eq(gn_words_split(lines[i], &words, &n, &err), GN_ERR_INVALID);
        cr_assert_not_null(strstr(err.message, "quote"));
        cr_assert_null(words);
    }
}
