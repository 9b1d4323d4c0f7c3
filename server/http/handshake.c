/* SPDX-License-Identifier: MIT */
#include "server/http/handshake.h"

#include <errno.h>
#include <sys/socket.h>

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/base/obj.h"
#include "server/http/http1_conn.h"
#include "server/net/stream_tls.h"

#include "server/http/http_server_priv.h"

/*
 * A handshake waits for the first byte with nothing but a watcher; then it
 * passes the gate and gets a stream; then the stream says what to wait for.
 * It ends as a connection of HTTP, with an alert and a linger (the client may
 * still be sending, and a reset would destroy the alert), or silently.
 *
 * The gate counts only the first step of a handshake, which is where a server
 * signs, and a client has spent nothing yet.
 */

#define BURST_NS GN_NS_PER_S       /* a second's worth may come at once */
#define TURN_NS (2 * GN_NS_PER_MS) /* of handshakes in one turn of the loop */
#define LINGER_BYTES (256u << 10)  /* of input are dropped after an alert */
#define DROP_BYTES 2048u

struct gn_handshake {
    unsigned magic;
    struct gn_http_server *server;
    struct gn_tls_ctx *tls;
    struct gn_list link;      /* gate.all */
    struct gn_list waiting;   /* gate.waiting */
    struct gn_timeout time;   /* gate.late, gate.lingers */
    struct gn_io io;          /* holds the descriptor until there is a stream */
    struct gn_stream *stream; /* NULL until its turn has come */
    bool is_lingering;
    uint64_t n_dropped;
    struct gn_origin origin;
};

#define HANDSHAKE_MAGIC 0x7d03c5f1u

/* ---- the end ------------------------------------------------------------------ */

/** Leaves the descriptor or stream to whoever took it, closes it otherwise. */
GN_LOOP_THREAD static void handshake_free(struct gn_handshake *h)
{
    gn_timeout_disarm(&h->time);
    gn_list_unlink(&h->link);
    gn_list_unlink(&h->waiting);
    if (h->io.loop != NULL) {
        int fd = gn_io_fd(&h->io);

        gn_io_fini(&h->io);
        h->stream = gn_stream_fd_create(h->server->loop, &fd);
    }
    gn_stream_destroy(&h->stream);
    gn_tls_ctx_unref(&h->tls);
    gn_origin_fini(h->server, &h->origin);
    h->magic = 0;
    gn_free(h);
}

GN_LOOP_THREAD static void handshake_end(struct gn_handshake *h)
{
    struct gn_http_server *server = h->server;

    handshake_free(h);
    gn_http_server_forget_conn(server);
}

GN_LOOP_THREAD static void handshake_fail(struct gn_handshake *h, const char *reason)
{
    char peer[GN_ADDR_TEXT_BYTES];

    h->server->stats.failed_handshakes++;
    if (gn_log_is_on(GN_LOG_DEBUG)) {
        gn_addr_format(&h->origin.peer, peer);
        gn_log_debug("TLS handshake with %s failed: %s", peer, reason);
    }
}

static struct gn_handshake *of_time(struct gn_timeout *timeout)
{
    struct gn_handshake *h = GN_CONTAINER_OF(timeout, struct gn_handshake, time);

    GN_CHECK_OBJ(h, HANDSHAKE_MAGIC);
    return h;
}

static void on_late(struct gn_timeout *timeout)
{
    struct gn_handshake *h = of_time(timeout);

    gn_assert_loop_thread(h->server->loop);
    handshake_fail(h, "it took too long");
    handshake_end(h);
}

static void on_linger_over(struct gn_timeout *timeout)
{
    struct gn_handshake *h = of_time(timeout);

    gn_assert_loop_thread(h->server->loop);
    handshake_end(h);
}

/* ---- becoming a connection -------------------------------------------------------- */

/** Hands the stream over; `h` is gone after. The protocol agreed on (ALPN) is HTTP/1.1. */
GN_LOOP_THREAD static void start_http(struct gn_handshake *h)
{
    struct gn_http_server *server = h->server;
    struct gn_stream *stream = h->stream;
    struct gn_stream *taken = stream;
    struct gn_origin origin = gn_origin_take(&h->origin);

    h->stream = NULL;
    handshake_free(h);
    server->stats.connections--; /* the connection counts itself */
    gn_http1_conn_start(server, &taken, &origin);
    if (gn_stream_has_pending(stream)) {
        stream->on_ready(stream, GN_IO_READ); /* the first request came with the handshake */
    }
}

