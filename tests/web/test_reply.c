/* SPDX-License-Identifier: MIT */
#include "server/http/exchange.h"
#include "tests/support/test.h"
#include "tests/web/web_fixture.h"
#include "web/reply.h"
#include "web/request.h"

static struct web_answer ask(gn_request_fn fn, const char *fields)
{
    struct web_fixture f;
    struct web_answer a;

    web_init(&f);
    gn_app_get(f.app, "/", fn);
    web_start(&f);
    a = web_send(&f, "GET", "/", fields, "");
    web_end(&f);
    return a; /* its slices are in static memory */
}

static void expect(const struct web_answer *a, int status, const char *type, const char *body)
{
    cr_assert_eq(a->status, status, "%d", a->status);
    if (type == NULL) {
        cr_assert_null(web_field(a, "Content-Type").ptr);
    } else {
        cr_assert(gn_slice_eq(web_field(a, "Content-Type"), gn_slice_str(type)), "%.*s",
                (int)a->head.len, a->head.ptr);
    }
    cr_assert(gn_slice_eq(a->body, gn_slice_str(body)), "%.*s", (int)a->body.len, a->body.ptr);
}

/* ---- whole ------------------------------------------------------------------------- */

GN_LOOP_THREAD static enum gn_err with_text(struct gn_request *r)
{
    char text[] = "from the stack";
    enum gn_err rc = gn_reply_text(r, 201, gn_slice_str(text));

    memset(text, 'x', sizeof(text));
    return rc;
}

GN_LOOP_THREAD static enum gn_err with_html(struct gn_request *r)
{
    return gn_reply_html(r, 200, GN_LIT("<p>"));
}

GN_LOOP_THREAD static enum gn_err with_json(struct gn_request *r)
{
    return gn_reply_json(r, 200, GN_LIT("[]"));
}

GN_LOOP_THREAD static enum gn_err with_bytes(struct gn_request *r)
{
    return gn_reply_bytes(r, 200, "image/png", GN_LIT("png"));
}

GN_LOOP_THREAD static enum gn_err with_status(struct gn_request *r)
{
    return gn_reply_status(r, 202);
}

GN_LOOP_THREAD static enum gn_err with_second_thoughts(struct gn_request *r)
{
    (void)gn_reply_html(r, 200, GN_LIT("first"));
    return gn_reply_textf(r, 200, "%s", "second");
}

Test(reply, sends_each_kind)
{
    static const struct {
        gn_request_fn fn;
        int status;
        const char *type;
        const char *body;
    } cases[] = {
            {with_text, 201, "text/plain; charset=utf-8", "from the stack"},
            {with_html, 200, "text/html; charset=utf-8", "<p>"},
            {with_json, 200, "application/json", "[]"},
            {with_bytes, 200, "image/png", "png"},
            {with_status, 202, NULL, ""},
            {with_second_thoughts, 200, "text/plain; charset=utf-8", "second"},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct web_answer a = ask(cases[i].fn, "");

        expect(&a, cases[i].status, cases[i].type, cases[i].body);
    }
}

GN_LOOP_THREAD static enum gn_err with_headers(struct gn_request *r)
{
    for (int i = 0; i < 20; i++) {
        gn_reply_header_add(r, "X-Many", GN_LIT("m"));
    }
    gn_reply_header(r, "X-One", GN_LIT("lost"));
    gn_reply_header(r, "x-one", GN_LIT("kept"));
    gn_reply_header(r, "content-type", GN_LIT("text/x-own"));
    return gn_reply_text(r, 200, GN_LIT("t"));
}

Test(reply, sets_and_adds_headers)
{
    struct web_answer a = ask(with_headers, "");
    struct gn_slice rest = a.head;
    struct gn_slice line;
    unsigned n = 0;

    expect(&a, 200, "text/x-own", "t");
    cr_assert(gn_slice_eq(web_field(&a, "X-One"), GN_LIT("kept")));
    while (gn_slice_split(&rest, '\n', &line)) {
        n += gn_slice_starts_with(line, GN_LIT("X-Many"));
    }
    cr_assert_eq(n, 20);
}

