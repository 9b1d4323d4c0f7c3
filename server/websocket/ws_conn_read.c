/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"

#include "server/websocket/ws_conn_priv.h"

/*
 * Input. A block is read into, decoded in place, and given back: between two
 * messages a connection holds nothing. A message that lies whole in one block,
 * as nearly all do, is delivered from there, and the block is kept for as long
 * as its owner looks at it; one that comes in pieces is put together in a
 * buffer of its own.
 *
 * Everything that was read is decoded before more is read, unless the
 * connection is parked: then it does not read.
 */

#define READS_PER_TURN 4 /* so that one fast sender does not keep the loop from the others */

bool gn_ws_conn_is_parked(const struct gn_ws_conn *c)
{
    return c->is_busy && c->has_next;
}

bool gn_ws_conn_wants_input(const struct gn_ws_conn *c)
{
    if (c->is_broken) {
        return false;
    }
    switch (c->state) {
    case GN_WS_OPEN:
    case GN_WS_CLOSING:
        return !gn_ws_conn_is_parked(c) && c->out.n_bytes <= c->queue_bytes;
    case GN_WS_FAILING:
        return true;
    default:
        return false;
    }
}

/* ---- memory ----------------------------------------------------------------- */

void gn_ws_incoming_release(struct gn_ws_service *service, struct gn_ws_incoming *m)
{
    gn_ws_block_unref(service, &m->block);
    gn_free(m->own);
    m->own = NULL;
    m->payload = gn_slice_of(NULL, 0);
}

void gn_ws_conn_drop_input(struct gn_ws_conn *c)
{
    gn_ws_block_unref(c->service, &c->in);
    c->in_at = 0;
    gn_buf_fini(&c->assembly);
    gn_ws_decoder_fini(&c->decoder);
    if (c->has_next) {
        c->has_next = false;
        gn_ws_incoming_release(c->service, &c->next);
    }
}

void gn_ws_conn_trim_input(struct gn_ws_conn *c)
{
    if (c->in != NULL && c->in_at == c->in->bytes.len) {
        gn_ws_block_unref(c->service, &c->in);
        c->in_at = 0;
    }
}

/** An empty block to read into; nothing undecoded is left in the old one. */
GN_LOOP_THREAD static struct gn_buf *empty_block(struct gn_ws_conn *c)
{
    gn_assert(c->in == NULL || c->in_at == c->in->bytes.len);
    if (c->in != NULL && c->in->refs > 1) {
        gn_ws_block_unref(c->service, &c->in);
    }
    if (c->in == NULL) {
        c->in = gn_ws_block_take(c->service);
    }
    gn_buf_clear(&c->in->bytes);
    c->in_at = 0;
    return &c->in->bytes;
}

/* ---- messages ----------------------------------------------------------------- */

GN_LOOP_THREAD static void deliver(struct gn_ws_conn *c)
{
    gn_assert(!c->is_busy && c->in_run);
    c->is_busy = true;
    c->ops->message(c, c->current.opcode, c->current.payload);
}

/** Takes over the memory of `m`. */
GN_LOOP_THREAD static void take_message(struct gn_ws_conn *c, const struct gn_ws_incoming *m)
{
    if (c->is_busy) {
        gn_assert(!c->has_next);
        c->next = *m;
        c->has_next = true;
        return;
    }
    c->current = *m;
    deliver(c);
}

/** A message that lies whole in the block, as it is. */
GN_LOOP_THREAD static void take_from_block(struct gn_ws_conn *c, const struct gn_ws_event *ev)
{
    c->in->refs++;
    take_message(
            c, &(struct gn_ws_incoming){.opcode = ev->opcode, .payload = ev->data, .block = c->in});
}

/** A message in a buffer, whose memory is taken. */
GN_LOOP_THREAD static void take_from_buf(
        struct gn_ws_conn *c, enum gn_ws_opcode opcode, struct gn_buf *take)
{
    struct gn_ws_incoming m = {.opcode = opcode, .payload = gn_buf_slice(take), .own = take->ptr};

