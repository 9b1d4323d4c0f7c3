/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/http/exchange.h"
#include "tests/server/http/http_fixture.h"
#include "tests/support/test.h"

#define GET "GET /a/b?q HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nServer: gustnado\r\nContent-Length: 2\r\n\r\nok"

static bool has(struct http_fixture *f, const char *part)
{
    return strstr(http_fixture_output(f), part) != NULL;
}

static void quiet(void *arg, enum gn_log_level level, struct gn_slice line)
{
    (void)arg;
    (void)level;
    (void)line;
}

static void setup(struct http_fixture *f, http_fixture_fn serve)
{
    gn_log_set_sink(quiet, NULL);
    http_fixture_init(f);
    f->serve = serve;
    http_fixture_start(f);
}

/* ---- what a handler sees ------------------------------------------------ */

static void check_request(struct http_fixture *f, struct gn_exchange *ex)
{
    char text[GN_ADDR_TEXT_BYTES];

    gn_assert_loop_thread(f->loop);
    cr_assert(gn_slice_eq(ex->path_info, GN_LIT("/a/b")));
    cr_assert_eq(ex->script_name.len, 0);
    cr_assert(gn_slice_eq(ex->head->query, GN_LIT("q")));
    cr_assert_eq(ex->body.len, 0);
    cr_assert_not(ex->is_tls);
    gn_addr_format(&ex->peer, text);
    cr_assert_str_eq(text, "192.0.2.1:40000");
    cr_assert_eq(gn_exchange_server(ex), f->server);
    cr_assert_eq(gn_exchange_loop(ex), f->loop);
    cr_assert(gn_exchange_is_connected(ex));
    cr_assert(ex->times.ready >= ex->times.first_byte);
    http_fixture_reply(ex, "ok");
    cr_assert_eq(ex->status, 200);
    cr_assert_eq(ex->response_bytes, 2);
}

Test(exchange, shows_the_request_to_its_handler)
{
    struct http_fixture f;

    setup(&f, check_request);
    http_fixture_feed(&f, GET GET);
    cr_assert_str_eq(http_fixture_output(&f), OK OK);
    cr_assert_eq(f.n_release, 2);
    http_fixture_fini(&f);
}

/* ---- whole responses ---------------------------------------------------- */

static void reply_with_bad_header(struct http_fixture *f, struct gn_exchange *ex)
{
    const struct gn_header bad = {.name = GN_LIT("X"), .value = GN_LIT("a\r\nInjected: b")};
    const struct gn_response response = {.status = 200, .headers = &bad, .n_headers = 1};

    (void)f;
    gn_assert_loop_thread(f->loop);
    gn_exchange_reply(ex, &response);
}

Test(exchange, a_response_that_breaks_the_rules_becomes_a_500)
{
    struct http_fixture f;

    setup(&f, reply_with_bad_header);
    http_fixture_feed(&f, GET);
    cr_assert(has(&f, "HTTP/1.1 500 "));
    cr_assert_not(has(&f, "Injected"));
    f.serve = NULL;
    http_fixture_feed(&f, GET);
    cr_assert(has(&f, OK), "the connection was not kept");
    http_fixture_fini(&f);
}

static void reply_large(struct http_fixture *f, struct gn_exchange *ex)
{
    size_t size = 100000;
    char *text = gn_xcalloc(size + 1);

    (void)f;
    memset(text, 'y', size);
    http_fixture_reply(ex, text);
    memset(text, 'z', size); /* the body was copied or written */
    gn_free(text);
}

Test(exchange, a_large_body_is_the_callers_again_at_once)
{
    struct http_fixture f;

    setup(&f, reply_large);
    f.stream->room = 5000;
    http_fixture_feed(&f, GET GET);
    gn_mem_stream_take(f.stream, SIZE_MAX);
    http_fixture_turn(&f);
    cr_assert_not(has(&f, "z"));
    cr_assert(has(&f, "Content-Length: 100000\r\n"));
    cr_assert_geq(f.record.output.len, 200000);
    http_fixture_fini(&f);
}

