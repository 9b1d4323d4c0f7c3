/* SPDX-License-Identifier: MIT */
#include "web/websocket_handler.h"

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/websocket/ws_service.h"

#include "web/web_priv.h"
#include "web/websocket_priv.h"

/*
 * Between a ws_conn and an author's callbacks. The connection delivers one
 * message and waits for gn_ws_conn_done; in between the callback runs as a
 * task. One that returns at once is finished on the loop's own stack right
 * there; one that waited is finished by a deferred call, because being done
 * may deliver the next message.
 *
 * The connection may end while a callback waits: its task is then cancelled,
 * and `close` is called when it has returned. So callbacks of one connection
 * never overlap.
 */

#define MAX_NAMES 32 /* subprotocols, or origins, of one route */

struct gn_ws_acceptor {
    const struct gn_websocket_ops *ops;
    char *pattern; /* for the log */
    struct gn_slice protocols[MAX_NAMES];
    struct gn_slice origins[MAX_NAMES];
    struct gn_ws_handshake_options handshake;
};

/** The connections of one server: its stop is theirs. */
struct web_service {
    struct gn_list link;
    struct gn_http_server *server;
    struct gn_ws_service *service;
};

/* ---- routes ------------------------------------------------------------------- */

static unsigned take_names(const char *const *names, struct gn_slice *into)
{
    unsigned n = 0;

    while (names != NULL && names[n] != NULL) {
        gn_assert(n < MAX_NAMES);
        into[n] = gn_slice_str(names[n]);
        n++;
    }
    return n;
}

struct gn_ws_acceptor *gn_ws_acceptor_create(
        const struct gn_websocket_ops *ops, const char *pattern)
{
    struct gn_ws_acceptor *a = gn_xcalloc(sizeof(*a));

    a->ops = ops;
    a->pattern = gn_xstrndup(pattern, strlen(pattern));
    a->handshake = (struct gn_ws_handshake_options){
            .protocols = a->protocols,
            .n_protocols = take_names(ops->protocols, a->protocols),
            .origins = a->origins,
            .n_origins = take_names(ops->origins, a->origins),
            .any_origin = ops->any_origin,
            .require_protocol = ops->require_protocol,
    };
    return a;
}

void gn_ws_acceptor_destroy(struct gn_ws_acceptor **acceptor)
{
    if (*acceptor == NULL) {
        return;
    }
    gn_free((*acceptor)->pattern);
    gn_free(*acceptor);
    *acceptor = NULL;
}

/** Agrees on compression when the route wants it and the client offers it. */
GN_LOOP_THREAD static void negotiate(struct gn_request *r)
{
    const struct gn_ws_deflate_options options = gn_ws_deflate_options_default();
    struct gn_arena *arena = &r->ex->arena;
    struct gn_ws_deflate_params *params = gn_arena_alloc(arena, sizeof(*params));
    char *answer = gn_arena_alloc(arena, GN_WS_DEFLATE_ANSWER_BYTES);

    if (gn_ws_deflate_negotiate(r->ex->head, &options, params, answer, &r->handshake->extensions) ==
            GN_OK) {
        r->deflate = params;
    }
}

bool gn_ws_acceptor_check(struct gn_request *r)
{
    struct gn_ws_handshake_options options = r->route->acceptor->handshake;
    struct gn_header *headers;

    r->handshake = gn_arena_calloc(&r->ex->arena, sizeof(*r->handshake));
    options.is_tls = r->ex->is_tls;
    if (gn_ws_handshake_check(r->ex->head, &options, r->handshake) == GN_OK) {
        if (r->route->acceptor->ops->compress) {
            negotiate(r);
        }
        return true;
    }
    headers = gn_arena_alloc(&r->ex->arena, GN_WS_HANDSHAKE_HEADERS * sizeof(*headers));
    r->n_headers = gn_ws_handshake_headers(r->handshake, headers);
    r->headers = headers;
    gn_reply_error(r, r->handshake->status, gn_slice_str(r->handshake->reason));
    return false;
}

enum gn_err gn_ws_acceptor_ask(struct gn_request *r)
{
    const struct gn_websocket_ops *ops = r->route->acceptor->ops;

    return ops->accept != NULL ? ops->accept(r, &r->ws_user) : GN_OK;
}

/* ---- running callbacks ----------------------------------------------------------- */

static const struct gn_websocket_ops *ops_of(const struct gn_websocket *ws)
{
    return ws->acceptor->ops;
}

