/* SPDX-License-Identifier: MIT */
#include "web/application.h"

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/loop/task.h"
#include "server/websocket/ws_conn.h"
#include "web/reply.h"
#include "web/websocket_handler.h"

#include "web/web_priv.h"

/*
 * The handler side of an application. `begin` routes: what is not ours is
 * delegated or answered there, before a byte of the body is read. `serve`
 * starts the route's function as a task. One that returns at once is concluded
 * right there, on the loop's own stack; one that waited is concluded by a
 * deferred call, never on its own stack, because ending an exchange may start
 * the next request of that connection.
 *
 * The request object lies in the exchange's arena: a request allocates nothing
 * once its connection is warm.
 */

/* ---- routes ---------------------------------------------------------------- */

/** Keeps the first mistake for gn_app_start. */
static void note_mistake(struct gn_application *app, enum gn_err rc, const struct gn_error *err)
{
    if (rc != GN_OK && app->error.code == GN_OK) {
        app->error = *err;
    }
}

static enum gn_err parse_methods(const char *text, unsigned *methods_out, struct gn_error *err)
{
    struct gn_slice rest = gn_slice_str(text);
    struct gn_slice name;

    *methods_out = 0;
    while (gn_slice_split(&rest, ' ', &name)) {
        enum gn_http_method method = gn_http_method_from(name);

        if (name.len == 0) {
            continue;
        }
        if (gn_slice_eq(name, GN_LIT("*"))) {
            *methods_out |= GN_METHOD_ANY;
        } else if (method == GN_METHOD_OTHER || method == GN_METHOD_CONNECT) {
            return gn_error_set(err, GN_ERR_INVALID, 0,
                    "'" GN_SLICE_FMT "' is no method that can be routed", GN_SLICE_ARG(name));
        } else {
            *methods_out |= GN_METHOD_BIT(method);
        }
    }
    return *methods_out != 0 ? GN_OK
                             : gn_error_set(err, GN_ERR_INVALID, 0, "a route needs a method");
}

static void add_route(struct gn_application *app, unsigned methods, const char *pattern,
        const struct gn_web_route *made)
{
    struct gn_web_route *route = gn_xalloc(sizeof(*route));
    struct gn_error err = {0};

    gn_assert(app->loop == NULL);
    *route = *made;
    gn_list_append(&app->routes, &route->link);
    app->has_routes = true;
    note_mistake(
            app, gn_router_add(app->router, gn_slice_str(pattern), methods, route, &err), &err);
}

void gn_app_route_with(struct gn_application *app, const char *methods, const char *pattern,
        gn_request_fn fn, const struct gn_route_options *options)
{
    struct gn_error err = {0};
    unsigned bits;
    enum gn_err rc;

    GN_CHECK_OBJ(app, GN_APPLICATION_MAGIC);
    gn_assert(fn != NULL);
    rc = parse_methods(methods, &bits, &err);
    if (rc != GN_OK) {
        note_mistake(app, rc, &err);
        return;
    }
    add_route(app, bits, pattern, &(struct gn_web_route){.fn = fn, .options = *options});
}

void gn_app_route(struct gn_application *app, const char *methods, const char *pattern,
        gn_request_fn fn, void *data)
{
    gn_app_route_with(app, methods, pattern, fn, &(struct gn_route_options){.data = data});
}

void gn_app_websocket(
        struct gn_application *app, const char *pattern, const struct gn_websocket_ops *ops)
{
    GN_CHECK_OBJ(app, GN_APPLICATION_MAGIC);
    add_route(app, GN_METHOD_BIT(GN_METHOD_GET), pattern,
            &(struct gn_web_route){.fn = gn_ws_acceptor_ask,
                    .options.data = ops->data,
                    .acceptor = gn_ws_acceptor_create(ops, pattern)});
}

void gn_app_mount(struct gn_application *app, const char *prefix, struct gn_handler *handler)
{
    struct gn_error err = {0};

    GN_CHECK_OBJ(app, GN_APPLICATION_MAGIC);
    gn_assert(app->loop == NULL);
    app->has_routes = true;
    note_mistake(app, gn_router_mount(app->router, gn_slice_str(prefix), handler, &err), &err);
}

void gn_app_fallback(struct gn_application *app, struct gn_handler *handler)
{
    GN_CHECK_OBJ(app, GN_APPLICATION_MAGIC);
    app->has_routes = true;
    app->fallback = handler;
}

