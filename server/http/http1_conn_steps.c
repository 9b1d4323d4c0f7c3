/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/http/error_page.h"
#include "server/http/forwarding.h"

#include "server/http/exchange_priv.h"
#include "server/http/http1_conn_priv.h"

/*
 * The steps of a connection, in the order of a request's life. A step looks at
 * what has arrived and what the handler did, moves on when it can, and parks
 * when it cannot; it may be run again at any time.
 *
 * What a request means is settled before anybody serves it, and after an error
 * of the client's not one more byte is parsed: the error is answered, FIN is
 * sent, and what still arrives is dropped until the client has read the answer.
 */

#define ADVICE_BYTES 320 /* method, part of the path, and the words around them */

/* ---- errors of the client's --------------------------------------------- */

static enum gn_notice_kind notice_of(int status)
{
    switch (status) {
    case 413:
        return GN_NOTICE_BODY;
    case 414:
        return GN_NOTICE_LINE;
    case 431:
        return GN_NOTICE_FIELDS;
    case 503:
        return GN_NOTICE_CLIENT;
    default:
        return GN_NOTICE_OTHER;
    }
}

/** By the parser's words; trailers have no option. */
static const char *advice_on_fields(const char *reason)
{
    if (strstr(reason, "header fields") != NULL) {
        return "; raise --limit-request-fields if this was meant to pass";
    }
    if (strstr(reason, "header field") != NULL) {
        return "; raise --limit-request-field_size if this was meant to pass";
    }
    if (strstr(reason, "request head") != NULL) {
        return "; raise --limit-request-head if this was meant to pass";
    }
    return "";
}

/** The option to raise, for limits that a real client may meet. */
static const char *advice_of(enum gn_notice_kind kind, const char *reason)
{
    switch (kind) {
    case GN_NOTICE_BODY:
        return "; raise --limit-request-body if this was meant to pass";
    case GN_NOTICE_LINE:
        return "; raise --limit-request-line if this was meant to pass";
    case GN_NOTICE_FIELDS:
        return advice_on_fields(reason);
    case GN_NOTICE_CLIENT:
        return "; raise --max-connections-per-ip if many clients share it";
    case GN_NOTICE_OTHER:
    case GN_NOTICE_N:
        break;
    }
    return "";
}

/** A limit that a handler set for itself is not the option's to raise: says whose it is. */
static void advise(const struct gn_http1_conn *c, enum gn_notice_kind kind, const char *reason,
        char text[ADVICE_BYTES])
{
    const struct gn_exchange_private *p = c->exchange;

    if (kind != GN_NOTICE_BODY || p == NULL ||
            p->ex.body_limit_bytes == c->server->limits.body_bytes) {
        (void)snprintf(text, ADVICE_BYTES, "%s", advice_of(kind, reason));
        return;
    }
    (void)snprintf(text, ADVICE_BYTES,
            "; " GN_SLICE_FMT " " GN_SLICE_FMT " has a limit of its own, %" PRIu64
            " bytes: raise body_limit_bytes of its route if this was meant to pass",
            GN_SLICE_ARG(p->head.method_name), (int)GN_MIN(p->head.path.len, (size_t)100),
            p->head.path.ptr, p->ex.body_limit_bytes);
}

GN_LOOP_THREAD static void log_refusal(struct gn_http1_conn *c, int status, const char *reason)
{
    enum gn_notice_kind kind = notice_of(status);
    enum gn_log_level level =
            kind == GN_NOTICE_OTHER && status < 500 ? GN_LOG_INFO : GN_LOG_WARNING;
    char advice[ADVICE_BYTES];
    char peer[GN_ADDR_TEXT_BYTES];
    unsigned n_skipped;

    if (!gn_http_server_may_log(c->server, kind, &n_skipped)) {
        return;
    }
    advise(c, kind, reason, advice);
    gn_addr_format(&c->origin.peer, peer);
    if (n_skipped > 0) {
        gn_log(level, "answered %d to %s: %s%s (and %u more like this)", status, peer, reason,
                advice, n_skipped);
    } else {
        gn_log(level, "answered %d to %s: %s%s", status, peer, reason, advice);
    }
}

/** The head as far as it could be read; NULL when not even its first line could. */
GN_LOOP_THREAD static const struct gn_http1_head *head_so_far(
        const struct gn_http1_conn *c, struct gn_exchange_private *p)
{
    if (p == NULL) {
        return NULL;
    }
    return p->has_head ? &p->head : gn_http1_parser_peek(&p->parser, gn_input_peek(&c->in));
}

