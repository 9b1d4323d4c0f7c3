/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "server/proto/uri.h"
#include "tests/support/test.h"

Test(uri, decodes_paths)
{
    static const struct {
        struct gn_slice in, out;
    } cases[] = {
            {GN_LIT_INIT(""), GN_LIT_INIT("")},
            {GN_LIT_INIT("/plain"), GN_LIT_INIT("/plain")},
            {GN_LIT_INIT("/a%20b"), GN_LIT_INIT("/a b")},
            {GN_LIT_INIT("/%2e%2E%2f"), GN_LIT_INIT("/../")},
            {GN_LIT_INIT("/a+b"), GN_LIT_INIT("/a+b")},
            {GN_LIT_INIT("/%c3%A9"), GN_LIT_INIT("/\xc3\xa9")},
            {GN_LIT_INIT("/%2525"), GN_LIT_INIT("/%25")},
            /* malformed escapes stay */
            {GN_LIT_INIT("/100%"), GN_LIT_INIT("/100%")},
            {GN_LIT_INIT("/%4"), GN_LIT_INIT("/%4")},
            {GN_LIT_INIT("/%zz%41"), GN_LIT_INIT("/%zzA")},
            {GN_LIT_INIT("%%41"), GN_LIT_INIT("%A")},
    };
    struct gn_arena arena = {0};
    struct gn_slice out;

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert_eq(gn_uri_decode(&arena, cases[i].in, GN_URI_PATH, &out), GN_OK);
        cr_assert(gn_slice_eq(out, cases[i].out), "%zu: " GN_SLICE_FMT, i, GN_SLICE_ARG(out));
    }
    cr_assert_eq(gn_uri_decode(&arena, GN_LIT("/a%00.css"), GN_URI_PATH, &out), GN_ERR_INVALID);
    gn_arena_fini(&arena);
}

Test(uri, decodes_queries)
{
    struct gn_arena arena = {0};
    struct gn_slice out;

    cr_assert_eq(gn_uri_decode(&arena, GN_LIT("a+b%2B%00"), GN_URI_QUERY, &out), GN_OK);
    cr_assert(gn_slice_eq(out, GN_LIT("a b+\0")));
    gn_arena_fini(&arena);
}

Test(uri, does_not_copy_plain_text)
{
    struct gn_arena arena = {0};
    struct gn_slice in = GN_LIT("/plain+text");
    struct gn_slice out;

    cr_assert_eq(gn_uri_decode(&arena, in, GN_URI_PATH, &out), GN_OK);
    cr_assert_eq(out.ptr, in.ptr);
    gn_arena_fini(&arena);
}

Test(uri, encodes_paths)
{
    struct gn_arena arena = {0};

    cr_assert(gn_slice_eq(gn_uri_encode_path(&arena, GN_LIT("/a b/\xc3\xa9?#%~")),
            GN_LIT("/a%20b/%C3%A9%3F%23%25~")));
    cr_assert_eq(gn_uri_encode_path(&arena, GN_LIT("")).len, 0);
    gn_arena_fini(&arena);
}

