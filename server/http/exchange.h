/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_EXCHANGE_H
#define GN_SERVER_HTTP_EXCHANGE_H

/*
 * One request and its response, as a handler sees it. An exchange outlives its
 * connection when the client leaves early: it ends when the handler ends it.
 *
 * Thread: the loop thread. Once the request is ready, `head`, `body`, `arena`
 * and the plain fields below do not change until the handler finishes; the one
 * worker that serves the exchange may read them, and allocate in the arena,
 * while the loop leaves them alone.
 *
 * After its finish, abort or upgrade an exchange may be looked at until the
 * calling function returns to the loop (to the connection, from begin, serve,
 * body, drained and cancel); then `release` is called and it is gone.
 *
 * Two ways to answer, which must not be mixed in one exchange:
 *  - structured: gn_exchange_reply, or gn_exchange_start / _write / _finish;
 *  - serialised: bytes made elsewhere (a worker) with a copy of `writer`, given
 *    to gn_exchange_send and ended by gn_exchange_finish_sent.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/arena.h"
#include "server/base/bufq.h"
#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/base/slice.h"
#include "server/http/body.h"
#include "server/http/handler.h"
#include "server/net/addr.h"
#include "server/net/stream.h"
#include "server/net/tls_facts.h"
#include "server/proto/headers.h"
#include "server/proto/http1_parser.h"
#include "server/proto/http1_writer.h"

struct gn_http_server;

enum gn_body_mode {
    GN_BODY_COLLECT, /* serve is called with the whole body (default) */
    GN_BODY_STREAM,  /* serve is called at the head; body events follow */
};

/** Numbers for the access log and the statistics; nanoseconds on the monotonic clock. */
struct gn_exchange_times {
    gn_deadline first_byte; /* of the request */
    gn_deadline ready;      /* serve was called */
    gn_deadline started;    /* a worker began; 0 when there was none */
    gn_deadline ended;      /* it ended, or was not waited for any longer */
    gn_deadline replied;    /* first byte of the response was queued; 0 without an access log */
};

struct gn_exchange {
    unsigned magic;
    struct gn_arena arena;
    const struct gn_http1_head *head; /* the request; slices live as long as the exchange */
    struct gn_body body;              /* complete when serve is called in collect mode */
    struct gn_addr peer;              /* the client, or what a trusted proxy said */
    const struct gn_addr *proxy;      /* the connection's own peer when `peer` is what it said */
    bool peer_is_trusted;             /* the connection's peer may speak for clients: a proxy */
    uint16_t server_port;             /* the client's view, when a proxy said it; 0: local's */
    const struct gn_addr *local;      /* the listener's address */
    bool is_tls;                      /* the client's view: scheme is https */
    struct gn_tls_facts *tls;         /* of the connection itself; NULL without TLS */
    struct gn_slice script_name; /* what proxies and routers took off the path, "" at the root */
    struct gn_slice path_info;   /* the rest, undecoded */
    struct gn_slice request_id;  /* to be passed on to applications; else empty */

    /* settings of begin */
    enum gn_body_mode body_mode;
    uint64_t body_limit_bytes;

    /* the handler's own */
    struct gn_handler *handler;
    void *handler_data;

    struct gn_http1_writer writer; /* framing state; copy it to serialise elsewhere */
    struct gn_exchange_times times;
    int status;              /* of the response; 0 before it starts */
    uint64_t response_bytes; /* body bytes sent, for the log */
    uint64_t bytes_in;       /* on the wire, head and framing included; set when it ends */
    uint64_t bytes_out;      /* likewise, as far as the connection took them */

    struct gn_exchange_private *priv; /* server/http's own */
};

/** A whole response in one struct. */
struct gn_response {
    int status;
    struct gn_slice reason; /* empty: the standard phrase */
    const struct gn_header *headers;
    unsigned n_headers;
    struct gn_slice body; /* copied */
};

/**
 * Hands the exchange to another handler: its begin runs now, its serve when
 * ready. handler_data is cleared; `release` will be called for `to` alone.
 */
GN_LOOP_THREAD void gn_exchange_delegate(struct gn_exchange *ex, struct gn_handler *to);

/* ---- structured --------------------------------------------------------- */

/**
 * Sends a whole response and finishes. A response that breaks the protocol's
 * rules (an invalid header) becomes a 500 and is logged.
 */
GN_LOOP_THREAD void gn_exchange_reply(struct gn_exchange *ex, const struct gn_response *response);
/** The uniform small error page (HTML or JSON by Accept), then finish. `detail` may be empty. */
GN_LOOP_THREAD void gn_exchange_reply_error(
        struct gn_exchange *ex, int status, struct gn_slice detail);
/** The same beside fields of the handler's: Allow, Retry-After. */
GN_LOOP_THREAD void gn_exchange_reply_error_with(struct gn_exchange *ex, int status,
        struct gn_slice detail, const struct gn_header *headers, unsigned n_headers);
