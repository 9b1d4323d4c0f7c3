/* SPDX-License-Identifier: MIT */
#include "server/http/exchange.h"
#include "server/loop/cond.h"
#include "tests/support/test.h"
#include "tests/web/web_fixture.h"
#include "web/reply.h"
#include "web/request.h"

/* Routing over a connection, handlers as tasks, their ends. */

static unsigned n_started;
static unsigned n_ended;
static enum gn_err ended_with;

GN_LOOP_THREAD static enum gn_err say_path(struct gn_request *r)
{
    return gn_reply_text(r, 200, gn_request_path(r));
}

GN_LOOP_THREAD static enum gn_err say_method(struct gn_request *r)
{
    return gn_reply_text(r, 200, gn_request_method_name(r));
}

GN_LOOP_THREAD static enum gn_err say_data(struct gn_request *r)
{
    return gn_reply_text(r, 200, gn_slice_str(gn_request_data(r)));
}

GN_LOOP_THREAD static enum gn_err sleep_first(struct gn_request *r)
{
    n_started++;
    ended_with = gn_sleep_await(gn_after_ms(r, 1));
    n_ended++;
    GN_TRY(ended_with);
    return gn_reply_text(r, 200, GN_LIT("slept"));
}

GN_LOOP_THREAD static enum gn_err sleep_for_ever(struct gn_request *r)
{
    (void)r;
    n_started++;
    ended_with = gn_sleep_await(GN_NEVER);
    n_ended++;
    return ended_with;
}

static void compute(void *arg)
{
    *(int *)arg = 42;
}

GN_LOOP_THREAD static enum gn_err run_elsewhere(struct gn_request *r)
{
    int answer = 0;

    GN_TRY(gn_run_await(r, compute, &answer, gn_after_ms(r, 10000)));
    return gn_reply_textf(r, 200, "%d", answer);
}

GN_LOOP_THREAD static enum gn_err reply_nothing(struct gn_request *r)
{
    (void)r;
    return GN_OK;
}

GN_LOOP_THREAD static enum gn_err fail_plainly(struct gn_request *r)
{
    (void)r;
    return GN_ERR_BUG;
}

static void init(struct web_fixture *f)
{
    static char data[] = "the data";

    n_started = 0;
    n_ended = 0;
    web_init(f);
    gn_app_get(f->app, "/path/{rest:path}", say_path);
    gn_app_route(f->app, "GET POST", "/method", say_method, NULL);
    gn_app_route(f->app, "*", "/any", say_method, NULL);
    gn_app_route(f->app, "GET", "/data", say_data, data);
    gn_app_get(f->app, "/sleep", sleep_first);
    gn_app_get(f->app, "/for-ever", sleep_for_ever);
    gn_app_get(f->app, "/run", run_elsewhere);
    gn_app_get(f->app, "/nothing", reply_nothing);
    gn_app_get(f->app, "/bug", fail_plainly);
}

static void expect(struct web_fixture *f, const char *target, int status, const char *body)
{
    struct web_answer a = web_get(f, target);

    cr_assert_eq(a.status, status, "%s: %d", target, a.status);
    cr_assert(gn_slice_eq(a.body, gn_slice_str(body)), "%s: %.*s", target, (int)a.body.len,
            a.body.ptr);
}

Test(application, serves_one_request_after_the_other)
{
    struct web_fixture f;

    init(&f);
    web_start(&f);
    for (int i = 0; i < 3; i++) {
        expect(&f, "/path/a/b", 200, "/path/a/b");
        expect(&f, "/data", 200, "the data");
        expect(&f, "/sleep", 200, "slept");
        expect(&f, "/run", 200, "42");
        expect(&f, "/nothing", 204, "");
        cr_assert_eq(web_get(&f, "/none").status, 404);
        cr_assert_eq(web_get(&f, "/bug").status, 500);
        cr_assert_eq(web_get(&f, "/path/%00").status, 400);
    }
    web_end(&f);
}

Test(application, answers_pipelined_requests_in_order)
{
    struct web_fixture f;

    init(&f);
    web_start(&f);
    web_put(&f, &f.client,
            GN_LIT("GET /sleep HTTP/1.1\r\nHost: a\r\n\r\nGET /data HTTP/1.1\r\nHost: "
                   "a\r\n\r\nGET /run HTTP/1.1\r\nHost: a\r\n\r\n"));
    cr_assert(gn_slice_eq(web_take(&f, &f.client).body, GN_LIT("slept")));
    cr_assert(gn_slice_eq(web_take(&f, &f.client).body, GN_LIT("the data")));
    cr_assert(gn_slice_eq(web_take(&f, &f.client).body, GN_LIT("42")));
    web_end(&f);
}

