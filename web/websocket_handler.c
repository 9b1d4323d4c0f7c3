/* SPDX-License-Identifier: MIT */
#include "web/websocket_handler.h"

#include "server/base/alloc.h"
#include "server/base/log.h"

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

void gn_websocket_end(struct gn_websocket *ws)
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
        gn_websocket_end(ws);
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
        gn_websocket_end(ws);
    }
}

const struct gn_ws_conn_ops gn_websocket_conn_ops = {
        .message = on_message,
        .ping = on_ping,
        .pong = on_pong,
        .drained = on_drained,
        .close = on_close,
};

void gn_websocket_init(struct gn_websocket *ws)
{
    ws->magic = GN_WEBSOCKET_MAGIC;
    ws->done.fn = on_done;
    gn_list_init(&ws->memberships);
    gn_cond_init(&ws->room);
}

void gn_websocket_begin(struct gn_websocket *ws)
{
    if (ops_of(ws)->open != NULL) {
        run(ws);
    } else {
        finish(ws);
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

gn_deadline gn_ws_after_ms(const struct gn_websocket *ws, int64_t ms)
{
    return gn_loop_after_ms(ws->app->loop, ms);
}

enum gn_err gn_ws_run_await(struct gn_websocket *ws, gn_run_fn fn, void *arg, gn_deadline deadline)
{
    return gn_executor_run_await(ws->app->executor, fn, arg, deadline);
}