/**
 * That page alone, for who serialises: inits and fills `page` (gn_buf_fini is
 * the caller's); returns its content type.
 */
GN_LOOP_THREAD struct gn_slice gn_exchange_error_page(
        const struct gn_exchange *ex, int status, struct gn_buf *page);
/** The Date of this turn, for the same; valid until the next turn. */
GN_LOOP_THREAD struct gn_slice gn_exchange_date(const struct gn_exchange *ex);
/**
 * Starts a response whose body follows. `body_length` may be GN_LENGTH_UNKNOWN.
 *
 * Returns: GN_OK, GN_ERR_INVALID (a header or status is not allowed; nothing was sent),
 *          GN_ERR_GONE
 */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_exchange_start(
        struct gn_exchange *ex, const struct gn_response *head, uint64_t body_length);
/**
 * Queues a part of the body, taking everything in `part`.
 *
 * Returns: GN_OK, GN_ERR_FULL (taken, but more than limits.output_bytes wait:
 *          pause until `drained`), GN_ERR_TOO_BIG (beyond the declared length;
 *          the surplus was dropped), GN_ERR_GONE
 */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_exchange_write(
        struct gn_exchange *ex, struct gn_bufq *part);
/** Ends the response; too short against a declared length closes the connection. */
GN_LOOP_THREAD void gn_exchange_finish(struct gn_exchange *ex);
/** Gives up: before the head a 500, after it the connection is cut so that nobody takes
 *  the response for complete. */
GN_LOOP_THREAD void gn_exchange_abort(struct gn_exchange *ex);
/** 100 (Continue) if the client waits for it and nothing was sent; idempotent. */
GN_LOOP_THREAD void gn_exchange_send_continue(struct gn_exchange *ex);

/* ---- serialised --------------------------------------------------------- */

/** Queues wire bytes, head included; takes them. Returns as gn_exchange_write. */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_exchange_send(
        struct gn_exchange *ex, struct gn_bufq *bytes);
/** The writer that made those bytes has ended: status, length and keep-alive are read from it. */
GN_LOOP_THREAD void gn_exchange_finish_sent(
        struct gn_exchange *ex, const struct gn_http1_writer *writer);

/* ---- streamed request bodies -------------------------------------------- */

/**
 * Moves what has arrived to `into`; `*ended_out` when that was the last. Reading
 * goes on as long as what arrived is taken. Sends 100 (Continue) when nothing has
 * arrived because the client waits for it. A body may have ended before serve is
 * called: then no body event follows. A body that breaks off or breaks the
 * protocol is a cancel: server/http has answered it by then.
 */
GN_LOOP_THREAD void gn_exchange_take_body(
        struct gn_exchange *ex, struct gn_bufq *into, bool *ended_out);

/* ---- upgrade ------------------------------------------------------------ */

/**
 * Receives the stream once the 101 is queued. `*stream` is the callee's to take
 * (NULL it); `early` holds bytes the client sent behind its request; `out` is
 * the 101 still to be written, before anything else. The exchange is over when
 * this returns.
 */
typedef void (*gn_upgrade_fn)(
        void *arg, struct gn_stream **stream, struct gn_slice early, struct gn_bufq *out);

/**
 * Sends 101 with `headers`, which name the protocol in an Upgrade field, and
 * gives the stream away. `fn` is not called when the client has gone; content of
 * the request that was not read becomes a 400, headers that are not allowed a 500.
 */
GN_LOOP_THREAD void gn_exchange_upgrade(struct gn_exchange *ex, const struct gn_header *headers,
        unsigned n_headers, gn_upgrade_fn fn, void *arg);

/* ---- facts -------------------------------------------------------------- */

/** Who is at the other end of the connection: the client, or the proxy nearest to us. */
GN_ANY_THREAD static inline const struct gn_addr *gn_exchange_conn_peer(
        const struct gn_exchange *ex)
{
    return ex->proxy != NULL ? ex->proxy : &ex->peer;
}
/** False once the client has gone; output is then dropped. */
GN_LOOP_THREAD bool gn_exchange_is_connected(const struct gn_exchange *ex);
/** Bytes waiting for the client. */
GN_LOOP_THREAD uint64_t gn_exchange_n_waiting(const struct gn_exchange *ex);
GN_LOOP_THREAD struct gn_http_server *gn_exchange_server(const struct gn_exchange *ex);
/**
 * The request's id: what a trusted peer sent in X-Request-ID, when it is well
 * formed, else one that is made now. Lives as long as the exchange.
 */
GN_LOOP_THREAD struct gn_slice gn_exchange_request_id(const struct gn_exchange *ex);
/** The same all its life: a callback may name it to gn_assert_loop_thread first thing. */
GN_ANY_THREAD struct gn_loop *gn_exchange_loop(const struct gn_exchange *ex);
/** The HTTP status for an error a handler returned: one table for everybody. */
GN_ANY_THREAD int gn_err_http_status(enum gn_err err);

#endif
