/* SPDX-License-Identifier: MIT */
#include "server/websocket/ws_conn.h"

#include "server/base/alloc.h"

#include "server/websocket/ws_conn_priv.h"

/*
 * The life of a connection. Whatever wakes it (its descriptor, a timeout, its
 * owner being done, the end of a turn) opens a run: input is read and decoded,
 * operations are called; gn_ws_conn_settle closes it: output is written, the
 * right events are watched, and a connection that is over ends. Only inside a
 * run are operations called, and only settle calls `close`, last.
 *
 * States follow RFC 6455 7: OPEN, then either side's close frame, then both,
 * then the end of the stream. After an error of the client's its input is
 * thrown away until it has read our close frame and hung up, or the close
 * timeout: closing earlier could reset the connection under our last words.
 */

void gn_ws_conn_run_begin(struct gn_ws_conn *c)
{
    GN_CHECK_OBJ(c, GN_WS_CONN_MAGIC);
    gn_assert(!c->in_run);
    c->in_run = true;
}

void gn_ws_conn_enter(struct gn_ws_conn *c, enum gn_ws_state state)
{
    gn_assert(state > c->state);
    c->state = state;
    if (state != GN_WS_OVER) {
        gn_timeout_arm(&c->service->closing, &c->turn);
    }
    if (c->has_next) {
        c->has_next = false;
        gn_ws_incoming_release(c->service, &c->next);
    }
}

void gn_ws_conn_break(struct gn_ws_conn *c)
{
    c->is_broken = true;
    gn_ws_conn_drop_output(c);
}

GN_LOOP_THREAD static void end(struct gn_ws_conn *c)
{
    gn_ws_conn_enter(c, GN_WS_OVER);
    gn_timeout_disarm(&c->turn);
    gn_ws_conn_drop_output(c);
    gn_ws_conn_drop_input(c);
    gn_list_unlink(&c->dirty);
    gn_stream_destroy(&c->stream);
    gn_ws_service_forget(c->service, c);
    c->in_run = false;
    c->ops->close(c, c->code, gn_slice_str(c->reason));
}

/** The close frame is out: tell TCP, and wait for the client to hang up. */
GN_LOOP_THREAD static void shut(struct gn_ws_conn *c)
{
    c->is_shut = true;
    if (gn_stream_shutdown(c->stream) == GN_ERR_IO) {
        gn_ws_conn_break(c);
    }
}

GN_LOOP_THREAD static void tell_drained(struct gn_ws_conn *c)
{
    if (!c->is_full || c->state != GN_WS_OPEN || c->is_broken ||
            gn_ws_conn_n_waiting(c) > c->queue_bytes / 4) {
        return;
    }
    c->is_full = false;
    if (c->ops->drained != NULL) {
        c->ops->drained(c);
        gn_ws_conn_write(c);
    }
}

GN_LOOP_THREAD static void watch(struct gn_ws_conn *c)
{
    unsigned events = 0;

    if (gn_ws_conn_wants_input(c)) {
        events |= c->read_wait;
        if (gn_stream_has_pending(c->stream)) {
            gn_ws_conn_mark_dirty(c);
        }
    }
    if (!gn_bufq_is_empty(&c->out)) {
        events |= c->write_wait != 0 ? c->write_wait : GN_IO_WRITE;
    }
    gn_io_watch(&c->stream->io, events);
}

void gn_ws_conn_settle(struct gn_ws_conn *c)
{
    gn_assert(c->in_run && c->state != GN_WS_OVER);
    if (!c->is_broken) {
        gn_ws_conn_write(c);
        tell_drained(c);
    }
    if (c->state == GN_WS_FAILING && !c->is_broken && gn_bufq_is_empty(&c->out) && !c->is_shut) {
        shut(c);
    }
    if (c->is_broken || (c->state == GN_WS_FLUSHING && gn_bufq_is_empty(&c->out))) {
        end(c);
        return;
    }
    gn_ws_conn_trim_input(c);
    watch(c);
    c->in_run = false;
}

static void on_ready(struct gn_stream *s, unsigned events)
{
    struct gn_ws_conn *c = GN_CAST(struct gn_ws_conn, GN_WS_CONN_MAGIC, s->owner);

    gn_assert_loop_thread(c->service->loop);
    if ((events & c->write_wait) != 0) {
        c->write_wait = 0;
    }
    gn_ws_conn_run_begin(c);
    if ((events & c->read_wait) != 0) {
        gn_ws_conn_read(c);
    }
    gn_ws_conn_settle(c);
}

/* ---- what owners call ---------------------------------------------------------- */

struct gn_ws_conn *gn_ws_conn_create(struct gn_ws_service *service, struct gn_stream **stream,
        struct gn_slice early, struct gn_bufq *out, const struct gn_ws_conn_config *config)
{
    struct gn_ws_conn *c = gn_xcalloc(sizeof(*c));

