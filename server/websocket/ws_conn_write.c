/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"

#include "server/websocket/ws_conn_priv.h"

/*
 * Output. While a connection handles its input, small frames gather in the
 * service's batch and leave with one call when the run ends: nothing is
 * allocated for an echo. What the socket does not take, and what is sent from
 * elsewhere, goes through the connection's own queue, in order: the batch only
 * ever holds bytes of a connection whose queue is empty.
 */

#define DIRECT_BYTES (8 * 1024) /* larger payloads are not copied when the socket can take them */

void gn_ws_conn_mark_dirty(struct gn_ws_conn *c)
{
    if (!gn_list_is_linked(&c->dirty)) {
        gn_list_append(&c->service->dirty, &c->dirty);
        gn_loop_defer(c->service->loop, &c->service->flush);
    }
}

static bool can_batch(const struct gn_ws_conn *c, size_t len)
{
    const struct gn_ws_service *s = c->service;

    return c->in_run && gn_bufq_is_empty(&c->out) &&
            (s->batch_conn == c || s->batch_conn == NULL) &&
            s->batch.len + len <= GN_WS_BATCH_BYTES;
}

/** Moves the batch to the queue, when it is this connection's. */
GN_LOOP_THREAD static void unbatch(struct gn_ws_conn *c)
{
    struct gn_ws_service *s = c->service;

    if (s->batch_conn == c) {
        gn_bufq_append(&c->out, gn_buf_slice(&s->batch));
        gn_buf_clear(&s->batch);
        s->batch_conn = NULL;
    }
}

GN_LOOP_THREAD static void note_status(struct gn_ws_conn *c, enum gn_err rc)
{
    c->write_wait = 0;
    if (rc == GN_ERR_WANT_WRITE) {
        c->write_wait = GN_IO_WRITE;
    } else if (rc == GN_ERR_WANT_READ) {
        c->write_wait = GN_IO_READ;
    } else if (rc != GN_OK) {
        gn_ws_conn_break(c);
    }
}

/** Tries to send at once what is not worth copying; the rest is queued. */
GN_LOOP_THREAD static void write_direct(
        struct gn_ws_conn *c, struct gn_slice header, struct gn_slice payload)
{
    union {
        const char *in;
        void *out; /* struct iovec has no const; nobody writes through it */
    } base[2] = {{.in = header.ptr}, {.in = payload.ptr}};
    const struct iovec iov[2] = {
            {.iov_base = base[0].out, .iov_len = header.len},
            {.iov_base = base[1].out, .iov_len = payload.len},
    };
    size_t n_sent = 0;

    note_status(c, gn_stream_writev(c->stream, iov, 2, &n_sent));
    if (c->is_broken) {
        return;
    }
    gn_bufq_append(&c->out, gn_slice_skip(header, n_sent));
    gn_bufq_append(&c->out, gn_slice_skip(payload, n_sent - GN_MIN(n_sent, header.len)));
}

void gn_ws_conn_queue(struct gn_ws_conn *c, struct gn_slice header, struct gn_slice payload)
{
    struct gn_ws_service *s = c->service;

    if (can_batch(c, header.len + payload.len)) {
        enum gn_err rc = gn_buf_append(&s->batch, header);

        gn_assert(rc == GN_OK);
        rc = gn_buf_append(&s->batch, payload);
        gn_assert(rc == GN_OK);
        s->batch_conn = c;
        return;
    }
    unbatch(c);
    if (payload.len >= DIRECT_BYTES && gn_bufq_is_empty(&c->out) && c->write_wait == 0) {
        write_direct(c, header, payload);
    } else {
        gn_bufq_append(&c->out, header);
        gn_bufq_append(&c->out, payload);
    }
    if (!c->in_run) {
        gn_ws_conn_mark_dirty(c);
    }
}

void gn_ws_conn_queue_control(
        struct gn_ws_conn *c, enum gn_ws_opcode opcode, struct gn_slice payload)
{
    const struct gn_ws_header header = gn_ws_encode_header(opcode, true, false, payload.len);

    gn_ws_conn_queue(c, gn_ws_header_slice(&header), payload);
}

void gn_ws_conn_queue_close(struct gn_ws_conn *c, unsigned code, struct gn_slice reason)
{
    const struct gn_ws_close_frame frame = gn_ws_encode_close(code, reason);

    gn_ws_conn_queue(c, gn_slice_of(frame.bytes, frame.len), GN_LIT(""));
}