    *take = (struct gn_buf){0};
    take_message(c, &m);
}

/** Our close frame, then silence: see GN_WS_FAILING. */
GN_LOOP_THREAD static void fail(struct gn_ws_conn *c, unsigned code, const char *reason)
{
    if (c->state == GN_WS_OPEN) {
        gn_ws_conn_queue_close(c, code, gn_slice_str(reason));
    }
    c->code = (uint16_t)code;
    c->in_at = c->in->bytes.len;
    gn_ws_conn_enter(c, GN_WS_FAILING);
}

GN_LOOP_THREAD static void fail_for(struct gn_ws_conn *c, enum gn_err rc)
{
    switch (rc) {
    case GN_ERR_TOO_BIG:
        fail(c, GN_WS_CLOSE_TOO_BIG, "message too big");
        break;
    case GN_ERR_PROTOCOL:
        fail(c, GN_WS_CLOSE_BAD_DATA, "compressed data is malformed");
        break;
    default:
        fail(c, GN_WS_CLOSE_INTERNAL, "");
        break;
    }
}

/** Text in a compressed message can only be judged now. */
GN_LOOP_THREAD static void take_compressed(
        struct gn_ws_conn *c, enum gn_ws_opcode opcode, struct gn_slice payload)
{
    struct gn_buf inflated;
    enum gn_err rc;

    gn_buf_init(&inflated, c->message_bytes);
    rc = gn_ws_compress_inflate(&c->service->compress, payload, &inflated);
    if (rc != GN_OK) {
        fail_for(c, rc);
    } else if (opcode == GN_WS_TEXT && !gn_utf8_is_valid(gn_buf_slice(&inflated))) {
        fail(c, GN_WS_CLOSE_BAD_DATA, "text is not UTF-8");
    } else {
        take_from_buf(c, opcode, &inflated);
    }
    gn_buf_fini(&inflated);
}

GN_LOOP_THREAD static void on_whole(struct gn_ws_conn *c, const struct gn_ws_event *ev)
{
    if (ev->is_compressed) {
        take_compressed(c, ev->opcode, ev->data);
    } else {
        take_from_block(c, ev);
    }
}

GN_LOOP_THREAD static void on_piece(struct gn_ws_conn *c, const struct gn_ws_event *ev)
{
    enum gn_err rc;

    if (ev->is_first) {
        gn_buf_init(&c->assembly, c->message_bytes);
    }
    rc = gn_buf_append(&c->assembly, ev->data);
    if (rc != GN_OK) {
        fail_for(c, rc);
    } else if (ev->is_last && ev->is_compressed) {
        take_compressed(c, ev->opcode, gn_buf_slice(&c->assembly));
        gn_buf_fini(&c->assembly);
    } else if (ev->is_last) {
        take_from_buf(c, ev->opcode, &c->assembly);
    }
}

GN_LOOP_THREAD static void on_data(struct gn_ws_conn *c, const struct gn_ws_event *ev)
{
    if (c->state != GN_WS_OPEN) {
        return;
    }
    if (ev->is_first && ev->is_last) {
        on_whole(c, ev);
    } else {
        on_piece(c, ev);
    }
}

GN_LOOP_THREAD static void on_ping(struct gn_ws_conn *c, struct gn_slice payload)
{
    if (c->state != GN_WS_OPEN) {
        return;
    }
    gn_ws_conn_queue_control(c, GN_WS_PONG, payload);
    if (c->ops->ping != NULL) {
        c->ops->ping(c, payload);
    }
}

GN_LOOP_THREAD static void on_close(struct gn_ws_conn *c, const struct gn_ws_event *ev)
{
    c->code = ev->code;
    if (ev->data.len > 0) {
        c->reason = gn_xstrndup(ev->data.ptr, ev->data.len);
    }
    if (c->state == GN_WS_OPEN) {
        gn_ws_conn_queue_close(c, ev->code, GN_LIT(""));
    }
    gn_ws_conn_enter(c, GN_WS_FLUSHING);
}