bool gn_app_has_routes(const struct gn_application *app)
{
    return app->has_routes;
}

/* ---- begin: routing ---------------------------------------------------------- */

/** "GET, HEAD, OPTIONS" in the arena. */
static struct gn_slice allow_value(struct gn_arena *arena, unsigned allowed)
{
    bool has_trace = (allowed & GN_METHOD_BIT(GN_METHOD_TRACE)) != 0;
    struct gn_slice value = GN_LIT("");

    if ((allowed & GN_METHOD_ANY) != 0) {
        allowed |= GN_METHOD_BIT(GN_METHOD_N) - 1;
        allowed &= ~GN_METHOD_BIT(GN_METHOD_CONNECT) &
                ~(has_trace ? 0 : GN_METHOD_BIT(GN_METHOD_TRACE));
    }
    for (unsigned m = GN_METHOD_OTHER + 1; m < GN_METHOD_N; m++) {
        if ((allowed & GN_METHOD_BIT(m)) != 0) {
            struct gn_slice name = gn_http_method_name((enum gn_http_method)m);

            value = gn_arena_printf(arena, GN_SLICE_FMT "%s" GN_SLICE_FMT, GN_SLICE_ARG(value),
                    value.len > 0 ? ", " : "", GN_SLICE_ARG(name));
        }
    }
    return value;
}

/** Answers OPTIONS with 204, anything else with 405. */
GN_LOOP_THREAD static void answer_allowed(struct gn_exchange *ex, unsigned allowed)
{
    struct gn_header allow = GN_HEADER(ALLOW, "Allow", allow_value(&ex->arena, allowed));
    struct gn_response response = {.status = 204, .headers = &allow, .n_headers = 1};

    if (ex->head->method != GN_METHOD_OPTIONS) {
        struct gn_request r = {.ex = ex, .headers = &allow, .n_headers = 1};

        gn_reply_error(&r, 405, GN_LIT(""));
        return;
    }
    gn_exchange_reply(ex, &response);
}

static struct gn_slice joined(struct gn_arena *arena, struct gn_slice a, struct gn_slice b)
{
    if (a.len == 0) {
        return b;
    }
    if (a.ptr + a.len == b.ptr) {
        return gn_slice_of(a.ptr, a.len + b.len);
    }
    return gn_arena_printf(arena, GN_SLICE_FMT GN_SLICE_FMT, GN_SLICE_ARG(a), GN_SLICE_ARG(b));
}

GN_LOOP_THREAD static void enter_mount(struct gn_exchange *ex, const struct gn_route_match *m)
{
    struct gn_slice prefix = gn_slice_of(ex->path_info.ptr, m->mount_len);

    ex->script_name = joined(&ex->arena, ex->script_name, prefix);
    ex->path_info = gn_slice_skip(ex->path_info, m->mount_len);
    gn_exchange_delegate(ex, m->mount);
}

static void on_done(struct gn_defer *defer);

GN_LOOP_THREAD static void make_request(
        struct gn_application *app, struct gn_exchange *ex, const struct gn_route_match *m)
{
    struct gn_request *r = gn_arena_calloc(&ex->arena, sizeof(*r));
    const struct gn_web_route *route = m->route->target;

    r->magic = GN_REQUEST_MAGIC;
    r->ex = ex;
    r->app = app;
    r->route = route;
    r->names = m->route;
    r->done.fn = on_done;
    gn_cond_init(&r->news);
    gn_list_init(&r->link);
    if (m->route->n_names > 0) {
        size_t size = m->route->n_names * sizeof(struct gn_slice);

        r->path_values = memcpy(gn_arena_alloc(&ex->arena, size), m->values, size);
    }
    ex->handler_data = r;
    if (route->options.body_limit_bytes > 0) {
        ex->body_limit_bytes = route->options.body_limit_bytes;
    }
    if (route->options.stream_body) {
        ex->body_mode = GN_BODY_STREAM;
    }
    if (route->acceptor != NULL) {
        (void)gn_ws_acceptor_check(r);
    }
}

GN_LOOP_THREAD static void not_found(struct gn_application *app, struct gn_exchange *ex)
{
    if (app->fallback != NULL) {
        gn_exchange_delegate(ex, app->fallback);
    } else {
        gn_exchange_reply_error(ex, 404, GN_LIT(""));
    }
}

