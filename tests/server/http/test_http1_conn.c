/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "server/base/alloc.h"
#include "tests/server/http/http_fixture.h"
#include "tests/support/feed.h"
#include "tests/support/test.h"

#include "server/http/exchange_priv.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nServer: gustnado\r\nContent-Length: 2\r\n\r\nok"

static struct gn_http1_conn *only_conn(struct http_fixture *f)
{
    cr_assert_not(gn_list_is_empty(&f->server->conns));
    return GN_LIST_ENTRY(f->server->conns.next, struct gn_http1_conn, link);
}

Test(http1_conn, an_idle_connection_is_small_and_holds_no_buffer)
{
    struct http_fixture f;
    const struct gn_http1_conn *c;

    cr_assert_leq(sizeof(struct gn_http1_conn) + sizeof(struct gn_stream), 768);
    http_fixture_init(&f);
    http_fixture_start(&f);
    http_fixture_feed(&f, GET GET);
    cr_assert_str_eq(http_fixture_output(&f), OK OK);
    c = only_conn(&f);
    cr_assert_eq(c->step, GN_STEP_IDLE);
    cr_assert_null(c->in.block);
    cr_assert_null(c->exchange);
    cr_assert(gn_bufq_is_empty(&c->out));
    cr_assert(gn_list_is_empty(&f.server->exchanges));
    http_fixture_fini(&f);
}

Test(http1_conn, a_request_costs_one_read_and_one_write)
{
    struct http_fixture f;

    http_fixture_init(&f);
    http_fixture_start(&f);
    http_fixture_feed(&f, GET);
    for (int i = 0; i < 10; i++) {
        http_fixture_clear_output(&f);
        http_fixture_feed(&f, GET);
        cr_assert_eq(f.record.n_calls, 2, "%u calls", f.record.n_calls);
        cr_assert_eq(f.record.n_writes, 1);
    }
    http_fixture_fini(&f);
}

Test(http1_conn, pipelined_answers_leave_in_one_write)
{
    struct http_fixture f;

    http_fixture_init(&f);
    http_fixture_start(&f);
    http_fixture_feed(&f, GET GET GET GET);
    cr_assert_str_eq(http_fixture_output(&f), OK OK OK OK);
    cr_assert_eq(f.record.n_writes, 1);
    http_fixture_fini(&f);
}

/* ---- every way to cut --------------------------------------------------- */

static void serve_length(struct http_fixture *f, struct gn_exchange *ex)
{
    struct gn_slice text =
            gn_arena_printf(&ex->arena, "%u:%.*s", (unsigned)ex->body.len, 5, ex->head->path.ptr);

    (void)f;
    http_fixture_reply(ex, text.ptr);
}

static void check_cut(const struct gn_feed *feed, void *arg)
{
    struct http_fixture f;

    http_fixture_init(&f);
    f.serve = serve_length;
    http_fixture_start(&f);
    for (size_t i = 0; i < feed->n_pieces; i++) {
        gn_mem_stream_feed(f.stream, feed->pieces[i]);
        http_fixture_turn(&f);
    }
    cr_assert_str_eq(http_fixture_output(&f), arg, "%s", feed->way);
    http_fixture_fini(&f);
}

Test(http1_conn, answers_the_same_however_the_bytes_are_cut)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nServer: gustnado\r\nContent-Length: 7\r\n\r\n";
    char expected[512] = "";

    (void)snprintf(expected, sizeof(expected), "%s0:/aaaa%s5:/bbbb%s7:/cccc", head, head, head);
    gn_feed_all_ways(GN_LIT("GET /aaaa HTTP/1.1\r\nHost: a\r\n\r\n"
                            "POST /bbbb HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
                            "POST /cccc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "3;x\r\nabc\r\n4\r\ndefg\r\n0\r\nT: v\r\n\r\n"),
            check_cut, expected);
}

