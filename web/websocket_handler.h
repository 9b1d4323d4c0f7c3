/* SPDX-License-Identifier: MIT */
#ifndef GN_WEB_WEBSOCKET_HANDLER_H
#define GN_WEB_WEBSOCKET_HANDLER_H

/*
 * WebSockets for C authors. A route names a set of callbacks: accept, open and
 * message run as tasks and may await, the others must not. They run one at a
 * time per connection and in order: the next message waits until `message` has
 * returned.
 *
 *   static enum gn_err echo(struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
 *   {
 *       return gn_ws_send(ws, kind, data);
 *   }
 *
 *   static const struct gn_websocket_ops echo_ops = {.message = echo};
 *
 *   gn_app_websocket(app, "/echo", &echo_ops);
 *
 * A callback that returns an error closes the connection: GN_ERR_FULL with 1013,
 * others with 1011; GN_ERR_GONE and GN_ERR_CANCELLED, and any after gn_ws_close,
 * change nothing.
 * When the client goes while a callback waits, its wait returns GN_ERR_CANCELLED.
 *
 * By default only pages of the same origin may connect, and clients that send
 * no Origin at all.
 *
 * Thread: the loop thread. Ownership: a gn_websocket is valid until its
 * `close` callback has returned.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/exec/run.h"
#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/base/slice.h"
#include "server/proto/ws_frame.h"
#include "server/websocket/ws_message.h"

struct gn_application;
struct gn_request;
struct gn_websocket;

/** Every callback may be NULL. Borrowed for the application's life: usually static const. */
struct gn_websocket_ops {
    /**
     * Before the upgrade: may refuse (gn_fail, or any other reply), sees cookies
     * and arguments, and leaves what the connection needs in `*user_out`.
     */
    enum gn_err (*accept)(struct gn_request *r, void **user_out);
    /** After the upgrade, before the first message. */
    enum gn_err (*open)(struct gn_websocket *ws);
    /** `kind` is GN_WS_TEXT (valid UTF-8) or GN_WS_BINARY; `data` is valid until it returns. */
    enum gn_err (*message)(struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data);
    /** Told for interest: pings are answered already. */
    void (*ping)(struct gn_websocket *ws, struct gn_slice payload);
    void (*pong)(struct gn_websocket *ws, struct gn_slice payload);
    /**
     * The connection is over: once, last, whenever `accept` let it pass. `code` is
     * the client's close code, 1005 when it gave none, 1006 when it just vanished.
     * Free what `user` holds here.
     */
    void (*close)(struct gn_websocket *ws, unsigned code, struct gn_slice reason);

    void *data;                   /* for gn_ws_data and, in accept, gn_request_data */
    const char *const *protocols; /* subprotocols, the preferred first; NULL-terminated */
    const char *const *origins;   /* allowed beside our own: "https://a.example", "*";
                                     NULL-terminated */
    bool any_origin;              /* no origin check at all */
    bool require_protocol;        /* refuse clients that offer none of `protocols` */
    bool compress; /* permessage-deflate with clients that offer it, without context takeover */
    size_t message_bytes; /* of one message; 0: the application's bound, 10 MiB; beyond: 1009 */
    size_t queue_bytes;   /* waiting for the client; 0: the application's bound, 1 MiB */
};

/**
 * Sends a message: queued whole, or not at all.
 *
 * Returns: GN_OK
 *          GN_ERR_FULL      the client is slow and queue_bytes wait; see gn_ws_send_await
 *          GN_ERR_GONE      the connection is closing or closed
 *          GN_ERR_INVALID   text that is not UTF-8
 */
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_ws_send(
        struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data);
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_ws_send_text(
        struct gn_websocket *ws, struct gn_slice text);
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_ws_send_binary(
        struct gn_websocket *ws, struct gn_slice bytes);
/** A message framed before, by reference: see server/websocket/ws_message.h. */
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_ws_send_message(
        struct gn_websocket *ws, struct gn_ws_message *message);
/**
 * Waits until there is room, then sends.
 *
 * Returns: as gn_ws_send but for FULL; GN_ERR_TIMEOUT, GN_ERR_CANCELLED
 */
GN_EXPORT GN_LOOP_THREAD GN_AWAITS GN_MUST_CHECK enum gn_err gn_ws_send_await(
        struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data,
        gn_deadline deadline);
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_ws_ping(
        struct gn_websocket *ws, struct gn_slice payload);
/** Starts the closing handshake, once; `close` follows. Usual code: GN_WS_CLOSE_NORMAL. */
GN_EXPORT GN_LOOP_THREAD void gn_ws_close(
        struct gn_websocket *ws, unsigned code, struct gn_slice reason);

/** False once a closing handshake has begun. */
GN_EXPORT GN_LOOP_THREAD bool gn_ws_is_open(const struct gn_websocket *ws);
/** Bytes waiting for the client. */
GN_EXPORT GN_LOOP_THREAD size_t gn_ws_n_waiting(const struct gn_websocket *ws);
/** What `accept` left, or gn_ws_set_user. */
GN_EXPORT GN_LOOP_THREAD void *gn_ws_user(const struct gn_websocket *ws);
GN_EXPORT GN_LOOP_THREAD void gn_ws_set_user(struct gn_websocket *ws, void *user);
/** `data` of the route's ops. */
GN_EXPORT GN_LOOP_THREAD void *gn_ws_data(const struct gn_websocket *ws);
/** What `{name}` of the pattern matched; ptr NULL when there is none. */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_ws_path_arg(
        const struct gn_websocket *ws, const char *name);
/** The subprotocol agreed on; empty for none. */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_ws_protocol(const struct gn_websocket *ws);
GN_EXPORT GN_LOOP_THREAD struct gn_application *gn_ws_app(const struct gn_websocket *ws);

/** A deadline `ms` from now. */
GN_EXPORT GN_LOOP_THREAD gn_deadline gn_ws_after_ms(const struct gn_websocket *ws, int64_t ms);
/** Runs `fn(arg)` on a worker thread, as gn_run_await does for a request. */
GN_EXPORT GN_LOOP_THREAD GN_AWAITS GN_MUST_CHECK enum gn_err gn_ws_run_await(
        struct gn_websocket *ws, gn_run_fn fn, void *arg, gn_deadline deadline);

#endif