GN_LOOP_THREAD static enum gn_err with_bad_header(struct gn_request *r)
{
    gn_reply_header(r, "X-Split", GN_LIT("a\r\nSet-Cookie: evil=1"));
    return gn_reply_text(r, 200, GN_LIT("t"));
}

Test(reply, never_sends_a_split_header)
{
    struct web_answer a = ask(with_bad_header, "");

    cr_assert_eq(a.status, 500);
    cr_assert_null(web_field(&a, "Set-Cookie").ptr);
}

GN_LOOP_THREAD static enum gn_err with_redirect(struct gn_request *r)
{
    return gn_reply_redirect(r, 303, GN_LIT("/there"));
}

Test(reply, redirects)
{
    struct web_answer a = ask(with_redirect, "");

    cr_assert_eq(a.status, 303);
    cr_assert(gn_slice_eq(web_field(&a, "Location"), GN_LIT("/there")));
}

/* ---- failures ------------------------------------------------------------------------- */

GN_LOOP_THREAD static enum gn_err refuse(struct gn_request *r)
{
    return gn_fail(r, 403, "not for %s", "you");
}

GN_LOOP_THREAD static enum gn_err with_failure(struct gn_request *r)
{
    (void)gn_reply_text(r, 200, GN_LIT("all is well"));
    GN_TRY(refuse(r));
    return GN_OK;
}

GN_LOOP_THREAD static enum gn_err with_challenge(struct gn_request *r)
{
    gn_reply_header(r, "content-type", GN_LIT("text/x-other"));
    gn_reply_header(r, "WWW-Authenticate", GN_LIT("Basic realm=\"x\""));
    return gn_fail(r, 401, "log in");
}

GN_LOOP_THREAD static enum gn_err with_timeout(struct gn_request *r)
{
    (void)r;
    return GN_ERR_TIMEOUT;
}

Test(reply, turns_failures_into_error_pages)
{
    struct web_answer a = ask(with_failure, "Accept: application/json\r\n");

    cr_assert_eq(a.status, 403);
    cr_assert(gn_slice_starts_with(web_field(&a, "Content-Type"), GN_LIT("application/json")));
    a = ask(with_challenge, "");
    cr_assert_eq(a.status, 401);
    cr_assert_not_null(web_field(&a, "WWW-Authenticate").ptr);
    cr_assert(gn_slice_starts_with(web_field(&a, "Content-Type"), GN_LIT("text/html")));
    a = ask(with_challenge, "Accept: application/json\r\n");
    cr_assert(gn_slice_eq(a.body,
                      GN_LIT("{\"status\":401,\"error\":\"Unauthorized\",\"detail\":\"log "
                             "in\"}\n")),
            "%.*s", (int)a.body.len, a.body.ptr);
    a = ask(with_timeout, "");
    cr_assert_eq(a.status, gn_err_http_status(GN_ERR_TIMEOUT));
}

/* ---- injection ---------------------------------------------------------------------------- */

static const char *injected_name;
static struct gn_slice injected;

GN_LOOP_THREAD static enum gn_err with_injected_header(struct gn_request *r)
{
    gn_reply_header(r, injected_name, injected);
    return gn_reply_text(r, 200, GN_LIT("t"));
}

GN_LOOP_THREAD static enum gn_err with_injected_headers(struct gn_request *r)
{
    gn_reply_header_add(r, "X-Good", GN_LIT("g"));
    gn_reply_header_add(r, injected_name, injected);
    return gn_reply_status(r, 200);
}

GN_LOOP_THREAD static enum gn_err with_injected_redirect(struct gn_request *r)
{
    return gn_reply_redirect(r, 302, injected);
}

GN_LOOP_THREAD static enum gn_err with_injected_type(struct gn_request *r)
{
    return gn_reply_bytes(r, 200, "text/plain\r\nX-Evil: 1", GN_LIT("t"));
}

