/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"

#include "server/http/exchange_priv.h"
#include "server/http/http1_conn_priv.h"

/*
 * From the stream to the input, and from the input through the body decoder.
 *
 * Heads are read into blocks, where they stay. Content of a request passes
 * through the server's scratch memory instead, because it is copied to its
 * place anyway; what arrived behind it (the next request) goes to a block. Where
 * content did not come with its head, the block for the next one is larger, so
 * that a small upload takes one read.
 *
 * One read per event: the loop comes back when there is more, and others get
 * their turn in between. Of bytes that a TLS layer has taken already the
 * descriptor will not tell again: the dispatcher sees to those (http1_conn.c).
 */

#define SCRATCH_BYTES 65536u

/** Bytes that may wait unread while a request is being served. */
static size_t read_ahead_left(const struct gn_http1_conn *c)
{
    size_t unread = gn_input_n_bytes(&c->in);
    size_t limit = c->server->limits.pipeline_bytes;

    return unread < limit ? limit - unread : 0;
}

/** Content is expected and somebody has room for it. */
static bool is_reading_body(const struct gn_http1_conn *c)
{
    if (gn_http1_body_is_done(&c->body)) {
        return false;
    }
    if (c->step == GN_STEP_SERVE) {
        return c->exchange->ex.body_mode == GN_BODY_STREAM &&
                c->exchange->body_in.n_bytes < c->server->limits.pipeline_bytes;
    }
    return c->step == GN_STEP_BODY || c->step == GN_STEP_DRAIN;
}

bool gn_http1_conn_wants_read(const struct gn_http1_conn *c)
{
    if (c->has_read_eof || c->is_broken) {
        return false;
    }
    switch ((enum gn_http1_step)c->step) {
    case GN_STEP_IDLE:
        return !c->is_throttled || read_ahead_left(c) > 0;
    case GN_STEP_HEAD:
    case GN_STEP_BODY:
    case GN_STEP_DRAIN:
    case GN_STEP_LINGER:
        return true;
    case GN_STEP_SERVE:
        /* Reading on is how a reset is noticed at once. */
        return gn_http1_body_is_done(&c->body) ? read_ahead_left(c) > 0 : is_reading_body(c);
    case GN_STEP_CLOSE:
    case GN_STEP_N:
        break;
    }
    return false;
}

/** Notes how a read ended. Returns whether there are bytes. */
static bool note_read(struct gn_http1_conn *c, enum gn_err rc)
{
    c->reads_want_write = rc == GN_ERR_WANT_WRITE;
    switch (rc) {
    case GN_OK:
        return true;
    case GN_ERR_WANT_READ:
    case GN_ERR_WANT_WRITE:
        return false;
    case GN_ERR_EOF:
        c->has_read_eof = true;
        return false;
    default:
        c->is_broken = true;
        return false;
    }
}

GN_LOOP_THREAD static bool read_to_block(struct gn_http1_conn *c)
{
    size_t room = gn_input_make_room(
            &c->in, &c->server->blocks, c->reads_large ? GN_RBUF_LARGE_BYTES : GN_RBUF_BYTES);
    struct gn_rbuf *block = c->in.block;
    struct gn_buf into = {
            .ptr = block->data, .len = block->end, .cap = block->cap, .limit = block->cap};

    if (c->step == GN_STEP_SERVE || c->is_throttled) {
        room = GN_MIN(room, read_ahead_left(c));
    }
    if (room == 0 || !note_read(c, gn_stream_read(c->stream, &into, room))) {
        return false;
    }
    block->end = into.len;
    return true;
}

/** What the decoder does not take stays as input; a failure is the next step's to answer. */
GN_LOOP_THREAD static bool read_body(struct gn_http1_conn *c)
{
    struct gn_buf *scratch = &c->server->scratch;
    struct gn_slice in;
    size_t consumed = 0;

    gn_buf_clear(scratch);
    if (gn_buf_reserve(scratch, SCRATCH_BYTES) != GN_OK ||
            !note_read(c, gn_stream_read(c->stream, scratch, SCRATCH_BYTES))) {
        return false;
    }
    in = gn_buf_slice(scratch);
    c->reads_large = true;
    c->body_failure = gn_http1_conn_feed_body(c, in, &consumed);
    if (c->body_failure == GN_ERR_FULL) {
        c->body_failure = GN_OK;
    }
    gn_input_append(&c->in, &c->server->blocks, gn_slice_skip(in, consumed));
    return true;
}

