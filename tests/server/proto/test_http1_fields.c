/* SPDX-License-Identifier: MIT */
#include "server/proto/http1_fields.h"
#include "tests/server/proto/head_run.h"
#include "tests/support/test.h"

#define POST(fields) GN_LIT_INIT("POST / HTTP/1.1\r\nHost: h\r\n" fields "\r\n")
#define POST_10(fields) GN_LIT_INIT("POST / HTTP/1.0\r\n" fields "\r\n")
#define HOST(value) GN_LIT_INIT("GET / HTTP/1.1\r\nHost: " value "\r\n\r\n")

Test(http1_fields, refuses_ambiguous_lengths)
{
    static const struct head_case cases[] = {
            {"empty", POST("Content-Length:\r\n"), 400, "invalid Content-Length"},
            {"plus", POST("Content-Length: +5\r\n"), 400, "invalid Content-Length"},
            {"minus", POST("Content-Length: -5\r\n"), 400, "invalid Content-Length"},
            {"minus zero", POST("Content-Length: -0\r\n"), 400, "invalid Content-Length"},
            {"hex", POST("Content-Length: 0x5\r\n"), 400, "invalid Content-Length"},
            {"octal", POST("Content-Length: 0o5\r\n"), 400, "invalid Content-Length"},
            {"underscore", POST("Content-Length: 5_0\r\n"), 400, "invalid Content-Length"},
            {"two numbers", POST("Content-Length: 5 5\r\n"), 400, "invalid Content-Length"},
            {"exponent", POST("Content-Length: 1e3\r\n"), 400, "invalid Content-Length"},
            {"decimal point", POST("Content-Length: 5.0\r\n"), 400, "invalid Content-Length"},
            {"list", POST("Content-Length: 5, 5\r\n"), 400, "invalid Content-Length"},
            {"quoted", POST("Content-Length: \"5\"\r\n"), 400, "invalid Content-Length"},
            {"2^63", POST("Content-Length: 9223372036854775808\r\n"), 400,
                    "invalid Content-Length"},
            {"2^64 + 5", POST("Content-Length: 18446744073709551621\r\n"), 400,
                    "invalid Content-Length"},
            {"non-ASCII digit", POST("Content-Length: \xb2\r\n"), 400, "invalid Content-Length"},
            {"twice the same", POST("Content-Length: 5\r\nContent-Length: 5\r\n"), 400,
                    "more than one Content-Length field"},
            {"twice in other case", POST("Content-Length: 5\r\ncontent-length: 6\r\n"), 400,
                    "more than one Content-Length field"},
            {"2^63 - 1", POST("Content-Length: 9223372036854775807\r\n"), 0, NULL},
            {"leading zeros", POST("Content-Length: 0005\r\n"), 0, NULL},
            {"white space", POST("Content-Length: \t 5 \t\r\n"), 0, NULL},
    };

    head_cases_check(cases, GN_ARRAY_LEN(cases));
}

#define CODING(value) POST("Transfer-Encoding: " value "\r\n")

