/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_WEBSOCKET_WS_SERVICE_H
#define GN_SERVER_WEBSOCKET_WS_SERVICE_H

/*
 * What the WebSocket connections of one HTTP server share: the lists of their
 * timeouts, the blocks they read into, the queue of those with output to write
 * at the end of a turn, and the news that the server stops.
 *
 * Thread: the loop thread. Ownership: the service outlives its connections.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/attr.h"
#include "server/base/clock.h"
#include "server/http/http_server.h"
#include "server/loop/loop.h"

struct gn_ws_service;

/** Deadlines in milliseconds; 0: none. */
struct gn_ws_timeouts {
    int64_t ping_ms;  /* 25 000 without a ping of ours: we send one */
    int64_t pong_ms;  /* 20 000 after it without a byte from the client: closed, 1001 */
    int64_t close_ms; /* 5 000 for the client's half of the closing handshake, then cut */
    int64_t stall_ms; /* 60 000 with output waiting and none taken: cut */
};

/** The defaults above. */
GN_EXPORT struct gn_ws_timeouts gn_ws_timeouts_default(void);

/**
 * `server` is the one whose stop closes the connections with 1001; NULL where
 * there is none (tests). The stop waits for the connections' closing handshakes.
 */
GN_EXPORT GN_LOOP_THREAD struct gn_ws_service *gn_ws_service_create(
        struct gn_loop *loop, struct gn_http_server *server, const struct gn_ws_timeouts *timeouts);
/** No connection may be left. */
GN_EXPORT GN_LOOP_THREAD void gn_ws_service_destroy(struct gn_ws_service **service);

/** Starts the closing handshake on every connection; those left at `deadline` are cut. */
GN_EXPORT GN_LOOP_THREAD void gn_ws_service_close_all(
        struct gn_ws_service *service, unsigned code, gn_deadline deadline);
/** Cuts every connection now; `close` runs during this call, but for one that is calling its
 *  owner just now. */
GN_EXPORT GN_LOOP_THREAD void gn_ws_service_abort_all(struct gn_ws_service *service);

/** Connections that are not closed yet. */
GN_EXPORT GN_LOOP_THREAD unsigned gn_ws_service_n_open(const struct gn_ws_service *service);
GN_EXPORT struct gn_loop *gn_ws_service_loop(const struct gn_ws_service *service);

#endif
