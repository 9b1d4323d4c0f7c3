/* SPDX-License-Identifier: MIT */
#include "web/app_run.h"

#include <signal.h>

#include "server/base/log.h"
#include "server/http/http_server.h"
#include "server/loop/signals.h"
#include "server/net/listener.h"
#include "server/net/trust.h"

/*
 * Start-up in one order, the end in the opposite one. A signal asks the server
 * to stop; the server's own callback, or a second signal, stops the loop.
 */

#define DRAIN_MS 1000 /* for handlers that are on their way out when the loop has stopped */

struct runner {
    struct gn_application *app;
    const struct gn_run_options *options;
    struct gn_loop *loop;
    struct gn_http_server *server;
    struct gn_trust *proxies;
    struct gn_signal on_term;
    struct gn_signal on_int;
    bool is_stopping;
    bool watches;
};

static void on_stopped(void *arg)
{
    struct runner *run = arg;

    gn_assert_loop_thread(run->loop);
    gn_loop_stop(run->loop);
}

GN_LOOP_THREAD static void stop(struct runner *run)
{
    if (run->is_stopping) {
        gn_loop_stop(run->loop);
        return;
    }
    run->is_stopping = true;
    gn_http_server_stop(
            run->server, gn_loop_after_ms(run->loop, run->options->graceful_ms), on_stopped, run);
}

static void on_term(struct gn_signal *watch, int signum)
{
    (void)signum;
    gn_assert_loop_thread(watch->loop);
    stop(GN_CONTAINER_OF(watch, struct runner, on_term));
}

static void on_int(struct gn_signal *watch, int signum)
{
    (void)signum;
    gn_assert_loop_thread(watch->loop);
    stop(GN_CONTAINER_OF(watch, struct runner, on_int));
}

GN_LOOP_THREAD static enum gn_err listen_on(
        struct runner *run, const char *where, struct gn_error *err)
{
    const struct gn_listener_options options = {.backlog = 2048, .unix_mode = -1};
    char text[GN_ADDR_TEXT_BYTES];
    struct gn_listener *listener;
    struct gn_addr addr;

    GN_TRY(gn_addr_parse(gn_slice_str(where), &addr, err));
    GN_TRY(gn_listener_open(&addr, &options, &listener, err));
    if (!run->options->is_quiet) {
        gn_addr_format(gn_listener_addr(listener), text);
        gn_log_info("listening on %s", text);
    }
    gn_http_server_add_listener(run->server, &listener);
    return GN_OK;
}

GN_LOOP_THREAD static enum gn_err start(struct runner *run, struct gn_error *err)
{
    static const char *const default_bind[] = {"127.0.0.1:8000", NULL};
    const char *const *bind = run->options->bind != NULL ? run->options->bind : default_bind;

    GN_TRY(gn_trust_create(gn_slice_str(run->options->proxies), &run->proxies, err));
    GN_TRY(gn_app_start(run->app, run->loop, &run->options->app, err));
    run->server = gn_http_server_create(run->loop,
            &(struct gn_http_server_options){
                    .limits = run->options->limits,
                    .proxies = {.forwarded = run->proxies,
                            .forwarded_fields = run->options->proxy_fields},
                    .handler = gn_app_handler(run->app),
                    .error_template = run->options->error_template,
                    .shows_request_ids = run->options->shows_request_ids,
            });
    for (; *bind != NULL; bind++) {
        GN_TRY(listen_on(run, *bind, err));
    }
    gn_signal_start(&run->on_term, run->loop, SIGTERM, on_term);
    gn_signal_start(&run->on_int, run->loop, SIGINT, on_int);
    run->watches = true;
    return GN_OK;
}

/** Handlers that were cancelled still return; those in a blocking function may not in time. */
GN_LOOP_THREAD static void drain(struct runner *run)
{
    const gn_deadline until = gn_deadline_after_ms(gn_clock_now(), DRAIN_MS);

    gn_app_stop(run->app);
    while (gn_app_tasks(run->app) != NULL && gn_task_pool_n_alive(gn_app_tasks(run->app)) > 0 &&
            gn_clock_now() < until) {
        gn_loop_run_once(run->loop);
    }
}

GN_LOOP_THREAD static void end(struct runner *run)
{
    if (run->watches) {
        gn_signal_stop(&run->on_term);
        gn_signal_stop(&run->on_int);
    }
    if (run->server != NULL && !run->is_stopping) {
        gn_http_server_stop(run->server, gn_clock_now(), on_stopped, run);
    }
    drain(run);
    gn_http_server_destroy(&run->server);
    gn_app_destroy(&run->app);
    gn_trust_destroy(&run->proxies);
}

struct gn_run_options gn_run_options_default(void)
{
    return (struct gn_run_options){
            .graceful_ms = 30 * 1000,
            .proxy_fields = GN_FORWARDED_DEFAULT,
            .limits = gn_http_limits_default(),
            .app = gn_app_options_default(),
    };
}

int gn_app_run(struct gn_application **app, const struct gn_run_options *options)
{
    const struct gn_run_options defaults = gn_run_options_default();
    struct runner run = {.app = *app, .options = options != NULL ? options : &defaults};
    struct gn_error err = {0};
    enum gn_err rc = gn_loop_create(&run.loop, &err);

    *app = NULL;
    if (rc == GN_OK) {
        gn_assert_loop_thread(run.loop);
        rc = start(&run, &err);
        if (rc == GN_OK) {
            gn_loop_run(run.loop);
        }
        end(&run);
        gn_loop_destroy(&run.loop);
    }
    if (rc != GN_OK) {
        gn_log_error("%s", err.message);
    }
    return rc == GN_OK ? 0 : 1;
}
