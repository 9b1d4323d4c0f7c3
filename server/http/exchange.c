/* SPDX-License-Identifier: MIT */
#include "server/http/exchange.h"

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/base/obj.h"
#include "server/http/access_log.h"
#include "server/http/error_page.h"

#include "server/http/exchange_priv.h"

/*
 * The handler's side: structured and serialised responses, streamed bodies,
 * upgrades. Inside the dispatcher's run, output only gathers; outside of it
 * (a task that waited, a worker's completion) the end of a response is written
 * at once, everything else at the end of the turn. The exchange itself never
 * ends inside one of these calls: handlers may look at it until they return.
 */

#define DIRECT_BODY_BYTES 8192u /* larger bodies are written from where they lie */
#define SMALL_PART_BYTES 4096u  /* smaller parts are copied next to their framing */
#define SMALL_PART_RANGES 8

static struct gn_exchange_private *checked(struct gn_exchange *ex)
{
    GN_CHECK_OBJ(ex, GN_EXCHANGE_MAGIC);
    return ex->priv;
}

/** The connection when output still makes sense, else NULL. */
static struct gn_http1_conn *conn_of(const struct gn_exchange_private *p)
{
    return p->conn != NULL && !p->conn->is_broken ? p->conn : NULL;
}

GN_LOOP_THREAD static void finish(struct gn_exchange_private *p)
{
    struct gn_http1_conn *c = p->conn;

    gn_assert(!p->is_finished);
    p->is_finished = true;
    if (c == NULL) {
        gn_loop_defer(p->server->loop, &p->end);
        return;
    }
    if (c->in_run) {
        return;
    }
    gn_http1_conn_flush(c);
    gn_http1_conn_wake(c);
}

/** Output was queued; outside the dispatcher it leaves at the end of the turn. */
GN_LOOP_THREAD static void note_output(struct gn_http1_conn *c)
{
    if (!c->in_run) {
        gn_http1_conn_wake(c);
    }
}

GN_LOOP_THREAD static void note_started(struct gn_exchange_private *p, struct gn_slice head)
{
    p->has_started = true;
    p->ex.times.replied = gn_loop_now(p->server->loop);
    p->ex.status = p->ex.writer.status;
    if (GN_UNLIKELY(gn_access_log_wants_head(p->server->access_log))) {
        gn_access_log_note_head(p->server->access_log, &p->ex, head);
    }
}

/** Content that is still to come must be drained, or the connection cannot go on. */
static bool can_drain(const struct gn_exchange_private *p)
{
    const struct gn_http1_body *body = &p->conn->body;

    if (gn_http1_body_is_done(body)) {
        return true;
    }
    if (p->continue_owed) {
        return false; /* nobody can know whether it will come at all */
    }
    return p->head.framing != GN_FRAMING_LENGTH ||
            p->head.content_length - body->n_bytes <= p->server->limits.drain_bytes;
}

static void decide_keep_alive(struct gn_exchange_private *p)
{
    const struct gn_http1_conn *c = p->conn;
    bool is_last = c->has_read_eof && gn_input_n_bytes(&c->in) == 0;

    if (p->server->is_stopping || is_last || !can_drain(p)) {
        p->ex.writer.keep_alive = false;
    }
}

/* ---- whole responses ---------------------------------------------------- */

GN_LOOP_THREAD static struct gn_http1_response to_proto(
        struct gn_exchange_private *p, const struct gn_response *r, uint64_t body_length)
{
    return (struct gn_http1_response){
            .status = r->status,
            .reason = r->reason,
            .headers = r->headers,
            .n_headers = r->n_headers,
            .body_length = body_length,
            .date = gn_http_server_date(p->server),
    };
}

/** Serialised bytes end a response: inside a run they gather, outside they leave. */
GN_LOOP_THREAD static void close_last(struct gn_http1_conn *c, struct gn_buf *out)
{
    if (c->in_run) {
        gn_http1_conn_close_out(c, out);
    } else {
        gn_http1_conn_close_out_with(c, out, gn_slice_of("", 0));
    }
}

GN_LOOP_THREAD static enum gn_err reply_small(
        struct gn_exchange_private *p, const struct gn_response *r)
{
    struct gn_http1_response response = to_proto(p, r, r->body.len);
    struct gn_buf *out = gn_http1_conn_open_out(p->conn);
    size_t before = out->len;
    enum gn_err rc = gn_http1_writer_reply(&p->ex.writer, &response, r->body, out);

    if (rc == GN_OK) {
        note_started(p, gn_slice_skip(gn_buf_slice(out), before));
        close_last(p->conn, out);
    } else {
        gn_http1_conn_close_out(p->conn, out);
    }
    return rc;
}

