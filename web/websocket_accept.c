/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/websocket/ws_service.h"
#include "web/websocket_handler.h"

#include "web/web_priv.h"
#include "web/websocket_priv.h"

/*
 * From a request on a WebSocket route to a connection: the handshake is judged
 * before anything else, at the head; `accept` runs as the request's task; then
 * the exchange gives its stream away. What the connection needs of the request
 * is copied, because the request ends there.
 */

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
        gn_assert(n < GN_WEBSOCKET_NAMES);
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

    ws->app = r->app;
    ws->acceptor = r->route->acceptor;
    ws->user = r->ws_user;
    gn_websocket_init(ws);
    copy_facts(ws, r);
    return ws;
}

void gn_ws_acceptor_upgrade(struct gn_request *r)
{
    const struct gn_websocket_ops *ops = r->route->acceptor->ops;
    struct gn_websocket *ws = make_websocket(r);
    struct gn_ws_conn_config config = {
            .ops = &gn_websocket_conn_ops,
            .owner = ws,
            .deflate = r->deflate,
            .message_bytes =
                    ops->message_bytes != 0 ? ops->message_bytes : r->app->options.ws_message_bytes,
            .queue_bytes =
                    ops->queue_bytes != 0 ? ops->queue_bytes : r->app->options.ws_queue_bytes,
    };
    struct gn_ws_service *service = service_for(r->app, gn_exchange_server(r->ex));

    if (gn_ws_conn_accept(service, r->ex, r->handshake, &config, &ws->conn) == GN_OK) {
        gn_websocket_begin(ws);
    } else {
        ws->code = GN_WS_CLOSE_ABNORMAL;
        gn_websocket_end(ws);
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
