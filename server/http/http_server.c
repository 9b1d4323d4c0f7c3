/* SPDX-License-Identifier: MIT */
#include "server/http/http_server.h"

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/base/obj.h"
#include "server/http/http1_conn.h"

#include "server/http/exchange_priv.h"
#include "server/http/http1_conn_priv.h"
#include "server/http/http_server_priv.h"

/*
 * What connections share, and the end. The stop goes in three stages: at once
 * the listeners and idle connections close; then whoever is being served ends;
 * at the deadline the rest is cut. Whether it is over is asked again, at the
 * end of a turn, each time a connection, an exchange or a hook goes.
 */

#define SCRATCH_LIMIT_BYTES (64u << 10)
#define BATCH_LIMIT_BYTES (1u << 20)
#define NOTICE_EVERY_NS GN_NS_PER_S

/* ---- life --------------------------------------------------------------- */

static void on_stop_check(struct gn_defer *defer);
static void on_stop_deadline(struct gn_timer *timer);

struct gn_http_server *gn_http_server_create(
        struct gn_loop *loop, const struct gn_http_server_options *options)
{
    struct gn_http_server *server = gn_xcalloc(sizeof(*server));
    const struct gn_http_limits *limits = &options->limits;

    gn_assert(options->handler != NULL && options->handler->ops->serve != NULL);
    gn_assert(limits->pipeline_bytes > 0 && limits->output_low_bytes <= limits->output_bytes);
    server->magic = GN_HTTP_SERVER_MAGIC;
    server->loop = loop;
    server->handler = options->handler;
    server->access_log = options->access_log;
    server->error_template = options->error_template;
    server->shows_request_ids = options->shows_request_ids;
    gn_request_ids_init(&server->request_ids);
    server->limits = *limits;
    server->proxies = options->proxies;
    server->head_limits = (struct gn_http1_limits){
            .request_line_bytes = limits->request_line_bytes,
            .field_bytes = limits->field_bytes,
            .fields = limits->fields,
            .head_bytes = limits->head_bytes,
    };
    server->max_connections = gn_http_server_max_connections(limits);
    gn_list_init(&server->listeners);
    gn_list_init(&server->conns);
    gn_list_init(&server->exchanges);
    gn_list_init(&server->free_exchanges);
    gn_list_init(&server->stop_hooks);
    gn_buf_init(&server->scratch, SCRATCH_LIMIT_BYTES);
    gn_buf_init(&server->batch, BATCH_LIMIT_BYTES);
    gn_buf_init(&server->aside, BATCH_LIMIT_BYTES);
    server->stop_check.fn = on_stop_check;
    gn_timer_init(&server->stop_timer, loop, on_stop_deadline);
    gn_http1_conn_init_timeouts(server);
    gn_handshake_gate_init(server);
    gn_proxy_gate_init(server);
    return server;
}

GN_LOOP_THREAD static void close_connections(struct gn_http_server *server)
{
    gn_proxy_gate_close_all(server);
    gn_handshake_close_all(server);
    while (!gn_list_is_empty(&server->conns)) {
        gn_http1_conn_destroy(
                GN_LIST_ENTRY(server->conns.next, struct gn_http1_conn, link), GN_ERR_CANCELLED);
    }
}

GN_LOOP_THREAD static void server_free(struct gn_http_server *server)
{
    gn_http_server_free_listeners(server);
    gn_handshake_gate_fini(server);
    gn_proxy_gate_fini(server);
    gn_clients_fini(&server->clients);
    gn_timer_stop(&server->stop_timer);
    gn_defer_cancel(&server->stop_check);
    gn_timeout_list_fini(&server->timeouts.idle);
    gn_timeout_list_fini(&server->timeouts.head);
    gn_timeout_list_fini(&server->timeouts.body);
    gn_timeout_list_fini(&server->timeouts.stall);
    gn_timeout_list_fini(&server->timeouts.linger);
    gn_exchange_pool_fini(server);
    gn_rbuf_pool_fini(&server->blocks);
    gn_buf_fini(&server->scratch);
    gn_buf_fini(&server->batch);
    gn_buf_fini(&server->aside);
    server->magic = 0;
    gn_free(server);
}

