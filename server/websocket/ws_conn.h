/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_WEBSOCKET_WS_CONN_H
#define GN_SERVER_WEBSOCKET_WS_CONN_H

/*
 * One WebSocket connection (RFC 6455), from the upgrade to the end: complete
 * messages in, framed messages out, pings, the closing handshake. A step
 * machine: while nothing arrives it owns no stack and no buffer.
 *
 * Messages come one at a time. The next one is delivered after its owner has
 * said gn_ws_conn_done, now or later; at most one more is read ahead, then the
 * connection stops reading, and the client feels it. Pings are answered here.
 *
 * Thread: the loop thread.
 * Ownership: the connection owns its stream. Whoever accepted it owns the
 * connection and destroys it, during or after `close`. No operation is called
 * from gn_ws_conn_send, _send_message, _ping or _close: those only queue.
 */

#include <stdbool.h>
#include <stddef.h>

#include "server/base/attr.h"
#include "server/base/err.h"
#include "server/base/slice.h"
#include "server/http/exchange.h"
#include "server/net/stream.h"
#include "server/proto/ws_deflate.h"
#include "server/proto/ws_frame.h"
#include "server/proto/ws_handshake.h"
#include "server/websocket/ws_message.h"
#include "server/websocket/ws_service.h"

struct gn_ws_conn;

/** All on the loop's own stack, never inside a call of the owner's but where it says so. */
struct gn_ws_conn_ops {
    /**
     * A complete message, text being valid UTF-8. The payload stays valid until
     * gn_ws_conn_done, which is owed.
     */
    void (*message)(struct gn_ws_conn *c, enum gn_ws_opcode opcode, struct gn_slice payload);
    /** Told for interest; a ping has been answered already. May be NULL. */
    void (*ping)(struct gn_ws_conn *c, struct gn_slice payload);
    void (*pong)(struct gn_ws_conn *c, struct gn_slice payload);
    /** After GN_ERR_FULL: there is room again. May be NULL. */
    void (*drained)(struct gn_ws_conn *c);
    /**
     * The connection is over; once, last. `code` is the client's, or ours when
     * we found an error, or 1006 when it just ended. Every send says GN_ERR_GONE
     * from now on. A message in the owner's hands stays valid until
     * gn_ws_conn_done or gn_ws_conn_destroy.
     */
    void (*close)(struct gn_ws_conn *c, unsigned code, struct gn_slice reason);
};

struct gn_ws_conn_config {
    const struct gn_ws_conn_ops *ops; /* message and close are required */
    void *owner;
    size_t message_bytes; /* of one message from the client, inflated; beyond: 1009. 10 MiB */
    size_t queue_bytes;   /* waiting for the client; at or beyond: GN_ERR_FULL. 1 MiB */
    /* permessage-deflate as agreed, without context takeover; NULL: not agreed. Read once. */
    const struct gn_ws_deflate_params *deflate;
};

enum {
    GN_WS_MESSAGE_BYTES = 10 * 1024 * 1024,
    GN_WS_QUEUE_BYTES = 1024 * 1024,
};

/**
 * Answers 101 and takes the stream from the exchange, which is over after it.
 * The connection holds back messages until the first gn_ws_conn_done.
 *
 * Returns: GN_OK            `*conn_out` is the caller's
 *          GN_ERR_GONE      the client has left; the exchange is over all the same
 */
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_ws_conn_accept(struct gn_ws_service *service,
        struct gn_exchange *ex, const struct gn_ws_handshake *handshake,
        const struct gn_ws_conn_config *config, struct gn_ws_conn **conn_out);
/** The same on a stream after its handshake: `early` is input (copied), `out` goes first (taken).
 */
GN_EXPORT GN_LOOP_THREAD struct gn_ws_conn *gn_ws_conn_create(struct gn_ws_service *service,
        struct gn_stream **stream, struct gn_slice early, struct gn_bufq *out,
        const struct gn_ws_conn_config *config);
/** Cuts it if it is still open (`close` is not called). Not inside `message`; NULL is allowed. */
GN_EXPORT GN_LOOP_THREAD void gn_ws_conn_destroy(struct gn_ws_conn **conn);

/**
 * The owner is ready for the next message, which may be delivered during this
 * call when it is made outside `message`; so may `close`.
 */
GN_EXPORT GN_LOOP_THREAD void gn_ws_conn_done(struct gn_ws_conn *c);

/**
 * Queues one message, framed and copied. The queue takes it while less than
 * queue_bytes wait, so a single message may be of any size.
 *
 * Returns: GN_OK
 *          GN_ERR_FULL      nothing was taken; `drained` follows
 *          GN_ERR_GONE      closing or closed
 *          GN_ERR_INVALID   text that is not UTF-8
 */
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_ws_conn_send(
        struct gn_ws_conn *c, enum gn_ws_opcode opcode, struct gn_slice payload);
/** Queues a framed message by reference. Returns as gn_ws_conn_send. */
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_ws_conn_send_message(
        struct gn_ws_conn *c, struct gn_ws_message *message);
/** Queues a ping; its payload is cut to 125 bytes. Returns GN_OK, GN_ERR_FULL, GN_ERR_GONE. */
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_ws_conn_ping(
        struct gn_ws_conn *c, struct gn_slice payload);
/**
 * Starts the closing handshake; does nothing when it has begun. Code 1005 (or
 * 0) sends none. Messages that were not delivered are dropped. `close` follows
 * when the client has answered, or after the close timeout.
 */
GN_EXPORT GN_LOOP_THREAD void gn_ws_conn_close(
        struct gn_ws_conn *c, unsigned code, struct gn_slice reason);

GN_EXPORT GN_LOOP_THREAD void *gn_ws_conn_owner(const struct gn_ws_conn *c);
/** False once a closing handshake has begun. */
GN_EXPORT GN_LOOP_THREAD bool gn_ws_conn_is_open(const struct gn_ws_conn *c);
/** Bytes waiting for the client. */
GN_EXPORT GN_LOOP_THREAD size_t gn_ws_conn_n_waiting(const struct gn_ws_conn *c);

#endif