Test(application, answers_methods_without_a_route)
{
    struct web_fixture f;
    struct web_answer a;

    init(&f);
    web_start(&f);
    a = web_send(&f, "PUT", "/method", "", "");
    cr_assert_eq(a.status, 405);
    cr_assert(gn_slice_eq(web_field(&a, "Allow"), GN_LIT("GET, HEAD, POST, OPTIONS")), "%.*s",
            (int)a.head.len, a.head.ptr);
    a = web_send(&f, "OPTIONS", "/method", "", "");
    cr_assert_eq(a.status, 204);
    cr_assert(gn_slice_eq(web_field(&a, "Allow"), GN_LIT("GET, HEAD, POST, OPTIONS")));
    a = web_send(&f, "OPTIONS", "*", "", "");
    cr_assert_eq(a.status, 204);
    cr_assert_not_null(web_field(&a, "Allow").ptr);
    a = web_send(&f, "BREW", "/method", "", "");
    cr_assert_eq(a.status, 405);
    a = web_send(&f, "BREW", "/any", "", "");
    cr_assert_eq(a.status, 200);
    cr_assert(gn_slice_eq(a.body, GN_LIT("BREW")));
    a = web_send(&f, "TRACE", "/any", "", "");
    cr_assert_eq(a.status, 405);
    cr_assert(gn_slice_eq(
            web_field(&a, "Allow"), GN_LIT("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH")));
    web_end(&f);
}

