/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_EXCHANGE_PRIV_H
#define GN_SERVER_HTTP_EXCHANGE_PRIV_H

/*
 * What the files of this folder share: an exchange's inside and its life.
 *
 * An exchange is taken from the server's pool when the first byte of a head
 * arrives and goes back when it is over. Its connection may vanish before:
 * `conn` is then NULL, and the exchange lives on until its handler ends it.
 */

#include "server/base/obj.h"
#include "server/http/error_page.h"
#include "server/http/exchange.h"
#include "server/http/rbuf.h"

#include "server/http/http1_conn_priv.h"
#include "server/http/http_server_priv.h"

struct gn_exchange_private {
    struct gn_exchange ex; /* what handlers see */
    struct gn_http_server *server;
    struct gn_list link; /* on server->exchanges, or in the pool */
    struct gn_defer end; /* ends an exchange that has no connection any more */
    struct gn_http1_parser parser;
    struct gn_http1_head head; /* valid once has_head */

    /* From here on everything is zeroed between two requests. */
    struct gn_http1_conn *conn; /* NULL once the client has left */
    struct gn_rbuf *block;      /* where the head lies; referenced since has_head */
    uint64_t serial;            /* of the server's exchanges: what its id is made of */
    struct gn_slice request_id; /* empty until somebody has asked for it */
    size_t n_head_out;          /* of bytes_out, the heads of a response in parts */
    struct gn_slice *log_notes; /* response headers that the access log names */
    struct gn_bufq body_in;     /* of a streamed body: for the handler to take */

    /* progress; each only ever goes from false to true */
    bool has_head;        /* `head` is valid: the request line and all fields are in */
    bool has_begun;       /* a handler has seen it: release is owed */
    bool is_served;       /* serve was called: the handler owes a finish */
    bool has_started;     /* bytes of the final response were queued */
    bool is_finished;     /* the handler is done with it */
    bool is_aborted;      /* it gave up in the middle of the response */
    bool is_cancelled;    /* cancel was called */
    bool is_upgraded;     /* 101 was sent */
    bool body_ended;      /* all of the body arrived */
    bool has_unread_news; /* content arrived that the handler of a streamed body does not know of */

    bool continue_owed; /* the client waits for 100 (Continue) */
    bool wants_drained; /* a write said "full" and `drained` was not called since */

    struct gn_header headers[]; /* limits.fields of them */
};

#define GN_EXCHANGE_MAGIC 0x58a3e07du
#define GN_EXCHANGE_RESET_FROM offsetof(struct gn_exchange_private, conn)
#define GN_EXCHANGE_RESET_BYTES                                                                    \
    (offsetof(struct gn_exchange_private, headers) - GN_EXCHANGE_RESET_FROM)

/** The inside of an exchange that a handler names. */
static inline struct gn_exchange_private *gn_exchange_checked(struct gn_exchange *ex)
{
    GN_CHECK_OBJ(ex, GN_EXCHANGE_MAGIC);
    return ex->priv;
}

/** The connection when output still makes sense, else NULL. */
static inline struct gn_http1_conn *gn_exchange_conn(const struct gn_exchange_private *p)
{
    return p->conn != NULL && !p->conn->is_broken ? p->conn : NULL;
}

/* exchange_reply.c */

/** The handler is done: the response leaves, the exchange ends when it has returned. */
GN_LOOP_THREAD void gn_exchange_conclude(struct gn_exchange_private *p);
/** The head of the final response was serialised. */
GN_LOOP_THREAD void gn_exchange_note_started(struct gn_exchange_private *p, struct gn_slice head);
/** Settles, before the head is made, whether the connection may go on after it. */
GN_LOOP_THREAD void gn_exchange_decide_keep_alive(struct gn_exchange_private *p);
/** A handler's response as the writer wants it; `body_length` as there. */
GN_LOOP_THREAD struct gn_http1_response gn_exchange_to_proto(
        struct gn_exchange_private *p, const struct gn_response *r, uint64_t body_length);
/** What its error page says; its id only where that will be seen. */
GN_LOOP_THREAD struct gn_error_facts gn_exchange_error_facts(
        struct gn_exchange_private *p, int status, struct gn_slice detail);
/** A response the writer refused: the handler's fault, told once, here; a 500. */
GN_LOOP_THREAD void gn_exchange_refuse_reply(struct gn_exchange_private *p, enum gn_err rc);

/* exchange_life.c */

/** A fresh exchange for the next request of `conn`. */
GN_LOOP_THREAD struct gn_exchange_private *gn_exchange_take(struct gn_http1_conn *conn);
/** Calls the handler's begin. */
GN_LOOP_THREAD void gn_exchange_begin(struct gn_exchange_private *p);
/** Calls the handler's serve. */
GN_LOOP_THREAD void gn_exchange_serve(struct gn_exchange_private *p);
/**
 * The connection goes without it. What the handler does not owe any more ends
 * at once; else the handler is told and the exchange waits for it.
 */
GN_LOOP_THREAD void gn_exchange_orphan(struct gn_exchange_private *p, enum gn_err why);
/** Calls cancel, once. */
GN_LOOP_THREAD void gn_exchange_cancel(struct gn_exchange_private *p, enum gn_err why);
/** The exchange is about to lose its connection: notes what came in. */
GN_LOOP_THREAD void gn_exchange_note_input(struct gn_exchange_private *p);
/** It is over: logs, releases, resets, gives it back to the pool. */
GN_LOOP_THREAD void gn_exchange_end(struct gn_exchange_private *p);

/** Frees the pool. */
GN_LOOP_THREAD void gn_exchange_pool_fini(struct gn_http_server *server);

#endif
