/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_ORIGIN_H
#define GN_SERVER_HTTP_ORIGIN_H

/*
 * Whom a connection is from. It is made when a descriptor is accepted and goes
 * with it: through the wait for a PROXY header, the handshake, to the
 * connection, and on to the stream that an upgrade gives away.
 *
 * Thread: the loop thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/attr.h"
#include "server/net/addr.h"

struct gn_client;
struct gn_http_server;

/** What a PROXY header said beside the client's address, and who said it. */
struct gn_proxied {
    struct gn_addr proxy; /* the socket's own peer */
    uint16_t server_port; /* that the client connected to; 0: not said */
    bool is_tls;          /* the client spoke TLS to the proxy */
};

struct gn_origin {
    struct gn_addr peer;         /* the client: the socket's peer, or whom a PROXY header named */
    const struct gn_addr *local; /* must outlive every exchange */
    struct gn_proxied *proxied;  /* owned; NULL: no PROXY header named anybody */
    struct gn_client *client;    /* owned, in server->clients; NULL: not counted */
};

/** Moves it; `from` is empty after. */
static inline struct gn_origin gn_origin_take(struct gn_origin *from)
{
    struct gn_origin origin = *from;

    from->proxied = NULL;
    from->client = NULL;
    return origin;
}
/** The connection is over; accepts a zeroed or taken one. */
GN_LOOP_THREAD void gn_origin_fini(struct gn_http_server *server, struct gn_origin *origin);

#endif
