/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/base/obj.h"
#include "server/http/access_log.h"
#include "server/http/request_id.h"

#include "server/http/exchange_priv.h"

/*
 * An exchange from the pool and back: taken at the first byte of a head, ended
 * when the handler is done, or when it never owed anything. What a request
 * needs is kept between two of them: the arena's first block, a small body
 * buffer, the array of header fields.
 */

#define MAX_FREE_EXCHANGES 256u
#define MAX_FREE_BYTES (4u << 20)

static void on_end(struct gn_defer *defer)
{
    struct gn_exchange_private *p = GN_CONTAINER_OF(defer, struct gn_exchange_private, end);

    gn_assert_loop_thread(p->server->loop);
    gn_exchange_end(p);
}

static struct gn_exchange_private *exchange_create(struct gn_http_server *server)
{
    size_t fields = server->limits.fields * sizeof(struct gn_header);
    struct gn_exchange_private *p = gn_xcalloc(sizeof(*p) + fields);

    p->server = server;
    p->ex.priv = p;
    p->end.fn = on_end;
    gn_list_init(&p->link);
    gn_http1_parser_init(&p->parser, &server->head_limits);
    gn_body_init(&p->ex.body, server->limits.body_memory_bytes);
    return p;
}

static void exchange_free(struct gn_exchange_private *p)
{
    gn_body_fini(&p->ex.body);
    gn_arena_fini(&p->ex.arena);
    gn_free(p);
}

void gn_exchange_pool_fini(struct gn_http_server *server)
{
    struct gn_list *node;

    while ((node = gn_list_pop(&server->free_exchanges)) != NULL) {
        exchange_free(GN_LIST_ENTRY(node, struct gn_exchange_private, link));
    }
    server->n_free_exchanges = 0;
}

/** What the PROXY header said, kept with the exchange: that may outlive the connection. */
GN_LOOP_THREAD static void take_proxied(struct gn_exchange *ex, const struct gn_proxied *proxied)
{
    struct gn_addr *proxy = gn_arena_alloc(&ex->arena, sizeof(*proxy));

    *proxy = proxied->proxy;
    ex->proxy = proxy;
    ex->server_port = proxied->server_port;
    ex->is_tls = ex->is_tls || proxied->is_tls;
}

struct gn_exchange_private *gn_exchange_take(struct gn_http1_conn *conn)
{
    struct gn_http_server *server = conn->server;
    struct gn_list *node = gn_list_pop(&server->free_exchanges);
    struct gn_exchange_private *p;

    if (node != NULL) {
        p = GN_LIST_ENTRY(node, struct gn_exchange_private, link);
        server->n_free_exchanges--;
    } else {
        p = exchange_create(server);
    }
    gn_list_append(&server->exchanges, &p->link);
    p->conn = conn;
    p->serial = ++server->n_exchanges;
    p->ex.magic = GN_EXCHANGE_MAGIC;
    p->ex.head = &p->head;
    p->ex.peer = conn->origin.peer;
    p->ex.peer_is_trusted = conn->peer_is_trusted;
    p->ex.local = conn->origin.local;
    p->ex.is_tls = conn->stream->is_tls;
    if (GN_UNLIKELY(conn->origin.proxied != NULL)) {
        take_proxied(&p->ex, conn->origin.proxied);
    }
    p->ex.tls = conn->stream->tls != NULL ? gn_tls_facts_ref(conn->stream->tls) : NULL;
    p->ex.script_name = gn_slice_of("", 0);
    p->ex.path_info = gn_slice_of("", 0);
    p->ex.body_limit_bytes = server->limits.body_bytes;
    p->ex.body.memory_limit_bytes = server->limits.body_memory_bytes;
    p->ex.handler = server->handler;
    p->ex.times.first_byte = gn_loop_now(server->loop);
    gn_http1_parser_begin(&p->parser, &p->head, p->headers, server->limits.fields);
    return p;
}

/**
 * Some proxies take any answer to a WebSocket's handshake for the beginning of
 * a tunnel: what comes behind one that fails must not be taken for requests.
 */
GN_LOOP_THREAD static bool may_keep_alive(const struct gn_exchange_private *p)
{
    unsigned max_requests = p->server->limits.requests_per_conn;

    return !p->server->is_stopping && !p->head.wants_websocket &&
            (max_requests == 0 || p->conn->n_requests < max_requests);
}

void gn_exchange_begin(struct gn_exchange_private *p)
{
    const struct gn_http1_conn *c = p->conn;

    gn_http1_writer_init(&p->ex.writer, &p->head, may_keep_alive(p));
    p->ex.path_info = p->head.path;
    p->continue_owed = p->head.expect_continue && !gn_http1_body_is_done(&c->body);
    p->has_begun = true;
    if (GN_UNLIKELY(p->server->shows_request_ids)) {
        p->ex.request_id = gn_exchange_request_id(&p->ex);
    }
    if (p->ex.handler->ops->begin != NULL) {
        p->ex.handler->ops->begin(p->ex.handler, &p->ex);
    }
}

void gn_exchange_serve(struct gn_exchange_private *p)
{
    p->ex.times.ready = gn_loop_now(p->server->loop);
    p->is_served = true;
    p->server->stats.exchanges++;
    p->ex.handler->ops->serve(p->ex.handler, &p->ex);
}