GN_LOOP_THREAD static enum gn_err with_injected_failure(struct gn_request *r)
{
    gn_reply_header(r, injected_name, injected);
    return gn_fail(r, 403, "a\r\nX-Evil: 1\r\n<b>");
}

GN_LOOP_THREAD static enum gn_err with_injected_stream(struct gn_request *r)
{
    gn_reply_header(r, injected_name, injected);
    return gn_reply_start(r, 200, "text/plain", 1);
}

GN_LOOP_THREAD static enum gn_err with_injected_stream_type(struct gn_request *r)
{
    return gn_reply_start(r, 200, "text/plain\r\nX-Evil: 1", 1);
}

/** Nothing of what was to be sent is, and the answer is a whole 500. */
static void check_injection(gn_request_fn fn, const char *way)
{
    struct web_answer a = ask(fn, "");

    cr_assert_eq(a.status, 500, "%s: %d", way, a.status);
    cr_assert_null(web_field(&a, "X-Evil").ptr, "%s", way);
    cr_assert_null(web_field(&a, "X-Good").ptr, "%s", way);
    cr_assert_null(web_field(&a, "Location").ptr, "%s", way);
    cr_assert(gn_slice_starts_with(a.body, GN_LIT("<!doctype html>")), "%s", way);
}

Test(reply, lets_no_header_be_injected)
{
    static const struct {
        const char *name;
        struct gn_slice value;
    } cases[] = {
            {"A", GN_LIT_INIT("b\r\nX-Evil: 1")},
            {"A", GN_LIT_INIT("b\nX-Evil: 1")},
            {"A", GN_LIT_INIT("b\rX-Evil: 1")},
            {"A", GN_LIT_INIT("\r\n\r\n<html>")},
            {"A", GN_LIT_INIT("b\0c")},
            {"A", GN_LIT_INIT("b\x7f")},
            {"A\r\nX-Evil", GN_LIT_INIT("1")},
            {"A\nX-Evil", GN_LIT_INIT("1")},
            {"A: b\r\nX-Evil", GN_LIT_INIT("1")},
            {"A B", GN_LIT_INIT("1")},
            {"A:", GN_LIT_INIT("1")},
            {"", GN_LIT_INIT("1")},
            {"Set-Cookie", GN_LIT_INIT("a=b\r\nX-Evil: 1")},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        injected_name = cases[i].name;
        injected = cases[i].value;
        check_injection(with_injected_header, "header");
        check_injection(with_injected_headers, "one of several");
        check_injection(with_injected_failure, "failure");
        check_injection(with_injected_stream, "stream");
    }
    injected = GN_LIT("/there\r\nX-Evil: 1");
    check_injection(with_injected_redirect, "redirect");
    injected = GN_LIT("/there\r\n\r\n<script>");
    check_injection(with_injected_redirect, "redirect with content");
    check_injection(with_injected_type, "content type");
    check_injection(with_injected_stream_type, "content type of a stream");
}

GN_LOOP_THREAD static enum gn_err with_markup_in_the_detail(struct gn_request *r)
{
    return gn_fail(r, 403, "a\r\nX-Evil: 1\r\n<b>\"");
}

Test(reply, a_failures_words_stay_in_the_page)
{
    struct web_answer a = ask(with_markup_in_the_detail, "");

    cr_assert_eq(a.status, 403);
    cr_assert_null(web_field(&a, "X-Evil").ptr);
    cr_assert_lt(gn_slice_find(a.body, '<'), a.body.len);
    a.body.len -= 1;
    cr_assert_null(strstr(a.body.ptr, "<b>"));
    a = ask(with_markup_in_the_detail, "Accept: application/json\r\n");
    cr_assert(gn_slice_eq(a.body,
                      GN_LIT("{\"status\":403,\"error\":\"Forbidden\",\"detail\":\"a\\u000d\\u000a"
                             "X-Evil: 1\\u000d\\u000a<b>\\\"\"}\n")),
            "%.*s", (int)a.body.len, a.body.ptr);
}

/* ---- streams ------------------------------------------------------------------------------ */