GN_LOOP_THREAD static void write_error(
        struct gn_http1_conn *c, struct gn_exchange_private *p, int status, struct gn_slice detail)
{
    struct gn_http1_writer writer;
    struct gn_buf *out = gn_http1_conn_open_out(c);
    const struct gn_http1_head *head = head_so_far(c, p);
    struct gn_error_facts facts = {.status = status, .detail = detail};
    size_t before = out->len;

    if (head != NULL) {
        gn_http1_writer_init(&writer, head, false);
    } else {
        gn_http1_writer_init_closing(&writer);
    }
    if (p != NULL) {
        facts = gn_exchange_error_facts(p, status, detail);
        facts.head = head;
    }
    gn_error_page_write(
            c->server->error_template, &facts, gn_http_server_date(c->server), &writer, out);
    if (p != NULL) {
        p->ex.bytes_out += out->len - before;
        if (head == NULL) {
            p->head = (struct gn_http1_head){.minor_version = 1}; /* half of one, for the log */
        }
        p->ex.status = status;
        p->ex.response_bytes = writer.n_body;
        gn_exchange_note_input(p);
    }
    gn_http1_conn_close_out(c, out);
}

void gn_http1_conn_fail(struct gn_http1_conn *c, int status, enum gn_err why, const char *reason)
{
    gn_http1_conn_fail_with(c, status, why, reason, gn_slice_of("", 0));
}

void gn_http1_conn_fail_with(struct gn_http1_conn *c, int status, enum gn_err why,
        const char *reason, struct gn_slice detail)
{
    struct gn_exchange_private *p = c->exchange;

    if (p != NULL && p->has_started) {
        c->is_broken = true;
        c->is_reset = true;
        gn_exchange_cancel(p, why);
        return;
    }
    log_refusal(c, status, reason);
    c->server->stats.refused_heads++;
    write_error(c, p, status, detail);
    c->exchange = NULL;
    c->closes = true;
    c->lingers = true;
    c->step = GN_STEP_CLOSE;
    if (p != NULL) {
        gn_exchange_orphan(p, why);
    }
}

/** Answers what went wrong with the content and closes. */
GN_LOOP_THREAD static enum gn_step_result fail_body(struct gn_http1_conn *c, enum gn_err rc)
{
    switch (rc) {
    case GN_ERR_PROTOCOL:
        gn_http1_conn_fail(c, c->body.error.status,
                c->body.error.status == 413 ? GN_ERR_TOO_BIG : GN_ERR_PROTOCOL,
                c->body.error.reason);
        break;
    case GN_ERR_NO_SPACE:
        gn_http1_conn_fail(c, 507, GN_ERR_NO_SPACE, "no space left for a request body");
        break;
    default:
        gn_http1_conn_fail(c, 500, rc, "a request body could not be kept");
        break;
    }
    return GN_STEP_MORE;
}

/* ---- idle --------------------------------------------------------------- */

static enum gn_step_result step_idle(struct gn_http1_conn *c)
{
    gn_assert_loop_thread(c->server->loop);
    c->is_throttled = gn_http1_conn_n_waiting(c) > c->server->limits.output_bytes;
    if (c->is_throttled) {
        return GN_STEP_PARKED;
    }
    if (gn_input_n_bytes(&c->in) > 0) {
        c->exchange = gn_exchange_take(c);
        c->step = GN_STEP_HEAD;
        return GN_STEP_MORE;
    }
    if (c->has_read_eof || c->server->is_stopping) {
        c->lingers = !c->has_read_eof && c->n_requests > 0;
        c->step = GN_STEP_CLOSE;
        return GN_STEP_MORE;
    }
    return GN_STEP_PARKED;
}

/* ---- head --------------------------------------------------------------- */

GN_LOOP_THREAD static void ask_for_body(struct gn_http1_conn *c)
{
    if (gn_input_n_bytes(&c->in) == 0) {
        gn_exchange_send_continue(&c->exchange->ex);
    }
}