Test(http1_fields, refuses_every_coding_but_chunked)
{
    static const struct head_case cases[] = {
            {"chunked", CODING("chunked"), 0, NULL},
            {"in capitals", CODING("ChunKED \t"), 0, NULL},
            {"gzip, chunked", CODING("gzip, chunked"), 501, NULL},
            {"identity, chunked", CODING("identity,chunked"), 501, NULL},
            {"three", CODING("a, b, Chunked"), 501, NULL},
            {"empty", CODING(""), 400, "invalid Transfer-Encoding"},
            {"gzip", CODING("gzip"), 400, "invalid Transfer-Encoding"},
            {"identity", CODING("identity"), 400, "invalid Transfer-Encoding"},
            {"chunked, gzip", CODING("chunked, gzip"), 400, "invalid Transfer-Encoding"},
            {"chunked, chunked", CODING("chunked, chunked"), 400, "invalid Transfer-Encoding"},
            {"leading comma", CODING(",chunked"), 400, "invalid Transfer-Encoding"},
            {"trailing comma", CODING("chunked,"), 400, "invalid Transfer-Encoding"},
            {"only a comma", CODING(","), 400, "invalid Transfer-Encoding"},
            {"quoted", CODING("\"chunked\""), 400, "invalid Transfer-Encoding"},
            {"single quotes", CODING("'chunked'"), 400, "invalid Transfer-Encoding"},
            {"xchunked", CODING("xchunked"), 400, "invalid Transfer-Encoding"},
            {"chunkedx", CODING("chunkedx"), 400, "invalid Transfer-Encoding"},
            {"parameter", CODING("chunked;a=b"), 400, "invalid Transfer-Encoding"},
            {"obs-text", CODING("\377chunked"), 400, "invalid Transfer-Encoding"},
            {"two words", CODING("chunked chunked"), 400, "invalid Transfer-Encoding"},
            {"twice", POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400,
                    "more than one Transfer-Encoding field"},
            {"twice, identity first",
                    POST("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"), 400,
                    NULL},
            {"length before", POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400,
                    "both Content-Length and Transfer-Encoding"},
            {"length behind", POST("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), 400,
                    "both Content-Length and Transfer-Encoding"},
            {"length beside another coding",
                    POST("Transfer-Encoding: gzip, chunked\r\nContent-Length: 5\r\n"), 400, NULL},
            {"HTTP/1.0", POST_10("Transfer-Encoding: chunked\r\n"), 400,
                    "Transfer-Encoding in HTTP/1.0"},
    };

    head_cases_check(cases, GN_ARRAY_LEN(cases));
}

Test(http1_fields, demands_one_good_host)
{
    static const struct head_case cases[] = {
            {"none", GN_LIT_INIT("GET / HTTP/1.1\r\nA: b\r\n\r\n"), 400,
                    "HTTP/1.1 request without Host"},
            {"none, absolute-form", GN_LIT_INIT("GET http://h/ HTTP/1.1\r\nA: b\r\n\r\n"), 400,
                    NULL},
            {"none on HTTP/1.0", GN_LIT_INIT("GET / HTTP/1.0\r\n\r\n"), 0, NULL},
            {"two", GN_LIT_INIT("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400,
                    "more than one Host field"},
            {"two on HTTP/1.0", GN_LIT_INIT("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), 400,
                    "more than one Host field"},
            {"empty", HOST(""), 0, NULL},
            {"name", HOST("h.example"), 0, NULL},
            {"name and port", HOST("h.example:8080"), 0, NULL},
            {"name and empty port", HOST("h.example:"), 0, NULL},
            {"underscore", HOST("my_host-1.example"), 0, NULL},
            {"IPv4", HOST("127.0.0.1:80"), 0, NULL},
            {"IPv6", HOST("[::1]:80"), 0, NULL},
            {"IPv6 without brackets", HOST("::1"), 400, "invalid Host"},
            {"IPv6 unclosed", HOST("[::1"), 400, "invalid Host"},
            {"IPv6 with junk", HOST("[::1]x"), 400, "invalid Host"},
            {"space", HOST("a b"), 400, "invalid Host"},
            {"tab", HOST("a\tb"), 400, "invalid Host"},
            {"userinfo", HOST("u@a"), 400, "invalid Host"},
            {"path", HOST("a/b"), 400, "invalid Host"},
            {"backslash", HOST("a\\b"), 400, "invalid Host"},
            {"list", HOST("a,b"), 400, "invalid Host"},
            {"URL", HOST("http://a"), 400, "invalid Host"},
            {"non-ASCII", HOST("\xff"), 400, "invalid Host"},
            {"two ports", HOST("a:80:90"), 400, "invalid Host"},
            {"signed port", HOST("a:+80"), 400, "invalid Host"},
            {"port 65536", HOST("a:65536"), 400, "invalid Host"},
            {"only a port", HOST(":80"), 400, "invalid Host"},
    };

    head_cases_check(cases, GN_ARRAY_LEN(cases));
}

Test(http1_fields, refuses_other_expectations)
{
    static const struct head_case cases[] = {
            {"100-continue", POST("Content-Length: 5\r\nExpect: 100-Continue\r\n"), 0, NULL},
            {"other", POST("Expect: 200-ok\r\n"), 417, NULL},
            {"obfuscated", POST("Expect: y 100-continue\r\n"), 417, NULL},
            {"list", POST("Expect: 100-continue, x\r\n"), 417, NULL},
            {"empty", POST("Expect:\r\n"), 417, NULL},
            {"other on HTTP/1.0", POST_10("Expect: 200-ok\r\n"), 0, NULL},
    };

    head_cases_check(cases, GN_ARRAY_LEN(cases));
}

Test(http1_fields, refuses_trace_with_content)
{
    static const struct head_case cases[] = {
            {"length", GN_LIT_INIT("TRACE / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n"), 400,
                    "TRACE with content"},
            {"length 0", GN_LIT_INIT("TRACE / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"), 0,
                    NULL},
    };

    head_cases_check(cases, GN_ARRAY_LEN(cases));
}

/* What a head says of itself, in one line of letters. */
struct facts {
    struct gn_slice request;
    enum gn_http1_framing framing;
    uint64_t length;
    bool keep_alive, expects, upgrade, websocket;
};

Test(http1_fields, concludes_rightly)
{
    static const struct facts cases[] = {
            {POST(""), GN_FRAMING_NONE, 0, true, false, false, false},
            {POST("Content-Length: 0\r\nExpect: 100-continue\r\n"), GN_FRAMING_LENGTH, 0, true,
                    false, false, false},
            {POST("Content-Length: 7\r\nExpect: 100-continue\r\n"), GN_FRAMING_LENGTH, 7, true,
                    true, false, false},
            {POST("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"), GN_FRAMING_CHUNKED, 0,
                    true, true, false, false},
            {POST("Connection: close\r\n"), GN_FRAMING_NONE, 0, false, false, false, false},
            {POST("Connection: keep-alive, Close\r\n"), GN_FRAMING_NONE, 0, false, false, false,
                    false},
            {POST("Connection: keep-alive\r\nConnection: close\r\n"), GN_FRAMING_NONE, 0, false,
                    false, false, false},
            {POST("Connection: closed\r\n"), GN_FRAMING_NONE, 0, true, false, false, false},
            {POST_10(""), GN_FRAMING_NONE, 0, false, false, false, false},
            {POST_10("Connection: Keep-Alive\r\n"), GN_FRAMING_NONE, 0, true, false, false, false},
            {POST_10("Connection: keep-alive, close\r\n"), GN_FRAMING_NONE, 0, false, false, false,
                    false},
            {POST_10("Content-Length: 5\r\nExpect: 100-continue\r\n"), GN_FRAMING_LENGTH, 5, false,
                    false, false, false},
            {POST("Connection: Upgrade\r\nUpgrade: WebSocket\r\n"), GN_FRAMING_NONE, 0, true, false,
                    true, true},
            {POST("Connection: x\r\nConnection: keep-alive, upgrade\r\nUpgrade: h2c, "
                  "websocket\r\n"),
                    GN_FRAMING_NONE, 0, true, false, true, true},
            {POST("Connection: upgrade\r\nUpgrade: h2c\r\n"), GN_FRAMING_NONE, 0, true, false, true,
                    false},
            {POST("Upgrade: websocket\r\n"), GN_FRAMING_NONE, 0, true, false, false, false},
            {POST("Connection: upgrade\r\n"), GN_FRAMING_NONE, 0, true, false, false, false},
            {POST_10("Connection: upgrade\r\nUpgrade: websocket\r\n"), GN_FRAMING_NONE, 0, false,
                    false, false, false},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct head_run run;

        head_run_text(&run, cases[i].request);
        cr_assert_eq(run.result, GN_HTTP1_DONE, "case %zu", i);
        cr_assert_eq(run.head.framing, cases[i].framing, "case %zu", i);
        cr_assert_eq(run.head.content_length, cases[i].length, "case %zu", i);
        cr_assert_eq(run.head.keep_alive, cases[i].keep_alive, "case %zu", i);
        cr_assert_eq(run.head.expect_continue, cases[i].expects, "case %zu", i);
        cr_assert_eq(run.head.wants_upgrade, cases[i].upgrade, "case %zu", i);
        cr_assert_eq(run.head.wants_websocket, cases[i].websocket, "case %zu", i);
        head_run_fini(&run);
    }
}

Test(http1_fields, host_of_an_absolute_target_wins)
{
    struct head_run run;

    head_run_text(&run, GN_LIT("GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n"));
    cr_assert_eq(run.result, GN_HTTP1_DONE);
    cr_assert(gn_slice_eq(run.head.host, GN_LIT("a.example")));
    cr_assert(gn_slice_eq(gn_http1_head_value(&run.head, GN_HDR_HOST), GN_LIT("a.example")));
    head_run_fini(&run);
}

Test(http1_fields, hides_what_cgi_would_confuse)
{
    struct head_run run;
    static const bool hidden[] = {false, true, true, true, true, false};

    head_run_text(&run,
            GN_LIT("GET / HTTP/1.1\r\nHost: h\r\nX_Auth: a\r\nContent_Length: 9\r\n"
                   "Transfer_Encoding: chunked\r\nProxy: p\r\nX-Auth: b\r\n\r\n"));
    cr_assert_eq(run.result, GN_HTTP1_DONE);
    cr_assert_eq(run.head.framing, GN_FRAMING_NONE);
    for (unsigned i = 0; i < run.head.n_headers; i++) {
        cr_assert_eq((run.head.headers[i].flags & GN_HEADER_HIDDEN) != 0, hidden[i], "field %u", i);
    }
    head_run_fini(&run);
}
