/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/http/access_log.h"
#include "server/http/error_page.h"

#include "server/http/exchange_priv.h"

/*
 * Whole responses, error pages among them, and what every kind of response
 * does when it begins and ends.
 */

#define DIRECT_BODY_BYTES 8192u /* larger bodies are written from where they lie */

void gn_exchange_conclude(struct gn_exchange_private *p)
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

void gn_exchange_note_started(struct gn_exchange_private *p, struct gn_slice head)
{
    p->has_started = true;
    if (GN_UNLIKELY(p->server->access_log != NULL)) {
        p->ex.times.replied = gn_clock_now(); /* the turn's time is that of the first byte, often */
    }
    if (p->ex.writer.status != 0) {
        p->ex.status = p->ex.writer.status; /* it was serialised here */
    }
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

void gn_exchange_decide_keep_alive(struct gn_exchange_private *p)
{
    const struct gn_http1_conn *c = p->conn;
    bool is_last = c->has_read_eof && gn_input_n_bytes(&c->in) == 0;

    if (p->server->is_stopping || is_last || !can_drain(p)) {
        p->ex.writer.keep_alive = false;
    }
}

/* ---- whole responses ---------------------------------------------------- */

struct gn_http1_response gn_exchange_to_proto(
        struct gn_exchange_private *p, const struct gn_response *r, uint64_t body_length)
{
    return (struct gn_http1_response){
            .status = r->status,
            .reason = r->reason,
            .headers = r->headers,
            .n_headers = r->n_headers,
            .body_length = body_length,
            .date = gn_http_server_date(p->server),
            .request_id = p->ex.request_id,
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
    struct gn_http1_response response = gn_exchange_to_proto(p, r, r->body.len);
    struct gn_buf *out = gn_http1_conn_open_out(p->conn);
    size_t before = out->len;
    enum gn_err rc = gn_http1_writer_reply(&p->ex.writer, &response, r->body, out);

    if (rc == GN_OK) {
        p->ex.bytes_out += out->len - before;
        gn_exchange_note_started(p, gn_slice_skip(gn_buf_slice(out), before));
        close_last(p->conn, out);
    } else {
        gn_http1_conn_close_out(p->conn, out);
    }
    return rc;
}

GN_LOOP_THREAD static enum gn_err reply_large(
        struct gn_exchange_private *p, const struct gn_response *r)
{
    struct gn_http1_response response = gn_exchange_to_proto(p, r, r->body.len);
    struct gn_buf *out = gn_http1_conn_open_out(p->conn);
    struct gn_http1_piece piece = {.take = 0};
    struct gn_slice tail = {0};
    size_t before = out->len;
    enum gn_err rc = gn_http1_writer_head(&p->ex.writer, &response, out);

    if (rc != GN_OK) {
        gn_http1_conn_close_out(p->conn, out);
        return rc;
    }
    gn_exchange_note_started(p, gn_slice_skip(gn_buf_slice(out), before));
    rc = gn_http1_writer_body(&p->ex.writer, r->body.len, &piece);
    gn_assert(rc == GN_OK && piece.prefix.len == 0 && piece.suffix.len == 0);
    rc = gn_http1_writer_end(&p->ex.writer, &tail);
    gn_assert(rc == GN_OK && tail.len == 0);
    p->ex.bytes_out += out->len - before + piece.take;
    gn_http1_conn_close_out_with(p->conn, out, gn_slice_of(r->body.ptr, piece.take));
    return GN_OK;
}

void gn_exchange_refuse_reply(struct gn_exchange_private *p, enum gn_err rc)
{
    const struct gn_http1_writer *w = &p->ex.writer;

    gn_log_error("handler %s: a response was refused (%s): %s", p->ex.handler->ops->name,
            gn_err_name(rc), w->error != NULL ? w->error : "it does not fit");
    gn_exchange_reply_error(&p->ex, 500, gn_slice_of("", 0));
}

void gn_exchange_reply(struct gn_exchange *ex, const struct gn_response *response)
{
    struct gn_exchange_private *p = gn_exchange_checked(ex);
    enum gn_err rc;

    gn_assert(!p->is_finished && !p->has_started);
    if (gn_exchange_conn(p) == NULL) {
        gn_exchange_conclude(p);
        return;
    }
    gn_exchange_decide_keep_alive(p);
    rc = response->body.len > DIRECT_BODY_BYTES ? reply_large(p, response)
                                                : reply_small(p, response);
    if (rc != GN_OK) {
        gn_exchange_refuse_reply(p, rc);
        return;
    }
    ex->response_bytes = ex->writer.n_body;
    gn_exchange_conclude(p);
}

struct gn_error_facts gn_exchange_error_facts(
        struct gn_exchange_private *p, int status, struct gn_slice detail)
{
    const struct gn_http_server *server = p->server;
    struct gn_error_facts facts = {
            .head = p->has_head ? &p->head : NULL,
            .status = status,
            .detail = detail,
            .shows_id = server->shows_request_ids,
    };

    if (facts.shows_id || gn_error_template_names_id(server->error_template)) {
        facts.request_id = gn_exchange_request_id(&p->ex);
    }
    return facts;
}

void gn_exchange_reply_error(struct gn_exchange *ex, int status, struct gn_slice detail)
{
    struct gn_exchange_private *p = gn_exchange_checked(ex);
    struct gn_error_facts facts;
    struct gn_buf *out;
    size_t before;

    gn_assert(!p->is_finished && !p->has_started);
    if (gn_exchange_conn(p) == NULL) {
        gn_exchange_conclude(p);
        return;
    }
    gn_exchange_decide_keep_alive(p);
    facts = gn_exchange_error_facts(p, status, detail);
    out = gn_http1_conn_open_out(p->conn);
    before = out->len;
    gn_error_page_write(
            p->server->error_template, &facts, gn_http_server_date(p->server), &ex->writer, out);
    ex->bytes_out += out->len - before;
    gn_exchange_note_started(p, gn_slice_skip(gn_buf_slice(out), before));
    ex->response_bytes = ex->writer.n_body;
    close_last(p->conn, out);
    gn_exchange_conclude(p);
}

struct gn_slice gn_exchange_error_page(
        const struct gn_exchange *ex, int status, struct gn_buf *page)
{
    const struct gn_error_facts facts =
            gn_exchange_error_facts(ex->priv, status, gn_slice_of("", 0));

    return gn_error_page_make(ex->priv->server->error_template, &facts, page);
}

void gn_exchange_reply_error_with(struct gn_exchange *ex, int status, struct gn_slice detail,
        const struct gn_header *headers, unsigned n_headers)
{
    struct gn_exchange_private *p = gn_exchange_checked(ex);
    const struct gn_error_facts facts = gn_exchange_error_facts(p, status, detail);
    struct gn_header *all = gn_arena_alloc(&ex->arena, (n_headers + 1) * sizeof(*all));
    struct gn_response response = {.status = status, .headers = all, .n_headers = n_headers + 1};
    struct gn_buf page;

    if (n_headers > 0) {
        memcpy(all, headers, n_headers * sizeof(*all));
    }
    all[n_headers] = GN_HEADER(CONTENT_TYPE, "Content-Type",
            gn_error_page_make(p->server->error_template, &facts, &page));
    response.body = gn_buf_slice(&page);
    gn_exchange_reply(ex, &response);
    gn_buf_fini(&page);
}
