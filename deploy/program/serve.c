/* SPDX-License-Identifier: MIT */
/*
 * Start-up runs in one order and the end in the opposite one. Applications are
 * imported before the first address is opened, so that a client never waits
 * for an import and a signal never finds half a server: until the loop runs,
 * signals do what they do to any program. Modules do odd things to a process
 * while they are imported, so what they could spoil is made or set afterwards:
 * the loop's descriptors, handlers of signals, the permissions of sockets.
 */
#include "deploy/program/serve.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/program/banner.h"
#include "deploy/program/control.h"
#include "deploy/program/control_path.h"
#include "deploy/program/error_log.h"
#include "deploy/program/error_page.h"
#include "deploy/program/site.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/http/access_log.h"
#include "server/http/http_server.h"
#include "server/loop/signals.h"
#include "server/net/listener.h"
#include "server/net/tls_ctx.h"

enum {
    ON_TERM,
    ON_INT,
    ON_QUIT,
    ON_USR1,
    N_SIGNALS,
};

static const int signals[N_SIGNALS] = {SIGTERM, SIGINT, SIGQUIT, SIGUSR1};

struct watch {
    struct gn_signal signal;
    struct program *program;
};

struct program {
    const struct gn_config *config;
    struct gn_site site;
    struct gn_loop *loop;
    struct gn_addr *addresses;                /* one per --bind */
    struct gn_listener **listeners;           /* likewise, until the server has them */
    struct gn_tls_ctx *tls;                   /* NULL: no TLS */
    struct gn_access_log *access_log;         /* NULL: none */
    struct gn_error_template *error_template; /* NULL: the built-in page */
    struct gn_http_server *server;
    struct gn_control *control; /* NULL: none */
    bool is_exhausted;          /* no Python call can run any more */
    struct watch watches[N_SIGNALS];
    mode_t umask;         /* as we were started with */
    gn_deadline deadline; /* of the stop; 0 while serving */
};

/* ---- signals -------------------------------------------------------------------- */

static void on_server_stopped(void *arg)
{
    struct program *p = arg;

    gn_assert_loop_thread(p->loop);
    gn_loop_stop(p->loop);
}

GN_LOOP_THREAD static void stop_gracefully(struct program *p, const char *name)
{
    gn_log_info(
            "SIG%s: finishing what runs, within %g s", name, (double)p->config->graceful_ms / 1e3);
    p->deadline = gn_loop_after_ms(p->loop, p->config->graceful_ms);
    gn_http_server_stop(p->server, p->deadline, on_server_stopped, p);
}

GN_LOOP_THREAD static void stop_at_once(struct program *p, const char *name)
{
    gn_log_info("SIG%s: stopping at once", name);
    p->deadline = gn_loop_now(p->loop);
    gn_loop_stop(p->loop);
}

static bool has_error_log(const struct gn_config *config)
{
    return config->error_log != NULL && strcmp(config->error_log, "-") != 0;
}

static bool open_error_log(const struct gn_config *config)
{
    struct gn_error err = {0};

    if (has_error_log(config) && gn_error_log_open(config->error_log, &err) != GN_OK) {
        gn_log_error("%s", err.message);
        return false;
    }
    return true;
}

GN_LOOP_THREAD static void reopen_logs(struct program *p)
{
    struct gn_error err = {0};

    if (p->access_log != NULL) {
        gn_access_log_reopen(p->access_log);
    }
    if (has_error_log(p->config) && gn_error_log_open(p->config->error_log, &err) != GN_OK) {
        gn_log_error("%s; the old file stays in use", err.message);
    }
}

/*
 * A process that can serve nothing but errors is of no use to anybody, and nothing in it can mend
 * it: Python has no way to end a thread. So it ends, not with 0, and whoever supervises it
 * (systemd's Restart=on-failure, a container's restart policy) starts it anew, as gunicorn's
 * arbiter does with a worker.
 */
