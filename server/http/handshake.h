/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_HANDSHAKE_H
#define GN_SERVER_HTTP_HANDSHAKE_H

/*
 * From an accepted descriptor to a connection that speaks TLS. A client that
 * says nothing costs no more than its descriptor; one that says hello gets its
 * turn, at most limits.handshakes_s a second and for a bounded time in each
 * turn of the loop, so that a flood of handshakes does not slow down whoever is
 * connected already; one that speaks plain HTTP is told so by a 400. All of
 * them together have limits.handshake_ms.
 *
 * Thread: the loop thread. Ownership: a handshake belongs to its server and
 * ends by itself; it counts as one of the server's connections.
 */

#include "server/http/origin.h"
#include "server/loop/timeout_list.h"
#include "server/net/tls_ctx.h"

struct gn_http_server;

/** What the handshakes of a server share. */
struct gn_handshake_gate {
    struct gn_list all;             /* struct gn_handshake */
    struct gn_list waiting;         /* those that said hello and wait for their turn, in order */
    struct gn_timer timer;          /* runs while somebody waits */
    struct gn_timeout_list late;    /* of limits.handshake_ms */
    struct gn_timeout_list lingers; /* reading on after an alert */
    gn_deadline earliest;           /* when the next would begin if they came evenly */
    gn_deadline turn;               /* which turn of the loop … */
    int64_t turn_ns;                /* … has worked at handshakes for so long */
};

GN_LOOP_THREAD void gn_handshake_gate_init(struct gn_http_server *server);
/** All handshakes have been closed. */
GN_LOOP_THREAD void gn_handshake_gate_fini(struct gn_http_server *server);

/** Takes `*fd` and the origin, holds a reference to `tls`. */
GN_LOOP_THREAD void gn_handshake_start(
        struct gn_http_server *server, int *fd, struct gn_tls_ctx *tls, struct gn_origin *origin);
/** Ends all that are under way. */
GN_LOOP_THREAD void gn_handshake_close_all(struct gn_http_server *server);

#endif
