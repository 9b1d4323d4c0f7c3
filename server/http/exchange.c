/* SPDX-License-Identifier: MIT */
#include "server/http/exchange.h"

#include "server/base/alloc.h"
#include "server/base/log.h"

#include "server/http/exchange_priv.h"

/*
 * The handler's side: responses in parts and serialised ones, streamed bodies,
 * upgrades; whole responses are made in exchange_reply.c. Inside the
 * dispatcher's run, output only gathers; outside of it (a task that waited, a
 * worker's completion) the end of a response is written at once, everything
 * else at the end of the turn. The exchange itself never ends inside one of
 * these calls: handlers may look at it until they return.
 */

#define SMALL_PART_BYTES 4096u /* smaller parts are copied next to their framing */
#define SMALL_PART_RANGES 8

/** Output was queued; outside the dispatcher it leaves at the end of the turn. */
GN_LOOP_THREAD static void note_output(struct gn_http1_conn *c)
{
    if (!c->in_run) {
        gn_http1_conn_wake(c);
    }
}

/* ---- responses in parts ------------------------------------------------- */

enum gn_err gn_exchange_start(
        struct gn_exchange *ex, const struct gn_response *head, uint64_t body_length)
{
    struct gn_exchange_private *p = gn_exchange_checked(ex);
    struct gn_http1_response response;
    struct gn_buf *out;
    size_t before;
    enum gn_err rc;

    gn_assert(!p->is_finished && !p->has_started);
    if (gn_exchange_conn(p) == NULL) {
        return GN_ERR_GONE;
    }
    gn_exchange_decide_keep_alive(p);
    response = gn_exchange_to_proto(p, head, body_length);
    out = gn_http1_conn_open_out(p->conn);
    before = out->len;
    rc = gn_http1_writer_head(&ex->writer, &response, out);
    if (rc == GN_OK) {
        p->n_head_out = out->len - before;
        ex->bytes_out += p->n_head_out;
        gn_exchange_note_started(p, gn_slice_skip(gn_buf_slice(out), before));
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
    struct gn_exchange_private *p = gn_exchange_checked(ex);
    struct gn_http1_piece piece = {.take = 0};
    enum gn_err rc;

    gn_assert(!p->is_finished);
    if (gn_exchange_conn(p) == NULL) {
        gn_bufq_clear(part);
        return GN_ERR_GONE;
    }
    rc = gn_http1_writer_body(&ex->writer, part->n_bytes, &piece);
    gn_assert(rc != GN_ERR_INVALID);
    if (piece.take > 0) {
        ex->bytes_out += piece.prefix.len + piece.take + piece.suffix.len;
        write_part(p->conn, &piece, part);
        note_output(p->conn);
    }
    gn_bufq_clear(part);
    ex->response_bytes = ex->writer.n_body;
    return rc != GN_OK ? rc : check_full(p);
}

void gn_exchange_finish(struct gn_exchange *ex)
{
    struct gn_exchange_private *p = gn_exchange_checked(ex);
    struct gn_http1_conn *c = gn_exchange_conn(p);
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

            ex->bytes_out += tail.len;
            if (gn_buf_append(out, tail) != GN_OK) {
                p->is_aborted = true;
            }
            gn_http1_conn_close_out(c, out);
        }
        ex->response_bytes = ex->writer.n_body;
    }
    gn_exchange_conclude(p);
}

void gn_exchange_abort(struct gn_exchange *ex)
{
    struct gn_exchange_private *p = gn_exchange_checked(ex);

    if (p->conn != NULL && !p->has_started) {
        gn_exchange_reply_error(ex, 500, gn_slice_of("", 0));
        return;
    }
    p->is_aborted = true;
    ex->writer.keep_alive = false;
    gn_exchange_conclude(p);
}

void gn_exchange_send_continue(struct gn_exchange *ex)
{
    struct gn_exchange_private *p = gn_exchange_checked(ex);
    struct gn_http1_conn *c = gn_exchange_conn(p);
    struct gn_buf *out;
    size_t before;

    if (!p->continue_owed || p->has_started || c == NULL) {
        return;
    }
    p->continue_owed = false;
    c->is_rated = false; /* from now on it may be asked to hurry */
    out = gn_http1_conn_open_out(c);
    before = out->len;
    if (gn_http1_writer_interim(&ex->writer, 100, NULL, 0, out) != GN_OK) {
        gn_log_error("100 (Continue) could not be written");
    }
    ex->bytes_out += out->len - before;
    gn_http1_conn_close_out(c, out);
    note_output(c);
}