Test(application, serves_head_by_the_get_route)
{
    struct web_fixture f;
    struct web_answer a;

    init(&f);
    web_start(&f);
    a = web_ask(&f, "HEAD /data HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    cr_assert_eq(a.status, 200);
    cr_assert(gn_slice_eq(web_field(&a, "Content-Length"), GN_LIT("8")));
    cr_assert_eq(a.body.len, 0);
    web_end(&f);
}

Test(application, cancels_a_handler_whose_client_goes)
{
    struct web_fixture f;

    init(&f);
    web_start(&f);
    /* An answer nobody read makes the end of the socket a reset, not half a close. */
    web_put(&f, &f.client, GN_LIT("GET /data HTTP/1.1\r\nHost: a\r\n\r\n"));
    web_put(&f, &f.client, GN_LIT("GET /for-ever HTTP/1.1\r\nHost: a\r\n\r\n"));
    cr_assert_eq(n_started, 1);
    cr_assert_eq(n_ended, 0);
    web_hang_up(&f, &f.client);
    web_wait(&f, &n_ended, 1);
    cr_assert_eq(ended_with, GN_ERR_CANCELLED);
    web_end(&f);
}

Test(application, cancels_handlers_when_it_stops)
{
    struct web_fixture f;

    init(&f);
    web_start(&f);
    web_put(&f, &f.client, GN_LIT("GET /for-ever HTTP/1.1\r\nHost: a\r\n\r\n"));
    web_end(&f);
    cr_assert_eq(n_ended, 1);
    cr_assert_eq(ended_with, GN_ERR_CANCELLED);
}

Test(application, answers_503_beyond_its_tasks)
{
    struct gn_app_options options = gn_app_options_default();
    struct web_client other;
    struct web_fixture f;
    struct web_answer a;

    init(&f);
    options.max_tasks = 1;
    web_start_with(&f, &options);
    web_connect(&f, &other);
    web_put(&f, &other, GN_LIT("GET /data HTTP/1.1\r\nHost: a\r\n\r\n"));
    web_put(&f, &other, GN_LIT("GET /for-ever HTTP/1.1\r\nHost: a\r\n\r\n"));
    a = web_get(&f, "/data");
    cr_assert_eq(a.status, 503);
    cr_assert_not_null(web_field(&a, "Retry-After").ptr);
    web_hang_up(&f, &other);
    web_wait(&f, &n_ended, 1);
    cr_assert_eq(web_get(&f, "/data").status, 200);
    web_end(&f);
}

Test(application, bounds_the_body_per_route)
{
    struct web_fixture f;

    web_init(&f);
    gn_app_route_with(
            f.app, "POST", "/small", say_method, &(struct gn_route_options){.body_limit_bytes = 4});
    web_start(&f);
    cr_assert_eq(web_send(&f, "POST", "/small", "", "1234").status, 200);
    cr_assert_eq(web_send(&f, "POST", "/small", "", "12345").status, 413);
    web_end(&f);
}

/* ---- mounts and fallbacks ------------------------------------------------------- */

static void serve_names(struct gn_handler *h, struct gn_exchange *ex)
{
    struct gn_response response = {.status = 200};

    (void)h;
    gn_assert_loop_thread(gn_exchange_loop(ex));
    response.body = gn_arena_printf(&ex->arena, GN_SLICE_FMT "|" GN_SLICE_FMT,
            GN_SLICE_ARG(ex->script_name), GN_SLICE_ARG(ex->path_info));
    gn_exchange_reply(ex, &response);
}

static const struct gn_handler_ops names_ops = {.name = "names", .serve = serve_names};

Test(application, delegates_to_mounts_and_the_fallback)
{
    struct gn_handler names = {.ops = &names_ops};
    struct web_fixture f;

    init(&f);
    gn_app_mount(f.app, "/blog", &names);
    gn_app_fallback(f.app, &names);
    cr_assert(gn_app_has_routes(f.app));
    web_start(&f);
    expect(&f, "/blog", 200, "/blog|");
    expect(&f, "/blog/", 200, "/blog|/");
    expect(&f, "/blog/a%2Fb", 200, "/blog|/a%2Fb");
    expect(&f, "/blogger", 200, "|/blogger");
    expect(&f, "/data", 200, "the data");
    cr_assert_eq(web_send(&f, "PUT", "/data", "", "").status, 405);
    web_end(&f);
}

Test(application, may_be_mounted_in_another)
{
    struct gn_handler names = {.ops = &names_ops};
    struct gn_application *inner = gn_app_create();
    struct web_fixture f;

    web_init(&f);
    f.inner = inner;
    gn_assert_loop_thread(f.loop);
    gn_app_get(inner, "/", say_path);
    gn_app_get(inner, "/x", say_path);
    gn_app_mount(inner, "/deep", &names);
    cr_assert_eq(gn_app_start(inner, f.loop, NULL, NULL), GN_OK);
    gn_app_mount(f.app, "/in", gn_app_handler(inner));
    web_start(&f);
    expect(&f, "/in/x", 200, "/x");
    expect(&f, "/in", 200, "");
    expect(&f, "/in/deep/y", 200, "/in/deep|/y");
    cr_assert_eq(web_get(&f, "/in/none").status, 404);
    web_end(&f);
}

/* ---- mistakes ---------------------------------------------------------------------- */

Test(application, reports_the_first_mistake_at_the_start)
{
    struct gn_error err = {0};
    struct web_fixture f;

    web_init(&f);
    gn_assert_loop_thread(f.loop);
    gn_app_get(f.app, "/fine", say_path);
    gn_app_get(f.app, "no-slash", say_path);
    gn_app_route(f.app, "BREW", "/x", say_path, NULL);
    cr_assert_eq(gn_app_start(f.app, f.loop, NULL, &err), GN_ERR_INVALID);
    cr_assert_str_eq(err.message, "pattern 'no-slash' must start with /");
    web_end(&f);
}

Test(application, refuses_methods_it_cannot_route)
{
    static const char *const methods[] = {"", "BREW", "get", "CONNECT", "GET BREW"};

    for (size_t i = 0; i < GN_ARRAY_LEN(methods); i++) {
        struct web_fixture f;

        web_init(&f);
        gn_assert_loop_thread(f.loop);
        gn_app_route(f.app, methods[i], "/x", say_path, NULL);
        cr_assert_eq(gn_app_start(f.app, f.loop, NULL, NULL), GN_ERR_INVALID, "%s", methods[i]);
        web_end(&f);
    }
}

Test(application, may_be_destroyed_without_a_start)
{
    struct gn_application *app = gn_app_create();
    struct gn_loop *loop;

    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    gn_app_get(app, "/x", say_path);
    gn_app_destroy(&app);
    cr_assert_null(app);
    gn_app_destroy(&app);
    gn_loop_destroy(&loop);
}