GN_LOOP_THREAD static void refuse_plain(struct gn_handshake *h)
{
    struct gn_http_server *server = h->server;
    struct gn_origin origin = gn_origin_take(&h->origin);
    int fd = gn_io_fd(&h->io);
    struct gn_stream *stream;

    handshake_fail(h, "the client speaks plain HTTP");
    gn_io_fini(&h->io);
    h->io.loop = NULL;
    stream = gn_stream_fd_create(server->loop, &fd);
    handshake_free(h);
    server->stats.connections--;
    gn_http1_conn_refuse(server, &stream, &origin, 400, "plain HTTP where TLS is spoken",
            GN_LIT("This port speaks HTTPS. Use https:// in front of its address."));
}

/* ---- after an alert ------------------------------------------------------------------ */

GN_LOOP_THREAD static void linger(struct gn_handshake *h)
{
    if (gn_stream_shutdown(h->stream) != GN_OK) {
        handshake_end(h);
        return;
    }
    h->is_lingering = true;
    gn_timeout_arm(&h->server->handshakes.lingers, &h->time);
    gn_io_watch(&h->stream->io, GN_IO_READ);
}

GN_LOOP_THREAD static void drop_input(struct gn_handshake *h)
{
    char bytes[DROP_BYTES];
    ssize_t n = recv(gn_io_fd(&h->stream->io), bytes, sizeof(bytes), MSG_DONTWAIT);

    h->n_dropped += n > 0 ? (uint64_t)n : 0;
    if (n == 0 || h->n_dropped > LINGER_BYTES || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        handshake_end(h);
    }
}

/* ---- steps ---------------------------------------------------------------------------- */

/** One step, and what follows from it. */
GN_LOOP_THREAD static void go_on(struct gn_handshake *h)
{
    struct gn_stream *s = h->stream;

    switch (gn_stream_tls_handshake(s)) {
    case GN_OK:
        start_http(h);
        break;
    case GN_ERR_WANT_READ:
        gn_io_watch(&s->io, GN_IO_READ);
        break;
    case GN_ERR_WANT_WRITE:
        gn_io_watch(&s->io, GN_IO_WRITE);
        break;
    case GN_ERR_PROTOCOL:
        handshake_fail(h, gn_stream_tls_reason(s));
        linger(h);
        break;
    default:
        handshake_fail(h, "the client hung up");
        handshake_end(h);
        break;
    }
}

static void on_ready(struct gn_stream *stream, unsigned events)
{
    struct gn_handshake *h = GN_CAST(struct gn_handshake, HANDSHAKE_MAGIC, stream->owner);

    (void)events;
    gn_assert_loop_thread(h->server->loop);
    if (h->is_lingering) {
        drop_input(h);
    } else {
        go_on(h);
    }
}

/** Its turn has come. */
GN_LOOP_THREAD static void begin(struct gn_handshake *h)
{
    struct gn_handshake_gate *gate = &h->server->handshakes;
    gn_deadline start = gn_clock_now();
    int fd = gn_io_fd(&h->io);

    gn_list_unlink(&h->waiting);
    gn_io_fini(&h->io);
    h->io.loop = NULL;
    h->stream = gn_stream_tls_create(h->server->loop, &fd, h->tls);
    h->stream->owner = h;
    h->stream->on_ready = on_ready;
    go_on(h);
    gate->turn_ns += gn_clock_now() - start;
}

/* ---- the gate ------------------------------------------------------------------------- */

/** When the next may begin: not after now means now. */
GN_LOOP_THREAD static gn_deadline next_turn(struct gn_http_server *server)
{
    struct gn_handshake_gate *gate = &server->handshakes;
    gn_deadline now = gn_loop_now(server->loop);

    if (gate->turn != now) {
        gate->turn = now;
        gate->turn_ns = 0;
    }
    if (gate->turn_ns >= TURN_NS) {
        return now + 1;
    }
    return server->limits.handshakes_s > 0 ? gate->earliest - BURST_NS : now;
}