GN_LOOP_THREAD static void on_event(struct gn_ws_conn *c, const struct gn_ws_event *ev)
{
    switch (ev->kind) {
    case GN_WS_EV_MORE:
        break;
    case GN_WS_EV_DATA:
        on_data(c, ev);
        break;
    case GN_WS_EV_PING:
        on_ping(c, ev->data);
        break;
    case GN_WS_EV_PONG:
        if (c->state == GN_WS_OPEN && c->ops->pong != NULL) {
            c->ops->pong(c, ev->data);
        }
        break;
    case GN_WS_EV_CLOSE:
        on_close(c, ev);
        break;
    case GN_WS_EV_ERROR:
        fail(c, ev->code, ev->reason);
        break;
    }
}

/* ---- the pump ------------------------------------------------------------------- */

static bool can_decode(const struct gn_ws_conn *c)
{
    return (c->state == GN_WS_OPEN || c->state == GN_WS_CLOSING) && !c->is_broken &&
            !gn_ws_conn_is_parked(c) && c->in != NULL && c->in_at < c->in->bytes.len;
}

GN_LOOP_THREAD static void decode_one(struct gn_ws_conn *c)
{
    struct gn_ws_event ev;
    size_t consumed;

    gn_ws_decoder_feed(
            &c->decoder, c->in->bytes.ptr + c->in_at, c->in->bytes.len - c->in_at, &consumed, &ev);
    c->in_at += consumed;
    on_event(c, &ev);
}

void gn_ws_conn_pump(struct gn_ws_conn *c)
{
    gn_assert(c->in_run);
    for (;;) {
        if (c->has_next && !c->is_busy && c->state == GN_WS_OPEN) {
            c->has_next = false;
            c->current = c->next;
            deliver(c);
        } else if (can_decode(c)) {
            decode_one(c);
        } else {
            return;
        }
    }
}

/* ---- reading --------------------------------------------------------------------- */

/** Returns false when there is nothing more to read now. */
GN_LOOP_THREAD static bool read_once(struct gn_ws_conn *c)
{
    struct gn_buf *into = empty_block(c);
    enum gn_err rc = gn_stream_read(c->stream, into, GN_WS_BLOCK_BYTES);
    bool was_filled = into->len == GN_WS_BLOCK_BYTES;

    c->read_wait = GN_IO_READ;
    if (rc == GN_ERR_WANT_READ) {
        return false;
    }
    if (rc == GN_ERR_WANT_WRITE) {
        c->read_wait = GN_IO_WRITE;
        return false;
    }
    if (rc != GN_OK) {
        gn_ws_conn_break(c);
        return false;
    }
    c->was_heard = true;
    if (c->state == GN_WS_FAILING) {
        c->in_at = into->len;
    } else {
        gn_ws_conn_pump(c);
    }
    return was_filled || gn_stream_has_pending(c->stream);
}

void gn_ws_conn_read(struct gn_ws_conn *c)
{
    gn_ws_conn_pump(c); /* a close may have ended a wait for the owner */
    for (int i = 0; i < READS_PER_TURN && gn_ws_conn_wants_input(c); i++) {
        if (!read_once(c)) {
            return;
        }
    }
}

void gn_ws_conn_read_pending(struct gn_ws_conn *c)
{
    if (c->stream != NULL && gn_stream_has_pending(c->stream)) {
        gn_ws_conn_read(c);
    }
}

void gn_ws_conn_append_input(struct gn_ws_conn *c, struct gn_slice bytes)
{
    enum gn_err rc;

    if (bytes.len == 0) {
        return;
    }
    c->in = gn_ws_block_take(c->service);
    if (bytes.len > GN_WS_BLOCK_BYTES) {
        c->in->bytes.limit = bytes.len; /* such a block is not kept */
    }
    rc = gn_buf_append(&c->in->bytes, bytes);
    gn_assert(rc == GN_OK);
}
