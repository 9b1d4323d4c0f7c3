/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "server/base/log.h"
#include "server/http/exchange.h"
#include "server/http/rbuf.h"
#include "tests/server/http/http_fixture.h"
#include "tests/support/test.h"

/*
 * What broke other servers between two requests, or while one was served, by
 * the identifier under which that was published. Single heads, bodies and
 * responses are in tests/server/proto/test_http1_advisories.c.
 */

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static struct http_fixture f;
static unsigned n_lines; /* logged */

static void count_line(void *arg, enum gn_log_level level, struct gn_slice line)
{
    (void)arg;
    (void)level;
    (void)line;
    n_lines++;
}

static void setup(void)
{
    n_lines = 0;
    gn_log_set_sink(count_line, NULL);
    http_fixture_init(&f);
}

TestSuite(advisories, .init = setup);

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;

    for (; (text = strstr(text, what)) != NULL; text += strlen(what)) {
        n++;
    }
    return n;
}

/** Answers with the path, so that the order of answers can be told. */
static void say_path(struct http_fixture *fixture, struct gn_exchange *ex)
{
    const struct gn_response response = {.status = 200, .body = ex->head->path};

    gn_assert_loop_thread(fixture->loop);
    gn_exchange_reply(ex, &response);
}

/* ---- after an error nothing runs -------------------------------------------------- */

Test(advisories, waitress_cve_2024_49768_ghsa_9298_4cf8_g4wj)
{
    f.serve = http_fixture_hold;
    http_fixture_start(&f);
    http_fixture_feed(&f, GET("/one") "GET /two HTTP/1.1\r\nno colon\r\n\r\n" GET("/three"));
    cr_assert_eq(f.n_serve, 1);
    http_fixture_reply(f.held[0], "one");
    http_fixture_turn(&f);
    http_fixture_feed(&f, GET("/four"));
    cr_assert_eq(f.n_serve, 1, "a request behind a malformed one was served");
    cr_assert_eq(count(http_fixture_output(&f), "HTTP/1.1 "), 2);
    cr_assert_eq(count(http_fixture_output(&f), "HTTP/1.1 400"), 1);
    http_fixture_fini(&f);
}

