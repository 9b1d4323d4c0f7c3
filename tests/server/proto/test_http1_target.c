/* SPDX-License-Identifier: MIT */
#include "server/proto/http1_target.h"
#include "tests/server/proto/head_run.h"
#include "tests/support/test.h"

#define TEXT(line) GN_LIT(line "\r\nHost: h.example\r\n\r\n")
#define REQUEST(line) GN_LIT_INIT(line "\r\nHost: h.example\r\n\r\n")

Test(http1_target, refuses_malformed_request_lines)
{
    static const struct head_case cases[] = {
            {"one word", REQUEST("GET"), 400, NULL},
            {"no target", REQUEST("GET HTTP/1.1"), 400, NULL},
            {"empty target", REQUEST("GET  HTTP/1.1"), 400, NULL},
            {"HTTP/0.9", REQUEST("GET /"), 400, NULL},
            {"leading space", REQUEST(" GET / HTTP/1.1"), 400, "method is not a token"},
            {"two spaces before target", REQUEST("GET  / HTTP/1.1"), 400, NULL},
            {"two spaces after target", REQUEST("GET /  HTTP/1.1"), 400, NULL},
            {"space in target", REQUEST("GET /a b HTTP/1.1"), 400, NULL},
            {"trailing space", REQUEST("GET / HTTP/1.1 "), 400, NULL},
            {"junk after version", REQUEST("GET / HTTP/1.1 x"), 400, NULL},
            {"tab as separator", REQUEST("GET\t/ HTTP/1.1"), 400, "method is not a token"},
            {"tab in target", REQUEST("GET /a\tb HTTP/1.1"), 400, NULL},
            {"empty method", REQUEST("/ HTTP/1.1"), 400, NULL},
            {"method with a colon", REQUEST("GET: / HTTP/1.1"), 400, "method is not a token"},
            {"method with a quote", REQUEST("G\"T / HTTP/1.1"), 400, "method is not a token"},
            {"non-ASCII method", REQUEST("G\xc9T / HTTP/1.1"), 400, "method is not a token"},
            {"method of 33", REQUEST("ABCDEFGHIJKLMNOPQRSTUVWXYZ1234567 / HTTP/1.1"), 501,
                    "method name too long"},
    };

    head_cases_check(cases, GN_ARRAY_LEN(cases));
}

Test(http1_target, refuses_versions_it_does_not_speak)
{
    static const struct head_case cases[] = {
            {"HTTP/2.0", REQUEST("GET / HTTP/2.0"), 505, NULL},
            {"HTTP/1.2", REQUEST("GET / HTTP/1.2"), 505, NULL},
            {"HTTP/0.9 written out", REQUEST("GET / HTTP/0.9"), 505, NULL},
            {"HTTP/9.9", REQUEST("GET / HTTP/9.9"), 505, NULL},
            {"the HTTP/2 preface", GN_LIT_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, NULL},
            {"lower case", REQUEST("GET / http/1.1"), 400, NULL},
            {"mixed case", REQUEST("GET / HTTp/1.1"), 400, NULL},
            {"two digits", REQUEST("GET / HTTP/1.10"), 400, NULL},
            {"leading zero", REQUEST("GET / HTTP/01.1"), 400, NULL},
            {"no minor", REQUEST("GET / HTTP/1"), 400, NULL},
            {"no digits", REQUEST("GET / HTTP/x.y"), 400, NULL},
            {"comma", REQUEST("GET / HTTP/1,1"), 400, NULL},
            {"another protocol", REQUEST("GET / RTSP/1.0"), 400, NULL},
            {"no slash", REQUEST("GET / HTTP1.1x"), 400, NULL},
    };

    head_cases_check(cases, GN_ARRAY_LEN(cases));
}

Test(http1_target, refuses_malformed_targets)
{
    static const struct head_case cases[] = {
            {"relative", REQUEST("GET foo HTTP/1.1"), 400, "malformed request target"},
            {"* with GET", REQUEST("GET * HTTP/1.1"), 400, NULL},
            {"** with OPTIONS", REQUEST("OPTIONS ** HTTP/1.1"), 400, NULL},
            {"*/x with OPTIONS", REQUEST("OPTIONS */x HTTP/1.1"), 400, NULL},
            {"authority with GET", REQUEST("GET h.example:80 HTTP/1.1"), 400, NULL},
            {"fragment", REQUEST("GET /a#b HTTP/1.1"), 400, NULL},
            {"fragment in query", REQUEST("GET /a?b#c HTTP/1.1"), 400, NULL},
            {"non-ASCII", REQUEST("GET /caf\xc3\xa9 HTTP/1.1"), 400, NULL},
            {"quote", REQUEST("GET /a\"b HTTP/1.1"), 400, NULL},
            {"less", REQUEST("GET /a<b HTTP/1.1"), 400, NULL},
            {"backslash", REQUEST("GET /a\\b HTTP/1.1"), 400, NULL},
            {"greater in query", REQUEST("GET /a?<b> HTTP/1.1"), 400, NULL},
            {"another scheme", REQUEST("GET ftp://h.example/ HTTP/1.1"), 400, NULL},
            {"no scheme", REQUEST("GET ://h.example/ HTTP/1.1"), 400, NULL},
            {"one slash", REQUEST("GET http:/h.example/ HTTP/1.1"), 400, NULL},
            {"no authority", REQUEST("GET http:// HTTP/1.1"), 400, NULL},
            {"empty authority", REQUEST("GET http:///x HTTP/1.1"), 400, NULL},
            {"userinfo", REQUEST("GET http://u@h.example/ HTTP/1.1"), 400, NULL},
            {"bad port", REQUEST("GET http://h.example:x/ HTTP/1.1"), 400, NULL},
            {"port too large", REQUEST("GET http://h.example:65536/ HTTP/1.1"), 400, NULL},
            {"absolute with fragment", REQUEST("GET http://h.example#f HTTP/1.1"), 400, NULL},
            {"CONNECT with a path", REQUEST("CONNECT / HTTP/1.1"), 400, NULL},
            {"CONNECT without port", REQUEST("CONNECT h.example HTTP/1.1"), 400, NULL},
            {"CONNECT", REQUEST("CONNECT h.example:443 HTTP/1.1"), 501, NULL},
    };

    head_cases_check(cases, GN_ARRAY_LEN(cases));
}

