/* SPDX-License-Identifier: MIT */
#include "server/base/buf.h"
#include "server/proto/http1_body.h"
#include "server/proto/http1_parser.h"
#include "server/proto/http1_writer.h"
#include "tests/server/proto/head_run.h"
#include "tests/support/test.h"

/*
 * Inputs that broke other servers, by the identifier under which that was
 * published. Heads are refused as a whole; bodies are refused at the byte that
 * is wrong; responses are refused before a byte of them is written.
 */

#define HEAD(fields) GN_LIT_INIT("POST / HTTP/1.1\r\nHost: h\r\n" fields "\r\n")

Test(http1_advisories, heads_with_two_meanings)
{
    static const struct head_case cases[] = {
            {"gunicorn CVE-2024-1135", HEAD("Transfer-Encoding: chunked, identity\r\n"), 400, NULL},
            {"gunicorn CVE-2024-1135, two fields",
                    HEAD("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), 400,
                    NULL},
            {"gunicorn CVE-2024-6827", HEAD("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n"),
                    400, NULL},
            {"gunicorn #3087, empty name", HEAD(": x\r\n"), 400, NULL},
            {"gunicorn #3104, leading comma", HEAD("Transfer-Encoding: ,chunked\r\n"), 400, NULL},
            {"gunicorn #3144, NUL", HEAD("A: b\0c\r\n"), 400, NULL},
            {"gunicorn #3366, two Hosts", HEAD("Host: h\r\n"), 400, NULL},
            {"gunicorn 26, GET foo", GN_LIT_INIT("GET foo HTTP/1.1\r\nHost: h\r\n\r\n"), 400, NULL},
            {"gunicorn 26, GET *", GN_LIT_INIT("GET * HTTP/1.1\r\nHost: h\r\n\r\n"), 400, NULL},
            {"gunicorn 26, BEL", HEAD("A: \a\r\n"), 400, NULL},
            {"gunicorn 26, preface", GN_LIT_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, NULL},
            {"waitress CVE-2019-16785 GHSA-pg36-wpm5-g57p",
                    GN_LIT_INIT("GET / HTTP/1.1\nHost: x\nA: b\n\n"), 400, "bare LF"},
            {"waitress CVE-2019-16786 GHSA-g2xc-35jw-c63p",
                    HEAD("Transfer-Encoding: gzip, chunked\r\n"), 501, NULL},
            {"waitress CVE-2019-16789 GHSA-968f-66r5-5v74",
                    HEAD("Transfer-Encoding: \x0b"
                         "chunked\r\nContent-Length: 5\r\n"),
                    400, NULL},
            {"waitress CVE-2019-16792 GHSA-4ppp-gpcr-7qf6",
                    HEAD("Content-Length: 5\r\nContent-Length: 6\r\n"), 400, NULL},
            {"waitress CVE-2020-5236 GHSA-73m2-3pwg-5fgc",
                    HEAD("Bad-header: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\x10\r\n"), 400,
                    "control byte"},
            {"waitress CVE-2022-24761 GHSA-4f7p-27jc-3c36", HEAD("Content-Length: +10\r\n"), 400,
                    NULL},
            {"tornado GHSA-qppv-j76h-2rpx", HEAD("Content-Length: 1_0\r\n"), 400, NULL},
            {"tornado GHSA-753j-mpmx-qq6g",
                    HEAD("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400,
                    NULL},
            {"cheroot #714", HEAD("Content-Length : 5\r\n"), 400, "white space before the colon"},
            {"cheroot #275, length by int()", HEAD("Content-Length: 1_0\r\n"), 400, NULL},
            {"cheroot #737, obs-fold", HEAD("A: b\r\n c\r\n"), 400, NULL},
            {"cheroot #737, the last length wins",
                    HEAD("Content-Length: 5\r\nContent-Length: 0\r\n"), 400, NULL},
            {"uwsgi #2560, atoi", HEAD("Content-Length: 5abc\r\n"), 400, NULL},
            {"uwsgi #2775, both", HEAD("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400,
                    NULL},
            {"aiohttp CVE-2023-47641, both",
                    HEAD("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400, NULL},
            {"gunicorn 26, GET of an authority",
                    GN_LIT_INIT("GET example.com:443 HTTP/1.1\r\nHost: h\r\n\r\n"), 400, NULL},
            {"gunicorn 26, DEL", HEAD("A: \x7f\r\n"), 400, NULL},
            {"meinheld CVE-2020-7658", HEAD("Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n"),
                    400, NULL},
    };

    head_cases_check(cases, GN_ARRAY_LEN(cases));
}

Test(http1_advisories, heads_with_two_meanings_in_other_languages)
{
    static const struct head_case cases[] = {
            {"puma CVE-2021-41136", GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n"), 400,
                    "bare LF"},
            {"puma CVE-2022-24790, obs-fold", HEAD("Transfer-Encoding:\r\n chunked\r\n"), 400,
                    NULL},
            {"puma CVE-2023-40175, empty length", HEAD("Content-Length:\r\n"), 400, NULL},
            {"aiohttp CVE-2023-37276, NUL in a name", HEAD("A\0: b\r\n"), 400, NULL},
            {"aiohttp CVE-2023-47627, length with a plus", HEAD("Content-Length: +1\r\n"), 400,
                    NULL},
            {"aiohttp CVE-2024-23829, non-ASCII name", HEAD("\xe9: b\r\n"), 400, NULL},
            {"aiohttp CVE-2024-23829, version", GN_LIT_INIT("GET / HTTP/1.\xb9\r\n\r\n"), 400,
                    NULL},
            {"twisted CVE-2020-10108", HEAD("Content-Length: 5\r\nContent-Length: 0\r\n"), 400,
                    NULL},
            {"twisted CVE-2020-10109", HEAD("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
                    400, NULL},
            {"twisted CVE-2022-24801", HEAD("Content-Length: 0x5\r\n"), 400, NULL},
            {"node CVE-2022-32213, codings", HEAD("Transfer-Encoding: chunkedchunked\r\n"), 400,
                    NULL},
            {"node CVE-2023-30589, bare CR", HEAD("A: b\rTransfer-Encoding: chunked\r\n"), 400,
                    "bare CR"},
            {"node CVE-2024-27982, space before the first field",
                    GN_LIT_INIT("POST / HTTP/1.1\r\n Content-Length: 5\r\nHost: h\r\n\r\n"), 400,
                    NULL},
            {"PortSwigger 2025, obfuscated Expect", HEAD("Expect: y 100-continue\r\n"), 417, NULL},
            {"PortSwigger 2025, folded Expect", HEAD("Expect:\r\n 100-continue\r\n"), 400, NULL},
    };

    head_cases_check(cases, GN_ARRAY_LEN(cases));
}

/* The key of an old WebSocket draft once made a server take eight more bytes. */
Test(http1_advisories, gunicorn_2021_sec_websocket_key1)
{
    struct head_run run;

    head_run_text(&run,
            GN_LIT("GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key1: x\r\n\r\n"
                   "GET /2345 HTTP/1.1\r\n"));
    cr_assert_eq(run.result, GN_HTTP1_DONE);
    cr_assert_eq(run.head.framing, GN_FRAMING_NONE);
    cr_assert_eq(run.bytes[run.consumed], 'G');
    head_run_fini(&run);
}

static void check_hidden(const char *name, struct gn_slice request)
{
    struct head_run run;

    head_run_text(&run, request);
    cr_assert_eq(run.result, GN_HTTP1_DONE, "%s", name);
    cr_assert(run.head.headers[1].flags & GN_HEADER_HIDDEN, "%s", name);
    cr_assert_eq(run.head.framing, GN_FRAMING_NONE, "%s", name);
    head_run_fini(&run);
}

Test(http1_advisories, fields_that_would_fall_together)
{
#define ONE(field) GN_LIT("GET / HTTP/1.1\r\nHost: h\r\n" field "\r\n\r\n")
    check_hidden("httpoxy CVE-2016-1000111 CVE-2016-5385", ONE("Proxy: http://evil"));
    check_hidden("Django CVE-2015-0219", ONE("X_Auth_User: root"));
    check_hidden("gunicorn 22, SCRIPT_NAME", ONE("SCRIPT_NAME: /x"));
    check_hidden("gunicorn 22, REMOTE_USER", ONE("Remote_User: root"));
    check_hidden("puma CVE-2024-45614", ONE("X-Forwarded_For: 1.2.3.4"));
    check_hidden("uwsgi #2775", ONE("Content_Length: 5"));
    check_hidden("uwsgi #2775", ONE("Transfer_Encoding: chunked"));
#undef ONE
}

static void check_loose_body(const struct gn_feed *feed, void *arg)
{
    struct gn_http1_head head = {.framing = GN_FRAMING_CHUNKED};
    const char *name = arg;
    struct gn_http1_body body;
    bool failed = false;

    gn_http1_body_init(&body, &head, 1 << 20);
    for (size_t i = 0; i < feed->n_pieces && !failed; i++) {
        struct gn_slice in = feed->pieces[i];

        while (in.len > 0 && !failed) {
            struct gn_slice data;
            size_t n;

            failed = gn_http1_body_decode(&body, in, &n, &data) == GN_BODY_ERROR;
            cr_assert(failed || !gn_http1_body_is_done(&body), "%s, %s", name, feed->way);
            in = gn_slice_skip(in, n);
        }
    }
    cr_assert(failed, "%s, %s", name, feed->way);
    cr_assert_eq(body.error.status, 400, "%s", name);
}

Test(http1_advisories, bodies_framed_loosely)
{
    static const struct {
        const char *name;
        struct gn_slice framed;
    } cases[] = {
            {"gunicorn #3047, 0x", GN_LIT_INIT("0x5\r\nhello\r\n0\r\n\r\n")},
            {"gunicorn #3047, underscore", GN_LIT_INIT("1_0\r\n0123456789abcdef\r\n0\r\n\r\n")},
            {"gunicorn #3047, plus", GN_LIT_INIT("+5\r\nhello\r\n0\r\n\r\n")},
            {"gunicorn #3556, bare CR in an extension", GN_LIT_INIT("5;a\rb\r\nhello\r\n")},
            {"waitress CVE-2022-24761", GN_LIT_INIT("0x01\r\nx\r\n0\r\n\r\n")},
            {"waitress CVE-2022-24761, extension", GN_LIT_INIT("4;\rinvalid\r\ntest\r\n")},
            {"gevent CVE-2023-41419", GN_LIT_INIT("0\r\nGET /evil HTTP/1.1\r\nHost: h\r\n\r\n")},
            {"tornado GHSA-qppv-j76h-2rpx", GN_LIT_INIT("-0\r\n\r\n")},
            {"h11 CVE-2025-43859", GN_LIT_INIT("5\r\nhelloXX0\r\n\r\n")},
            {"puma CVE-2023-40175, trailer",
                    GN_LIT_INIT("0\r\nX:POST / HTTP/1.1\nHost: h\r\n\r\n")},
            {"node CVE-2022-32215, LF", GN_LIT_INIT("5\nhello\r\n0\r\n\r\n")},
            {"nginx CVE-2013-2028", GN_LIT_INIT("FFFFFFFFFFFFFFED\r\n")},
            {"hyper CVE-2021-32714", GN_LIT_INIT("f0000000000000003\r\nabc\r\n0\r\n\r\n")},
            {"aiohttp CVE-2024-52304", GN_LIT_INIT("2;\nxx\r\n4c\r\n0\r\n\r\n")},
            {"funky chunks 2025, LF in an extension", GN_LIT_INIT("5;\nA\r\nhello\r\n0\r\n\r\n")},
            {"funky chunks 2025, CR in an extension", GN_LIT_INIT("5;\rA\r\nhello\r\n0\r\n\r\n")},
            {"funky chunks 2025, spilled data", GN_LIT_INIT("2\r\nxx45\r\n0\r\n\r\n")},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char name[64];

        cr_assert_lt(strlen(cases[i].name), sizeof(name));
        memcpy(name, cases[i].name, strlen(cases[i].name) + 1);
        gn_feed_all_ways(cases[i].framed, check_loose_body, name);
    }
}

/* Trailers are consumed and dropped: they neither stay for the next request (eventlet
 * CVE-2025-58068) nor become header fields (aiohttp CVE-2025-53643). */
Test(http1_advisories, eventlet_cve_2025_58068_trailers)
{
    struct gn_slice framed = GN_LIT("0\r\nContent-Length: 99\r\nHost: evil\r\n\r\nGET /");
    struct gn_http1_head head = {.framing = GN_FRAMING_CHUNKED};
    struct gn_http1_body body;
    struct gn_slice data;
    size_t n;

    gn_http1_body_init(&body, &head, 1 << 20);
    cr_assert_eq(gn_http1_body_decode(&body, framed, &n, &data), GN_BODY_DONE);
    cr_assert(gn_slice_eq(gn_slice_skip(framed, n), GN_LIT("GET /")));
    cr_assert_eq(head.n_headers, 0);
}

/* Unbounded extensions: Go CVE-2023-39326, node CVE-2024-22019, puma CVE-2024-21647. */
Test(http1_advisories, go_cve_2023_39326_extensions)
{
    struct gn_http1_head head = {.framing = GN_FRAMING_CHUNKED};
    struct gn_http1_body body;
    struct gn_slice data;
    enum gn_body_result r;
    size_t n, total = 0;

    gn_http1_body_init(&body, &head, UINT64_MAX);
    cr_assert_eq(gn_http1_body_decode(&body, GN_LIT("1;"), &n, &data), GN_BODY_MORE);
    do {
        r = gn_http1_body_decode(&body, GN_LIT("aaaaaaaaaaaaaaaa"), &n, &data);
        total += n;
    } while (r == GN_BODY_MORE);
    cr_assert_eq(r, GN_BODY_ERROR);
    cr_assert_leq(total, GN_BODY_EXTENSION_BYTES);
}

static void check_refused(const char *name, struct gn_slice reason, struct gn_header field)
{
    struct gn_http1_response r = {
            .status = 200, .reason = reason, .headers = &field, .n_headers = 1};
    struct gn_http1_writer w;
    struct gn_buf out;

    gn_buf_init(&out, 4096);
    gn_http1_writer_init_closing(&w);
    cr_assert_eq(gn_http1_writer_head(&w, &r, &out), GN_ERR_INVALID, "%s", name);
    cr_assert_eq(out.len, 0, "%s", name);
    gn_buf_fini(&out);
}

Test(http1_advisories, responses_that_would_split)
{
    struct gn_slice ok = GN_LIT("OK");

    check_refused("gunicorn CVE-2018-1000164 GHSA-32pc-xphx-q4f6", ok,
            (struct gn_header){.name = GN_LIT("A"), .value = GN_LIT("b\r\nSet-Cookie: c")});
    check_refused("uvicorn CVE-2020-7695 GHSA-f97h-2pfx-f59f", ok,
            (struct gn_header){.name = GN_LIT("Location"), .value = GN_LIT("/\r\n\r\n<html>")});
    check_refused("tornado CVE-2012-2374", ok,
            (struct gn_header){.name = GN_LIT("A"), .value = GN_LIT("b\nC: d")});
    check_refused("tornado CVE-2025-67724", GN_LIT("OK\r\nA: b"),
            (struct gn_header){.name = GN_LIT("A"), .value = GN_LIT("b")});
    check_refused("granian CVE-2026-42545 GHSA-f5p7-9fr5-8jmj, space", ok,
            (struct gn_header){.name = GN_LIT("A b"), .value = GN_LIT("c")});
    check_refused("granian CVE-2026-42545 GHSA-f5p7-9fr5-8jmj, CRLF", ok,
            (struct gn_header){.name = GN_LIT("A\r\n"), .value = GN_LIT("c")});
    check_refused("granian CVE-2026-42545 GHSA-f5p7-9fr5-8jmj, NUL", ok,
            (struct gn_header){.name = GN_LIT("A"), .value = GN_LIT("\0")});
    check_refused("Apache CVE-2023-27522, CVE-2024-24795", ok,
            (struct gn_header){.name = GN_LIT("A"), .value = GN_LIT("b\rc")});
}