Test(exchange, a_large_body_is_not_sent_for_head)
{
    struct http_fixture f;

    setup(&f, reply_large);
    http_fixture_feed(&f, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_assert_str_eq(http_fixture_output(&f),
            "HTTP/1.1 200 OK\r\nServer: gustnado\r\nContent-Length: 100000\r\n\r\n");
    http_fixture_fini(&f);
}

Test(exchange, a_reply_outside_the_dispatcher_leaves_at_once)
{
    struct http_fixture f;

    setup(&f, http_fixture_hold);
    http_fixture_feed(&f, GET);
    cr_assert_eq(f.record.output.len, 0);
    http_fixture_reply(f.held[0], "ok");
    cr_assert_str_eq(http_fixture_output(&f), OK);
    cr_assert_eq(f.n_release, 0, "it ended while its handler was looking");
    http_fixture_turn(&f);
    cr_assert_eq(f.n_release, 1);
    http_fixture_fini(&f);
}

/* ---- responses in parts ------------------------------------------------- */

static enum gn_err write_text(struct gn_exchange *ex, const char *text)
{
    struct gn_bufq part = {0};
    enum gn_err rc;

    gn_assert_loop_thread(gn_exchange_loop(ex));
    gn_bufq_append(&part, gn_slice_str(text));
    rc = gn_exchange_write(ex, &part);
    cr_assert(gn_bufq_is_empty(&part));
    return rc;
}

static enum gn_err start(struct gn_exchange *ex, uint64_t length)
{
    const struct gn_response head = {.status = 200};

    gn_assert_loop_thread(gn_exchange_loop(ex));
    return gn_exchange_start(ex, &head, length);
}

static void too_much(struct http_fixture *f, struct gn_exchange *ex)
{
    gn_assert_loop_thread(f->loop);
    cr_assert_eq(start(ex, 5), GN_OK);
    cr_assert_eq(write_text(ex, "123"), GN_OK);
    cr_assert_eq(write_text(ex, "4567"), GN_ERR_TOO_BIG);
    gn_exchange_finish(ex);
}

Test(exchange, bytes_beyond_the_declared_length_are_dropped)
{
    struct http_fixture f;

    setup(&f, too_much);
    http_fixture_feed(&f, GET);
    cr_assert_str_eq(http_fixture_output(&f),
            "HTTP/1.1 200 OK\r\nServer: gustnado\r\nContent-Length: 5\r\n\r\n12345");
    f.serve = NULL;
    http_fixture_feed(&f, GET);
    http_fixture_fini(&f);
}

static void too_little(struct http_fixture *f, struct gn_exchange *ex)
{
    gn_assert_loop_thread(f->loop);
    cr_assert_eq(start(ex, 5), GN_OK);
    cr_assert_eq(write_text(ex, "123"), GN_OK);
    gn_exchange_finish(ex);
}

Test(exchange, too_few_bytes_end_the_connection)
{
    struct http_fixture f;

    setup(&f, too_little);
    http_fixture_feed(&f, GET GET);
    cr_assert_eq(f.n_serve, 1, "a request was served behind a response that is not whole");
    cr_assert(f.record.has_shut);
    http_fixture_fini(&f);
}

static void parts_for_head(struct http_fixture *f, struct gn_exchange *ex)
{
    gn_assert_loop_thread(f->loop);
    cr_assert_eq(start(ex, GN_LENGTH_UNKNOWN), GN_OK);
    cr_assert_eq(write_text(ex, "body"), GN_OK);
    gn_exchange_finish(ex);
}

Test(exchange, parts_for_head_are_swallowed)
{
    struct http_fixture f;

    setup(&f, parts_for_head);
    http_fixture_feed(&f, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_assert_not(has(&f, "body"));
    cr_assert_not(has(&f, "0\r\n"));
    http_fixture_fini(&f);
}

static void finish_with_nothing(struct http_fixture *f, struct gn_exchange *ex)
{
    gn_assert_loop_thread(f->loop);
    gn_exchange_finish(ex);
}

Test(exchange, a_handler_that_says_nothing_is_a_500)
{
    struct http_fixture f;

    setup(&f, finish_with_nothing);
    http_fixture_feed(&f, GET);
    cr_assert(has(&f, "HTTP/1.1 500 "));
    http_fixture_fini(&f);
}

static void fill_up(struct http_fixture *f, struct gn_exchange *ex)
{
    static char text[20001];
    unsigned n = 0;
    enum gn_err rc;

    memset(text, 'x', sizeof(text) - 1);
    cr_assert_eq(start(ex, GN_LENGTH_UNKNOWN), GN_OK);
    do {
        rc = write_text(ex, text);
        n++;
    } while (rc == GN_OK && n < 1000);
    cr_assert_eq(rc, GN_ERR_FULL);
    cr_assert_eq(n, 5); /* the first beyond 100000 */
    gn_assert_loop_thread(f->loop);
    cr_assert_gt(gn_exchange_n_waiting(ex), 100000);
    http_fixture_hold(f, ex);
}

static void finish_after_drained(struct http_fixture *f, struct gn_exchange *ex)
{
    gn_assert_loop_thread(f->loop);
    cr_assert_leq(gn_exchange_n_waiting(ex), 30000);
    cr_assert_eq(write_text(ex, "last"), GN_OK);
    gn_exchange_finish(ex);
}

Test(exchange, a_writer_is_told_full_and_later_drained)
{
    struct http_fixture f;

    gn_log_set_sink(quiet, NULL);
    http_fixture_init(&f);
    f.serve = fill_up;
    f.drained = finish_after_drained;
    f.limits.output_bytes = 100000;
    f.limits.output_low_bytes = 30000;
    http_fixture_start(&f);
    f.stream->room = 0;
    http_fixture_feed(&f, GET);
    cr_assert_eq(f.n_drained, 0);
    gn_mem_stream_take(f.stream, 50000);
    http_fixture_turn(&f);
    cr_assert_eq(f.n_drained, 0);
    gn_mem_stream_take(f.stream, 60000);
    http_fixture_turn(&f);
    cr_assert_eq(f.n_drained, 1);
    gn_mem_stream_take(f.stream, SIZE_MAX);
    http_fixture_turn(&f);
    cr_assert(has(&f, "4\r\nlast\r\n0\r\n\r\n"));
    http_fixture_fini(&f);
}

Test(exchange, output_to_nobody_is_dropped_and_says_so)
{
    struct http_fixture f;

    setup(&f, http_fixture_hold);
    http_fixture_feed(&f, GET);
    gn_mem_stream_kill(f.stream);
    http_fixture_turn(&f);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(start(f.held[0], 5), GN_ERR_GONE);
    cr_assert_eq(write_text(f.held[0], "x"), GN_ERR_GONE);
    cr_assert_eq(gn_exchange_n_waiting(f.held[0]), 0);
    gn_exchange_finish(f.held[0]);
    http_fixture_fini(&f);
}

/* ---- serialised responses ----------------------------------------------- */

Test(exchange, serialised_bytes_pass_unchanged)
{
    struct gn_bufq bytes = {0};
    struct gn_http1_writer writer;
    struct gn_buf wire;
    struct http_fixture f;

    setup(&f, http_fixture_hold);
    http_fixture_feed(&f, GET GET);
    gn_assert_loop_thread(f.loop);
    writer = f.held[0]->writer;
    gn_buf_init(&wire, 4096);
    cr_assert_eq(gn_http1_writer_reply(&writer, &(struct gn_http1_response){.status = 202},
                         GN_LIT("made elsewhere"), &wire),
            GN_OK);
    gn_bufq_append(&bytes, gn_buf_slice(&wire));
    cr_assert_eq(gn_exchange_send(f.held[0], &bytes), GN_OK);
    gn_exchange_finish_sent(f.held[0], &writer);
    cr_assert(gn_slice_eq(gn_buf_slice(&f.record.output), gn_buf_slice(&wire)));
    cr_assert_eq(f.held[0]->status, 202);
    cr_assert_eq(f.held[0]->response_bytes, 14);
    http_fixture_turn(&f);
    cr_assert_eq(f.n_held, 2);
    http_fixture_reply(f.held[1], "ok");
    gn_buf_fini(&wire);
    http_fixture_fini(&f);
}

Test(exchange, the_status_of_serialised_bytes_is_known_while_they_come)
{
    static const struct {
        const char *parts[3];
        int status;
    } cases[] = {
            {{"HTTP/1.1 202 Accepted\r\n\r\n", "more"}, 202},
            {{"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n", "HTTP/1.1 404 Not Found\r\n\r\n"},
                    404},
            {{"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 201 Created\r\n\r\nHTTP/1.1 500 x"}, 201},
            {{"HTTP/1.1 103 Early Hints\r\n\r\n"}, 0},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct http_fixture f;

        setup(&f, http_fixture_hold);
        http_fixture_feed(&f, GET);
        gn_assert_loop_thread(f.loop);
        for (unsigned k = 0; k < 3 && cases[i].parts[k] != NULL; k++) {
            struct gn_bufq bytes = {0};

            gn_bufq_append(&bytes, gn_slice_str(cases[i].parts[k]));
            cr_assert_eq(gn_exchange_send(f.held[0], &bytes), GN_OK);
        }
        cr_assert_eq(f.held[0]->status, cases[i].status, "case %zu", i);
        gn_exchange_abort(f.held[0]);
        http_fixture_fini(&f);
    }
}

/* ---- streamed request bodies -------------------------------------------- */

static void stream_it(struct http_fixture *f, struct gn_exchange *ex)
{
    (void)f;
    ex->body_mode = GN_BODY_STREAM;
}

static void take_all(struct http_fixture *f, struct gn_exchange *ex)
{
    struct gn_bufq in = {0};
    bool ended;

    gn_assert_loop_thread(f->loop);
    gn_exchange_take_body(ex, &in, &ended);
    gn_bufq_clear(&in);
    if (ended) {
        http_fixture_reply(ex, "ok");
    }
}

Test(exchange, a_streamed_body_waits_for_its_handler)
{
    struct http_fixture f;
    struct gn_bufq in = {0};
    char *body = gn_xcalloc(300001);
    bool ended;

    gn_log_set_sink(quiet, NULL);
    memset(body, 'x', 300000);
    http_fixture_init(&f);
    f.begin = stream_it;
    f.serve = http_fixture_hold;
    http_fixture_start(&f);
    http_fixture_feed(&f, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
    cr_assert_eq(f.n_held, 1);
    http_fixture_feed(&f, body);
    cr_assert_geq(f.stream->input.len, 300000 - 200000, "it read on although nobody took");
    gn_assert_loop_thread(f.loop);
    gn_exchange_take_body(f.held[0], &in, &ended);
    cr_assert_geq(in.n_bytes, f.limits.pipeline_bytes);
    cr_assert_not(ended);
    gn_bufq_clear(&in);
    f.body = take_all;
    http_fixture_turn(&f);
    cr_assert_str_eq(http_fixture_output(&f), OK);
    cr_assert(f.n_body > 1);
    gn_free(body);
    http_fixture_fini(&f);
}

Test(exchange, a_streamed_body_that_breaks_off_is_a_cancel)
{
    struct http_fixture f;

    gn_log_set_sink(quiet, NULL);
    http_fixture_init(&f);
    f.begin = stream_it;
    f.serve = http_fixture_hold;
    http_fixture_start(&f);
    http_fixture_feed(&f, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    gn_mem_stream_end(f.stream);
    http_fixture_turn(&f);
    cr_assert_eq(f.n_cancel, 1);
    cr_assert(has(&f, "HTTP/1.1 400 "));
    gn_assert_loop_thread(f.loop);
    gn_exchange_abort(f.held[0]);
    http_fixture_fini(&f);
}

/* ---- early answers ------------------------------------------------------ */

static void reply_early(struct http_fixture *f, struct gn_exchange *ex)
{
    (void)f;
    http_fixture_reply(ex, "ok");
}

Test(exchange, an_answer_at_the_head_is_never_served_and_the_body_is_no_request)
{
    struct http_fixture f;

    gn_log_set_sink(quiet, NULL);
    http_fixture_init(&f);
    f.begin = reply_early;
    http_fixture_start(&f);
    http_fixture_feed(&f, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\n");
    cr_assert_str_eq(http_fixture_output(&f), OK);
    cr_assert_eq(f.n_release, 1);
    http_fixture_feed(&f, GET GET);
    cr_assert_eq(f.n_serve, 0);
    cr_assert_eq(f.n_begin, 2, "%u", f.n_begin);
    http_fixture_fini(&f);
}

/* ---- delegation --------------------------------------------------------- */

struct other {
    struct gn_handler handler;
    unsigned n_begin;
    unsigned n_serve;
    unsigned n_release;
};

static void other_begin(struct gn_handler *h, struct gn_exchange *ex)
{
    (void)ex;
    GN_CONTAINER_OF(h, struct other, handler)->n_begin++;
}

static void other_serve(struct gn_handler *h, struct gn_exchange *ex)
{
    GN_CONTAINER_OF(h, struct other, handler)->n_serve++;
    http_fixture_reply(ex, "other");
}

static void other_release(struct gn_handler *h, struct gn_exchange *ex)
{
    (void)ex;
    GN_CONTAINER_OF(h, struct other, handler)->n_release++;
}

static const struct gn_handler_ops other_ops = {
        .name = "other", .begin = other_begin, .serve = other_serve, .release = other_release};

static void delegate(struct http_fixture *f, struct gn_exchange *ex)
{
    struct other *other = f->data;

    gn_assert_loop_thread(f->loop);
    gn_exchange_delegate(ex, &other->handler);
}

static void check_delegation(bool at_begin)
{
    struct other other = {.handler.ops = &other_ops};
    struct http_fixture f;

    gn_log_set_sink(quiet, NULL);
    http_fixture_init(&f);
    f.data = &other;
    if (at_begin) {
        f.begin = delegate;
    } else {
        f.serve = delegate;
    }
    http_fixture_start(&f);
    http_fixture_feed(&f, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    cr_assert(has(&f, "\r\n\r\nother"));
    cr_assert_eq(other.n_begin, 1);
    cr_assert_eq(other.n_serve, 1);
    cr_assert_eq(other.n_release, 1);
    cr_assert_eq(f.n_serve, at_begin ? 0 : 1);
    cr_assert_eq(f.n_release, 0);
    f.n_release = f.n_begin; /* the other one released it */
    http_fixture_fini(&f);
}

Test(exchange, is_handed_on_at_its_head)
{
    check_delegation(true);
}

Test(exchange, is_handed_on_when_it_is_served)
{
    check_delegation(false);
}

/* ---- upgrades ----------------------------------------------------------- */

struct upgraded {
    struct gn_stream *stream;
    struct gn_bufq out;
    char early[16];
};

static void on_upgraded(
        void *arg, struct gn_stream **stream, struct gn_slice early, struct gn_bufq *out)
{
    struct upgraded *u = arg;

    u->stream = *stream;
    *stream = NULL;
    memcpy(u->early, early.ptr, GN_MIN(early.len, sizeof(u->early) - 1));
    gn_bufq_move(&u->out, out);
}

static void upgrade(struct http_fixture *f, struct gn_exchange *ex)
{
    const struct gn_header raw = {.name = GN_LIT("Upgrade"), .value = GN_LIT("raw")};

    gn_assert_loop_thread(f->loop);
    gn_exchange_upgrade(ex, &raw, 1, on_upgraded, f->data);
}

static void check_upgrade(bool at_once)
{
    struct upgraded u = {.stream = NULL};
    struct http_fixture f;
    struct iovec first;

    setup(&f, at_once ? upgrade : http_fixture_hold);
    f.data = &u;
    http_fixture_feed(&f,
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: raw\r\n"
            "\r\nearly");
    if (!at_once) {
        upgrade(&f, f.held[0]);
        http_fixture_turn(&f);
    }
    gn_assert_loop_thread(f.loop);
    cr_assert_not_null(u.stream);
    cr_assert_str_eq(u.early, "early");
    cr_assert_eq(gn_bufq_peek(&u.out, &first, 1), 1);
    cr_assert_eq(strncmp(first.iov_base, "HTTP/1.1 101 ", 13), 0);
    cr_assert_eq(gn_http_server_stats(f.server).connections, 1, "it counts until it is closed");
    cr_assert_eq(f.n_release, 1);
    cr_assert_not(f.record.is_destroyed);
    gn_bufq_clear(&u.out);
    gn_stream_destroy(&u.stream);
    http_fixture_fini(&f);
}

Test(exchange, gives_its_stream_away_within_serve)
{
    check_upgrade(true);
}

Test(exchange, gives_its_stream_away_later)
{
    check_upgrade(false);
}

Test(exchange, an_upgrade_before_its_content_was_read_is_refused)
{
    struct upgraded u = {.stream = NULL};
    struct http_fixture f;

    gn_log_set_sink(quiet, NULL);
    http_fixture_init(&f);
    f.begin = upgrade;
    f.data = &u;
    http_fixture_start(&f);
    http_fixture_feed(&f,
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: raw\r\n"
            "Content-Length: 5\r\n\r\n");
    cr_assert_null(u.stream);
    cr_assert(has(&f, "HTTP/1.1 400 "));
    http_fixture_fini(&f);
}

/* ---- the table ---------------------------------------------------------- */

Test(exchange, every_error_has_a_status)
{
    for (int i = 0; i < GN_ERR_N_CODES; i++) {
        int status = gn_err_http_status((enum gn_err)i);

        cr_assert(status == 200 || (status >= 400 && status < 600), "%s: %d",
                gn_err_name((enum gn_err)i), status);
    }
    cr_assert_eq(gn_err_http_status(GN_ERR_NOT_FOUND), 404);
    cr_assert_eq(gn_err_http_status(GN_ERR_TOO_BIG), 413);
    cr_assert_eq(gn_err_http_status(GN_ERR_FULL), 503);
}

Test(exchange, answering_twice_is_a_broken_contract, .signal = SIGABRT)
{
    struct http_fixture f;

    setup(&f, http_fixture_hold);
    http_fixture_feed(&f, GET);
    http_fixture_reply(f.held[0], "ok");
    http_fixture_reply(f.held[0], "ok");
}