/* The end of the last chunk is missing: the body is not complete, whatever has arrived. */
Test(advisories, gunicorn_3382_truncated_last_chunk)
{
    static const char *const bodies[] = {"5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0\r\n\r",
            "5\r\nhello\r\n0", "5\r\nhello\r\n0\r\nA: b\r\n"};

    http_fixture_start(&f);
    for (size_t i = 0; i < GN_ARRAY_LEN(bodies); i++) {
        http_fixture_feed(&f, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
        http_fixture_feed(&f, bodies[i]);
        gn_mem_stream_end(f.stream);
        http_fixture_turn(&f);
        cr_assert_eq(count(http_fixture_output(&f), "HTTP/1.1 400"), 1, "%zu", i);
        cr_assert_eq(f.n_serve, 0, "%zu", i);
        http_fixture_clear_output(&f);
        if (i + 1 < GN_ARRAY_LEN(bodies)) {
            http_fixture_connect(&f);
        }
    }
    http_fixture_fini(&f);
}

/* A request made to measure wrote beyond the memory it was read into: heads of every length
 * around a block's, alone and with the start of the next behind them, read as they come. */
Test(advisories, unit_cve_2019_7401_heads_around_the_length_of_a_block)
{
    static char text[GN_RBUF_BYTES + 256];
    static const char start[] = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
    static const char a_line[] = "\r\nB: ";

    f.limits.field_bytes = sizeof(text);
    http_fixture_start(&f);
    for (size_t len = GN_RBUF_BYTES - 64; len < GN_RBUF_BYTES + 64; len++) {
        unsigned before = f.n_serve;

        memset(text, 'x', sizeof(text));
        memcpy(text, start, sizeof(start) - 1);
        memcpy(text + len / 2, a_line, sizeof(a_line) - 1);
        memcpy(text + len - 4, "\r\n\r\n" GET("/next"), sizeof("\r\n\r\n" GET("/next")));
        http_fixture_feed(&f, text);
        cr_assert_eq(f.n_serve, before + 2, "%zu", len);
        http_fixture_clear_output(&f);
    }
    http_fixture_fini(&f);
}

/* ---- clients that leave ------------------------------------------------------------- */

/** The whole of a life, cut off after each byte by FIN or by a reset. */
static void leave_after_each_byte(void (*leave)(struct gn_mem_stream *m))
{
    static const char text[] =
            "\r\nPOST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            "3\r\nabc\r\n0\r\n\r\n" GET("/");

    http_fixture_start(&f);
    for (size_t len = 0; len < sizeof(text); len++) {
        char part[sizeof(text)];

        (void)snprintf(part, len + 1, "%s", text);
        http_fixture_feed(&f, part);
        f.record.n_calls = 0;
        if (!f.record.is_destroyed) {
            leave(f.stream);
        }
        http_fixture_turn(&f);
        cr_assert(f.record.is_destroyed, "open after %zu bytes", len);
        cr_assert_lt(f.record.n_calls, 8, "busy after %zu bytes: %u calls", len, f.record.n_calls);
        if (len + 1 < sizeof(text)) {
            http_fixture_connect(&f);
        }
    }
    http_fixture_fini(&f);
}

Test(advisories, waitress_cve_2024_49769_ghsa_3f84_rpwh_47g6_fin)
{
    leave_after_each_byte(gn_mem_stream_end);
}

Test(advisories, waitress_cve_2024_49769_ghsa_3f84_rpwh_47g6_reset)
{
    leave_after_each_byte(gn_mem_stream_kill);
}

/* A late answer to a client that left finds neither its connection nor somebody else's. */
Test(advisories, waitress_cve_2022_31015_ghsa_f5x9_8jwc_25rw)
{
    f.serve = http_fixture_hold;
    http_fixture_start(&f);
    http_fixture_feed(&f, GET("/"));
    gn_mem_stream_kill(f.stream);
    http_fixture_turn(&f);
    cr_assert(f.record.is_destroyed);
    http_fixture_connect(&f);
    http_fixture_reply(f.held[0], "late");
    http_fixture_turn(&f);
    cr_assert_eq(f.record.output.len, 0);
    cr_assert_eq(f.n_release, 1);
    http_fixture_fini(&f);
}

/* ---- order ---------------------------------------------------------------------------- */

Test(advisories, twisted_cve_2023_46137)
{
    f.serve = http_fixture_hold;
    http_fixture_start(&f);
    http_fixture_feed(&f, GET("/slow") GET("/fast") GET("/last"));
    cr_assert_eq(f.n_serve, 1, "the next one is not begun before the first is answered");
    f.serve = say_path;
    http_fixture_reply(f.held[0], "slow");
    http_fixture_turn(&f);
    cr_assert_eq(f.n_serve, 3);
    cr_assert_not_null(strstr(http_fixture_output(&f), "slow"));
    cr_assert_lt(strstr(http_fixture_output(&f), "slow"), strstr(http_fixture_output(&f), "/fast"));
    cr_assert_lt(
            strstr(http_fixture_output(&f), "/fast"), strstr(http_fixture_output(&f), "/last"));
    http_fixture_fini(&f);
}

/* ---- logs -------------------------------------------------------------------------------- */

Test(advisories, tornado_cve_2025_47287)
{
    http_fixture_start(&f);
    for (unsigned i = 0; i < 200; i++) {
        http_fixture_feed(&f, "GET / HTTP/1.1\r\nno colon\r\n\r\n");
        gn_mem_stream_end(f.stream);
        http_fixture_turn(&f);
        http_fixture_connect(&f);
    }
    cr_assert_geq(n_lines, 1);
    cr_assert_leq(n_lines, 20, "%u lines for 200 bad requests", n_lines);
    http_fixture_fini(&f);
}

/* ---- content that nobody reads ------------------------------------------------------------- */

static void answer_at_the_head(struct http_fixture *fixture, struct gn_exchange *ex)
{
    if (!gn_slice_eq(ex->head->path, GN_LIT("/next"))) {
        say_path(fixture, ex);
    }
}

/* "HTTP/1.1 must die" (PortSwigger 2025), 0.CL and CL.0: what a request declares as its content
 * is never the next request, whatever kind of request answers without looking at it. */
Test(advisories, portswigger_2025_unread_content_is_no_request)
{
#define SMUGGLED "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
#define WITH "Host: h\r\nContent-Length: 35\r\n\r\n" SMUGGLED GET("/next")
    static const char *const requests[] = {
            "GET /a HTTP/1.1\r\n" WITH,
            "HEAD /a HTTP/1.1\r\n" WITH,
            "POST /a HTTP/1.1\r\n" WITH,
            "DELETE /a HTTP/1.1\r\n" WITH,
            "OPTIONS * HTTP/1.1\r\n" WITH,
            "BREW /a HTTP/1.1\r\n" WITH,
            "GET http://h/a HTTP/1.1\r\n" WITH,
            "GET /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" WITH,
    };

    cr_assert_eq(sizeof(SMUGGLED) - 1, 35);
    f.begin = answer_at_the_head;
    f.serve = say_path;
    http_fixture_start(&f);
    for (size_t i = 0; i < GN_ARRAY_LEN(requests); i++) {
        unsigned before = f.n_begin;

        http_fixture_feed(&f, requests[i]);
        cr_assert_eq(f.n_begin, before + 2, "%s", requests[i]);
        cr_assert_null(strstr(http_fixture_output(&f), "/smuggled"), "%s", requests[i]);
        cr_assert_not_null(strstr(http_fixture_output(&f), "/next"), "%s", requests[i]);
        http_fixture_clear_output(&f);
    }
    http_fixture_fini(&f);
#undef WITH
#undef SMUGGLED
}

/* A client that expects 100 and gets an answer may send its content or not: nobody can know, so
 * nothing more of this connection is read as a request. */
Test(advisories, portswigger_2025_early_answer_to_expect)
{
    f.begin = answer_at_the_head;
    http_fixture_start(&f);
    http_fixture_feed(&f,
            "POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 35\r\n\r\n");
    http_fixture_feed(&f, GET("/smuggled"));
    cr_assert_eq(f.n_begin, 1);
    cr_assert_eq(count(http_fixture_output(&f), "HTTP/1.1 "), 1);
    cr_assert_eq(count(http_fixture_output(&f), "Connection: close"), 1);
    http_fixture_fini(&f);
}

/* A proxy that takes any answer to a WebSocket's handshake for the beginning of a tunnel lets a
 * client through that then speaks HTTP: a handshake that fails ends the connection. */
Test(advisories, websocket_smuggling_refused_handshake_closes)
{
    http_fixture_start(&f);
    http_fixture_feed(&f,
            "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 1777\r\nSec-WebSocket-Key: "
            "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" GET("/smuggled"));
    http_fixture_feed(&f, GET("/smuggled"));
    cr_assert_eq(f.n_begin, 1);
    cr_assert_eq(count(http_fixture_output(&f), "Connection: close"), 1);
    http_fixture_fini(&f);
}