GN_LOOP_THREAD static bool read_and_drop(struct gn_http1_conn *c)
{
    struct gn_buf *scratch = &c->server->scratch;

    gn_buf_clear(scratch);
    return gn_buf_reserve(scratch, SCRATCH_BYTES) == GN_OK &&
            note_read(c, gn_stream_read(c->stream, scratch, SCRATCH_BYTES));
}

GN_LOOP_THREAD static bool read_once(struct gn_http1_conn *c)
{
    if (c->step == GN_STEP_LINGER) {
        return read_and_drop(c);
    }
    if (gn_input_n_bytes(&c->in) == 0 && is_reading_body(c)) {
        return read_body(c);
    }
    return read_to_block(c);
}

void gn_http1_conn_read(struct gn_http1_conn *c)
{
    (void)read_once(c);
}

/* ---- content ------------------------------------------------------------ */

/** Content goes to the exchange's body, to the handler's queue, or nowhere. */
GN_LOOP_THREAD static enum gn_err keep_content(struct gn_http1_conn *c, struct gn_slice data)
{
    struct gn_exchange_private *p = c->exchange;

    if (p == NULL) {
        c->n_drained += data.len;
        return GN_OK;
    }
    p->continue_owed = false; /* it did not wait */
    if (p->ex.body_mode == GN_BODY_STREAM) {
        gn_bufq_append(&p->body_in, data);
        p->has_unread_news = true;
        return GN_OK;
    }
    return gn_body_append(&p->ex.body, data);
}

static bool is_full(const struct gn_http1_conn *c)
{
    const struct gn_exchange_private *p = c->exchange;

    return p != NULL && p->ex.body_mode == GN_BODY_STREAM &&
            p->body_in.n_bytes >= c->server->limits.pipeline_bytes;
}

enum gn_err gn_http1_conn_feed_body(
        struct gn_http1_conn *c, struct gn_slice in, size_t *consumed_out)
{
    size_t total = in.len;

    *consumed_out = 0;
    while (!gn_http1_body_is_done(&c->body) && in.len > 0) {
        struct gn_slice data;
        size_t consumed;
        enum gn_body_result result;

        if (is_full(c)) {
            return GN_ERR_FULL;
        }
        result = gn_http1_body_decode(&c->body, in, &consumed, &data);
        in = gn_slice_skip(in, consumed);
        *consumed_out = total - in.len;
        if (result == GN_BODY_ERROR) {
            return GN_ERR_PROTOCOL;
        }
        if (result == GN_BODY_DATA) {
            GN_TRY(keep_content(c, data));
        }
    }
    c->made_progress = c->made_progress || *consumed_out > 0;
    return GN_OK;
}

/*
 * The rate is measured over windows of body_rate_grace_ms: a client that sent
 * much at first has earned nothing for later. Checked when bytes arrive; a
 * client that sends none meets the idle deadline.
 */
bool gn_http1_conn_is_fast_enough(struct gn_http1_conn *c)
{
    const struct gn_http_limits *l = &c->server->limits;
    gn_deadline now = gn_loop_now(c->server->loop);
    uint64_t needed = l->body_rate_bytes_s * (uint64_t)l->body_rate_grace_ms / 1000;
    bool fast_enough = true;

    if (l->body_rate_bytes_s == 0) {
        return true;
    }
    if (!c->is_rated || now - c->rate_since >= l->body_rate_grace_ms * GN_NS_PER_MS) {
        fast_enough = !c->is_rated || c->body.offset - c->rate_bytes >= needed;
        c->is_rated = true;
        c->rate_since = now;
        c->rate_bytes = c->body.offset;
    }
    return fast_enough;
}
