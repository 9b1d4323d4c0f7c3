/* SPDX-License-Identifier: MIT */
#include "server/websocket/ws_service.h"

#include "server/base/alloc.h"

#include "server/websocket/ws_conn_priv.h"

/*
 * Timeouts fire here and become steps of the connection. The stop hook is
 * linked exactly while a connection is open, because a linked hook makes the
 * server's stop wait.
 */

struct gn_ws_timeouts gn_ws_timeouts_default(void)
{
    return (struct gn_ws_timeouts){.ping_ms = 25 * 1000,
            .pong_ms = 20 * 1000,
            .close_ms = 5 * 1000,
            .stall_ms = 60 * 1000};
}

/* ---- timeouts --------------------------------------------------------------- */

static struct gn_ws_conn *conn_of(struct gn_timeout *timeout)
{
    struct gn_ws_conn *c = GN_CONTAINER_OF(timeout, struct gn_ws_conn, turn);

    GN_CHECK_OBJ(c, GN_WS_CONN_MAGIC);
    return c;
}

/** Nothing to ask when it has just spoken, or when output waits as it is. */
static void on_ping_time(struct gn_timeout *timeout)
{
    struct gn_ws_conn *c = conn_of(timeout);
    struct gn_ws_service *service = c->service;

    gn_assert_loop_thread(service->loop);
    if (service->pong.duration_ms == 0 || !gn_bufq_is_empty(&c->out)) {
        gn_timeout_arm(&service->ping, timeout);
        return;
    }
    c->was_heard = false;
    gn_ws_conn_queue_control(c, GN_WS_PING, GN_LIT(""));
    gn_timeout_arm(&service->pong, timeout);
}

/** Whoever sends anything is alive; whoever we do not read from may be. */
static void on_pong_time(struct gn_timeout *timeout)
{
    struct gn_ws_conn *c = conn_of(timeout);
    struct gn_ws_service *service = c->service;

    gn_assert_loop_thread(service->loop);
    if (c->was_heard || !gn_ws_conn_wants_input(c)) {
        gn_timeout_arm(&service->ping, timeout);
        return;
    }
    gn_ws_conn_run_begin(c);
    c->code = GN_WS_CLOSE_GOING_AWAY;
    gn_ws_conn_queue_close(c, GN_WS_CLOSE_GOING_AWAY, GN_LIT("no answer to a ping"));
    gn_ws_conn_enter(c, GN_WS_FAILING);
    gn_ws_conn_settle(c);
}

static void on_close_time(struct gn_timeout *timeout)
{
    struct gn_ws_conn *c = conn_of(timeout);

    gn_assert_loop_thread(c->service->loop);
    gn_ws_conn_run_begin(c);
    gn_ws_conn_break(c);
    gn_ws_conn_settle(c);
}

static void on_stall_time(struct gn_timeout *timeout)
{
    struct gn_ws_conn *c = GN_CONTAINER_OF(timeout, struct gn_ws_conn, stall);

    GN_CHECK_OBJ(c, GN_WS_CONN_MAGIC);
    gn_assert_loop_thread(c->service->loop);
    gn_ws_conn_run_begin(c);
    gn_ws_conn_break(c);
    gn_ws_conn_settle(c);
}

/* ---- the end of a turn -------------------------------------------------------- */

static void on_flush(struct gn_defer *defer)
{
    struct gn_ws_service *service = GN_CONTAINER_OF(defer, struct gn_ws_service, flush);
    struct gn_list *node;

    gn_assert_loop_thread(service->loop);
    while ((node = gn_list_pop(&service->dirty)) != NULL) {
        struct gn_ws_conn *c = GN_LIST_ENTRY(node, struct gn_ws_conn, dirty);

        gn_ws_conn_run_begin(c);
        gn_ws_conn_pump(c);
        gn_ws_conn_read_pending(c);
        gn_ws_conn_settle(c);
    }
}

/* ---- closing everything --------------------------------------------------------- */

void gn_ws_service_abort_all(struct gn_ws_service *service)
{
    struct gn_list *node;
    struct gn_list *next;

    GN_CHECK_OBJ(service, GN_WS_SERVICE_MAGIC);
    GN_LIST_FOREACH (node, next, &service->conns) {
        struct gn_ws_conn *c = GN_LIST_ENTRY(node, struct gn_ws_conn, link);

        if (c->in_run) {
            gn_ws_conn_break(c); /* its run ends it */
            continue;
        }
        gn_ws_conn_run_begin(c);
        gn_ws_conn_break(c);
        gn_ws_conn_settle(c);
    }
}

static void on_cut(struct gn_timer *timer)
{
    struct gn_ws_service *service = GN_CONTAINER_OF(timer, struct gn_ws_service, cut);

    gn_assert_loop_thread(service->loop);
    gn_ws_service_abort_all(service);
}

void gn_ws_service_close_all(struct gn_ws_service *service, unsigned code, gn_deadline deadline)
{
    struct gn_list *node;
    struct gn_list *next;

    GN_CHECK_OBJ(service, GN_WS_SERVICE_MAGIC);
    GN_LIST_FOREACH (node, next, &service->conns) {
        gn_ws_conn_close(GN_LIST_ENTRY(node, struct gn_ws_conn, link), code, GN_LIT(""));
    }
    if (service->n_open > 0) {
        gn_timer_start(&service->cut, deadline);
    }
}

