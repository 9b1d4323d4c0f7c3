/* SPDX-License-Identifier: MIT */
#ifndef GN_WEB_APPLICATION_H
#define GN_WEB_APPLICATION_H

/*
 * An application: routes to C handlers, WebSockets, other handlers mounted at
 * prefixes, and a fallback for the rest. It is itself a handler
 * (server/http/handler.h), so it serves behind any gn_http_server, and one may
 * be mounted in another.
 *
 * Patterns: `/users/{id}` takes one segment, never empty; `{id:int}` one of
 * digits only; `{rest:path}` stands last and takes all that is left, slashes
 * and emptiness included. Literal segments go before int, int before any, any
 * before path. Segments are compared after decoding %XX; a `%2F` never splits
 * a segment. `/a` and `/a/` are two paths.
 *
 * A path with routes but none for the method is answered 405 with Allow;
 * HEAD is served by the GET route, OPTIONS by the application.
 *
 * Routes are added before the start. A mistake in one (a bad pattern, a
 * duplicate) is kept, and gn_app_start returns the first: so route calls need
 * no checks.
 *
 * Thread: one thread until gn_app_start, then the loop thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bridge/exec/executor.h"
#include "server/base/err.h"
#include "server/http/handler.h"
#include "server/loop/loop.h"
#include "server/loop/task.h"
#include "server/websocket/ws_service.h"

struct gn_application;
struct gn_request;
struct gn_websocket_ops;

/**
 * Serves one request: replies with one of web/reply.h and returns GN_OK, or
 * returns an error, which becomes an error answer (gn_err_http_status), or
 * what gn_fail returns. Returning GN_OK without a reply answers 204.
 */
typedef enum gn_err (*gn_request_fn)(struct gn_request *r);

struct gn_route_options {
    void *data;                /* for gn_request_data; the author's, must outlive the application */
    uint64_t body_limit_bytes; /* 0: the server's limit; beyond: 413 */
    bool stream_body;          /* the handler starts at the head and reads the body by await */
};

/** Never NULL. */
GN_EXPORT struct gn_application *gn_app_create(void);
/** Stops it first. No request may be running and no connection may use it any more. */
GN_EXPORT GN_LOOP_THREAD void gn_app_destroy(struct gn_application **app);

/* ---- routes ---------------------------------------------------------------- */

/**
 * Routes `methods` ("GET", or several: "GET POST"; "*": every method without a
 * route of its own) of `pattern` to `fn`. Strings are copied.
 */
GN_EXPORT void gn_app_route(struct gn_application *app, const char *methods, const char *pattern,
        gn_request_fn fn, void *data);
/** The same with options, which are copied. */
GN_EXPORT void gn_app_route_with(struct gn_application *app, const char *methods,
        const char *pattern, gn_request_fn fn, const struct gn_route_options *options);

static inline void gn_app_get(struct gn_application *app, const char *pattern, gn_request_fn fn)
{
    gn_app_route(app, "GET", pattern, fn, NULL);
}

static inline void gn_app_post(struct gn_application *app, const char *pattern, gn_request_fn fn)
{
    gn_app_route(app, "POST", pattern, fn, NULL);
}

/** Accepts WebSockets at `pattern`; `ops` is borrowed for the application's life. */
GN_EXPORT void gn_app_websocket(
        struct gn_application *app, const char *pattern, const struct gn_websocket_ops *ops);
/**
 * Gives paths under a literal prefix ("/blog": itself and "/blog/…") that have
 * no route to another handler, borrowed. Its script_name grows by the prefix.
 */
GN_EXPORT void gn_app_mount(
        struct gn_application *app, const char *prefix, struct gn_handler *handler);
/** Gives whatever nothing else takes to another handler, borrowed. Without one: 404. */
GN_EXPORT void gn_app_fallback(struct gn_application *app, struct gn_handler *handler);

/** Whether a route, a mount or a fallback exists. */
GN_EXPORT bool gn_app_has_routes(const struct gn_application *app);

/* ---- life ------------------------------------------------------------------- */

struct gn_app_options {
    unsigned max_tasks;           /* handlers at once; beyond: 503. 4096 */
    unsigned max_idle_stacks;     /* kept for reuse. 64 */
    struct gn_executor *executor; /* borrowed; NULL: its own, with the defaults */
    struct gn_ws_timeouts websocket;
    size_t ws_message_bytes; /* for WebSockets that set no bound of their own. 10 MiB */
    size_t ws_queue_bytes;   /* likewise. 1 MiB */
};

GN_EXPORT struct gn_app_options gn_app_options_default(void);

/**
 * Compiles the routes and makes ready to serve on `loop`. Call once, on the
 * loop's thread. NULL options mean the defaults.
 *
 * Returns: GN_OK
 *          GN_ERR_INVALID   the first mistake in a route; `err` names it
 */
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_app_start(struct gn_application *app,
        struct gn_loop *loop, const struct gn_app_options *options, struct gn_error *err);
/** Cancels the handlers that run and cuts the WebSockets; idempotent. */
GN_EXPORT GN_LOOP_THREAD void gn_app_stop(struct gn_application *app);
/** What a server takes as its handler. */
GN_EXPORT struct gn_handler *gn_app_handler(struct gn_application *app);

/* ---- what handlers may use after the start ----------------------------------- */

GN_EXPORT struct gn_loop *gn_app_loop(const struct gn_application *app);
GN_EXPORT GN_LOOP_THREAD struct gn_task_pool *gn_app_tasks(const struct gn_application *app);
GN_EXPORT GN_LOOP_THREAD struct gn_executor *gn_app_executor(const struct gn_application *app);

#endif