static void app_begin(struct gn_handler *h, struct gn_exchange *ex)
{
    struct gn_application *app = GN_CONTAINER_OF(h, struct gn_application, handler);
    struct gn_route_match m;

    GN_CHECK_OBJ(app, GN_APPLICATION_MAGIC);
    gn_assert_loop_thread(app->loop);
    ex->handler_data = NULL;
    if (ex->head->form == GN_FORM_ASTERISK) {
        answer_allowed(ex, GN_METHOD_ANY);
        return;
    }
    switch (gn_router_match(app->router, &ex->arena, ex->path_info, ex->head->method, &m)) {
    case GN_ROUTE_FOUND:
        make_request(app, ex, &m);
        break;
    case GN_ROUTE_NO_METHOD:
        answer_allowed(ex, m.allowed);
        break;
    case GN_ROUTE_MOUNT:
        enter_mount(ex, &m);
        break;
    case GN_ROUTE_NONE:
        not_found(app, ex);
        break;
    case GN_ROUTE_BAD:
        gn_exchange_reply_error(ex, 400, GN_LIT("the path holds %00"));
        break;
    }
}

/* ---- serve: the task ----------------------------------------------------------- */

static void run_handler(void *arg)
{
    struct gn_request *r = GN_CAST(struct gn_request, GN_REQUEST_MAGIC, arg);

    gn_assert_loop_thread(r->app->loop);
    r->rc = r->route->fn(r);
    r->has_returned = true;
    r->task = NULL;
    if (r->has_waited) {
        gn_loop_defer(r->app->loop, &r->done);
    }
}

GN_LOOP_THREAD static void conclude(struct gn_request *r)
{
    if (r->route->acceptor != NULL && r->rc == GN_OK && r->status == 0) {
        gn_ws_acceptor_upgrade(r);
    } else {
        gn_reply_conclude(r);
    }
}

static void on_done(struct gn_defer *defer)
{
    struct gn_request *r = GN_CONTAINER_OF(defer, struct gn_request, done);

    GN_CHECK_OBJ(r, GN_REQUEST_MAGIC);
    gn_assert_loop_thread(r->app->loop);
    gn_list_unlink(&r->link);
    conclude(r);
}

static void app_serve(struct gn_handler *h, struct gn_exchange *ex)
{
    struct gn_application *app = GN_CONTAINER_OF(h, struct gn_application, handler);
    struct gn_request *r = GN_CAST(struct gn_request, GN_REQUEST_MAGIC, ex->handler_data);
    struct gn_task *task;

    gn_assert_loop_thread(app->loop);
    if (gn_task_start(app->tasks, run_handler, r, &task) != GN_OK) {
        gn_reply_header(r, "Retry-After", GN_LIT("1"));
        gn_reply_error(r, 503, GN_LIT("too many requests are waiting"));
        return;
    }
    if (r->has_returned) {
        conclude(r);
        return;
    }
    r->task = task;
    r->has_waited = true;
    gn_list_append(&app->waiting, &r->link);
}

/** Somebody waits for body or room? */
GN_LOOP_THREAD static void tell(struct gn_exchange *ex)
{
    struct gn_request *r = GN_CAST(struct gn_request, GN_REQUEST_MAGIC, ex->handler_data);

    gn_cond_broadcast(&r->news);
}

static void app_body(struct gn_handler *h, struct gn_exchange *ex)
{
    gn_assert_loop_thread(GN_CONTAINER_OF(h, struct gn_application, handler)->loop);
    tell(ex);
}

static void app_drained(struct gn_handler *h, struct gn_exchange *ex)
{
    struct gn_request *r = GN_CAST(struct gn_request, GN_REQUEST_MAGIC, ex->handler_data);

    gn_assert_loop_thread(GN_CONTAINER_OF(h, struct gn_application, handler)->loop);
    r->is_full = false;
    tell(ex);
}

static void app_cancel(struct gn_handler *h, struct gn_exchange *ex, enum gn_err why)
{
    struct gn_request *r = GN_CAST(struct gn_request, GN_REQUEST_MAGIC, ex->handler_data);

    (void)why;
    gn_assert_loop_thread(GN_CONTAINER_OF(h, struct gn_application, handler)->loop);
    if (r->task != NULL) {
        gn_task_cancel(r->task);
    }
}

static void app_release(struct gn_handler *h, struct gn_exchange *ex)
{
    struct gn_request *r = ex->handler_data;

    (void)h;
    if (r != NULL) {
        GN_CHECK_OBJ(r, GN_REQUEST_MAGIC);
        gn_assert(!gn_list_is_linked(&r->link));
        r->magic = 0;
        ex->handler_data = NULL;
    }
}