GN_LOOP_THREAD static enum gn_err reply_large(
        struct gn_exchange_private *p, const struct gn_response *r)
{
    struct gn_http1_response response = to_proto(p, r, r->body.len);
    struct gn_buf *out = gn_http1_conn_open_out(p->conn);
    struct gn_http1_piece piece = {.take = 0};
    struct gn_slice tail = {0};
    size_t before = out->len;
    enum gn_err rc = gn_http1_writer_head(&p->ex.writer, &response, out);

    if (rc != GN_OK) {
        gn_http1_conn_close_out(p->conn, out);
        return rc;
    }
    note_started(p, gn_slice_skip(gn_buf_slice(out), before));
    rc = gn_http1_writer_body(&p->ex.writer, r->body.len, &piece);
    gn_assert(rc == GN_OK && piece.prefix.len == 0 && piece.suffix.len == 0);
    rc = gn_http1_writer_end(&p->ex.writer, &tail);
    gn_assert(rc == GN_OK && tail.len == 0);
    gn_http1_conn_close_out_with(p->conn, out, gn_slice_of(r->body.ptr, piece.take));
    return GN_OK;
}

/** A response the writer refused: the handler's fault, told once, here. */
GN_LOOP_THREAD static void reply_refused(struct gn_exchange_private *p, enum gn_err rc)
{
    const struct gn_http1_writer *w = &p->ex.writer;

    gn_log_error("handler %s: a response was refused (%s): %s", p->ex.handler->ops->name,
            gn_err_name(rc), w->error != NULL ? w->error : "it does not fit");
    gn_exchange_reply_error(&p->ex, 500, gn_slice_of("", 0));
}

void gn_exchange_reply(struct gn_exchange *ex, const struct gn_response *response)
{
    struct gn_exchange_private *p = checked(ex);
    enum gn_err rc;

    gn_assert(!p->is_finished && !p->has_started);
    if (conn_of(p) == NULL) {
        finish(p);
        return;
    }
    decide_keep_alive(p);
    rc = response->body.len > DIRECT_BODY_BYTES ? reply_large(p, response)
                                                : reply_small(p, response);
    if (rc != GN_OK) {
        reply_refused(p, rc);
        return;
    }
    ex->response_bytes = ex->writer.n_body;
    finish(p);
}

void gn_exchange_reply_error(struct gn_exchange *ex, int status, struct gn_slice detail)
{
    struct gn_exchange_private *p = checked(ex);
    struct gn_buf *out;
    size_t before;

    gn_assert(!p->is_finished && !p->has_started);
    if (conn_of(p) == NULL) {
        finish(p);
        return;
    }
    decide_keep_alive(p);
    out = gn_http1_conn_open_out(p->conn);
    before = out->len;
    gn_error_page_write(p->server->error_template,
            &(struct gn_error_facts){.head = &p->head, .status = status, .detail = detail},
            gn_http_server_date(p->server), &ex->writer, out);
    note_started(p, gn_slice_skip(gn_buf_slice(out), before));
    ex->response_bytes = ex->writer.n_body;
    close_last(p->conn, out);
    finish(p);
}

struct gn_slice gn_exchange_error_page(
        const struct gn_exchange *ex, int status, struct gn_buf *page)
{
    const struct gn_error_facts facts = {.head = ex->head, .status = status};

    return gn_error_page_make(ex->priv->server->error_template, &facts, page);
}

void gn_exchange_reply_error_with(struct gn_exchange *ex, int status, struct gn_slice detail,
        const struct gn_header *headers, unsigned n_headers)
{
    const struct gn_error_facts facts = {.head = ex->head, .status = status, .detail = detail};
    struct gn_header *all = gn_arena_alloc(&ex->arena, (n_headers + 1) * sizeof(*all));
    struct gn_response response = {.status = status, .headers = all, .n_headers = n_headers + 1};
    struct gn_buf page;

    if (n_headers > 0) {
        memcpy(all, headers, n_headers * sizeof(*all));
    }
    all[n_headers] = GN_HEADER(CONTENT_TYPE, "Content-Type",
            gn_error_page_make(checked(ex)->server->error_template, &facts, &page));
    response.body = gn_buf_slice(&page);
    gn_exchange_reply(ex, &response);
    gn_buf_fini(&page);
}

/* ---- responses in parts ------------------------------------------------- */

enum gn_err gn_exchange_start(
        struct gn_exchange *ex, const struct gn_response *head, uint64_t body_length)
{
    struct gn_exchange_private *p = checked(ex);
    struct gn_http1_response response;
    struct gn_buf *out;
    size_t before;
    enum gn_err rc;