/** Exchanges and upgraded streams may outlive their server's destruction. */
GN_LOOP_THREAD static bool free_if_unused(struct gn_http_server *server)
{
    if (!server->is_orphaned || server->n_upgraded > 0 || !gn_list_is_empty(&server->exchanges)) {
        return false;
    }
    server_free(server);
    return true;
}

void gn_http_server_destroy(struct gn_http_server **server_ptr)
{
    struct gn_http_server *server = *server_ptr;

    if (server == NULL) {
        return;
    }
    GN_CHECK_OBJ(server, GN_HTTP_SERVER_MAGIC);
    *server_ptr = NULL;
    server->is_stopping = true;
    server->stop_fn = NULL;
    gn_http_server_close_listeners(server);
    close_connections(server);
    server->access_log = NULL;
    server->error_template = NULL;
    server->is_orphaned = true;
    (void)free_if_unused(server);
}

/* ---- the stop ----------------------------------------------------------- */

static bool is_over(const struct gn_http_server *server)
{
    if (server->is_cut) {
        return gn_list_is_empty(&server->conns);
    }
    return gn_list_is_empty(&server->conns) && gn_list_is_empty(&server->exchanges) &&
            gn_list_is_empty(&server->stop_hooks);
}

GN_LOOP_THREAD static void check_stop(struct gn_http_server *server)
{
    if (server->is_stopping && server->stop_fn != NULL) {
        gn_loop_defer(server->loop, &server->stop_check);
    }
}

static void on_stop_check(struct gn_defer *defer)
{
    struct gn_http_server *server = GN_CONTAINER_OF(defer, struct gn_http_server, stop_check);
    void (*fn)(void *arg) = server->stop_fn;

    gn_assert_loop_thread(server->loop);
    if (fn == NULL || !is_over(server)) {
        return;
    }
    server->stop_fn = NULL;
    gn_timer_stop(&server->stop_timer);
    fn(server->stop_arg); /* may destroy the server */
}

static void on_stop_deadline(struct gn_timer *timer)
{
    struct gn_http_server *server = GN_CONTAINER_OF(timer, struct gn_http_server, stop_timer);

    gn_assert_loop_thread(server->loop);
    if (server->stats.connections > 0) {
        gn_log_warning("the time to stop is up: cutting %u connections", server->stats.connections);
    }
    server->is_cut = true;
    close_connections(server);
    check_stop(server);
}

GN_LOOP_THREAD static void close_idle(struct gn_http_server *server)
{
    struct gn_list *node;
    struct gn_list *tmp;

    gn_proxy_gate_close_all(server);
    gn_handshake_close_all(server);
    GN_LIST_FOREACH (node, tmp, &server->conns) {
        struct gn_http1_conn *c = GN_LIST_ENTRY(node, struct gn_http1_conn, link);

        if (c->step == GN_STEP_IDLE && !c->in_run && gn_http1_conn_n_waiting(c) == 0 &&
                gn_input_n_bytes(&c->in) == 0) {
            gn_http1_conn_destroy(c, GN_ERR_CANCELLED);
        }
    }
}

GN_LOOP_THREAD static void tell_hooks(struct gn_http_server *server)
{
    struct gn_list *node;
    struct gn_list *tmp;

    GN_LIST_FOREACH (node, tmp, &server->stop_hooks) {
        struct gn_stop_hook *hook = GN_LIST_ENTRY(node, struct gn_stop_hook, link);

        hook->fn(hook, server->stop_deadline);
    }
}

