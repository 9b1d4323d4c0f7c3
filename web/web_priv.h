/* SPDX-License-Identifier: MIT */
#ifndef GN_WEB_WEB_PRIV_H
#define GN_WEB_WEB_PRIV_H

/* What the files of this folder share: the inside of an application and of a request. */

#include <stdarg.h>

#include "server/base/list.h"
#include "server/base/obj.h"
#include "server/http/exchange.h"
#include "server/loop/cond.h"
#include "server/proto/ws_deflate.h"
#include "server/proto/ws_handshake.h"
#include "web/application.h"
#include "web/request.h"
#include "web/router.h"

struct gn_module;
struct gn_ws_acceptor;

/** What a gn_route's target is: a C handler or a WebSocket. */
struct gn_web_route {
    gn_request_fn fn;
    struct gn_route_options options;
    struct gn_ws_acceptor *acceptor; /* of a WebSocket route, else NULL */
    struct gn_list link;             /* on app->routes */
};

struct gn_application {
    struct gn_handler handler; /* first: what servers see */
    unsigned magic;
    struct gn_router *router;
    struct gn_list routes; /* struct gn_web_route, for freeing */
    bool has_routes;
    struct gn_handler *fallback;
    struct gn_error error; /* the first mistake in a route */

    /* since the start */
    struct gn_loop *loop; /* NULL before it */
    struct gn_task_pool *tasks;
    struct gn_executor *executor;
    bool owns_executor;
    bool is_stopped;
    struct gn_app_options options;
    struct gn_list waiting;  /* struct gn_request whose handler awaits */
    struct gn_list services; /* struct gn_web_service, one per server with WebSockets */
    struct gn_list modules;  /* struct gn_module, in order of loading */
};

#define GN_APPLICATION_MAGIC 0x3fd2806bu

struct gn_request {
    unsigned magic;
    struct gn_exchange *ex;
    struct gn_application *app;
    const struct gn_web_route *route;
    const struct gn_route *names; /* of path_values */
    const struct gn_slice *path_values;

    /* the handler */
    struct gn_task *task; /* while it waits */
    enum gn_err rc;       /* what it returned */
    bool has_returned;
    bool has_waited;     /* it did not return at once: `done` concludes */
    bool is_full;        /* output waits above the bound, until `drained` */
    struct gn_cond news; /* body arrived, or output drained */
    struct gn_defer done;
    struct gn_list link; /* on app->waiting since it has waited */

    /* the reply */
    int status;       /* 0: none yet */
    bool is_streamed; /* its head has been sent */
    bool is_finished; /* a streamed one has ended */
    int fail_status;  /* what gn_fail said; 0: nothing */
    struct gn_slice fail_detail;
    struct gn_slice content_type; /* ptr NULL: none */
    struct gn_slice body;
    struct gn_header *headers; /* cap_headers of them, one more is kept free for content_type */
    unsigned n_headers;
    unsigned cap_headers;

    /* parsed when first asked for */
    struct gn_args {
        const struct gn_arg *list; /* NULL: not parsed */
        unsigned n;
    } query, form;
    struct gn_slice body_view; /* ptr NULL: not looked at */

    /* of a WebSocket route */
    struct gn_ws_handshake *handshake;
    struct gn_ws_deflate_params *deflate; /* as agreed; NULL: none */
    void *ws_user;
};

#define GN_REQUEST_MAGIC 0x6a92d4e1u

/** Formats into the arena. */
struct gn_slice gn_web_vprintf(struct gn_arena *arena, const char *fmt, va_list args)
        __attribute__((format(printf, 2, 0)));
/** Sends what the handler left and ends the exchange. */
GN_LOOP_THREAD void gn_reply_conclude(struct gn_request *r);
/** An error answer with the fields set so far; the exchange is over. */
GN_LOOP_THREAD void gn_reply_error(struct gn_request *r, int status, struct gn_slice detail);

/* ---- WebSocket routes (websocket_handler.c) ---- */

struct gn_websocket_ops;

/** `ops` is borrowed, `pattern` copied. */
struct gn_ws_acceptor *gn_ws_acceptor_create(
        const struct gn_websocket_ops *ops, const char *pattern);
void gn_ws_acceptor_destroy(struct gn_ws_acceptor **acceptor);
/** Judges the handshake; when it refuses, the exchange has been answered: false. */
GN_LOOP_THREAD bool gn_ws_acceptor_check(struct gn_request *r);
/** The task's body of a WebSocket route with an `accept` callback. */
GN_LOOP_THREAD enum gn_err gn_ws_acceptor_ask(struct gn_request *r);
/** Upgrades; the exchange is over. */
GN_LOOP_THREAD void gn_ws_acceptor_upgrade(struct gn_request *r);
/** Cuts all WebSockets of the application. */
GN_LOOP_THREAD void gn_ws_abort_all(struct gn_application *app);
GN_LOOP_THREAD void gn_ws_free_services(struct gn_application *app);

/* ---- modules (module.c) ---- */

GN_LOOP_THREAD enum gn_err gn_modules_start(struct gn_application *app, struct gn_error *err);
void gn_modules_teardown(struct gn_application *app);

#endif