/** Writes the batch without ever queueing it, when the socket takes it whole. */
GN_LOOP_THREAD static void write_batch(struct gn_ws_conn *c)
{
    struct gn_ws_service *s = c->service;
    struct iovec iov = {.iov_base = s->batch.ptr, .iov_len = s->batch.len};
    size_t n_sent = 0;

    note_status(c, gn_stream_writev(c->stream, &iov, 1, &n_sent));
    if (!c->is_broken) {
        gn_bufq_append(&c->out, gn_slice_skip(gn_buf_slice(&s->batch), n_sent));
    }
    gn_buf_clear(&s->batch);
    s->batch_conn = NULL;
}

void gn_ws_conn_write(struct gn_ws_conn *c)
{
    struct gn_ws_service *s = c->service;
    const uint64_t before = c->out.n_bytes;

    if (c->write_wait == 0 && s->batch_conn == c) {
        write_batch(c);
    }
    unbatch(c);
    if (!c->is_broken && c->write_wait == 0 && !gn_bufq_is_empty(&c->out)) {
        note_status(c, gn_stream_write(c->stream, &c->out));
    }
    if (gn_bufq_is_empty(&c->out)) {
        gn_timeout_disarm(&c->stall);
    } else if (!gn_timeout_is_armed(&c->stall) || c->out.n_bytes < before) {
        gn_timeout_arm(&s->stall, &c->stall);
    }
}

void gn_ws_conn_drop_output(struct gn_ws_conn *c)
{
    if (c->service->batch_conn == c) {
        gn_buf_clear(&c->service->batch);
        c->service->batch_conn = NULL;
    }
    gn_bufq_clear(&c->out);
    gn_timeout_disarm(&c->stall);
}

/* ---- what owners call -------------------------------------------------------- */

size_t gn_ws_conn_n_waiting(const struct gn_ws_conn *c)
{
    const size_t batched = c->service->batch_conn == c ? c->service->batch.len : 0;

    return (size_t)c->out.n_bytes + batched;
}

/** May a message be queued now? */
GN_LOOP_THREAD static enum gn_err check_room(struct gn_ws_conn *c)
{
    GN_CHECK_OBJ(c, GN_WS_CONN_MAGIC);
    if (c->state != GN_WS_OPEN || c->is_broken) {
        return GN_ERR_GONE;
    }
    if (gn_ws_conn_n_waiting(c) >= c->queue_bytes) {
        c->is_full = true;
        return GN_ERR_FULL;
    }
    return GN_OK;
}

/** The bytes to send for a payload: compressed where that was agreed and pays. */
GN_LOOP_THREAD static bool compress(
        struct gn_ws_conn *c, struct gn_slice payload, struct gn_slice *out)
{
    return c->deflate_bits != 0 &&
            gn_ws_compress_deflate(&c->service->compress, c->deflate_bits, payload, out);
}

enum gn_err gn_ws_conn_send(struct gn_ws_conn *c, enum gn_ws_opcode opcode, struct gn_slice payload)
{
    struct gn_ws_header header;
    bool is_compressed;

    gn_assert(opcode == GN_WS_TEXT || opcode == GN_WS_BINARY);
    GN_TRY(check_room(c));
    if (opcode == GN_WS_TEXT && !gn_utf8_is_valid(payload)) {
        return GN_ERR_INVALID;
    }
    is_compressed = compress(c, payload, &payload);
    header = gn_ws_encode_header(opcode, true, is_compressed, payload.len);
    gn_ws_conn_queue(c, gn_ws_header_slice(&header), payload);
    return GN_OK;
}

static void release_message(void *arg)
{
    struct gn_ws_message *message = arg;

    gn_ws_message_unref(&message);
}

enum gn_err gn_ws_conn_send_message(struct gn_ws_conn *c, struct gn_ws_message *message)
{
    struct gn_slice frame;

    GN_TRY(check_room(c));
    frame = c->deflate_bits != 0
            ? gn_ws_message_frame_deflated(message, &c->service->compress, c->deflate_bits)
            : gn_ws_message_frame(message);
    if (can_batch(c, frame.len)) {
        gn_ws_conn_queue(c, frame, GN_LIT(""));
        return GN_OK;
    }
    unbatch(c);
    gn_bufq_lend(&c->out, frame, release_message, gn_ws_message_ref(message));
    if (!c->in_run) {
        gn_ws_conn_mark_dirty(c);
    }
    return GN_OK;
}

enum gn_err gn_ws_conn_ping(struct gn_ws_conn *c, struct gn_slice payload)
{
    GN_TRY(check_room(c));
    gn_ws_conn_queue_control(c, GN_WS_PING,
            gn_slice_of(payload.ptr, GN_MIN(payload.len, (size_t)GN_WS_CONTROL_BYTES)));
    return GN_OK;
}
