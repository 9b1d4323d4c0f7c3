/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_HANDLER_H
#define GN_SERVER_HTTP_HANDLER_H

/*
 * The seam between a connection and whatever answers: a router of C handlers,
 * the WSGI container, a static file. A handler serves exchanges; it knows
 * nothing of sockets. A router picks another handler and delegates.
 *
 * Life of an exchange, seen from here (all on the loop thread):
 *
 *   begin      the head is in. Optional. Set per-route body policy, or answer
 *              at once (the unread body is then drained or the connection
 *              closed), or delegate: gn_exchange_delegate().
 *   serve      the request is ready: with its whole body (the default), or at
 *              the head when begin chose GN_BODY_STREAM. From here on the
 *              handler owes exactly one of gn_exchange_finish / _abort /
 *              _upgrade, now or later.
 *   body       GN_BODY_STREAM only: more body arrived, or it ended.
 *   drained    output fell below limits.output_low_bytes after it had been
 *              above limits.output_bytes. Optional.
 *   cancel     the client has gone, a deadline passed or the server stops.
 *              Called at most once, never after finish. The exchange stays
 *              valid; the handler still owes its finish or abort. Optional.
 *              A streamed body that cannot be had is a cancel too: GN_ERR_GONE
 *              (it broke off), GN_ERR_TIMEOUT (it came too slowly), GN_ERR_TOO_BIG,
 *              GN_ERR_PROTOCOL (its framing is wrong).
 *   release    the exchange is over and its arena is about to be reset; drop
 *              what handler_data refers to. Optional.
 */

#include "server/base/attr.h"
#include "server/base/err.h"

struct gn_exchange;
struct gn_handler;

struct gn_handler_ops {
    const char *name; /* for logs: "wsgi", "application", "static" */
    void (*begin)(struct gn_handler *h, struct gn_exchange *ex);
    void (*serve)(struct gn_handler *h, struct gn_exchange *ex);
    void (*body)(struct gn_handler *h, struct gn_exchange *ex);
    void (*drained)(struct gn_handler *h, struct gn_exchange *ex);
    void (*cancel)(struct gn_handler *h, struct gn_exchange *ex, enum gn_err why);
    void (*release)(struct gn_handler *h, struct gn_exchange *ex);
};

/** Embedded first in each implementation. serve is required. */
struct gn_handler {
    const struct gn_handler_ops *ops;
};

#endif