Test(http1_conn, a_head_larger_than_a_block_keeps_its_slices)
{
    struct http_fixture f;
    char *request = gn_xalloc(70000);
    size_t len = 0;

    http_fixture_init(&f);
    f.serve = http_fixture_hold;
    http_fixture_start(&f);
    len += (size_t)snprintf(request, 70000, "GET /long HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 40; i++) {
        len += (size_t)snprintf(request + len, 70000 - len, "X-%02d: %01000d\r\n", i, i);
    }
    len += (size_t)snprintf(request + len, 70000 - len, "\r\n");
    for (size_t at = 0; at < len; at += 1500) {
        gn_mem_stream_feed(f.stream, gn_slice_of(request + at, GN_MIN(len - at, (size_t)1500)));
        http_fixture_turn(&f);
    }
    cr_assert_eq(f.n_held, 1);
    /* more arrives behind it while it is being served */
    for (int i = 0; i < 100; i++) {
        http_fixture_feed(&f, GET);
    }
    cr_assert_eq(f.held[0]->head->n_headers, 41);
    for (int i = 0; i < 40; i++) {
        struct gn_slice value = f.held[0]->head->headers[i + 1].value;
        uint64_t number;

        cr_assert_eq(value.len, 1000);
        cr_assert_eq(gn_slice_to_u64(value, UINT64_MAX, &number), GN_OK);
        cr_assert_eq(number, (uint64_t)i);
    }
    f.serve = NULL;
    http_fixture_reply(f.held[0], "ok");
    http_fixture_turn(&f);
    cr_assert_eq(f.n_serve, 101);
    gn_free(request);
    http_fixture_fini(&f);
}

/* ---- clients that leave ------------------------------------------------- */

Test(http1_conn, a_client_that_vanishes_cancels_once_and_the_handler_ends_it)
{
    struct http_fixture f;

    http_fixture_init(&f);
    f.serve = http_fixture_hold;
    http_fixture_start(&f);
    http_fixture_feed(&f, GET);
    gn_mem_stream_kill(f.stream);
    http_fixture_turn(&f);
    cr_assert(f.record.is_destroyed);
    cr_assert_eq(f.n_cancel, 1);
    cr_assert_eq(f.why, GN_ERR_GONE);
    cr_assert_eq(f.n_release, 0);
    gn_assert_loop_thread(f.loop);
    cr_assert_not(gn_exchange_is_connected(f.held[0]));
    cr_assert_eq(gn_http_server_stats(f.server).connections, 0);
    cr_assert_eq(gn_http_server_stats(f.server).exchanges, 1);
    http_fixture_reply(f.held[0], "too late");
    http_fixture_turn(&f);
    cr_assert_eq(f.n_release, 1);
    http_fixture_fini(&f);
}

static void reply_now(struct http_fixture *f, struct gn_exchange *ex)
{
    (void)f;
    http_fixture_reply(ex, "cancelled");
}

Test(http1_conn, a_handler_may_end_within_cancel)
{
    struct http_fixture f;

    http_fixture_init(&f);
    f.serve = http_fixture_hold;
    f.cancel = reply_now;
    http_fixture_start(&f);
    http_fixture_feed(&f, GET GET);
    gn_mem_stream_kill(f.stream);
    http_fixture_turn(&f);
    cr_assert_eq(f.n_cancel, 1);
    cr_assert_eq(f.n_serve, 1);
    cr_assert_eq(f.n_release, 1);
    http_fixture_fini(&f);
}

Test(http1_conn, fin_is_no_cancel_and_everything_pipelined_is_answered)
{
    struct http_fixture f;

    http_fixture_init(&f);
    f.serve = http_fixture_hold;
    http_fixture_start(&f);
    gn_mem_stream_feed(f.stream, GN_LIT(GET GET));
    gn_mem_stream_end(f.stream);
    http_fixture_turn(&f);
    cr_assert_eq(f.n_cancel, 0);
    http_fixture_reply(f.held[0], "ok");
    http_fixture_turn(&f);
    cr_assert_eq(f.n_held, 2);
    http_fixture_reply(f.held[1], "ok");
    http_fixture_turn(&f);
    cr_assert_str_eq(http_fixture_output(&f),
            OK "HTTP/1.1 200 OK\r\nServer: gustnado\r\nContent-Length: 2\r\nConnection: close\r\n"
               "\r\nok");
    cr_assert(f.record.is_destroyed);
    http_fixture_fini(&f);
}