Test(uri, file_paths_never_leave_the_root)
{
    static const struct {
        struct gn_slice in;
        enum gn_err rc;
        struct gn_slice out;
    } cases[] = {
            {GN_LIT_INIT("/"), GN_OK, GN_LIT_INIT("")},
            {GN_LIT_INIT("//"), GN_OK, GN_LIT_INIT("")},
            {GN_LIT_INIT("/a/b"), GN_OK, GN_LIT_INIT("a/b")},
            {GN_LIT_INIT("/a/b/"), GN_OK, GN_LIT_INIT("a/b/")},
            {GN_LIT_INIT("//a///b"), GN_OK, GN_LIT_INIT("a/b")},
            {GN_LIT_INIT("/./a/./b/."), GN_OK, GN_LIT_INIT("a/b/")},
            {GN_LIT_INIT("/a/../b"), GN_OK, GN_LIT_INIT("b")},
            {GN_LIT_INIT("/a/b/.."), GN_OK, GN_LIT_INIT("a/")},
            {GN_LIT_INIT("/a/.."), GN_OK, GN_LIT_INIT("")},
            {GN_LIT_INIT("/a/b/../../c"), GN_OK, GN_LIT_INIT("c")},
            {GN_LIT_INIT("/.../..a"), GN_OK, GN_LIT_INIT(".../..a")},
            {GN_LIT_INIT("/caf\xc3\xa9"), GN_OK, GN_LIT_INIT("caf\xc3\xa9")},
            {GN_LIT_INIT("/.."), GN_ERR_REFUSED, GN_LIT_INIT("")},
            {GN_LIT_INIT("/../etc/passwd"), GN_ERR_REFUSED, GN_LIT_INIT("")},
            {GN_LIT_INIT("/a/../../etc"), GN_ERR_REFUSED, GN_LIT_INIT("")},
            {GN_LIT_INIT("//../a"), GN_ERR_REFUSED, GN_LIT_INIT("")},
            {GN_LIT_INIT("/a/../b/../.."), GN_ERR_REFUSED, GN_LIT_INIT("")},
            {GN_LIT_INIT(""), GN_ERR_INVALID, GN_LIT_INIT("")},
            {GN_LIT_INIT("a"), GN_ERR_INVALID, GN_LIT_INIT("")},
            {GN_LIT_INIT("/a\\..\\b"), GN_ERR_INVALID, GN_LIT_INIT("")},
            {GN_LIT_INIT("/a\0b"), GN_ERR_INVALID, GN_LIT_INIT("")},
            {GN_LIT_INIT("/a\nb"), GN_ERR_INVALID, GN_LIT_INIT("")},
            {GN_LIT_INIT("/a\x7f"), GN_ERR_INVALID, GN_LIT_INIT("")},
    };
    struct gn_arena arena = {0};

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_slice out = {NULL, 0};

        cr_assert_eq(gn_uri_to_file_path(&arena, cases[i].in, &out), cases[i].rc, "%zu", i);
        cr_assert(cases[i].rc != GN_OK || gn_slice_eq(out, cases[i].out), "%zu: " GN_SLICE_FMT, i,
                GN_SLICE_ARG(out));
    }
    gn_arena_fini(&arena);
}

/* Decoded first, then judged: no escape hides a step up. */
/* A path is never one that begins with the name of another host. */
Test(uri, tornado_cve_2023_28370_no_path_is_a_host)
{
    struct gn_arena arena = {0};
    struct gn_slice out;

    cr_assert_eq(gn_uri_to_file_path(&arena, GN_LIT("//evil.example/../"), &out), GN_OK);
    cr_assert_eq(out.len, 0);
    cr_assert_eq(gn_uri_to_file_path(&arena, GN_LIT("//evil.example/../a/"), &out), GN_OK);
    cr_assert(gn_slice_eq(out, GN_LIT("a/")), GN_SLICE_FMT, GN_SLICE_ARG(out));
    gn_arena_fini(&arena);
}

Test(uri, uwsgi_cve_2018_7490_escaped_steps_up)
{
    static const char *const paths[] = {
            "/..%2fetc/passwd", "/a/..%2f..%2fetc", "/%2e%2e/etc", "/%2E%2e%2Fetc", "/.%2e/etc"};
    struct gn_arena arena = {0};

    for (size_t i = 0; i < GN_ARRAY_LEN(paths); i++) {
        struct gn_slice decoded = {NULL, 0};
        struct gn_slice out = {NULL, 0};

        cr_assert_eq(gn_uri_decode(&arena, gn_slice_str(paths[i]), GN_URI_PATH, &decoded), GN_OK);
        cr_assert_eq(gn_uri_to_file_path(&arena, decoded, &out), GN_ERR_REFUSED, "%s", paths[i]);
    }
    gn_arena_fini(&arena);
}

/* Any number of steps and any length, without a buffer of fixed size. */
Test(uri, uwsgi_cve_2018_6758_long_paths)
{
    enum { N = 20000 };
    static char path[4 * N];
    struct gn_arena arena = {0};
    struct gn_slice out = {NULL, 0};

    for (size_t i = 0; i < N; i++) {
        memcpy(path + 4 * i, i % 2 == 0 ? "/abc" : "/../", 4);
    }
    cr_assert_eq(gn_uri_to_file_path(&arena, gn_slice_of(path, sizeof(path)), &out), GN_OK);
    cr_assert_eq(out.len, 0);
    memset(path + 1, 'a', sizeof(path) - 1);
    cr_assert_eq(gn_uri_to_file_path(&arena, gn_slice_of(path, sizeof(path)), &out), GN_OK);
    cr_assert_eq(out.len, sizeof(path) - 1);
    gn_arena_fini(&arena);
}