void gn_exchange_delegate(struct gn_exchange *ex, struct gn_handler *to)
{
    struct gn_exchange_private *p = ex->priv;

    gn_assert(p->has_begun && !p->is_finished);
    ex->handler = to;
    ex->handler_data = NULL;
    if (to->ops->begin != NULL) {
        to->ops->begin(to, ex);
    }
    if (p->is_served && !p->is_finished && ex->handler == to) {
        to->ops->serve(to, ex);
    }
}

void gn_exchange_cancel(struct gn_exchange_private *p, enum gn_err why)
{
    if (p->is_cancelled || p->is_finished) {
        return;
    }
    p->is_cancelled = true;
    if (p->ex.handler->ops->cancel != NULL) {
        p->ex.handler->ops->cancel(p->ex.handler, &p->ex, why);
    }
}

void gn_exchange_orphan(struct gn_exchange_private *p, enum gn_err why)
{
    p->conn = NULL;
    if (p->is_finished || !p->is_served) {
        gn_exchange_end(p);
        return;
    }
    gn_exchange_cancel(p, why);
}

void gn_exchange_note_input(struct gn_exchange_private *p)
{
    const struct gn_http1_conn *c = p->conn;

    p->ex.bytes_in = p->has_head ? p->head.head_bytes + c->body.offset : gn_input_n_bytes(&c->in);
}

struct gn_slice gn_exchange_request_id(const struct gn_exchange *ex)
{
    struct gn_exchange_private *p = ex->priv;
    struct gn_slice sent;
    char *made;

    if (p->request_id.len > 0) {
        return p->request_id;
    }
    if (ex->peer_is_trusted && p->has_head) {
        sent = gn_http1_head_value(ex->head, GN_HDR_X_REQUEST_ID);
        if (gn_request_id_is_good(sent)) {
            p->request_id = sent;
            return sent;
        }
    }
    made = gn_arena_alloc(&p->ex.arena, GN_REQUEST_ID_BYTES);
    gn_request_id_make(&p->server->request_ids, p->serial, made);
    p->request_id = gn_slice_of(made, GN_REQUEST_ID_BYTES);
    return p->request_id;
}

/** The pool is bounded in bytes too: limits.fields may be large. */
static unsigned max_free(const struct gn_http_server *server)
{
    size_t size =
            sizeof(struct gn_exchange_private) + server->limits.fields * sizeof(struct gn_header);

    return (unsigned)GN_MIN((size_t)MAX_FREE_EXCHANGES, MAX_FREE_BYTES / size);
}

/** Everything but what is worth keeping goes back to zero. */
static void reset(struct gn_exchange_private *p)
{
    struct gn_arena arena = p->ex.arena;
    struct gn_body body = p->ex.body;

    memset(&p->ex, 0, sizeof(p->ex));
    p->ex.arena = arena;
    p->ex.body = body;
    p->ex.priv = p;
    memset((char *)p + GN_EXCHANGE_RESET_FROM, 0, GN_EXCHANGE_RESET_BYTES);
}

void gn_exchange_end(struct gn_exchange_private *p)
{
    struct gn_http_server *server = p->server;

    GN_CHECK_OBJ(&p->ex, GN_EXCHANGE_MAGIC);
    gn_defer_cancel(&p->end);
    if (p->is_aborted && p->ex.response_bytes == 0 && p->ex.bytes_out > p->n_head_out) {
        p->ex.response_bytes = p->ex.bytes_out - p->n_head_out; /* nobody knows it better */
    }
    if (server->access_log != NULL && (p->has_head || p->ex.status != 0)) {
        gn_access_log_write(server->access_log, &p->ex);
    }
    if (p->has_begun && p->ex.handler->ops->release != NULL) {
        p->ex.handler->ops->release(p->ex.handler, &p->ex);
    }
    if (p->is_served) {
        server->stats.exchanges--;
    }
    gn_tls_facts_unref(&p->ex.tls);
    gn_bufq_clear(&p->body_in);
    gn_arena_reset(&p->ex.arena);
    gn_body_reset(&p->ex.body);
    gn_rbuf_unref(&server->blocks, &p->block);
    gn_list_unlink(&p->link);
    reset(p);
    if (server->n_free_exchanges < max_free(server) && !GN_ASAN) {
        gn_list_prepend(&server->free_exchanges, &p->link);
        server->n_free_exchanges++;
    } else {
        exchange_free(p);
    }
    gn_http_server_forget_exchange(server);
}

int gn_err_http_status(enum gn_err err)
{
    switch (err) {
    case GN_OK:
        return 200;
    case GN_ERR_PROTOCOL:
    case GN_ERR_INVALID:
    case GN_ERR_EOF:
        return 400;
    case GN_ERR_REFUSED:
        return 403;
    case GN_ERR_NOT_FOUND:
        return 404;
    case GN_ERR_EXISTS:
        return 409;
    case GN_ERR_TOO_BIG:
        return 413;
    case GN_ERR_GONE:
        return 499; /* nobody reads it; for the log */
    case GN_ERR_UNSUPPORTED:
        return 501;
    case GN_ERR_FULL:
    case GN_ERR_NO_MEMORY:
    case GN_ERR_CANCELLED:
    case GN_ERR_CLOSED:
        return 503;
    case GN_ERR_TIMEOUT:
        return 504;
    case GN_ERR_NO_SPACE:
        return 507;
    case GN_ERR_WANT_READ:
    case GN_ERR_WANT_WRITE:
    case GN_ERR_IO:
    case GN_ERR_SYSTEM:
    case GN_ERR_PYTHON:
    case GN_ERR_BUG:
    case GN_ERR_N_CODES:
        break;
    }
    return 500;
}