/* ---- slow readers ------------------------------------------------------- */

static void serve_parts(struct http_fixture *f, struct gn_exchange *ex)
{
    const struct gn_response head = {.status = 200};
    struct gn_bufq part = {0};

    (void)f;
    gn_assert_loop_thread(gn_exchange_loop(ex));
    cr_assert_eq(gn_exchange_start(ex, &head, GN_LENGTH_UNKNOWN), GN_OK);
    gn_bufq_append(&part, GN_LIT("hello"));
    cr_assert_eq(gn_exchange_write(ex, &part), GN_OK);
    gn_bufq_lend(&part, GN_LIT(" world"), NULL, NULL);
    cr_assert_eq(gn_exchange_write(ex, &part), GN_OK);
    gn_exchange_finish(ex);
}

Test(http1_conn, a_reader_of_one_byte_at_a_time_gets_everything)
{
    static const char expected[] =
            "HTTP/1.1 200 OK\r\nServer: gustnado\r\nTransfer-Encoding: chunked\r\n\r\n"
            "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    struct http_fixture f;

    http_fixture_init(&f);
    f.serve = serve_parts;
    http_fixture_start(&f);
    f.stream->room = 0;
    http_fixture_feed(&f, GET GET);
    for (int i = 0; i < 2 * (int)sizeof(expected) + 100; i++) {
        gn_mem_stream_take(f.stream, 1);
        http_fixture_turn(&f);
    }
    gn_mem_stream_take(f.stream, SIZE_MAX);
    http_fixture_turn(&f);
    cr_assert_eq(strlen(http_fixture_output(&f)), 2 * strlen(expected));
    cr_assert_eq(strncmp(http_fixture_output(&f), expected, strlen(expected)), 0);
    http_fixture_fini(&f);
}

static void serve_large(struct http_fixture *f, struct gn_exchange *ex)
{
    static char large[100000];

    (void)f;
    memset(large, 'x', sizeof(large) - 1);
    http_fixture_reply(ex, large);
}

Test(http1_conn, who_pipelines_and_never_reads_is_bounded)
{
    struct http_fixture f;

    http_fixture_init(&f);
    f.serve = serve_large;
    f.limits.output_bytes = 300000;
    f.limits.output_low_bytes = 100000;
    f.limits.pipeline_bytes = 10000;
    http_fixture_start(&f);
    f.stream->room = 0;
    for (int i = 0; i < 2000; i++) {
        gn_mem_stream_feed(f.stream, GN_LIT(GET));
    }
    http_fixture_turn(&f);
    cr_assert_leq(only_conn(&f)->out.n_bytes, 300000 + 101000);
    cr_assert_leq(gn_input_n_bytes(&only_conn(&f)->in), 10000);
    cr_assert_geq(f.stream->input.len, 2000 * (sizeof(GET) - 1) - 20000);
    cr_assert_leq(f.n_serve, 5);
    gn_mem_stream_take(f.stream, SIZE_MAX);
    http_fixture_turn(&f);
    cr_assert_eq(f.n_serve, 2000);
    http_fixture_fini(&f);
}

Test(http1_conn, reading_ahead_while_serving_is_bounded)
{
    struct http_fixture f;

    http_fixture_init(&f);
    f.serve = http_fixture_hold;
    f.limits.pipeline_bytes = 10000;
    http_fixture_start(&f);
    http_fixture_feed(&f, GET);
    for (int i = 0; i < 2000; i++) {
        gn_mem_stream_feed(f.stream, GN_LIT(GET));
    }
    http_fixture_turn(&f);
    cr_assert_eq(gn_input_n_bytes(&only_conn(&f)->in), 10000);
    f.serve = NULL;
    http_fixture_reply(f.held[0], "ok");
    http_fixture_turn(&f);
    cr_assert_eq(f.n_serve, 2001);
    http_fixture_fini(&f);
}

/* ---- streams that fail -------------------------------------------------- */

static void serve_by_path(struct http_fixture *f, struct gn_exchange *ex)
{
    switch (ex->head->path.len) {
    case 1:
        http_fixture_reply(ex, "ok");
        break;
    case 2:
        serve_large(f, ex);
        break;
    case 3:
        serve_parts(f, ex);
        break;
    default:
        http_fixture_hold(f, ex);
        break;
    }
}