static void check_query(struct gn_slice query, const char *want)
{
    struct gn_slice name, value;
    char got[256];
    size_t n = 0;

    while (gn_query_next(&query, &name, &value)) {
        n += (size_t)snprintf(got + n, sizeof(got) - n, GN_SLICE_FMT "%s" GN_SLICE_FMT "|",
                GN_SLICE_ARG(name), value.ptr != NULL ? ":" : "", GN_SLICE_ARG(value));
    }
    got[n] = '\0';
    cr_assert_str_eq(got, want);
}

Test(uri, walks_queries)
{
    check_query(GN_LIT(""), "");
    check_query(GN_LIT("&&"), "");
    check_query(GN_LIT("a=1&b=2"), "a:1|b:2|");
    check_query(GN_LIT("a&b=&=c&d==e&"), "a|b:|:c|d:=e|");
    check_query(GN_LIT("a=1;b=2"), "a:1;b=2|");
    check_query(gn_slice_of(NULL, 0), "");
}

Test(uri, parses_authorities)
{
    static const struct {
        struct gn_slice text;
        bool is_ok;
        struct gn_slice host;
        int port; /* -1: none */
        bool is_ipv6;
    } cases[] = {
            {GN_LIT_INIT("h"), true, GN_LIT_INIT("h"), -1, false},
            {GN_LIT_INIT("h:80"), true, GN_LIT_INIT("h"), 80, false},
            {GN_LIT_INIT("h:"), true, GN_LIT_INIT("h"), -1, false},
            {GN_LIT_INIT("h:0"), true, GN_LIT_INIT("h"), 0, false},
            {GN_LIT_INIT("h:0065535"), true, GN_LIT_INIT("h"), 65535, false},
            {GN_LIT_INIT("a%41-._~!$&'()*+;="), true, GN_LIT_INIT("a%41-._~!$&'()*+;="), -1, false},
            {GN_LIT_INIT("[::1]"), true, GN_LIT_INIT("::1"), -1, true},
            {GN_LIT_INIT("[2001:db8::7]:443"), true, GN_LIT_INIT("2001:db8::7"), 443, true},
            {GN_LIT_INIT("[::ffff:1.2.3.4]:"), true, GN_LIT_INIT("::ffff:1.2.3.4"), -1, true},
            {GN_LIT_INIT(""), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT(":80"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("h:65536"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("h:8 0"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("h:80:80"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("u@h"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("a b"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("a,b"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("a%4"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("a%zz"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("a\0"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("\xc3\xa9"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("[]"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("["), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("[::1"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("[::1]80"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("[1.2.3.4]"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("[::1%25eth0]"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("[::1\0]"), false, {NULL, 0}, -1, false},
            {GN_LIT_INIT("[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]"), false, {NULL, 0},
                    -1, false},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_authority a;
        enum gn_err rc = gn_authority_parse(cases[i].text, &a);

        cr_assert_eq(rc, cases[i].is_ok ? GN_OK : GN_ERR_INVALID, "case %zu", i);
        if (cases[i].is_ok) {
            cr_assert(gn_slice_eq(a.host, cases[i].host), "case %zu", i);
            cr_assert_eq(a.has_port ? a.port : -1, cases[i].port, "case %zu", i);
            cr_assert_eq(a.is_ipv6, cases[i].is_ipv6, "case %zu", i);
        }
    }
}

Test(uri, compares_authorities)
{
    struct gn_authority a, b;

    cr_assert_eq(gn_authority_parse(GN_LIT("H.example"), &a), GN_OK);
    cr_assert_eq(gn_authority_parse(GN_LIT("h.Example:80"), &b), GN_OK);
    cr_assert(gn_authority_eq(&a, &b, 80));
    cr_assert_not(gn_authority_eq(&a, &b, 443));
    cr_assert_eq(gn_authority_parse(GN_LIT("h.example.:80"), &b), GN_OK);
    cr_assert_not(gn_authority_eq(&a, &b, 80));
}