static void on_exhausted(void *arg)
{
    struct program *p = arg;

    gn_assert_loop_thread(p->loop);
    if (p->config->stay_when_stuck) {
        gn_log_error("no Python call can run any more; staying for the others (--stay-when-stuck)");
        return;
    }
    gn_log_error("no Python call can run any more: ending with status %d, to be started anew",
            GN_EXIT_STUCK);
    p->is_exhausted = true;
    if (p->deadline == 0) {
        p->deadline = gn_loop_after_ms(p->loop, p->config->graceful_ms);
        gn_http_server_stop(p->server, p->deadline, on_server_stopped, p);
    }
}

static void on_signal(struct gn_signal *signal, int signum)
{
    struct program *p = GN_CONTAINER_OF(signal, struct watch, signal)->program;

    gn_assert_loop_thread(p->loop);
    if (signum == SIGUSR1) {
        reopen_logs(p);
    } else if (signum == SIGQUIT || p->deadline != 0) {
        stop_at_once(p, sigabbrev_np(signum));
    } else {
        stop_gracefully(p, sigabbrev_np(signum));
    }
}

static void on_signal_at_the_end(int signum)
{
    (void)signum;
    _exit(GN_EXIT_OK);
}

/* The loop has ended: one more signal ends the process while Python takes its time. */
GN_LOOP_THREAD static void let_signals_end(struct program *p)
{
    struct sigaction action = {.sa_handler = on_signal_at_the_end};

    (void)sigemptyset(&action.sa_mask);
    for (unsigned i = 0; i < N_SIGNALS; i++) {
        gn_signal_stop(&p->watches[i].signal);
        if (i != ON_USR1) {
            (void)sigaction(signals[i], &action, NULL);
        }
    }
}

static void ignore_signals(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    (void)sigemptyset(&ignore.sa_mask);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGXFSZ, &ignore, NULL); /* a file that is too large is an error of its write */
    (void)sigaction(SIGUSR1, &ignore, NULL); /* before the log can be opened anew */
}