/** The head is in: decides about the content, and whether to serve at once. */
GN_LOOP_THREAD static enum gn_step_result on_head(struct gn_http1_conn *c)
{
    struct gn_exchange_private *p = c->exchange;

    c->body_failure = GN_OK;
    c->n_drained = 0;
    gn_http1_body_init(&c->body, &p->head, UINT64_MAX);
    gn_exchange_begin(p);
    c->step = GN_STEP_SERVE;
    if (p->is_finished) {
        return GN_STEP_MORE;
    }
    gn_http1_body_init(&c->body, &p->head, p->ex.body_limit_bytes);
    if (c->body.error.status != 0) {
        return fail_body(c, GN_ERR_PROTOCOL);
    }
    p->body_ended = gn_http1_body_is_done(&c->body);
    c->reads_large = c->reads_large && !p->body_ended;
    if (p->body_ended || p->ex.body_mode == GN_BODY_STREAM) {
        gn_exchange_serve(p);
        return GN_STEP_MORE;
    }
    if (p->head.framing == GN_FRAMING_LENGTH &&
            p->head.content_length > p->ex.body.memory_limit_bytes) {
        p->ex.body.memory_limit_bytes = 0; /* it will not fit: spool from the first byte */
    }
    ask_for_body(c);
    c->step = GN_STEP_BODY;
    return GN_STEP_MORE;
}

static enum gn_step_result step_head(struct gn_http1_conn *c)
{
    struct gn_exchange_private *p = c->exchange;
    size_t consumed;

    gn_assert_loop_thread(c->server->loop);
    switch (gn_http1_parser_feed(&p->parser, gn_input_peek(&c->in), &consumed)) {
    case GN_HTTP1_DONE:
        p->block = gn_rbuf_ref(c->in.block);
        p->has_head = true;
        gn_input_consume(&c->in, consumed);
        if (GN_UNLIKELY(p->head.has_forwarded)) {
            gn_forwarding_apply(p);
        }
        c->n_requests++;
        c->server->stats.requests++;
        return on_head(c);
    case GN_HTTP1_ERROR:
        gn_http1_conn_fail(c, p->parser.error.status, GN_ERR_PROTOCOL, p->parser.error.reason);
        return GN_STEP_MORE;
    case GN_HTTP1_MORE:
        break;
    }
    if (!c->has_read_eof) {
        return GN_STEP_PARKED;
    }
    if (!gn_http1_parser_has_begun(&p->parser)) {
        return GN_STEP_DONE; /* an empty line and the end */
    }
    gn_http1_conn_fail(c, 400, GN_ERR_EOF, "the head ended early");
    return GN_STEP_MORE;
}

/* ---- content ------------------------------------------------------------ */

/** Feeds what is there. GN_ERR_EOF: the client ended in the middle; GN_ERR_TIMEOUT: too slow. */
GN_LOOP_THREAD static enum gn_err pump_body(struct gn_http1_conn *c)
{
    enum gn_err rc = c->body_failure;
    size_t consumed = 0;

    if (rc == GN_OK) {
        rc = gn_http1_conn_feed_body(c, gn_input_peek(&c->in), &consumed);
        gn_input_consume(&c->in, consumed);
    }
    c->body_failure = GN_OK;
    if (rc != GN_OK || gn_http1_body_is_done(&c->body)) {
        return rc;
    }
    if (c->has_read_eof) {
        return GN_ERR_EOF;
    }
    return gn_http1_conn_is_fast_enough(c) ? GN_OK : GN_ERR_TIMEOUT;
}

/** As fail_body, with the two ways in which a client lets go of its own request. */
GN_LOOP_THREAD static enum gn_step_result end_body(struct gn_http1_conn *c, enum gn_err rc)
{
    if (rc == GN_ERR_EOF) {
        gn_http1_conn_fail(c, 400, GN_ERR_GONE, "the body ended early");
        return GN_STEP_MORE;
    }
    if (rc == GN_ERR_TIMEOUT) {
        gn_http1_conn_fail(c, 408, GN_ERR_TIMEOUT, "the body came too slowly");
        return GN_STEP_MORE;
    }
    return fail_body(c, rc);
}

static enum gn_step_result step_body(struct gn_http1_conn *c)
{
    enum gn_err rc;

    gn_assert_loop_thread(c->server->loop);
    rc = pump_body(c);
    if (rc != GN_OK) {
        return end_body(c, rc);
    }
    if (!gn_http1_body_is_done(&c->body)) {
        return GN_STEP_PARKED;
    }
    rc = gn_body_complete(&c->exchange->ex.body);
    if (rc != GN_OK) {
        return fail_body(c, rc);
    }
    c->exchange->body_ended = true;
    c->step = GN_STEP_SERVE;
    gn_exchange_serve(c->exchange);
    return GN_STEP_MORE;
}

/* ---- serving ------------------------------------------------------------ */

/** A body without length or chunks: only a reset tells that it is not complete. */
static bool is_ended_by_close(const struct gn_http1_writer *w)
{
    return w->declared == GN_LENGTH_UNKNOWN && w->minor_version == 0;
}

