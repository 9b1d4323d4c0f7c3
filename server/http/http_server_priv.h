/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_HTTP_SERVER_PRIV_H
#define GN_SERVER_HTTP_HTTP_SERVER_PRIV_H

/* What the files of this folder share: the server's inside. */

#include "server/base/buf.h"
#include "server/http/clients.h"
#include "server/http/handshake.h"
#include "server/http/http_server.h"
#include "server/http/origin.h"
#include "server/http/proxy_gate.h"
#include "server/http/rbuf.h"
#include "server/http/request_id.h"
#include "server/loop/timeout_list.h"
#include "server/net/stream.h"
#include "server/proto/http1_parser.h"
#include "server/proto/http_date.h"

struct gn_http1_conn;

/** One list per kind of wait; entries are embedded in connections. */
struct gn_http_timeouts {
    struct gn_timeout_list idle;
    struct gn_timeout_list head;
    struct gn_timeout_list body;
    struct gn_timeout_list stall;
    struct gn_timeout_list linger;
};

/** Lines about refused requests: each kind is logged at most once a second. */
enum gn_notice_kind {
    GN_NOTICE_OTHER,
    GN_NOTICE_BODY,   /* 413 */
    GN_NOTICE_LINE,   /* 414 */
    GN_NOTICE_FIELDS, /* 431 */
    GN_NOTICE_CLIENT, /* 503 of limits.connections_per_client */
    GN_NOTICE_N,
};

struct gn_http_notice {
    gn_deadline next;   /* when the next may be logged */
    unsigned n_skipped; /* since the last one that was */
};

struct gn_http_server {
    unsigned magic;
    struct gn_loop *loop;
    struct gn_handler *handler;
    struct gn_access_log *access_log;
    const struct gn_error_template *error_template;
    bool shows_request_ids;
    struct gn_request_ids request_ids;
    uint64_t n_exchanges; /* taken since the start */
    struct gn_http_limits limits;
    struct gn_http_proxies proxies;
    struct gn_http1_limits head_limits; /* the part of limits that the parser looks at */
    struct gn_http_server_stats stats;
    struct gn_http_timeouts timeouts;
    struct gn_handshake_gate handshakes;
    struct gn_proxy_gate proxy_gate;
    struct gn_clients clients;

    struct gn_list listeners; /* struct http_listener; their addresses live as long as we */
    struct gn_list conns;     /* struct gn_http1_conn, all */
    struct gn_list exchanges; /* struct gn_exchange_private, all in use */
    unsigned max_connections;
    unsigned n_upgraded;     /* streams given away and not yet closed; they count as connections */
    unsigned n_told;         /* connections that are being told why they are refused */
    bool has_told_forwarded; /* that fields of a peer which is no proxy were removed */
    bool is_full;            /* listeners rest because max_connections are open */

    /* memory that requests share instead of allocating */
    struct gn_rbuf_pool blocks;
    struct gn_list free_exchanges;
    unsigned n_free_exchanges;
    struct gn_buf scratch; /* body bytes pass through here on their way to their place */
    struct gn_buf batch;   /* responses of batch_conn, serialised and not yet written */
    struct gn_buf aside;   /* a response for anybody else, on its way to that one's queue */
    struct gn_http1_conn *batch_conn;

    struct gn_http_date_cache date;
    gn_deadline date_turn; /* the turn `date` was last looked at */
    struct gn_http_notice notices[GN_NOTICE_N];

    /* the stop */
    bool is_stopping;
    bool is_cut;      /* the deadline passed */
    bool is_orphaned; /* destroyed while exchanges or upgraded streams were still about */
    gn_deadline stop_deadline;
    struct gn_timer stop_timer;
    struct gn_defer stop_check;
    struct gn_list stop_hooks;
    void (*stop_fn)(void *arg);
    void *stop_arg;
};

#define GN_HTTP_SERVER_MAGIC 0x47f1c2a9u

/* http_server_accept.c */

/** limits.connections, or what the limit of descriptors allows. */
unsigned gn_http_server_max_connections(const struct gn_http_limits *limits);
/** Lets listeners rest or go on, by the number of connections. */
GN_LOOP_THREAD void gn_http_server_check_full(struct gn_http_server *server);
/**
 * A connection whose client is known: a handshake when there is `tls`, else
 * HTTP, unless the client has too many. Takes `*fd` and the origin.
 */
GN_LOOP_THREAD void gn_http_server_open(
        struct gn_http_server *server, int *fd, struct gn_tls_ctx *tls, struct gn_origin *origin);
GN_LOOP_THREAD void gn_http_server_close_listeners(struct gn_http_server *server);
/** Forgets them; exchanges no longer look at their addresses. */
GN_LOOP_THREAD void gn_http_server_free_listeners(struct gn_http_server *server);

/* http_server.c */

/** The Date of this turn. */
GN_LOOP_THREAD struct gn_slice gn_http_server_date(struct gn_http_server *server);
/** A connection is about to be freed. */
GN_LOOP_THREAD void gn_http_server_forget_conn(struct gn_http_server *server);
/** A stream is given away: it counts as a connection until it is closed. */
GN_LOOP_THREAD void gn_http_server_count_upgraded(
        struct gn_http_server *server, struct gn_stream *stream, struct gn_origin *origin);
/** An exchange went back to the pool. */
GN_LOOP_THREAD void gn_http_server_forget_exchange(struct gn_http_server *server);
/**
 * Whether a line of that kind may be logged now; hostile input must not fill a
 * disk. `*n_skipped_out` were left out before it.
 */
GN_LOOP_THREAD bool gn_http_server_may_log(
        struct gn_http_server *server, enum gn_notice_kind kind, unsigned *n_skipped_out);

#endif