    gn_assert(!p->is_finished && !p->has_started);
    if (conn_of(p) == NULL) {
        return GN_ERR_GONE;
    }
    decide_keep_alive(p);
    response = to_proto(p, head, body_length);
    out = gn_http1_conn_open_out(p->conn);
    before = out->len;
    rc = gn_http1_writer_head(&ex->writer, &response, out);
    if (rc == GN_OK) {
        note_started(p, gn_slice_skip(gn_buf_slice(out), before));
    }
    gn_http1_conn_close_out(p->conn, out);
    note_output(p->conn);
    return rc == GN_OK ? GN_OK : GN_ERR_INVALID;
}

/** Copies a small part of plain memory next to its framing. Returns false when it is not one. */
GN_LOOP_THREAD static bool write_small(
        struct gn_http1_conn *c, const struct gn_http1_piece *piece, const struct gn_bufq *part)
{
    struct iovec iov[SMALL_PART_RANGES];
    size_t total = 0;
    struct gn_buf *out;
    int n_iov;

    if (part->n_bytes > SMALL_PART_BYTES) {
        return false;
    }
    n_iov = gn_bufq_peek(part, iov, SMALL_PART_RANGES);
    for (int i = 0; i < n_iov; i++) {
        total += iov[i].iov_len;
    }
    if (total < part->n_bytes) {
        return false;
    }
    out = gn_http1_conn_open_out(c);
    if (gn_buf_reserve(out, piece->prefix.len + piece->take + piece->suffix.len) != GN_OK) {
        gn_http1_conn_close_out(c, out);
        return false;
    }
    (void)!gn_buf_append(out, piece->prefix);
    total = piece->take;
    for (int i = 0; i < n_iov && total > 0; i++) {
        size_t n = GN_MIN(total, iov[i].iov_len);

        (void)!gn_buf_append(out, gn_slice_of(iov[i].iov_base, n));
        total -= n;
    }
    (void)!gn_buf_append(out, piece->suffix);
    gn_http1_conn_close_out(c, out);
    return true;
}

GN_LOOP_THREAD static void write_part(
        struct gn_http1_conn *c, const struct gn_http1_piece *piece, struct gn_bufq *part)
{
    struct gn_bufq *out;

    if (write_small(c, piece, part)) {
        return;
    }
    out = gn_http1_conn_queue(c);
    gn_bufq_append(out, piece->prefix);
    gn_bufq_truncate(part, piece->take);
    gn_bufq_move(out, part);
    gn_bufq_append(out, piece->suffix);
}

/** After output was queued: full, or room for more? */
GN_LOOP_THREAD static enum gn_err check_full(struct gn_exchange_private *p)
{
    if (gn_http1_conn_n_waiting(p->conn) <= p->server->limits.output_bytes) {
        return GN_OK;
    }
    p->wants_drained = true;
    return GN_ERR_FULL;
}

enum gn_err gn_exchange_write(struct gn_exchange *ex, struct gn_bufq *part)
{
    struct gn_exchange_private *p = checked(ex);
    struct gn_http1_piece piece = {.take = 0};
    enum gn_err rc;

    gn_assert(!p->is_finished);
    if (conn_of(p) == NULL) {
        gn_bufq_clear(part);
        return GN_ERR_GONE;
    }
    rc = gn_http1_writer_body(&ex->writer, part->n_bytes, &piece);
    gn_assert(rc != GN_ERR_INVALID);
    if (piece.take > 0) {
        write_part(p->conn, &piece, part);
        note_output(p->conn);
    }
    gn_bufq_clear(part);
    ex->response_bytes = ex->writer.n_body;
    return rc != GN_OK ? rc : check_full(p);
}

void gn_exchange_finish(struct gn_exchange *ex)
{
    struct gn_exchange_private *p = checked(ex);
    struct gn_http1_conn *c = conn_of(p);
    struct gn_slice tail = {0};

    if (c != NULL && !p->has_started) {
        gn_log_error("handler %s finished without a response", ex->handler->ops->name);
        gn_exchange_reply_error(ex, 500, gn_slice_of("", 0));
        return;
    }
    if (c != NULL) {
        if (gn_http1_writer_end(&ex->writer, &tail) != GN_OK) {
            gn_log_warning("handler %s: the response ended before its declared length",
                    ex->handler->ops->name);
        }
        if (tail.len > 0) {
            struct gn_buf *out = gn_http1_conn_open_out(c);

            if (gn_buf_append(out, tail) != GN_OK) {
                p->is_aborted = true;
            }
            gn_http1_conn_close_out(c, out);
        }
        ex->response_bytes = ex->writer.n_body;
    }
    finish(p);
}

void gn_exchange_abort(struct gn_exchange *ex)
{
    struct gn_exchange_private *p = checked(ex);

    if (p->conn != NULL && !p->has_started) {
        gn_exchange_reply_error(ex, 500, gn_slice_of("", 0));
        return;
    }
    p->is_aborted = true;
    ex->writer.keep_alive = false;
    finish(p);
}

