/* SPDX-License-Identifier: MIT */
#include <sys/resource.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/http/http1_conn.h"
#include "server/net/trust.h"

#include "server/http/http_server_priv.h"

/*
 * From listeners to connections: who has to show a PROXY header first, who
 * speaks TLS, and who is one too many. At the cap of the process listeners
 * rest and clients wait in the backlog; a client at its own cap is refused,
 * since waiting would make others wait behind it.
 *
 * A refusal is told (503) as long as few are being told; a client that goes on
 * regardless is just closed, lest the refused fill the table that the cap
 * is there to protect.
 */

#define RESERVED_DESCRIPTORS 64u /* for the application: databases, files, spools */
#define MIN_CONNECTIONS 8u
#define MAX_TOLD 64u /* refusals on their way at a time, of all clients */

/* A listener is closed by the stop, but exchanges go on looking at its address. */
struct http_listener {
    struct gn_list link;
    struct gn_http_server *server;
    struct gn_listener *listener; /* NULL once closed */
    struct gn_addr addr;
    struct gn_tls_ctx *tls; /* NULL: plain */
};

static const struct gn_addr unknown_addr = {.len = 0};

/* ---- the cap of the process ------------------------------------------------- */

unsigned gn_http_server_max_connections(const struct gn_http_limits *limits)
{
    struct rlimit files;

    if (limits->connections > 0) {
        return limits->connections;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY ||
            files.rlim_cur > UINT32_MAX) {
        return UINT32_MAX;
    }
    if (files.rlim_cur < 2 * RESERVED_DESCRIPTORS) {
        return GN_MAX((unsigned)files.rlim_cur / 2, MIN_CONNECTIONS);
    }
    return (unsigned)files.rlim_cur - RESERVED_DESCRIPTORS;
}

GN_LOOP_THREAD static void set_full(struct gn_http_server *server, bool is_full)
{
    struct gn_list *node;
    struct gn_list *tmp;

    if (server->is_full == is_full) {
        return;
    }
    server->is_full = is_full;
    GN_LIST_FOREACH (node, tmp, &server->listeners) {
        struct http_listener *l = GN_LIST_ENTRY(node, struct http_listener, link);

        if (l->listener == NULL) {
            continue;
        }
        if (is_full) {
            gn_listener_pause(l->listener);
        } else {
            gn_listener_resume(l->listener);
        }
    }
    if (is_full) {
        gn_log_warning("%u connections are open, the most that are allowed: new ones wait",
                server->stats.connections);
    }
}

void gn_http_server_check_full(struct gn_http_server *server)
{
    set_full(server, server->stats.connections >= server->max_connections);
}

/* ---- the cap of a client ------------------------------------------------------ */

/** Proxies of ours carry everybody's requests, and speak for themselves in health checks. */
GN_LOOP_THREAD static bool is_exempt(
        const struct gn_http_server *server, const struct gn_origin *origin)
{
    return server->limits.connections_per_client == 0 ||
            gn_trust_has_peer(server->proxies.forwarded, &origin->peer) ||
            (origin->proxied == NULL && gn_proxy_gate_is_for(server, &origin->peer));
}

GN_LOOP_THREAD static void refuse_client(struct gn_http_server *server, int *fd,
        const struct gn_tls_ctx *tls, struct gn_origin *origin)
{
    static const char reason[] = "too many connections of one client";
    char peer[GN_ADDR_TEXT_BYTES];
    unsigned n_skipped;

    server->stats.refused_clients++;
    if (tls == NULL && server->n_told < MAX_TOLD) {
        struct gn_stream *stream = gn_stream_fd_create(server->loop, fd);

        gn_http1_conn_refuse(server, &stream, origin, 503, reason,
                GN_LIT("Too many connections from your address are open."));
        return;
    }
    (void)close(*fd);
    *fd = -1;
    if (gn_http_server_may_log(server, GN_NOTICE_CLIENT, &n_skipped)) {
        gn_addr_format(&origin->peer, peer);
        gn_log_warning("closed a connection of %s: %s; raise --max-connections-per-ip if many "
                       "clients share it (and %u more like this)",
                peer, reason, n_skipped);
    }
    gn_origin_fini(server, origin);
}

/* ---- connections ---------------------------------------------------------------- */

void gn_http_server_open(
        struct gn_http_server *server, int *fd, struct gn_tls_ctx *tls, struct gn_origin *origin)
{
    if (!is_exempt(server, origin) &&
            gn_clients_take(&server->clients, &origin->peer, server->limits.connections_per_client,
                    &origin->client) != GN_OK) {
        refuse_client(server, fd, tls, origin);
    } else if (tls != NULL) {
        gn_handshake_start(server, fd, tls, origin);
    } else {
        struct gn_stream *stream = gn_stream_fd_create(server->loop, fd);

        gn_http1_conn_start(server, &stream, origin);
    }
}

GN_LOOP_THREAD static void start_connection(struct gn_http_server *server, int *fd,
        const struct gn_addr *peer, const struct gn_addr *local, struct gn_tls_ctx *tls)
{
    struct gn_origin origin = {.peer = *peer, .local = local};

    if (gn_proxy_gate_is_for(server, peer)) {
        gn_proxy_gate_start(server, fd, tls, &origin);
    } else {
        gn_http_server_open(server, fd, tls, &origin);
    }
    gn_http_server_check_full(server);
}

void gn_http_server_add_connection(
        struct gn_http_server *server, int *fd, const struct gn_addr *peer)
{
    start_connection(server, fd, peer, &unknown_addr, NULL);
}

void gn_http_server_add_tls_connection(
        struct gn_http_server *server, int *fd, const struct gn_addr *peer, struct gn_tls_ctx *tls)
{
    start_connection(server, fd, peer, &unknown_addr, tls);
}

/* ---- listeners ------------------------------------------------------------------- */

static void on_accept(struct gn_listener *listener, void *arg, int *fd, const struct gn_addr *peer)
{
    struct http_listener *l = arg;

    (void)listener;
    gn_assert_loop_thread(l->server->loop);
    start_connection(l->server, fd, peer, &l->addr, l->tls);
}

void gn_http_server_add_listener(struct gn_http_server *server, struct gn_listener **listener)
{
    gn_http_server_add_tls_listener(server, listener, NULL);
}

void gn_http_server_add_tls_listener(
        struct gn_http_server *server, struct gn_listener **listener, struct gn_tls_ctx *tls)
{
    struct http_listener *l = gn_xcalloc(sizeof(*l));

    gn_assert(!server->is_stopping);
    l->server = server;
    l->listener = *listener;
    l->addr = *gn_listener_addr(*listener);
    l->tls = tls != NULL ? gn_tls_ctx_ref(tls) : NULL;
    *listener = NULL;
    gn_list_append(&server->listeners, &l->link);
    gn_listener_start(l->listener, server->loop, on_accept, l);
    if (server->is_full) {
        gn_listener_pause(l->listener);
    }
}

void gn_http_server_close_listeners(struct gn_http_server *server)
{
    struct gn_list *node;
    struct gn_list *tmp;

    GN_LIST_FOREACH (node, tmp, &server->listeners) {
        gn_listener_destroy(&GN_LIST_ENTRY(node, struct http_listener, link)->listener);
    }
}

void gn_http_server_free_listeners(struct gn_http_server *server)
{
    struct gn_list *node;

    while ((node = gn_list_pop(&server->listeners)) != NULL) {
        struct http_listener *l = GN_LIST_ENTRY(node, struct http_listener, link);

        gn_tls_ctx_unref(&l->tls);
        gn_free(l);
    }
}
