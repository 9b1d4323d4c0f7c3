/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_HTTP_SERVER_H
#define GN_SERVER_HTTP_HTTP_SERVER_H

/*
 * A server: listeners, the connections they accepted, one root handler, limits
 * and timeouts, the access log, and an orderly stop. Several may live in one
 * process.
 *
 * Thread: the loop thread.
 */

#include "server/base/err.h"
#include "server/http/handler.h"
#include "server/http/limits.h"
#include "server/loop/loop.h"
#include "server/net/listener.h"
#include "server/proto/forwarded.h"

struct gn_access_log;
struct gn_error_template;
struct gn_http_server;
struct gn_tls_ctx;
struct gn_trust;

enum gn_proxy_protocol {
    GN_PROXY_PROTOCOL_OFF,
    GN_PROXY_PROTOCOL_V1,
    GN_PROXY_PROTOCOL_V2,
    GN_PROXY_PROTOCOL_AUTO, /* either */
};

/** What stands between us and the clients. Zeroed: nothing, every peer is a client. */
struct gn_http_proxies {
    const struct gn_trust *forwarded; /* borrowed: peers that may speak for clients; NULL: none */
    unsigned forwarded_fields;        /* those that they write: bits of gn_forwarded_field */

    enum gn_proxy_protocol protocol;      /* which PROXY headers connections begin with … */
    const struct gn_trust *protocol_from; /* … borrowed: those of these peers */
};

struct gn_http_server_options {
    struct gn_http_limits limits;
    struct gn_http_proxies proxies;
    struct gn_handler *handler;                     /* borrowed; serves every exchange */
    struct gn_access_log *access_log;               /* borrowed; NULL: none */
    const struct gn_error_template *error_template; /* borrowed; NULL: the built-in error page */
    /* Requests' ids go to applications (exchange.request_id), to clients (X-Request-ID) and
     * into error pages; else only to who asks for them. */
    bool shows_request_ids;
};

struct gn_http_server_stats {
    unsigned connections;       /* open now, upgraded ones included */
    unsigned exchanges;         /* being served now */
    uint64_t accepted;          /* connections, since the start */
    uint64_t requests;          /* since the start */
    uint64_t refused_heads;     /* 4xx answered by the server itself */
    uint64_t failed_handshakes; /* of TLS */
    uint64_t refused_clients;   /* connections beyond limits.connections_per_client */
};

GN_LOOP_THREAD struct gn_http_server *gn_http_server_create(
        struct gn_loop *loop, const struct gn_http_server_options *options);
/** Takes the listener and starts accepting on it. */
GN_LOOP_THREAD void gn_http_server_add_listener(
        struct gn_http_server *server, struct gn_listener **listener);
/** The same, and its connections speak TLS; holds a reference to `tls`. */
GN_LOOP_THREAD void gn_http_server_add_tls_listener(
        struct gn_http_server *server, struct gn_listener **listener, struct gn_tls_ctx *tls);
/** Serves a connected descriptor, which it takes: for tests and socket pairs. */
GN_LOOP_THREAD void gn_http_server_add_connection(
        struct gn_http_server *server, int *fd, const struct gn_addr *peer);
GN_LOOP_THREAD void gn_http_server_add_tls_connection(
        struct gn_http_server *server, int *fd, const struct gn_addr *peer, struct gn_tls_ctx *tls);

/**
 * Stops gracefully: closes the listeners and idle connections, lets exchanges
 * end (their responses say `Connection: close`), cuts what is left at
 * `deadline`, then calls `fn(arg)` once. WebSockets and other upgraded streams
 * are told by gn_http_server_on_stop's subscribers.
 */
GN_LOOP_THREAD void gn_http_server_stop(
        struct gn_http_server *server, gn_deadline deadline, void (*fn)(void *arg), void *arg);
/** True since gn_http_server_stop. */
GN_LOOP_THREAD bool gn_http_server_is_stopping(const struct gn_http_server *server);

/** Somebody who keeps streams of this server alive and wants to know when it stops. */
struct gn_stop_hook {
    struct gn_list link;
    void (*fn)(struct gn_stop_hook *hook, gn_deadline deadline);
};

/** While at least one hook is linked, a stop waits (until its deadline). */
GN_LOOP_THREAD void gn_http_server_on_stop(
        struct gn_http_server *server, struct gn_stop_hook *hook);
GN_LOOP_THREAD void gn_http_server_remove_stop_hook(
        struct gn_http_server *server, struct gn_stop_hook *hook);

GN_LOOP_THREAD struct gn_http_server_stats gn_http_server_stats(
        const struct gn_http_server *server);
GN_LOOP_THREAD const struct gn_http_limits *gn_http_server_limits(
        const struct gn_http_server *server);
GN_LOOP_THREAD struct gn_loop *gn_http_server_loop(const struct gn_http_server *server);
/**
 * Closes what is open. What handlers still hold (exchanges, upgraded streams)
 * stays valid until they let go of it.
 */
GN_LOOP_THREAD void gn_http_server_destroy(struct gn_http_server **server);

#endif