/** The handler is done: what becomes of the connection? */
GN_LOOP_THREAD static enum gn_step_result after_answer(struct gn_http1_conn *c)
{
    struct gn_exchange_private *p = c->exchange;
    bool keep = p->ex.writer.keep_alive && !c->closes;
    bool has_all = gn_http1_body_is_done(&c->body);

    gn_exchange_note_input(p);
    c->exchange = NULL;
    if (p->is_upgraded) {
        gn_exchange_end(p);
        return GN_STEP_DONE;
    }
    if (p->is_aborted) {
        c->closes = true;
        c->step = GN_STEP_CLOSE;
        if (is_ended_by_close(&p->ex.writer)) {
            c->is_reset = true;
            c->is_broken = true;
        }
    } else if (!keep) {
        /* A reset would follow if anything is still on its way to us: always possible when
         * the end is our idea, not the client's. */
        c->lingers = !has_all || gn_input_n_bytes(&c->in) > 0 || p->head.keep_alive;
        c->closes = true;
        c->step = GN_STEP_CLOSE;
    } else {
        c->step = has_all ? GN_STEP_IDLE : GN_STEP_DRAIN;
    }
    gn_exchange_end(p);
    return GN_STEP_MORE;
}

/** More of a streamed body: tells the handler. */
GN_LOOP_THREAD static enum gn_step_result pump_streamed(struct gn_http1_conn *c)
{
    struct gn_exchange_private *p = c->exchange;
    enum gn_err rc = pump_body(c);

    if (rc == GN_ERR_FULL) {
        c->is_rated = false; /* it is the handler who is slow */
    } else if (rc != GN_OK) {
        return end_body(c, rc);
    }
    p->body_ended = gn_http1_body_is_done(&c->body);
    if (!p->has_unread_news && !p->body_ended) {
        return GN_STEP_PARKED;
    }
    p->has_unread_news = false;
    if (p->ex.handler->ops->body != NULL) {
        p->ex.handler->ops->body(p->ex.handler, &p->ex);
    }
    return GN_STEP_MORE;
}

static enum gn_step_result step_serve(struct gn_http1_conn *c)
{
    struct gn_exchange_private *p = c->exchange;

    gn_assert_loop_thread(c->server->loop);
    if (p->is_finished) {
        return after_answer(c);
    }
    if (p->ex.body_mode == GN_BODY_STREAM && !p->body_ended) {
        return pump_streamed(c);
    }
    return GN_STEP_PARKED;
}

/* ---- after the answer --------------------------------------------------- */

static enum gn_step_result step_drain(struct gn_http1_conn *c)
{
    enum gn_err rc;

    gn_assert_loop_thread(c->server->loop);
    rc = pump_body(c);
    if (rc == GN_OK && gn_http1_body_is_done(&c->body)) {
        c->step = GN_STEP_IDLE;
        return GN_STEP_MORE;
    }
    if (rc != GN_OK || c->n_drained > c->server->limits.drain_bytes) {
        c->lingers = !c->has_read_eof;
        c->closes = true;
        c->step = GN_STEP_CLOSE;
        return GN_STEP_MORE;
    }
    return GN_STEP_PARKED;
}

static enum gn_step_result step_close(struct gn_http1_conn *c)
{
    gn_assert_loop_thread(c->server->loop);
    gn_input_clear(&c->in, &c->server->blocks);
    if (gn_http1_conn_n_waiting(c) > 0) {
        return GN_STEP_PARKED;
    }
    if (!c->lingers || c->has_read_eof || c->server->is_cut) {
        return GN_STEP_DONE;
    }
    if (gn_stream_shutdown(c->stream) == GN_ERR_IO) {
        return GN_STEP_DONE;
    }
    c->step = GN_STEP_LINGER;
    return GN_STEP_MORE;
}

static enum gn_step_result step_linger(struct gn_http1_conn *c)
{
    return c->has_read_eof ? GN_STEP_DONE : GN_STEP_PARKED;
}

const gn_step_fn gn_http1_steps[GN_STEP_N] = {
        [GN_STEP_IDLE] = step_idle,
        [GN_STEP_HEAD] = step_head,
        [GN_STEP_BODY] = step_body,
        [GN_STEP_SERVE] = step_serve,
        [GN_STEP_DRAIN] = step_drain,
        [GN_STEP_CLOSE] = step_close,
        [GN_STEP_LINGER] = step_linger,
};