/* ---- serialised responses ----------------------------------------------- */

/** Returns what follows the head that `bytes` begin with; `*len_out` is that head's length. */
static struct gn_slice skip_head(struct gn_slice bytes, size_t *len_out)
{
    const char *end = memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4);

    *len_out = end != NULL ? (size_t)(end - bytes.ptr) + 4 : bytes.len;
    return gn_slice_skip(bytes, *len_out);
}

/**
 * Of a response that others serialise only its bytes tell the status before it
 * has ended, and some never end. Interim heads may come first.
 */
GN_LOOP_THREAD static void note_serialised(struct gn_exchange_private *p, struct gn_slice bytes)
{
    while (gn_slice_starts_with(bytes, GN_LIT("HTTP/1.1 ")) && bytes.len > 12) {
        uint64_t status = 0;
        struct gn_slice head = bytes;

        if (gn_slice_to_u64(gn_slice_of(bytes.ptr + 9, 3), 999, &status) != GN_OK) {
            return;
        }
        bytes = skip_head(bytes, &head.len);
        p->n_head_out += head.len;
        if (status >= 200) {
            p->ex.status = (int)status;
            gn_exchange_note_started(p, head);
            return;
        }
    }
}

enum gn_err gn_exchange_send(struct gn_exchange *ex, struct gn_bufq *bytes)
{
    struct gn_exchange_private *p = gn_exchange_checked(ex);
    struct iovec first;

    gn_assert(!p->is_finished);
    if (gn_exchange_conn(p) == NULL) {
        gn_bufq_clear(bytes);
        return GN_ERR_GONE;
    }
    if (ex->status == 0 && gn_bufq_peek(bytes, &first, 1) == 1) {
        note_serialised(p, gn_slice_of(first.iov_base, first.iov_len));
        p->has_started = true; /* be it with hints */
    }
    ex->bytes_out += bytes->n_bytes;
    gn_bufq_move(gn_http1_conn_queue(p->conn), bytes);
    note_output(p->conn);
    return check_full(p);
}

void gn_exchange_finish_sent(struct gn_exchange *ex, const struct gn_http1_writer *writer)
{
    struct gn_exchange_private *p = gn_exchange_checked(ex);

    ex->writer = *writer;
    ex->status = writer->status;
    ex->response_bytes = writer->n_body;
    gn_exchange_conclude(p);
}

/* ---- streamed request bodies -------------------------------------------- */

void gn_exchange_take_body(struct gn_exchange *ex, struct gn_bufq *into, bool *ended_out)
{
    struct gn_exchange_private *p = gn_exchange_checked(ex);

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
    struct gn_exchange_private *p = gn_exchange_checked(ex);
    struct gn_http1_conn *c = gn_exchange_conn(p);
    struct gn_buf *out;
    size_t before;
    enum gn_err rc;

    gn_assert(!p->is_finished && !p->has_started);
    if (c == NULL) {
        gn_exchange_conclude(p);
        return;
    }
    if (!gn_http1_body_is_done(&c->body)) {
        gn_exchange_reply_error(ex, 400, GN_LIT("A request to upgrade has no content."));
        return;
    }
    out = gn_http1_conn_open_out(c);
    before = out->len;
    rc = gn_http1_writer_upgrade(&ex->writer, headers, n_headers, out);
    if (rc != GN_OK) {
        gn_http1_conn_close_out(c, out);
        gn_exchange_refuse_reply(p, rc);
        return;
    }
    ex->bytes_out += out->len - before;
    gn_exchange_note_started(p, gn_slice_skip(gn_buf_slice(out), before));
    ex->status = 101;
    gn_http1_conn_close_out(c, out);
    p->is_upgraded = true;
    gn_timeout_disarm(&c->read_time);
    gn_timeout_disarm(&c->write_time);
    gn_http_server_count_upgraded(p->server, c->stream, &c->origin);
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
    return gn_exchange_conn(ex->priv) != NULL;
}

uint64_t gn_exchange_n_waiting(const struct gn_exchange *ex)
{
    const struct gn_http1_conn *c = gn_exchange_conn(ex->priv);

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