void gn_exchange_send_continue(struct gn_exchange *ex)
{
    struct gn_exchange_private *p = checked(ex);
    struct gn_http1_conn *c = conn_of(p);
    struct gn_buf *out;

    if (!p->continue_owed || p->has_started || c == NULL) {
        return;
    }
    p->continue_owed = false;
    c->is_rated = false; /* from now on it may be asked to hurry */
    out = gn_http1_conn_open_out(c);
    if (gn_http1_writer_interim(&ex->writer, 100, NULL, 0, out) != GN_OK) {
        gn_log_error("100 (Continue) could not be written");
    }
    gn_http1_conn_close_out(c, out);
    note_output(c);
}

/* ---- serialised responses ----------------------------------------------- */

enum gn_err gn_exchange_send(struct gn_exchange *ex, struct gn_bufq *bytes)
{
    struct gn_exchange_private *p = checked(ex);
    struct iovec first;

    gn_assert(!p->is_finished);
    if (conn_of(p) == NULL) {
        gn_bufq_clear(bytes);
        return GN_ERR_GONE;
    }
    if (!p->has_started && gn_bufq_peek(bytes, &first, 1) == 1) {
        note_started(p, gn_slice_of(first.iov_base, first.iov_len));
    }
    gn_bufq_move(gn_http1_conn_queue(p->conn), bytes);
    note_output(p->conn);
    return check_full(p);
}

void gn_exchange_finish_sent(struct gn_exchange *ex, const struct gn_http1_writer *writer)
{
    struct gn_exchange_private *p = checked(ex);

    ex->writer = *writer;
    ex->status = writer->status;
    ex->response_bytes = writer->n_body;
    finish(p);
}

/* ---- streamed request bodies -------------------------------------------- */

void gn_exchange_take_body(struct gn_exchange *ex, struct gn_bufq *into, bool *ended_out)
{
    struct gn_exchange_private *p = checked(ex);

    if (gn_bufq_is_empty(&p->body_in) && !p->body_ended) {
        gn_exchange_send_continue(ex);
    }
    if (p->conn != NULL && p->body_in.n_bytes >= p->server->limits.pipeline_bytes) {
        p->conn->is_rated = false; /* it was the handler who was slow */
    }
    gn_bufq_move(into, &p->body_in);
    p->has_unread_news = false;
    *ended_out = p->body_ended;
    if (p->conn != NULL && !p->body_ended && !p->conn->in_run) {
        gn_http1_conn_wake(p->conn);
    }
}

/* ---- upgrade ------------------------------------------------------------ */

void gn_exchange_upgrade(struct gn_exchange *ex, const struct gn_header *headers,
        unsigned n_headers, gn_upgrade_fn fn, void *arg)
{
    struct gn_exchange_private *p = checked(ex);
    struct gn_http1_conn *c = conn_of(p);
    struct gn_buf *out;
    enum gn_err rc;

    gn_assert(!p->is_finished && !p->has_started);
    if (c == NULL) {
        finish(p);
        return;
    }
    if (!gn_http1_body_is_done(&c->body)) {
        gn_exchange_reply_error(ex, 400, GN_LIT("A request to upgrade has no content."));
        return;
    }
    out = gn_http1_conn_open_out(c);
    rc = gn_http1_writer_upgrade(&ex->writer, headers, n_headers, out);
    if (rc != GN_OK) {
        gn_http1_conn_close_out(c, out);
        reply_refused(p, rc);
        return;
    }
    note_started(p, gn_buf_slice(out));
    ex->status = 101;
    gn_http1_conn_close_out(c, out);
    p->is_upgraded = true;
    gn_timeout_disarm(&c->read_time);
    gn_timeout_disarm(&c->write_time);
    gn_http_server_count_upgraded(p->server, c->stream);
    fn(arg, &c->stream, gn_input_peek(&c->in), gn_http1_conn_queue(c));
    gn_input_clear(&c->in, &c->server->blocks);
    gn_bufq_clear(&c->out);
    p->is_finished = true;
    if (!c->in_run) {
        gn_http1_conn_wake(c);
    }
}

/* ---- facts -------------------------------------------------------------- */

bool gn_exchange_is_connected(const struct gn_exchange *ex)
{
    return conn_of(ex->priv) != NULL;
}

uint64_t gn_exchange_n_waiting(const struct gn_exchange *ex)
{
    const struct gn_http1_conn *c = conn_of(ex->priv);

    return c != NULL ? gn_http1_conn_n_waiting(c) : 0;
}

struct gn_slice gn_exchange_date(const struct gn_exchange *ex)
{
    return gn_http_server_date(ex->priv->server);
}

struct gn_http_server *gn_exchange_server(const struct gn_exchange *ex)
{
    return ex->priv->server;
}

struct gn_loop *gn_exchange_loop(const struct gn_exchange *ex)
{
    return ex->priv->server->loop;
}