    GN_CHECK_OBJ(service, GN_WS_SERVICE_MAGIC);
    gn_assert(config->ops->message != NULL && config->ops->close != NULL);
    c->magic = GN_WS_CONN_MAGIC;
    c->service = service;
    c->ops = config->ops;
    c->owner = config->owner;
    c->message_bytes = config->message_bytes;
    c->queue_bytes = config->queue_bytes;
    c->code = GN_WS_CLOSE_ABNORMAL;
    c->read_wait = GN_IO_READ;
    c->is_busy = true;
    gn_list_init(&c->link);
    gn_list_init(&c->dirty);
    gn_ws_decoder_init(&c->decoder,
            &(struct gn_ws_decoder_options){.message_limit_bytes = config->message_bytes,
                    .allow_compressed = config->deflate != NULL});
    if (config->deflate != NULL) {
        gn_assert(!config->deflate->server_context_takeover &&
                !config->deflate->client_context_takeover);
        c->deflate_bits = config->deflate->server_window_bits;
    }
    c->stream = *stream;
    *stream = NULL;
    c->stream->owner = c;
    c->stream->on_ready = on_ready;
    gn_bufq_move(&c->out, out);
    gn_ws_conn_append_input(c, early);
    gn_ws_service_enlist(service, c);
    gn_timeout_arm(&service->ping, &c->turn);
    gn_ws_conn_mark_dirty(c);
    return c;
}

/** What on_upgrade needs and leaves. */
struct acceptance {
    struct gn_ws_service *service;
    const struct gn_ws_conn_config *config;
    struct gn_ws_conn *conn;
};

static void on_upgrade(
        void *arg, struct gn_stream **stream, struct gn_slice early, struct gn_bufq *out)
{
    struct acceptance *a = arg;

    gn_assert_loop_thread(a->service->loop);
    a->conn = gn_ws_conn_create(a->service, stream, early, out, a->config);
}

enum gn_err gn_ws_conn_accept(struct gn_ws_service *service, struct gn_exchange *ex,
        const struct gn_ws_handshake *handshake, const struct gn_ws_conn_config *config,
        struct gn_ws_conn **conn_out)
{
    struct gn_header headers[GN_WS_HANDSHAKE_HEADERS];
    unsigned n_headers = gn_ws_handshake_headers(handshake, headers);
    struct acceptance a = {.service = service, .config = config};

    gn_assert(handshake->status == 101);
    gn_exchange_upgrade(ex, headers, n_headers, on_upgrade, &a);
    *conn_out = a.conn;
    return a.conn != NULL ? GN_OK : GN_ERR_GONE;
}

void gn_ws_conn_destroy(struct gn_ws_conn **conn)
{
    struct gn_ws_conn *c = *conn;

    if (c == NULL) {
        return;
    }
    GN_CHECK_OBJ(c, GN_WS_CONN_MAGIC);
    gn_assert(!c->in_run);
    if (c->state != GN_WS_OVER) {
        gn_ws_conn_enter(c, GN_WS_OVER);
        gn_timeout_disarm(&c->turn);
        gn_ws_conn_drop_output(c);
        gn_ws_conn_drop_input(c);
        gn_list_unlink(&c->dirty);
        gn_stream_abort(&c->stream);
        gn_ws_service_forget(c->service, c);
    }
    gn_ws_incoming_release(c->service, &c->current);
    gn_free(c->reason);
    c->magic = 0;
    gn_free(c);
    *conn = NULL;
}

void gn_ws_conn_done(struct gn_ws_conn *c)
{
    GN_CHECK_OBJ(c, GN_WS_CONN_MAGIC);
    gn_assert(c->is_busy);
    c->is_busy = false;
    gn_ws_incoming_release(c->service, &c->current);
    if (c->in_run || c->state == GN_WS_OVER) {
        return;
    }
    gn_ws_conn_run_begin(c);
    gn_ws_conn_pump(c);
    gn_ws_conn_settle(c);
}

void gn_ws_conn_close(struct gn_ws_conn *c, unsigned code, struct gn_slice reason)
{
    GN_CHECK_OBJ(c, GN_WS_CONN_MAGIC);
    if (c->state != GN_WS_OPEN) {
        return;
    }
    gn_ws_conn_queue_close(c, code, reason);
    gn_ws_conn_enter(c, GN_WS_CLOSING);
    if (!c->in_run) {
        gn_ws_conn_mark_dirty(c);
    }
}

void *gn_ws_conn_owner(const struct gn_ws_conn *c)
{
    return c->owner;
}

bool gn_ws_conn_is_open(const struct gn_ws_conn *c)
{
    return c->state == GN_WS_OPEN && !c->is_broken;
}
