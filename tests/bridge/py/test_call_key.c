/* SPDX-License-Identifier: MIT */
#include "bridge/py/call_key.h"
#include "tests/support/test.h"

#define THIRTY_TWO "abcdefghijklmnopqrstuvwxyzabcdef"

Test(call_key, folds_what_varies)
{
    static const struct {
        const char *path;
        const char *text;
    } cases[] = {
            {"", ""},
            {"/", "/"},
            {"/orders", "/orders"},
            {"/orders/", "/orders/"},
            {"//orders", "//orders"},
            {"/orders/17", "/orders/*"},
            {"/orders/17/lines/3/", "/orders/*/lines/*/"},
            {"/api/v1/users", "/api/v1/users"},
            {"/api/v12/mp3", "/api/v12/mp3"},
            {"/2024-05-01", "/*"},
            {"/a1b2c3", "/*"},
            {"/9f86d081", "/*"},
            {"/deadbeef", "/*"},
            {"/defaced", "/defaced"},
            {"/6ba7b810-9dad-11d1-80b4-00c04fd430c8", "/*"},
            {"/dQw4w9WgXcQ", "/*"},
            {"/watchList", "/watchList"},
            {"/terms-of-service", "/terms-of-service"},
            {"/ten-years-of-coffee", "/*"},
            {"/static/app.min.js", "/static/app.min.js"},
            {"/name with spaces", "/*"},
            {"/na\xc3\xafve", "/*"},
            {"/a@b.example", "/*"},
            {"/" THIRTY_TWO, "/" THIRTY_TWO},
            {"/" THIRTY_TWO "g", "/*"},
            {"/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/g/h"},
            {"/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/**"},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_buf text;

        gn_buf_init(&text, 256);
        gn_call_key_text(gn_slice_str(cases[i].path), &text);
        cr_expect(gn_slice_eq(gn_buf_slice(&text), gn_slice_str(cases[i].text)),
                "%s became " GN_SLICE_FMT, cases[i].path, GN_SLICE_ARG(gn_buf_slice(&text)));
        gn_buf_fini(&text);
    }
}

static uint32_t key(const char *path)
{
    return gn_call_key(7, gn_slice_str(path));
}

Test(call_key, is_the_same_for_paths_of_a_kind)
{
    cr_assert_eq(key("/orders/17/lines"), key("/orders/18/lines"));
    cr_assert_eq(key("/u/deadbeef"), key("/u/6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
    cr_assert_eq(key("/a/b/c/d/e/f/g/h/i"), key("/a/b/c/d/e/f/g/h/j/k"));
    cr_assert_neq(key("/orders/17"), key("/orders/17/lines"));
    cr_assert_neq(key("/orders"), key("/orders/"));
    cr_assert_neq(key(""), key("/"));
    cr_assert_neq(key("/a/b"), key("/b/a"));
    cr_assert_neq(key("/ab"), key("/a/b"));
    cr_assert_neq(key("/orders/17"), key("/order/17"));
    cr_assert_neq(key("/*/x"), 0);
}

Test(call_key, depends_on_its_seed)
{
    cr_assert_neq(gn_call_key(1, GN_LIT("/orders")), gn_call_key(2, GN_LIT("/orders")));
    for (unsigned i = 0; i < 1000; i++) {
        cr_assert_neq(gn_call_key(i, GN_LIT("/")), 0);
    }
}

/* Rows of the table are chosen by bits of it. */
Test(call_key, spreads)
{
    unsigned n_of_row[128] = {0};
    unsigned most = 0;

    for (unsigned i = 0; i < 26 * 26; i++) {
        char path[] = {'/', (char)('a' + i / 26), (char)('a' + i % 26), '\0'};

        n_of_row[(key(path) >> 8) % 128]++;
    }
    for (unsigned i = 0; i < 128; i++) {
        most = GN_MAX(most, n_of_row[i]);
    }
    cr_assert_lt(most, 26, "%u of %u in one row", most, 26 * 26);
}

Test(call_key, text_stops_where_there_is_no_room)
{
    struct gn_buf text;

    gn_buf_init(&text, 8);
    gn_call_key_text(GN_LIT("/orders/seventeen"), &text);
    cr_assert(gn_slice_eq(gn_buf_slice(&text), GN_LIT("/orders/")));
    gn_buf_fini(&text);
}