GN_LOOP_THREAD static void count_begun(struct gn_http_server *server)
{
    struct gn_handshake_gate *gate = &server->handshakes;

    if (server->limits.handshakes_s > 0) {
        gate->earliest = GN_MAX(gate->earliest, gn_loop_now(server->loop)) +
                GN_NS_PER_S / server->limits.handshakes_s;
    }
}

/** Lets in whoever may come in, and sets the time for the rest. */
GN_LOOP_THREAD static void open_gate(struct gn_http_server *server)
{
    struct gn_handshake_gate *gate = &server->handshakes;

    while (!gn_list_is_empty(&gate->waiting)) {
        gn_deadline at = next_turn(server);

        if (at > gn_loop_now(server->loop)) {
            gn_timer_start(&gate->timer, at);
            return;
        }
        count_begun(server);
        begin(GN_LIST_ENTRY(gate->waiting.next, struct gn_handshake, waiting));
    }
}

static void on_gate(struct gn_timer *timer)
{
    struct gn_http_server *server = GN_CONTAINER_OF(timer, struct gn_http_server, handshakes.timer);

    gn_assert_loop_thread(timer->loop);
    open_gate(server);
}

static void on_hello(struct gn_io *io, unsigned events)
{
    struct gn_handshake *h = GN_CONTAINER_OF(io, struct gn_handshake, io);

    (void)events;
    gn_assert_loop_thread(io->loop);
    GN_CHECK_OBJ(h, HANDSHAKE_MAGIC);
    switch (gn_stream_tls_peek(gn_io_fd(io))) {
    case GN_OK:
        gn_io_watch(io, 0);
        gn_list_append(&h->server->handshakes.waiting, &h->waiting);
        if (!gn_timer_is_running(&h->server->handshakes.timer)) {
            open_gate(h->server);
        }
        break;
    case GN_ERR_WANT_READ:
        break;
    case GN_ERR_UNSUPPORTED:
        refuse_plain(h);
        break;
    default:
        handshake_fail(h, "the client hung up");
        handshake_end(h);
        break;
    }
}

/* ---- life ------------------------------------------------------------------------------ */

void gn_handshake_gate_init(struct gn_http_server *server)
{
    struct gn_handshake_gate *gate = &server->handshakes;

    gn_list_init(&gate->all);
    gn_list_init(&gate->waiting);
    gn_timer_init(&gate->timer, server->loop, on_gate);
    gn_timeout_list_init(&gate->late, server->loop, server->limits.handshake_ms, on_late);
    gn_timeout_list_init(&gate->lingers, server->loop, server->limits.linger_ms, on_linger_over);
}

void gn_handshake_gate_fini(struct gn_http_server *server)
{
    gn_assert(gn_list_is_empty(&server->handshakes.all));
    gn_timer_stop(&server->handshakes.timer);
    gn_timeout_list_fini(&server->handshakes.late);
    gn_timeout_list_fini(&server->handshakes.lingers);
}

void gn_handshake_start(
        struct gn_http_server *server, int *fd, struct gn_tls_ctx *tls, struct gn_origin *origin)
{
    struct gn_handshake *h = gn_xcalloc(sizeof(*h));

    h->magic = HANDSHAKE_MAGIC;
    h->server = server;
    h->tls = gn_tls_ctx_ref(tls);
    h->origin = gn_origin_take(origin);
    gn_list_init(&h->waiting);
    gn_list_append(&server->handshakes.all, &h->link);
    gn_io_init(&h->io, server->loop, *fd, on_hello);
    *fd = -1;
    server->stats.connections++;
    gn_timeout_arm(&server->handshakes.late, &h->time);
    gn_io_watch(&h->io, GN_IO_READ);
}

void gn_handshake_close_all(struct gn_http_server *server)
{
    struct gn_list *node;

    while ((node = server->handshakes.all.next) != &server->handshakes.all) {
        handshake_end(GN_LIST_ENTRY(node, struct gn_handshake, link));
    }
}
