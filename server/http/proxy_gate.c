/* SPDX-License-Identifier: MIT */
#include "server/http/proxy_gate.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/base/obj.h"
#include "server/http/http1_conn.h"
#include "server/net/trust.h"
#include "server/proto/proxy_protocol.h"

#include "server/http/http_server_priv.h"

/*
 * The bytes are looked at without being taken (MSG_PEEK) behind what was taken
 * before. As long as the header is not complete all of them belong to it: they
 * are taken, which also keeps the watcher from firing for nothing. Once it is,
 * only its rest is taken.
 */

struct gn_proxy_wait {
    unsigned magic;
    struct gn_http_server *server;
    struct gn_tls_ctx *tls; /* NULL: plain */
    struct gn_list link;    /* gate.all */
    struct gn_timeout time; /* gate.late */
    struct gn_io io;        /* holds the descriptor */
    struct gn_buf taken;    /* the header so far */
    struct gn_origin origin;
};

#define PROXY_WAIT_MAGIC 0x2f6be817u

bool gn_proxy_gate_is_for(const struct gn_http_server *server, const struct gn_addr *peer)
{
    return server->proxies.protocol != GN_PROXY_PROTOCOL_OFF &&
            gn_trust_has_peer(server->proxies.protocol_from, peer);
}

/* ---- the end -------------------------------------------------------------------- */

/** Frees all but the descriptor, which it returns. */
GN_LOOP_THREAD static int wait_free(struct gn_proxy_wait *w)
{
    int fd = gn_io_fd(&w->io);

    gn_timeout_disarm(&w->time);
    gn_list_unlink(&w->link);
    gn_io_fini(&w->io);
    gn_buf_fini(&w->taken);
    gn_tls_ctx_unref(&w->tls);
    gn_origin_fini(w->server, &w->origin);
    w->magic = 0;
    gn_free(w);
    return fd;
}

GN_LOOP_THREAD static void wait_end(struct gn_proxy_wait *w)
{
    struct gn_http_server *server = w->server;

    (void)close(wait_free(w));
    gn_http_server_forget_conn(server);
}

static void on_late(struct gn_timeout *timeout)
{
    struct gn_proxy_wait *w = GN_CONTAINER_OF(timeout, struct gn_proxy_wait, time);

    GN_CHECK_OBJ(w, PROXY_WAIT_MAGIC);
    gn_assert_loop_thread(w->server->loop);
    wait_end(w);
}

/** Without TLS there is a way to say why. */
GN_LOOP_THREAD static void refuse(struct gn_proxy_wait *w)
{
    static const char reason[] = "no PROXY header from a peer that --proxy-allow-from lists";
    struct gn_http_server *server = w->server;
    struct gn_origin origin = gn_origin_take(&w->origin);
    struct gn_stream *stream;
    unsigned n_skipped;
    int fd;

    if (w->tls != NULL) {
        if (gn_http_server_may_log(server, GN_NOTICE_OTHER, &n_skipped)) {
            gn_log_info("closed a connection: %s (and %u more like this)", reason, n_skipped);
        }
        gn_origin_fini(server, &origin);
        wait_end(w);
        return;
    }
    fd = wait_free(w);
    stream = gn_stream_fd_create(server->loop, &fd);
    server->stats.connections--; /* the connection counts itself */
    gn_http1_conn_refuse(server, &stream, &origin, 400, reason,
            GN_LIT("This port expects a PROXY header from you."));
}

/* ---- becoming a connection --------------------------------------------------------- */

/** LOCAL and UNKNOWN name nobody: the proxy speaks for itself. */
GN_LOOP_THREAD static void take_header(
        struct gn_origin *origin, const struct gn_proxy_header *header)
{
    struct gn_proxied *proxied;

    if (header->family == GN_PROXY_UNKNOWN) {
        return;
    }
    proxied = gn_xcalloc(sizeof(*proxied));
    proxied->proxy = origin->peer;
    proxied->server_port = header->destination_port;
    proxied->is_tls = header->is_tls;
    origin->proxied = proxied;
    gn_addr_set_ip(&origin->peer, header->family == GN_PROXY_IPV6 ? AF_INET6 : AF_INET,
            header->source, header->source_port);
}

GN_LOOP_THREAD static void pass(struct gn_proxy_wait *w, const struct gn_proxy_header *header)
{
    struct gn_http_server *server = w->server;
    struct gn_origin origin = gn_origin_take(&w->origin);
    struct gn_tls_ctx *tls = w->tls;
    int fd;

    w->tls = NULL;
    take_header(&origin, header);
    fd = wait_free(w);
    server->stats.connections--; /* the connection counts itself */
    gn_http_server_open(server, &fd, tls, &origin);
    gn_http_server_check_full(server); /* it may have been refused */
    gn_tls_ctx_unref(&tls);
}