Test(http1_target, takes_the_target_apart)
{
    static const struct {
        struct gn_slice request;
        enum gn_http1_form form;
        struct gn_slice path, query, host, scheme;
        bool has_query;
    } cases[] = {
            {REQUEST("GET / HTTP/1.1"), GN_FORM_ORIGIN, GN_LIT_INIT("/"), GN_LIT_INIT(""),
                    GN_LIT_INIT("h.example"), GN_LIT_INIT(""), false},
            {REQUEST("GET /a/b%20c?x=1&y HTTP/1.0"), GN_FORM_ORIGIN, GN_LIT_INIT("/a/b%20c"),
                    GN_LIT_INIT("x=1&y"), GN_LIT_INIT("h.example"), GN_LIT_INIT(""), true},
            {REQUEST("GET //a?? HTTP/1.1"), GN_FORM_ORIGIN, GN_LIT_INIT("//a"), GN_LIT_INIT("?"),
                    GN_LIT_INIT("h.example"), GN_LIT_INIT(""), true},
            {REQUEST("GET /? HTTP/1.1"), GN_FORM_ORIGIN, GN_LIT_INIT("/"), GN_LIT_INIT(""),
                    GN_LIT_INIT("h.example"), GN_LIT_INIT(""), true},
            {REQUEST("GET /a|[b]?{x}=^`\\ HTTP/1.1"), GN_FORM_ORIGIN, GN_LIT_INIT("/a|[b]"),
                    GN_LIT_INIT("{x}=^`\\"), GN_LIT_INIT("h.example"), GN_LIT_INIT(""), true},
            {REQUEST("OPTIONS * HTTP/1.1"), GN_FORM_ASTERISK, GN_LIT_INIT("*"), GN_LIT_INIT(""),
                    GN_LIT_INIT("h.example"), GN_LIT_INIT(""), false},
            {REQUEST("GET http://o.example:81/p?q HTTP/1.1"), GN_FORM_ABSOLUTE, GN_LIT_INIT("/p"),
                    GN_LIT_INIT("q"), GN_LIT_INIT("o.example:81"), GN_LIT_INIT("http"), true},
            {REQUEST("GET HttpS://[::1]:81 HTTP/1.1"), GN_FORM_ABSOLUTE, GN_LIT_INIT("/"),
                    GN_LIT_INIT(""), GN_LIT_INIT("[::1]:81"), GN_LIT_INIT("HttpS"), false},
            {REQUEST("GET http://o.example?q=1 HTTP/1.1"), GN_FORM_ABSOLUTE, GN_LIT_INIT("/"),
                    GN_LIT_INIT("q=1"), GN_LIT_INIT("o.example"), GN_LIT_INIT("http"), true},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct head_run run;

        head_run_text(&run, cases[i].request);
        cr_assert_eq(run.result, GN_HTTP1_DONE, "case %zu", i);
        cr_assert_eq(run.head.form, cases[i].form, "case %zu", i);
        cr_assert(gn_slice_eq(run.head.path, cases[i].path), "case %zu", i);
        cr_assert(gn_slice_eq(run.head.query, cases[i].query), "case %zu", i);
        cr_assert(gn_slice_eq(run.head.host, cases[i].host), "case %zu", i);
        cr_assert(gn_slice_eq(run.head.scheme, cases[i].scheme), "case %zu", i);
        cr_assert_eq(run.head.has_query, cases[i].has_query, "case %zu", i);
        head_run_fini(&run);
    }
}

Test(http1_target, knows_methods_and_versions)
{
    struct head_run run;

    head_run_text(&run, TEXT("PROPFIND /x HTTP/1.0"));
    cr_assert_eq(run.result, GN_HTTP1_DONE);
    cr_assert_eq(run.head.method, GN_METHOD_OTHER);
    cr_assert(gn_slice_eq(run.head.method_name, GN_LIT("PROPFIND")));
    cr_assert_eq(run.head.minor_version, 0);
    cr_assert_eq(run.head.query.len, 0);
    head_run_fini(&run);

    head_run_text(&run, TEXT("ABCDEFGHIJKLMNOPQRSTUVWXYZ123456 / HTTP/1.1"));
    cr_assert_eq(run.result, GN_HTTP1_DONE, "a method of 32 bytes");
    head_run_fini(&run);

    head_run_text(&run, TEXT("TRACE / HTTP/1.1"));
    cr_assert_eq(run.head.method, GN_METHOD_TRACE);
    cr_assert_eq(run.head.minor_version, 1);
    head_run_fini(&run);
}