GN_LOOP_THREAD static enum gn_err stream(struct gn_request *r)
{
    GN_TRY(gn_reply_start(r, 200, "text/plain", GN_LENGTH_UNKNOWN));
    for (int i = 0; i < 3; i++) {
        GN_TRY(gn_reply_write_await(r, GN_LIT("part "), gn_after_ms(r, 10000)));
        GN_TRY(gn_sleep_await(gn_after_ms(r, 1)));
    }
    return gn_reply_finish(r);
}

GN_LOOP_THREAD static enum gn_err stream_without_finish(struct gn_request *r)
{
    GN_TRY(gn_reply_start(r, 200, NULL, 3));
    return gn_reply_write_await(r, GN_LIT("abc"), gn_after_ms(r, 10000));
}

GN_LOOP_THREAD static enum gn_err stream_too_much(struct gn_request *r)
{
    GN_TRY(gn_reply_start(r, 200, NULL, 3));
    cr_assert_eq(gn_reply_write_await(r, GN_LIT("abcd"), GN_NEVER), GN_ERR_TOO_BIG);
    return GN_OK;
}

Test(reply, streams)
{
    struct web_answer a = ask(stream, "");

    expect(&a, 200, "text/plain", "part part part ");
    a = ask(stream_without_finish, "");
    expect(&a, 200, NULL, "abc");
    a = ask(stream_too_much, "");
    expect(&a, 200, NULL, "abc");
}

GN_LOOP_THREAD static enum gn_err stream_and_fail(struct gn_request *r)
{
    GN_TRY(gn_reply_start(r, 200, "text/plain", GN_LENGTH_UNKNOWN));
    GN_TRY(gn_reply_write_await(r, GN_LIT("half of"), gn_after_ms(r, 10000)));
    return GN_ERR_BUG;
}

Test(reply, cuts_a_stream_that_fails)
{
    cr_assert_eq(ask(stream_and_fail, "").status, 0, "it must not look complete");
}

static unsigned n_parts;

GN_LOOP_THREAD static enum gn_err stream_much(struct gn_request *r)
{
    static char block[65536];

    GN_TRY(gn_reply_start(r, 200, "text/plain", GN_LENGTH_UNKNOWN));
    for (n_parts = 0; n_parts < 64; n_parts++) {
        GN_TRY(gn_reply_write_await(r, gn_slice_of(block, sizeof(block)), gn_after_ms(r, 10000)));
    }
    return GN_OK;
}

Test(reply, waits_for_a_slow_client)
{
    struct web_fixture f;

    web_init(&f);
    gn_app_get(f.app, "/", stream_much);
    web_start(&f);
    web_put(&f, &f.client, GN_LIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    web_turn(&f);
    cr_assert_lt(n_parts, 32, "nothing held it back: %u", n_parts);
    for (int i = 0; i < 1000 && n_parts < 64; i++) {
        gn_loop_run_once(f.loop);
        (void)web_slurp(&f.client);
    }
    cr_assert_eq(n_parts, 64);
    web_hang_up(&f, &f.client);
    web_end(&f);
}

static enum gn_err write_status;

GN_LOOP_THREAD static enum gn_err stream_to_nobody(struct gn_request *r)
{
    static char block[65536];

    GN_TRY(gn_reply_start(r, 200, "text/plain", GN_LENGTH_UNKNOWN));
    do {
        write_status = gn_reply_write_await(r, gn_slice_of(block, sizeof(block)), GN_NEVER);
    } while (write_status == GN_OK);
    return write_status;
}

Test(reply, tells_a_stream_that_its_client_has_gone)
{
    struct web_fixture f;

    web_init(&f);
    gn_app_get(f.app, "/", stream_to_nobody);
    web_start(&f);
    write_status = GN_OK;
    web_put(&f, &f.client, GN_LIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    web_hang_up(&f, &f.client);
    for (int i = 0; i < 100 && write_status == GN_OK; i++) {
        web_turn(&f);
    }
    cr_assert(write_status == GN_ERR_CANCELLED || write_status == GN_ERR_GONE);
    web_end(&f);
}