/** May be called when nothing of it runs any more. */
GN_LOOP_THREAD static void free_websocket(struct gn_websocket *ws)
{
    gn_assert(!ws->is_running && ws->n_waiting == 0);
    gn_defer_cancel(&ws->done);
    gn_free(ws->copies);
    ws->magic = 0;
    gn_free(ws);
}

GN_LOOP_THREAD static void end(struct gn_websocket *ws)
{
    ws->phase = GN_WEBSOCKET_ENDED;
    if (ops_of(ws)->close != NULL) {
        ops_of(ws)->close(ws, ws->code, ws->reason);
    }
    gn_ws_leave_groups(ws);
    gn_ws_conn_destroy(&ws->conn);
    if (ws->n_waiting == 0) {
        free_websocket(ws);
    } else {
        gn_cond_broadcast(&ws->room);
    }
}

/** What a failed callback does to its connection. */
GN_LOOP_THREAD static void judge(struct gn_websocket *ws)
{
    if (ws->rc == GN_OK || ws->rc == GN_ERR_GONE || ws->rc == GN_ERR_CANCELLED ||
            !gn_ws_is_open(ws)) {
        return;
    }
    if (ws->rc == GN_ERR_FULL) {
        gn_ws_conn_close(ws->conn, GN_WS_CLOSE_TRY_LATER, GN_LIT("too slow"));
        return;
    }
    gn_log_error("WebSocket handler of %s: %s", ws->acceptor->pattern, gn_err_name(ws->rc));
    gn_ws_conn_close(ws->conn, GN_WS_CLOSE_INTERNAL, GN_LIT(""));
}

/** The callback has returned. `ws` may be gone after it. */
GN_LOOP_THREAD static void finish(struct gn_websocket *ws)
{
    judge(ws);
    ws->phase = GN_WEBSOCKET_READY;
    ws->data = gn_slice_of(NULL, 0);
    if (ws->is_over) {
        end(ws);
    } else {
        gn_ws_conn_done(ws->conn);
    }
}

static void on_done(struct gn_defer *defer)
{
    struct gn_websocket *ws = GN_CONTAINER_OF(defer, struct gn_websocket, done);

    GN_CHECK_OBJ(ws, GN_WEBSOCKET_MAGIC);
    gn_assert_loop_thread(ws->app->loop);
    if (ws->phase == GN_WEBSOCKET_ENDED) {
        free_websocket(ws);
    } else {
        finish(ws);
    }
}

static void run_callback(void *arg)
{
    struct gn_websocket *ws = GN_CAST(struct gn_websocket, GN_WEBSOCKET_MAGIC, arg);

    gn_assert_loop_thread(ws->app->loop);
    if (ws->phase == GN_WEBSOCKET_OPENING) {
        ws->rc = ops_of(ws)->open(ws);
    } else {
        ws->rc = ops_of(ws)->message(ws, ws->kind, ws->data);
    }
    ws->is_running = false;
    ws->task = NULL;
    if (ws->has_waited) {
        gn_loop_defer(ws->app->loop, &ws->done);
    }
}

/** Runs the callback of the current phase as a task. `ws` may be gone after it. */
GN_LOOP_THREAD static void run(struct gn_websocket *ws)
{
    struct gn_task *task;

    ws->is_running = true;
    ws->has_waited = false;
    if (gn_task_start(ws->app->tasks, run_callback, ws, &task) != GN_OK) {
        ws->is_running = false;
        ws->rc = GN_OK;
        gn_ws_conn_close(ws->conn, GN_WS_CLOSE_TRY_LATER, GN_LIT("too busy"));
    }
    if (!ws->is_running) {
        finish(ws);
        return;
    }
    ws->task = task;
    ws->has_waited = true;
    if (ws->is_over) {
        gn_task_cancel(task);
    }
}

/* ---- what the connection tells ------------------------------------------------------ */

GN_LOOP_THREAD static struct gn_websocket *owner_of(const struct gn_ws_conn *c)
{
    return GN_CAST(struct gn_websocket, GN_WEBSOCKET_MAGIC, gn_ws_conn_owner(c));
}

GN_LOOP_THREAD static void on_message(
        struct gn_ws_conn *c, enum gn_ws_opcode opcode, struct gn_slice payload)
{
    struct gn_websocket *ws = owner_of(c);

    if (ops_of(ws)->message == NULL) {
        gn_ws_conn_done(c);
        return;
    }
    ws->phase = GN_WEBSOCKET_MESSAGE;
    ws->kind = opcode;
    ws->data = payload;
    run(ws);
}