static void on_server_stop(struct gn_stop_hook *hook, gn_deadline deadline)
{
    struct gn_ws_service *service = GN_CONTAINER_OF(hook, struct gn_ws_service, stop_hook);

    gn_assert_loop_thread(service->loop);
    gn_ws_service_close_all(service, GN_WS_CLOSE_GOING_AWAY, deadline);
}

/* ---- members ----------------------------------------------------------------- */

void gn_ws_service_enlist(struct gn_ws_service *service, struct gn_ws_conn *c)
{
    gn_list_append(&service->conns, &c->link);
    service->n_open++;
    if (service->server != NULL && !service->is_hooked) {
        service->is_hooked = true;
        gn_http_server_on_stop(service->server, &service->stop_hook);
    }
}

void gn_ws_service_forget(struct gn_ws_service *service, struct gn_ws_conn *c)
{
    gn_list_unlink(&c->link);
    gn_assert(service->n_open > 0);
    service->n_open--;
    if (service->n_open > 0) {
        return;
    }
    gn_timer_stop(&service->cut);
    if (service->is_hooked) {
        service->is_hooked = false;
        gn_http_server_remove_stop_hook(service->server, &service->stop_hook);
    }
}

struct gn_ws_block *gn_ws_block_take(struct gn_ws_service *service)
{
    struct gn_list *node = gn_list_pop(&service->free_blocks);
    struct gn_ws_block *block;

    if (node != NULL) {
        service->n_free_blocks--;
        block = GN_LIST_ENTRY(node, struct gn_ws_block, link);
    } else {
        block = gn_xcalloc(sizeof(*block));
        gn_list_init(&block->link);
        gn_buf_init(&block->bytes, GN_WS_BLOCK_BYTES);
        gn_assert(gn_buf_reserve(&block->bytes, GN_WS_BLOCK_BYTES) == GN_OK);
    }
    gn_buf_clear(&block->bytes);
    block->refs = 1;
    return block;
}

static void free_block(struct gn_ws_block *block)
{
    gn_buf_fini(&block->bytes);
    gn_free(block);
}

void gn_ws_block_unref(struct gn_ws_service *service, struct gn_ws_block **block_ptr)
{
    struct gn_ws_block *block = *block_ptr;

    *block_ptr = NULL;
    if (block == NULL || --block->refs > 0) {
        return;
    }
    if (service->n_free_blocks == GN_WS_FREE_BLOCKS || block->bytes.cap > GN_WS_BLOCK_BYTES) {
        free_block(block);
        return;
    }
    service->n_free_blocks++;
    gn_list_prepend(&service->free_blocks, &block->link);
}

/* ---- life ----------------------------------------------------------------------- */

struct gn_ws_service *gn_ws_service_create(
        struct gn_loop *loop, struct gn_http_server *server, const struct gn_ws_timeouts *timeouts)
{
    struct gn_ws_service *service = gn_xcalloc(sizeof(*service));

    service->magic = GN_WS_SERVICE_MAGIC;
    service->loop = loop;
    service->server = server;
    service->flush.fn = on_flush;
    service->stop_hook.fn = on_server_stop;
    gn_list_init(&service->stop_hook.link);
    gn_list_init(&service->conns);
    gn_list_init(&service->dirty);
    gn_list_init(&service->free_blocks);
    gn_buf_init(&service->batch, GN_WS_BATCH_BYTES);
    gn_timer_init(&service->cut, loop, on_cut);
    gn_timeout_list_init(&service->ping, loop, timeouts->ping_ms, on_ping_time);
    gn_timeout_list_init(&service->pong, loop, timeouts->pong_ms, on_pong_time);
    gn_timeout_list_init(&service->closing, loop, timeouts->close_ms, on_close_time);
    gn_timeout_list_init(&service->stall, loop, timeouts->stall_ms, on_stall_time);
    return service;
}

void gn_ws_service_destroy(struct gn_ws_service **service_ptr)
{
    struct gn_ws_service *service = *service_ptr;
    struct gn_list *node;

    if (service == NULL) {
        return;
    }
    GN_CHECK_OBJ(service, GN_WS_SERVICE_MAGIC);
    gn_assert(service->n_open == 0);
    gn_defer_cancel(&service->flush);
    gn_timeout_list_fini(&service->ping);
    gn_timeout_list_fini(&service->pong);
    gn_timeout_list_fini(&service->closing);
    gn_timeout_list_fini(&service->stall);
    gn_timer_stop(&service->cut);
    while ((node = gn_list_pop(&service->free_blocks)) != NULL) {
        free_block(GN_LIST_ENTRY(node, struct gn_ws_block, link));
    }
    gn_buf_fini(&service->batch);
    gn_ws_compress_fini(&service->compress);
    service->magic = 0;
    gn_free(service);
    *service_ptr = NULL;
}

unsigned gn_ws_service_n_open(const struct gn_ws_service *service)
{
    return service->n_open;
}

struct gn_loop *gn_ws_service_loop(const struct gn_ws_service *service)
{
    return service->loop;
}