void gn_http_server_stop(
        struct gn_http_server *server, gn_deadline deadline, void (*fn)(void *arg), void *arg)
{
    GN_CHECK_OBJ(server, GN_HTTP_SERVER_MAGIC);
    server->stop_fn = fn;
    server->stop_arg = arg;
    server->stop_deadline = deadline;
    gn_timer_start(&server->stop_timer, deadline);
    if (!server->is_stopping) {
        server->is_stopping = true;
        gn_http_server_close_listeners(server);
        close_idle(server);
        tell_hooks(server);
    }
    check_stop(server);
}

bool gn_http_server_is_stopping(const struct gn_http_server *server)
{
    return server->is_stopping;
}

void gn_http_server_on_stop(struct gn_http_server *server, struct gn_stop_hook *hook)
{
    gn_list_append(&server->stop_hooks, &hook->link);
    if (server->is_stopping) {
        hook->fn(hook, server->stop_deadline);
    }
}

void gn_http_server_remove_stop_hook(struct gn_http_server *server, struct gn_stop_hook *hook)
{
    gn_list_unlink(&hook->link);
    check_stop(server);
}

GN_LOOP_THREAD static void count_closed(struct gn_http_server *server)
{
    server->stats.connections--;
    if (server->is_full) {
        gn_http_server_check_full(server);
    }
}

void gn_http_server_forget_conn(struct gn_http_server *server)
{
    count_closed(server);
    check_stop(server);
}

/** A stream that was given away: its client is still counted. */
struct upgraded {
    unsigned magic;
    struct gn_http_server *server;
    struct gn_origin origin;
};

#define UPGRADED_MAGIC 0x6e08d2c5u

static void on_upgraded_closed(void *arg)
{
    struct upgraded *u = GN_CAST(struct upgraded, UPGRADED_MAGIC, arg);
    struct gn_http_server *server = u->server;

    gn_assert_loop_thread(server->loop);
    gn_origin_fini(server, &u->origin);
    u->magic = 0;
    gn_free(u);
    server->n_upgraded--;
    count_closed(server);
    (void)free_if_unused(server);
}

void gn_http_server_count_upgraded(
        struct gn_http_server *server, struct gn_stream *stream, struct gn_origin *origin)
{
    struct upgraded *u = gn_xcalloc(sizeof(*u));

    u->magic = UPGRADED_MAGIC;
    u->server = server;
    u->origin = gn_origin_take(origin);
    stream->on_closed = on_upgraded_closed;
    stream->closed_arg = u;
    server->n_upgraded++;
    server->stats.connections++; /* its connection object is about to be uncounted */
}

void gn_http_server_forget_exchange(struct gn_http_server *server)
{
    if (!free_if_unused(server)) {
        check_stop(server);
    }
}

/* ---- small services ----------------------------------------------------- */

struct gn_slice gn_http_server_date(struct gn_http_server *server)
{
    gn_deadline turn = gn_loop_now(server->loop);

    if (server->date_turn == turn && server->date.is_set) {
        return gn_slice_of(server->date.text, GN_HTTP_DATE_BYTES);
    }
    server->date_turn = turn;
    return gn_http_date_cached(&server->date, gn_clock_wall() / GN_NS_PER_S);
}

bool gn_http_server_may_log(
        struct gn_http_server *server, enum gn_notice_kind kind, unsigned *n_skipped_out)
{
    struct gn_http_notice *notice = &server->notices[kind];
    gn_deadline now = gn_loop_now(server->loop);

    if (now < notice->next) {
        notice->n_skipped++;
        return false;
    }
    *n_skipped_out = notice->n_skipped;
    *notice = (struct gn_http_notice){.next = now + NOTICE_EVERY_NS};
    return true;
}

struct gn_http_server_stats gn_http_server_stats(const struct gn_http_server *server)
{
    return server->stats;
}

const struct gn_http_limits *gn_http_server_limits(const struct gn_http_server *server)
{
    return &server->limits;
}

struct gn_loop *gn_http_server_loop(const struct gn_http_server *server)
{
    return server->loop;
}