GN_LOOP_THREAD static void on_ping(struct gn_ws_conn *c, struct gn_slice payload)
{
    struct gn_websocket *ws = owner_of(c);

    if (ops_of(ws)->ping != NULL) {
        ops_of(ws)->ping(ws, payload);
    }
}

GN_LOOP_THREAD static void on_pong(struct gn_ws_conn *c, struct gn_slice payload)
{
    struct gn_websocket *ws = owner_of(c);

    if (ops_of(ws)->pong != NULL) {
        ops_of(ws)->pong(ws, payload);
    }
}

GN_LOOP_THREAD static void on_drained(struct gn_ws_conn *c)
{
    gn_cond_broadcast(&owner_of(c)->room);
}

GN_LOOP_THREAD static void on_close(struct gn_ws_conn *c, unsigned code, struct gn_slice reason)
{
    struct gn_websocket *ws = owner_of(c);

    ws->is_over = true;
    ws->code = code;
    ws->reason = reason;
    gn_ws_leave_groups(ws);
    gn_cond_broadcast(&ws->room);
    if (ws->task != NULL) {
        gn_task_cancel(ws->task);
    } else if (!ws->is_running && !gn_defer_is_queued(&ws->done)) {
        end(ws);
    }
}

static const struct gn_ws_conn_ops conn_ops = {
        .message = on_message,
        .ping = on_ping,
        .pong = on_pong,
        .drained = on_drained,
        .close = on_close,
};

/* ---- the upgrade ------------------------------------------------------------------------ */

GN_LOOP_THREAD static struct gn_ws_service *service_for(
        struct gn_application *app, struct gn_http_server *server)
{
    struct gn_list *node;
    struct gn_list *next;
    struct web_service *made;

    GN_LIST_FOREACH (node, next, &app->services) {
        struct web_service *s = GN_LIST_ENTRY(node, struct web_service, link);

        if (s->server == server) {
            return s->service;
        }
    }
    made = gn_xcalloc(sizeof(*made));
    made->server = server;
    made->service = gn_ws_service_create(app->loop, server, &app->options.websocket);
    gn_list_append(&app->services, &made->link);
    return made->service;
}

/** Copies what the connection needs of the request: one block of slices, then their bytes. */
static void copy_facts(struct gn_websocket *ws, const struct gn_request *r)
{
    const unsigned n = r->names->n_names;
    size_t size = n * sizeof(struct gn_slice) + r->handshake->protocol.len;
    struct gn_slice *values;
    char *at;

    for (unsigned i = 0; i < n; i++) {
        size += r->path_values[i].len;
    }
    ws->names = r->names;
    if (size == 0) {
        return;
    }
    ws->copies = gn_xalloc(size);
    values = (struct gn_slice *)(void *)ws->copies;
    at = (char *)(values + n);
    for (unsigned i = 0; i < n; i++) {
        values[i] = gn_slice_of(at, r->path_values[i].len);
        memcpy(at, r->path_values[i].ptr, values[i].len);
        at += values[i].len;
    }
    ws->path_values = values;
    if (r->handshake->protocol.len > 0) {
        ws->protocol = gn_slice_of(at, r->handshake->protocol.len);
        memcpy(at, r->handshake->protocol.ptr, ws->protocol.len);
    }
}

GN_LOOP_THREAD static struct gn_websocket *make_websocket(const struct gn_request *r)
{
    struct gn_websocket *ws = gn_xcalloc(sizeof(*ws));

    ws->magic = GN_WEBSOCKET_MAGIC;
    ws->app = r->app;
    ws->acceptor = r->route->acceptor;
    ws->user = r->ws_user;
    ws->done.fn = on_done;
    gn_list_init(&ws->memberships);
    gn_cond_init(&ws->room);
    copy_facts(ws, r);
    return ws;
}

void gn_ws_acceptor_upgrade(struct gn_request *r)
{
    const struct gn_websocket_ops *ops = r->route->acceptor->ops;
    struct gn_websocket *ws = make_websocket(r);
    struct gn_ws_conn_config config = {
            .ops = &conn_ops,
            .owner = ws,
            .deflate = r->deflate,
            .message_bytes = ops->message_bytes != 0 ? ops->message_bytes : GN_WS_MESSAGE_BYTES,
            .queue_bytes = ops->queue_bytes != 0 ? ops->queue_bytes : GN_WS_QUEUE_BYTES,
    };
    struct gn_ws_service *service = service_for(r->app, gn_exchange_server(r->ex));

    if (gn_ws_conn_accept(service, r->ex, r->handshake, &config, &ws->conn) != GN_OK) {
        ws->code = GN_WS_CLOSE_ABNORMAL;
        end(ws);
    } else if (ops->open != NULL) {
        run(ws);
    } else {
        finish(ws);
    }
}

