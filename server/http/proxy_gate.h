/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_PROXY_GATE_H
#define GN_SERVER_HTTP_PROXY_GATE_H

/*
 * From an accepted descriptor to a connection whose client is known: a trusted
 * peer has to begin with a PROXY header. It is taken from the socket to the
 * byte, so that TLS or HTTP finds what follows where it lies. A header that does not come within
 * limits.handshake_ms, is no header, is longer than GN_PROXY_V2_BYTES or of a
 * version that was not asked for ends the connection.
 *
 * Thread: the loop thread. Ownership: a wait belongs to its server and ends by
 * itself; it counts as one of the server's connections.
 */

#include "server/http/origin.h"
#include "server/loop/timeout_list.h"
#include "server/net/tls_ctx.h"

/** What the waits of a server share. */
struct gn_proxy_gate {
    struct gn_list all;          /* struct gn_proxy_wait */
    struct gn_timeout_list late; /* of limits.handshake_ms */
};

GN_LOOP_THREAD void gn_proxy_gate_init(struct gn_http_server *server);
/** All waits have been ended. */
GN_LOOP_THREAD void gn_proxy_gate_fini(struct gn_http_server *server);

/** Whether connections of that peer have to begin with a header. */
GN_LOOP_THREAD bool gn_proxy_gate_is_for(
        const struct gn_http_server *server, const struct gn_addr *peer);
/** Takes `*fd` and the origin, holds a reference to `tls` (NULL: plain). */
GN_LOOP_THREAD void gn_proxy_gate_start(
        struct gn_http_server *server, int *fd, struct gn_tls_ctx *tls, struct gn_origin *origin);
/** Ends all that are under way. */
GN_LOOP_THREAD void gn_proxy_gate_close_all(struct gn_http_server *server);

#endif