static void prepare_process(struct program *p)
{
    struct rlimit files;

    gn_log_set_level(p->config->log_level);
    ignore_signals();
    p->umask = umask(0);
    (void)umask(p->umask);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* ---- start ------------------------------------------------------------------------ */

GN_LOOP_THREAD static enum gn_err open_access_log(struct program *p, struct gn_error *err)
{
    const struct gn_access_log_options options = {
            .path = gn_slice_str(p->config->access_log),
            .format = gn_slice_str(p->config->access_format),
    };

    if (p->config->access_log == NULL) {
        return GN_OK;
    }
    return gn_access_log_create(p->loop, &options, &p->access_log, err);
}

/** The kernel would say that another program has it. */
static bool is_repeated(const struct program *p, unsigned i)
{
    const struct gn_addr *addr = &p->addresses[i];

    for (unsigned j = 0; j < i && (gn_addr_is_unix(addr) || gn_addr_port(addr) != 0); j++) {
        if (p->addresses[j].len == addr->len &&
                memcmp(&p->addresses[j].u, &addr->u, addr->len) == 0) {
            return true;
        }
    }
    return false;
}

static enum gn_err read_addresses(struct program *p, struct gn_error *err)
{
    p->addresses = gn_xcalloc(p->config->binds.n * sizeof(*p->addresses));
    p->listeners = gn_xcalloc(p->config->binds.n * sizeof(struct gn_listener *));
    for (unsigned i = 0; i < p->config->binds.n; i++) {
        const char *text = p->config->binds.items[i];
        struct gn_error why = {0};
        enum gn_err rc = gn_addr_parse(gn_slice_str(text), &p->addresses[i], &why);

        if (text[0] == '\0') { /* a variable that is not set shall not open us to the world */
            return gn_error_set(err, GN_ERR_INVALID, 0,
                    "--bind has an empty value: write HOST:PORT, :PORT for all addresses, or "
                    "unix:PATH");
        }
        if (rc != GN_OK) {
            return gn_error_set(err, rc, 0, "--bind %s: %s", text, why.message);
        }
        if (is_repeated(p, i)) {
            return gn_error_set(err, GN_ERR_INVALID, 0,
                    "--bind %s: that address was given before; leave one of them out", text);
        }
    }
    return GN_OK;
}

/* Before anything is imported: a wrong file is said at once. */
static enum gn_err read_certificates(struct program *p, struct gn_error *err)
{
    const struct gn_config *config = p->config;
    struct gn_tls_options options = {
            .n_pairs = config->certfiles.n,
            .ca_certs = config->ca_certs,
            .client_certs = config->cert_reqs,
    };
    struct gn_tls_pair *pairs;
    enum gn_err rc;

    if (options.n_pairs == 0) {
        return GN_OK;
    }
    pairs = gn_xcalloc(options.n_pairs * sizeof(*pairs));
    for (unsigned i = 0; i < options.n_pairs; i++) {
        pairs[i].cert_file = config->certfiles.items[i];
        pairs[i].key_file = config->keyfiles.n > 0 ? config->keyfiles.items[i] : NULL;
    }
    options.pairs = pairs;
    rc = gn_tls_ctx_create(&options, &p->tls, err);
    gn_free(pairs);
    return rc;
}

static enum gn_err read_error_page(struct program *p, struct gn_error *err)
{
    if (p->config->error_page == NULL) {
        return GN_OK;
    }
    return gn_error_page_read(p->config->error_page, &p->error_template, err);
}

/* All or none: nobody is served until every address is ours. */
static enum gn_err open_listeners(struct program *p, struct gn_error *err)
{
    const struct gn_listener_options options = {
            .backlog = (int)p->config->backlog,
            .reuse_port = p->config->reuse_port,
            .unix_mode = (int)(0666 & ~p->umask),
    };

    for (unsigned i = 0; i < p->config->binds.n; i++) {
        GN_TRY(gn_listener_open(&p->addresses[i], &options, &p->listeners[i], err));
        gn_own_addresses_add(&p->site.own, gn_listener_addr(p->listeners[i]));
    }
    return GN_OK;
}

/* Where nobody asked for one, none is no reason not to serve. */
GN_LOOP_THREAD static enum gn_err open_control(struct program *p, struct gn_error *err)
{
    char path[GN_CONTROL_PATH_BYTES];
    struct gn_error why = {0};

    if (p->config->control != NULL && p->config->control[0] == '\0') {
        return GN_OK;
    }
    if (p->config->control != NULL) {
        GN_TRY(gn_control_open(p->loop, p->config->control, &p->control, err));
    } else if (gn_control_path_make(path, &why) != GN_OK ||
            gn_control_open(p->loop, path, &p->control, &why) != GN_OK) {
        gn_log_info("no control socket: %s; --control PATH chooses another place", why.message);
        return GN_OK;
    }
    gn_own_addresses_add(&p->site.own, gn_control_addr(p->control));
    return GN_OK;
}

GN_LOOP_THREAD static void begin_to_serve(struct program *p)
{
    for (unsigned i = 0; i < N_SIGNALS; i++) {
        p->watches[i].program = p;
        gn_signal_start(&p->watches[i].signal, p->loop, signals[i], on_signal);
    }
    if (p->control != NULL) {
        gn_control_start(p->control, p->site.pyexec);
    }
    gn_banner_start(p->config, &p->site);
    for (unsigned i = 0; i < p->config->binds.n; i++) {
        const struct gn_addr *addr = gn_listener_addr(p->listeners[i]);
        struct gn_tls_ctx *tls = gn_addr_is_unix(addr) ? NULL : p->tls;

        gn_banner_listening(addr, tls != NULL);
        gn_http_server_add_tls_listener(p->server, &p->listeners[i], tls);
    }
}

GN_LOOP_THREAD static enum gn_err open_server(struct program *p, struct gn_error *err)
{
    GN_TRY(open_access_log(p, err));
    GN_TRY(open_listeners(p, err));
    p->server = gn_http_server_create(p->loop,
            &(struct gn_http_server_options){
                    .limits = p->config->limits,
                    .proxies =
                            {
                                    .forwarded = p->config->forwarded,
                                    .forwarded_fields = p->config->forwarded_fields,
                                    .protocol = p->config->proxy_protocol,
                                    .protocol_from = p->config->proxy_from,
                            },
                    .handler = gn_site_handler(&p->site),
                    .access_log = p->access_log,
                    .error_template = p->error_template,
                    .shows_request_ids = p->config->request_ids,
            });
    if (p->config->check_only) {
        gn_log_info("the configuration is good");
    } else {
        GN_TRY(open_control(p, err));
        begin_to_serve(p);
    }
    return GN_OK;
}

GN_LOOP_THREAD static enum gn_exit start(struct program *p, struct gn_error *err)
{
    enum gn_exit status;

    p->site.exhausted = on_exhausted;
    p->site.exhausted_arg = p;
    status = gn_site_start(&p->site, p->config, p->loop, err);

    if (status != GN_EXIT_OK) {
        return status;
    }
    return open_server(p, err) == GN_OK ? GN_EXIT_OK : GN_EXIT_START;
}

/* ---- the end ------------------------------------------------------------------------ */

/* Everything that needs the loop; false when a Python call is stuck. */
GN_LOOP_THREAD static bool close_all(struct program *p)
{
    bool is_over;

    let_signals_end(p);
    gn_control_destroy(&p->control);
    is_over = gn_site_stop(&p->site, p->loop, p->deadline);
    for (unsigned i = 0; i < p->config->binds.n; i++) {
        gn_listener_destroy(&p->listeners[i]);
    }
    gn_http_server_destroy(&p->server);
    gn_access_log_destroy(&p->access_log);
    return is_over;
}

static void leave(enum gn_exit status)
{
    (void)fflush(NULL);
    _exit(status);
}

GN_LOOP_THREAD static void serve_on_loop(struct program *p, enum gn_exit *status)
{
    struct gn_error err = {0};
    bool is_over;

    *status = start(p, &err);
    if (*status != GN_EXIT_OK) {
        gn_log_error("%s", err.message);
    } else if (!p->config->check_only) {
        gn_loop_run(p->loop);
    }
    if (p->is_exhausted) {
        *status = GN_EXIT_STUCK;
        p->deadline = gn_loop_now(p->loop); /* its workers are not waited for again */
        gn_py_host_set_exit_status(p->site.host, GN_EXIT_STUCK);
    }
    is_over = close_all(p);
    if (!gn_site_end(&p->site, p->config, !is_over, p->deadline)) {
        leave(*status);
    }
}

static enum gn_exit end_early(struct program *p, enum gn_exit status, const struct gn_error *err)
{
    gn_log_error("%s", err->message);
    gn_assert_loop_thread(p->loop);
    if (!gn_site_end(&p->site, p->config, false, 0)) {
        leave(status);
    }
    return status;
}

static enum gn_exit load(struct program *p, int argc, char *const *argv, struct gn_error *err)
{
    if (read_addresses(p, err) != GN_OK) {
        return GN_EXIT_USAGE;
    }
    if (read_certificates(p, err) != GN_OK || read_error_page(p, err) != GN_OK) {
        return GN_EXIT_START;
    }
    return gn_site_load(&p->site, p->config, argc, argv, err);
}

static enum gn_exit run(struct program *p, int argc, char *const *argv)
{
    struct gn_error err = {0};
    struct gn_error loop_err = {0};
    enum gn_exit status = load(p, argc, argv, &err);

    ignore_signals();
    if (gn_loop_create(&p->loop, &loop_err) != GN_OK) {
        gn_log_error("%s", status != GN_EXIT_OK ? err.message : loop_err.message);
        leave(status != GN_EXIT_OK ? status : GN_EXIT_START);
    }
    gn_assert_loop_thread(p->loop);
    if (status == GN_EXIT_OK) {
        serve_on_loop(p, &status);
    } else {
        status = end_early(p, status, &err);
    }
    gn_loop_destroy(&p->loop);
    return status;
}

int gn_serve(const struct gn_config *config, int argc, char *const *argv)
{
    struct program *p = gn_xcalloc(sizeof(*p));
    enum gn_exit status;

    p->config = config;
    prepare_process(p);
    status = open_error_log(config) ? run(p, argc, argv) : GN_EXIT_START;
    gn_tls_ctx_unref(&p->tls);
    gn_error_template_destroy(&p->error_template);
    gn_free(p->addresses);
    gn_free(p->listeners);
    gn_free(p);
    return (int)status;
}