/** A busy connection whose n-th call on the stream fails. Returns false when none was left to fail.
 */
static bool run_with_failure_at(unsigned n)
{
    struct http_fixture f;
    bool met;

    http_fixture_init(&f);
    f.serve = serve_by_path;
    http_fixture_start(&f);
    f.stream->fail_at = n;
    f.stream->max_read = 40;
    f.stream->room = 50000;
    http_fixture_feed(&f, GET "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n" GET);
    if (!f.record.is_destroyed) {
        gn_mem_stream_take(f.stream, SIZE_MAX);
    }
    http_fixture_feed(&f,
            "GET /33 HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\n"
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    http_fixture_feed(&f, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    if (f.n_held > 0) {
        http_fixture_reply(f.held[0], "ok");
    }
    http_fixture_feed(&f, "BROKEN\r\n\r\n");
    if (!f.record.is_destroyed) {
        gn_mem_stream_end(f.stream);
        http_fixture_turn(&f);
    }
    met = f.record.n_calls >= n;
    http_fixture_fini(&f);
    return met;
}

Test(http1_conn, whichever_call_fails_nothing_is_left)
{
    unsigned n = 1;

    while (run_with_failure_at(n)) {
        n++;
    }
    cr_assert(n > 15, "the scenario has only %u calls", n);
}

/* ---- deadlines ---------------------------------------------------------- */

static void on_tick(struct gn_timer *timer)
{
    gn_assert_loop_thread(timer->loop);
    gn_loop_stop(timer->loop);
}

/** Runs until the connection has gone, at most ten seconds. */
static void run_until_closed(struct http_fixture *f)
{
    struct gn_timer timer;

    gn_assert_loop_thread(f->loop);
    gn_timer_init(&timer, f->loop, on_tick);
    for (int i = 0; i < 1000 && !f->record.is_destroyed; i++) {
        gn_timer_start(&timer, gn_deadline_after_ms(gn_clock_now(), 10));
        gn_loop_run(f->loop);
    }
    gn_timer_stop(&timer);
    cr_assert(f->record.is_destroyed, "still open");
}

struct wait_case {
    const char *name;
    const char *sent;
    int status; /* of the answer; 0: closed without one */
};

static void check_deadline(const struct wait_case *c)
{
    struct http_fixture f;
    const char *output;
    char expected[32];

    http_fixture_init(&f);
    f.limits.head_ms = 20;
    f.limits.idle_ms = 20;
    f.limits.body_idle_ms = 20;
    f.limits.linger_ms = 20;
    http_fixture_start(&f);
    http_fixture_feed(&f, c->sent);
    run_until_closed(&f);
    output = http_fixture_output(&f);
    if (c->status == 0) {
        cr_assert_str_eq(output, "", "%s", c->name);
    } else {
        (void)snprintf(expected, sizeof(expected), "HTTP/1.1 %d ", c->status);
        cr_assert_eq(strncmp(output, expected, strlen(expected)), 0, "%s: %s", c->name, output);
    }
    http_fixture_fini(&f);
}

Test(http1_conn, every_wait_of_the_reading_side_has_an_end)
{
    static const struct wait_case cases[] = {
            {"silent from the start", "", 0},
            {"an empty line", "\r\n", 0},
            {"half a head", "GET / HT", 408},
            {"half a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", 408},
            {"idle after an answer", GET, 200},
            {"an error answer nobody reads", "nonsense\r\n\r\n", 400},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        check_deadline(&cases[i]);
    }
}

Test(http1_conn, a_client_that_does_not_read_is_cut)
{
    struct http_fixture f;

    http_fixture_init(&f);
    f.serve = http_fixture_hold;
    f.limits.write_stall_ms = 20;
    http_fixture_start(&f);
    f.stream->room = 10;
    http_fixture_feed(&f, GET);
    serve_parts(&f, f.held[0]);
    run_until_closed(&f);
    cr_assert_eq(f.record.output.len, 10);
    http_fixture_fini(&f);
}