void gn_ws_abort_all(struct gn_application *app)
{
    struct gn_list *node;
    struct gn_list *next;

    GN_LIST_FOREACH (node, next, &app->services) {
        gn_ws_service_abort_all(GN_LIST_ENTRY(node, struct web_service, link)->service);
    }
}

void gn_ws_free_services(struct gn_application *app)
{
    struct gn_list *node;

    while ((node = gn_list_pop(&app->services)) != NULL) {
        struct web_service *s = GN_LIST_ENTRY(node, struct web_service, link);

        gn_ws_service_destroy(&s->service);
        gn_free(s);
    }
}

/* ---- what callbacks call -------------------------------------------------------------- */

enum gn_err gn_ws_send(struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
{
    GN_CHECK_OBJ(ws, GN_WEBSOCKET_MAGIC);
    return ws->conn != NULL ? gn_ws_conn_send(ws->conn, kind, data) : GN_ERR_GONE;
}

enum gn_err gn_ws_send_text(struct gn_websocket *ws, struct gn_slice text)
{
    return gn_ws_send(ws, GN_WS_TEXT, text);
}

enum gn_err gn_ws_send_binary(struct gn_websocket *ws, struct gn_slice bytes)
{
    return gn_ws_send(ws, GN_WS_BINARY, bytes);
}

enum gn_err gn_ws_send_message(struct gn_websocket *ws, struct gn_ws_message *message)
{
    GN_CHECK_OBJ(ws, GN_WEBSOCKET_MAGIC);
    return ws->conn != NULL ? gn_ws_conn_send_message(ws->conn, message) : GN_ERR_GONE;
}

/** Waits for `drained`; GN_ERR_GONE when the connection ended meanwhile: `ws` is gone then. */
GN_LOOP_THREAD static enum gn_err room_await(struct gn_websocket *ws, gn_deadline deadline)
{
    enum gn_err rc;

    ws->n_waiting++;
    rc = gn_cond_await(&ws->room, deadline);
    ws->n_waiting--;
    if (ws->phase != GN_WEBSOCKET_ENDED) {
        return rc;
    }
    if (ws->n_waiting == 0) {
        gn_loop_defer(ws->app->loop, &ws->done);
    }
    return GN_ERR_GONE;
}

enum gn_err gn_ws_send_await(
        struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data, gn_deadline deadline)
{
    for (;;) {
        enum gn_err rc = gn_ws_send(ws, kind, data);

        if (rc != GN_ERR_FULL) {
            return rc;
        }
        GN_TRY(room_await(ws, deadline));
    }
}

enum gn_err gn_ws_ping(struct gn_websocket *ws, struct gn_slice payload)
{
    return ws->conn != NULL ? gn_ws_conn_ping(ws->conn, payload) : GN_ERR_GONE;
}

void gn_ws_close(struct gn_websocket *ws, unsigned code, struct gn_slice reason)
{
    GN_CHECK_OBJ(ws, GN_WEBSOCKET_MAGIC);
    if (ws->conn != NULL) {
        gn_ws_conn_close(ws->conn, code, reason);
    }
}

bool gn_ws_is_open(const struct gn_websocket *ws)
{
    return ws->conn != NULL && gn_ws_conn_is_open(ws->conn);
}

size_t gn_ws_n_waiting(const struct gn_websocket *ws)
{
    return ws->conn != NULL ? gn_ws_conn_n_waiting(ws->conn) : 0;
}

void *gn_ws_user(const struct gn_websocket *ws)
{
    return ws->user;
}

void gn_ws_set_user(struct gn_websocket *ws, void *user)
{
    ws->user = user;
}

void *gn_ws_data(const struct gn_websocket *ws)
{
    return ops_of(ws)->data;
}

struct gn_slice gn_ws_path_arg(const struct gn_websocket *ws, const char *name)
{
    for (unsigned i = 0; i < ws->names->n_names; i++) {
        if (gn_slice_eq(ws->names->names[i], gn_slice_str(name))) {
            return ws->path_values[i];
        }
    }
    return gn_slice_of(NULL, 0);
}

struct gn_slice gn_ws_protocol(const struct gn_websocket *ws)
{
    return ws->protocol;
}

struct gn_application *gn_ws_app(const struct gn_websocket *ws)
{
    return ws->app;
}