/* ---- reading ------------------------------------------------------------------------- */

static bool is_wanted(const struct gn_http_server *server, const struct gn_proxy_header *header)
{
    switch (server->proxies.protocol) {
    case GN_PROXY_PROTOCOL_AUTO:
        return true;
    case GN_PROXY_PROTOCOL_V1:
        return header->version == 1;
    case GN_PROXY_PROTOCOL_V2:
        return header->version == 2;
    case GN_PROXY_PROTOCOL_OFF:
        break;
    }
    return false;
}

/** Takes so many bytes that were looked at; false when the socket does not give them. */
static bool take_bytes(int fd, char *into, size_t n)
{
    return n == 0 || recv(fd, into, n, MSG_DONTWAIT) == (ssize_t)n;
}

/** Looks at what is there behind what was taken. Returns as recv does. */
GN_LOOP_THREAD static ssize_t look(struct gn_proxy_wait *w, struct gn_buf *into)
{
    ssize_t n;

    gn_buf_clear(into);
    if (gn_buf_append(into, gn_buf_slice(&w->taken)) != GN_OK ||
            gn_buf_reserve(into, GN_PROXY_V2_BYTES - into->len) != GN_OK) {
        return 0;
    }
    n = recv(gn_io_fd(&w->io), into->ptr + into->len, GN_PROXY_V2_BYTES - into->len,
            MSG_PEEK | MSG_DONTWAIT);
    into->len += n > 0 ? (size_t)n : 0;
    return n;
}

/** The header goes on: keeps what is there of it. */
GN_LOOP_THREAD static void keep(struct gn_proxy_wait *w, struct gn_slice bytes)
{
    char *at;

    bytes = gn_slice_skip(bytes, w->taken.len);
    if (gn_buf_reserve(&w->taken, bytes.len) != GN_OK) {
        wait_end(w);
        return;
    }
    at = w->taken.ptr + w->taken.len;
    if (!take_bytes(gn_io_fd(&w->io), at, bytes.len)) {
        wait_end(w);
        return;
    }
    w->taken.len += bytes.len;
}

static void on_readable(struct gn_io *io, unsigned events)
{
    struct gn_proxy_wait *w = GN_CONTAINER_OF(io, struct gn_proxy_wait, io);
    struct gn_proxy_header header;
    struct gn_buf *bytes;
    size_t consumed;
    ssize_t n;

    (void)events;
    gn_assert_loop_thread(io->loop);
    GN_CHECK_OBJ(w, PROXY_WAIT_MAGIC);
    bytes = &w->server->scratch;
    n = look(w, bytes);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            wait_end(w);
        }
        return;
    }
    switch (gn_proxy_header_parse(gn_buf_slice(bytes), &header, &consumed)) {
    case GN_PROXY_MORE:
        keep(w, gn_buf_slice(bytes));
        break;
    case GN_PROXY_DONE:
        if (!is_wanted(w->server, &header)) {
            refuse(w);
        } else if (take_bytes(gn_io_fd(io), bytes->ptr, consumed - w->taken.len)) {
            pass(w, &header);
        } else {
            wait_end(w);
        }
        break;
    case GN_PROXY_ERROR:
        refuse(w);
        break;
    }
}

/* ---- life -------------------------------------------------------------------------------- */

void gn_proxy_gate_init(struct gn_http_server *server)
{
    gn_list_init(&server->proxy_gate.all);
    gn_timeout_list_init(
            &server->proxy_gate.late, server->loop, server->limits.handshake_ms, on_late);
}

void gn_proxy_gate_fini(struct gn_http_server *server)
{
    gn_assert(gn_list_is_empty(&server->proxy_gate.all));
    gn_timeout_list_fini(&server->proxy_gate.late);
}

void gn_proxy_gate_start(
        struct gn_http_server *server, int *fd, struct gn_tls_ctx *tls, struct gn_origin *origin)
{
    struct gn_proxy_wait *w = gn_xcalloc(sizeof(*w));

    w->magic = PROXY_WAIT_MAGIC;
    w->server = server;
    w->tls = tls != NULL ? gn_tls_ctx_ref(tls) : NULL;
    w->origin = gn_origin_take(origin);
    gn_buf_init(&w->taken, GN_PROXY_V2_BYTES);
    gn_list_append(&server->proxy_gate.all, &w->link);
    gn_io_init(&w->io, server->loop, *fd, on_readable);
    *fd = -1;
    server->stats.connections++;
    gn_timeout_arm(&server->proxy_gate.late, &w->time);
    gn_io_watch(&w->io, GN_IO_READ);
}

void gn_proxy_gate_close_all(struct gn_http_server *server)
{
    struct gn_list *node;

    while ((node = server->proxy_gate.all.next) != &server->proxy_gate.all) {
        wait_end(GN_LIST_ENTRY(node, struct gn_proxy_wait, link));
    }
}
