/* SPDX-License-Identifier: MIT */
#ifndef GN_WEB_WEBSOCKET_PRIV_H
#define GN_WEB_WEBSOCKET_PRIV_H

/* What websocket_handler.c and ws_group.c share: the inside of a connection as handlers see it. */

#include "server/base/list.h"
#include "server/loop/cond.h"
#include "server/websocket/ws_conn.h"
#include "web/websocket_handler.h"

#include "web/web_priv.h"

/** What a connection does now. */
enum gn_websocket_phase {
    GN_WEBSOCKET_OPENING, /* `open` runs, or is about to */
    GN_WEBSOCKET_READY,   /* nothing runs */
    GN_WEBSOCKET_MESSAGE, /* `message` runs */
    GN_WEBSOCKET_ENDED,   /* `close` was called; waits for those in gn_ws_send_await */
};

struct gn_websocket {
    unsigned magic;
    enum gn_websocket_phase phase;
    struct gn_application *app;
    const struct gn_ws_acceptor *acceptor;
    struct gn_ws_conn *conn; /* NULL when the client left before the upgrade, and once ended */
    void *user;

    /* the callback that runs */
    struct gn_task *task; /* while it waits */
    bool is_running;
    bool has_waited; /* it did not return at once: `done` goes on */
    enum gn_err rc;  /* what it returned */
    enum gn_ws_opcode kind;
    struct gn_slice data;
    struct gn_defer done;

    /* senders that wait for room */
    struct gn_cond room;
    unsigned n_waiting;

    /* the end */
    bool is_over; /* the connection says so; `close` follows when nothing runs */
    unsigned code;
    struct gn_slice reason; /* in the connection's memory */

    struct gn_list memberships; /* struct membership in ws_group.c */
    struct gn_slice protocol;
    const struct gn_route *names;       /* of path_values */
    const struct gn_slice *path_values; /* in `copies` */
    char *copies;                       /* owned: what outlives the request; may be NULL */
};

#define GN_WEBSOCKET_MAGIC 0x52b7e0c8u

enum { GN_WEBSOCKET_NAMES = 32 }; /* subprotocols, or origins, of one route */

/** A WebSocket route. */
struct gn_ws_acceptor {
    const struct gn_websocket_ops *ops;
    char *pattern; /* for the log */
    struct gn_slice protocols[GN_WEBSOCKET_NAMES];
    struct gn_slice origins[GN_WEBSOCKET_NAMES];
    struct gn_ws_handshake_options handshake;
};

/* ---- websocket_handler.c ---- */

extern const struct gn_ws_conn_ops gn_websocket_conn_ops;

/** Prepares a zeroed object. */
void gn_websocket_init(struct gn_websocket *ws);
/** The connection is there: `open`, then messages. `ws` may be gone after it. */
GN_LOOP_THREAD void gn_websocket_begin(struct gn_websocket *ws);
/** Calls `close` and frees, as soon as nobody waits for it. */
GN_LOOP_THREAD void gn_websocket_end(struct gn_websocket *ws);

/* ---- ws_group.c ---- */

/** Leaves every group. */
GN_LOOP_THREAD void gn_ws_leave_groups(struct gn_websocket *ws);

#endif
