/* SPDX-License-Identifier: MIT */
#include "tests/server/http/http_fixture.h"

#include "server/base/alloc.h"
#include "server/http/access_log.h"
#include "server/http/http1_conn.h"
#include "tests/support/test.h"

#define TURNS 8
#define DATE "Date: "
#define DATE_LINE_BYTES 37

static struct http_fixture *fixture_of(struct gn_handler *h)
{
    return GN_CONTAINER_OF(h, struct http_fixture, handler);
}

static void on_begin(struct gn_handler *h, struct gn_exchange *ex)
{
    struct http_fixture *f = fixture_of(h);

    f->n_begin++;
    if (f->begin != NULL) {
        f->begin(f, ex);
    }
}

static void on_serve(struct gn_handler *h, struct gn_exchange *ex)
{
    struct http_fixture *f = fixture_of(h);

    f->n_serve++;
    if (f->serve != NULL) {
        f->serve(f, ex);
    } else {
        http_fixture_reply(ex, "ok");
    }
}

static void on_body(struct gn_handler *h, struct gn_exchange *ex)
{
    struct http_fixture *f = fixture_of(h);

    f->n_body++;
    if (f->body != NULL) {
        f->body(f, ex);
    }
}

static void on_drained(struct gn_handler *h, struct gn_exchange *ex)
{
    struct http_fixture *f = fixture_of(h);

    f->n_drained++;
    if (f->drained != NULL) {
        f->drained(f, ex);
    }
}

static void on_cancel(struct gn_handler *h, struct gn_exchange *ex, enum gn_err why)
{
    struct http_fixture *f = fixture_of(h);

    f->n_cancel++;
    f->why = why;
    if (f->cancel != NULL) {
        f->cancel(f, ex);
    }
}

static void on_release(struct gn_handler *h, struct gn_exchange *ex)
{
    (void)ex;
    fixture_of(h)->n_release++;
}

static const struct gn_handler_ops ops = {
        .name = "fixture",
        .begin = on_begin,
        .serve = on_serve,
        .body = on_body,
        .drained = on_drained,
        .cancel = on_cancel,
        .release = on_release,
};

void http_fixture_init(struct http_fixture *f)
{
    *f = (struct http_fixture){.handler.ops = &ops, .limits = gn_http_limits_default()};
    cr_assert_eq(gn_loop_create(&f->loop, NULL), GN_OK);
}

void http_fixture_start(struct http_fixture *f)
{
    const struct gn_http_server_options options = {.limits = f->limits,
            .proxies = f->proxies,
            .handler = &f->handler,
            .access_log = f->access_log,
            .shows_request_ids = f->shows_request_ids};

    gn_assert_loop_thread(f->loop);
    f->server = gn_http_server_create(f->loop, &options);
    gn_mem_record_init(&f->record);
    f->record.is_destroyed = true;
    http_fixture_connect(f);
}

void http_fixture_connect(struct http_fixture *f)
{
    const struct gn_addr peer = {.len = sizeof(peer.u.in),
            .u.in = {.sin_family = AF_INET,
                    .sin_port = htons(40000),
                    .sin_addr.s_addr = htonl(0xc0000201u)}};
    static const struct gn_addr local = {.len = 0};
    struct gn_stream *stream;

    gn_assert_loop_thread(f->loop);
    cr_assert(f->record.is_destroyed);
    gn_mem_record_fini(&f->record);
    gn_mem_record_init(&f->record);
    f->stream = gn_mem_stream_create(f->loop, &f->record);
    stream = &f->stream->stream;
    gn_http1_conn_start(f->server, &stream, &(struct gn_origin){.peer = peer, .local = &local});
    cr_assert_null(stream);
}

void http_fixture_turn(struct http_fixture *f)
{
    unsigned before;
    unsigned n = 0;

    do {
        before = f->record.n_calls;
        for (int i = 0; i < TURNS; i++) {
            gn_loop_run_once(f->loop);
        }
    } while (f->record.n_calls != before && ++n < 10000);
}

void http_fixture_feed(struct http_fixture *f, const char *text)
{
    if (!f->record.is_destroyed) {
        gn_mem_stream_feed(f->stream, gn_slice_str(text));
    }
    http_fixture_turn(f);
}

void http_fixture_fini(struct http_fixture *f)
{
    struct gn_http_server_stats stats;

    gn_assert_loop_thread(f->loop);
    if (!f->record.is_destroyed) {
        gn_mem_stream_end(f->stream);
        gn_mem_stream_take(f->stream, SIZE_MAX);
    }
    http_fixture_turn(f);
    stats = gn_http_server_stats(f->server);
    cr_assert_eq(stats.connections, 0, "a connection is left");
    cr_assert_eq(stats.exchanges, 0, "an exchange is left");
    cr_assert(f->record.is_destroyed);
    cr_assert_eq(f->n_release, f->n_begin, "%u of %u were released", f->n_release, f->n_begin);
    gn_http_server_destroy(&f->server);
    gn_access_log_destroy(&f->access_log);
    gn_mem_record_fini(&f->record);
    gn_loop_destroy(&f->loop);
}

const char *http_fixture_output(struct http_fixture *f)
{
    static struct gn_buf shown;
    struct gn_slice rest = gn_buf_slice(&f->record.output);

    gn_buf_fini(&shown);
    gn_buf_init(&shown, 2 * rest.len + 1);
    while (rest.len > 0) {
        size_t n = 1;

        if (gn_slice_starts_with(rest, GN_LIT(DATE))) {
            n = GN_MIN(rest.len, (size_t)DATE_LINE_BYTES);
        } else {
            cr_assert_eq(gn_buf_append(&shown, gn_slice_of(rest.ptr, 1)), GN_OK);
        }
        rest = gn_slice_skip(rest, n);
    }
    cr_assert_eq(gn_buf_append(&shown, gn_slice_of("", 1)), GN_OK);
    return shown.ptr;
}

void http_fixture_clear_output(struct http_fixture *f)
{
    gn_buf_clear(&f->record.output);
    f->record.n_calls = 0;
    f->record.n_writes = 0;
}

void http_fixture_hold(struct http_fixture *f, struct gn_exchange *ex)
{
    cr_assert(f->n_held < HTTP_FIXTURE_MAX_HELD);
    f->held[f->n_held++] = ex;
}

void http_fixture_reply(struct gn_exchange *ex, const char *text)
{
    const struct gn_response response = {.status = 200, .body = gn_slice_str(text)};

    gn_assert_loop_thread(gn_exchange_loop(ex));
    gn_exchange_reply(ex, &response);
}