static const struct gn_handler_ops app_ops = {
        .name = "application",
        .begin = app_begin,
        .serve = app_serve,
        .body = app_body,
        .drained = app_drained,
        .cancel = app_cancel,
        .release = app_release,
};

/* ---- life ------------------------------------------------------------------------ */

struct gn_application *gn_app_create(void)
{
    struct gn_application *app = gn_xcalloc(sizeof(*app));

    app->handler.ops = &app_ops;
    app->magic = GN_APPLICATION_MAGIC;
    app->router = gn_router_create();
    gn_list_init(&app->routes);
    gn_list_init(&app->waiting);
    gn_list_init(&app->services);
    gn_list_init(&app->modules);
    return app;
}

struct gn_app_options gn_app_options_default(void)
{
    return (struct gn_app_options){
            .max_tasks = 4096,
            .max_idle_stacks = 64,
            .websocket = gn_ws_timeouts_default(),
            .ws_message_bytes = GN_WS_MESSAGE_BYTES,
            .ws_queue_bytes = GN_WS_QUEUE_BYTES,
    };
}

enum gn_err gn_app_start(struct gn_application *app, struct gn_loop *loop,
        const struct gn_app_options *options, struct gn_error *err)
{
    GN_CHECK_OBJ(app, GN_APPLICATION_MAGIC);
    gn_assert(app->loop == NULL);
    if (app->error.code != GN_OK) {
        return gn_error_set(err, app->error.code, 0, "%s", app->error.message);
    }
    app->options = options != NULL ? *options : gn_app_options_default();
    app->loop = loop;
    app->tasks = gn_task_pool_create(loop, app->options.max_tasks, app->options.max_idle_stacks);
    app->executor = app->options.executor;
    if (app->executor == NULL) {
        const struct gn_executor_options defaults = gn_executor_options_default();

        app->executor = gn_executor_create(loop, &defaults);
        app->owns_executor = true;
    }
    return gn_modules_start(app, err);
}

void gn_app_stop(struct gn_application *app)
{
    struct gn_list *node;
    struct gn_list *next;

    GN_CHECK_OBJ(app, GN_APPLICATION_MAGIC);
    if (app->loop == NULL || app->is_stopped) {
        return;
    }
    app->is_stopped = true;
    GN_LIST_FOREACH (node, next, &app->waiting) {
        struct gn_request *r = GN_LIST_ENTRY(node, struct gn_request, link);

        if (r->task != NULL) {
            gn_task_cancel(r->task);
        }
    }
    gn_ws_abort_all(app);
}

/** Ends what gn_app_start began. */
GN_LOOP_THREAD static void end_run(struct gn_application *app)
{
    gn_app_stop(app);
    if (app->owns_executor &&
            gn_executor_stop(&app->executor, gn_deadline_after_ms(gn_clock_now(), 5000)) != GN_OK) {
        gn_log_warning("functions on worker threads have not returned within 5 s");
    }
    gn_loop_run_once(app->loop); /* what was deferred */
    gn_ws_free_services(app);
    if (gn_task_pool_n_alive(app->tasks) == 0) {
        gn_task_pool_destroy(&app->tasks);
    }
}

void gn_app_destroy(struct gn_application **app_ptr)
{
    struct gn_application *app = *app_ptr;
    struct gn_list *node;

    if (app == NULL) {
        return;
    }
    GN_CHECK_OBJ(app, GN_APPLICATION_MAGIC);
    if (app->loop != NULL) {
        end_run(app);
    }
    gn_modules_teardown(app);
    while ((node = gn_list_pop(&app->routes)) != NULL) {
        struct gn_web_route *route = GN_LIST_ENTRY(node, struct gn_web_route, link);

        gn_ws_acceptor_destroy(&route->acceptor);
        gn_free(route);
    }
    gn_router_destroy(&app->router);
    app->magic = 0;
    gn_free(app);
    *app_ptr = NULL;
}

struct gn_handler *gn_app_handler(struct gn_application *app)
{
    return &app->handler;
}

struct gn_loop *gn_app_loop(const struct gn_application *app)
{
    return app->loop;
}

struct gn_task_pool *gn_app_tasks(const struct gn_application *app)
{
    return app->tasks;
}

struct gn_executor *gn_app_executor(const struct gn_application *app)
{
    return app->executor;
}
