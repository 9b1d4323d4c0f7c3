/* SPDX-License-Identifier: MIT */
#include "deploy/program/site.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/py/import.h"
#include "bridge/py/pystats.h"
#include "server/base/alloc.h"
#include "server/base/log.h"

/* What native handlers that were cancelled may need to return. */
#define DRAIN_MS 1000
/* Ending takes a moment even when everybody is willing. */
#define MIN_END_MS 500
#define STATISTICS_BYTES 16384

static gn_deadline at_least(gn_deadline deadline, int64_t ms)
{
    return GN_MAX(deadline, gn_deadline_after_ms(gn_clock_now(), ms));
}

/* ---- loading -------------------------------------------------------------------- */

static enum gn_err load_modules(
        struct gn_site *site, const struct gn_config *config, struct gn_error *err)
{
    if (config->modules.n == 0) {
        return GN_OK;
    }
    site->app = gn_app_create();
    site->modules = gn_xcalloc(config->modules.n * sizeof(struct gn_module *));
    for (unsigned i = 0; i < config->modules.n; i++) {
        GN_TRY(gn_module_load(site->app, config->modules.items[i], &site->modules[i], err));
    }
    return GN_OK;
}

static enum gn_err set_environment(const struct gn_config *config, struct gn_error *err)
{
    for (unsigned i = 0; i < config->env.n; i++) {
        const char *text = config->env.items[i];
        const char *equals = strchr(text, '=');
        char *name = gn_xstrndup(text, (size_t)(equals - text));
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): start-up, before there are threads */
        int rc = setenv(name, equals + 1, 1);

        gn_free(name);
        if (rc != 0) {
            return gn_error_set(err, GN_ERR_SYSTEM, errno, "cannot set --env %s", text);
        }
    }
    return GN_OK;
}

static enum gn_exit start_python(struct gn_site *site, const struct gn_config *config, int argc,
        char *const *argv, struct gn_error *err)
{
    const struct gn_py_host_options options = {
            .argv = (const char *const *)(void *)(uintptr_t)argv,
            .argc = argc,
            .chdir = config->chdir,
            .pythonpath = config->pythonpath,
            .n_pythonpath = config->n_pythonpath,
            .venv = config->venv,
    };
    enum gn_err rc = gn_py_host_start(&options, &site->host, err);

    if (rc != GN_OK) {
        return rc == GN_ERR_PYTHON ? GN_EXIT_PYTHON : GN_EXIT_START;
    }
    gn_py_host_on_fork(site->host, gn_child_close_sockets, &site->own);
    return GN_EXIT_OK;
}

static enum gn_exit import_applications(
        struct gn_site *site, const struct gn_config *config, struct gn_error *err)
{
    site->applications = gn_xcalloc(config->n_mounts * sizeof(void *));
    for (unsigned i = 0; i < config->n_mounts; i++) {
        if (gn_py_import(config->mounts[i].name, &site->applications[i], err) != GN_OK) {
            return GN_EXIT_APPLICATION;
        }
    }
    return GN_EXIT_OK;
}

/* Python's modules are looked for from here; its own words for a lack of it are a traceback. */
static enum gn_err check_directory(const struct gn_config *config, struct gn_error *err)
{
    enum gn_err rc = GN_OK;
    char *here;

    if (config->chdir != NULL && config->chdir[0] == '/') {
        return GN_OK;
    }
    here = gn_xalloc(PATH_MAX); /* too much for a frame */
    if (getcwd(here, PATH_MAX) == NULL) {
        rc = gn_error_set(err, GN_ERR_NOT_FOUND, errno,
                "the working directory is gone or cannot be read: start in another one, or name "
                "one with --chdir");
    }
    gn_free(here);
    return rc;
}

enum gn_exit gn_site_load(struct gn_site *site, const struct gn_config *config, int argc,
        char *const *argv, struct gn_error *err)
{
    enum gn_exit status;

    *site = (struct gn_site){0};
    if (set_environment(config, err) != GN_OK || load_modules(site, config, err) != GN_OK) {
        return GN_EXIT_START;
    }
    if (config->n_mounts == 0) {
        if (config->chdir != NULL && chdir(config->chdir) != 0) {
            (void)gn_error_set(err, GN_ERR_NOT_FOUND, errno,
                    "cannot change to the directory %s (--chdir)", config->chdir);
            return GN_EXIT_START;
        }
        return GN_EXIT_OK;
    }
    if (check_directory(config, err) != GN_OK) {
        return GN_EXIT_START;
    }
    status = start_python(site, config, argc, argv, err);
    return status == GN_EXIT_OK ? import_applications(site, config, err) : status;
}

/* ---- starting -------------------------------------------------------------------- */

GN_LOOP_THREAD static enum gn_err start_container(struct gn_site *site,
        const struct gn_config *config, struct gn_loop *loop, struct gn_error *err)
{
    struct gn_wsgi_mount_options *mounts = gn_xcalloc(config->n_mounts * sizeof(*mounts));
    struct gn_pyexec_options python = gn_pyexec_options_default();
    unsigned *limits = gn_xcalloc(config->n_mounts * sizeof(*limits));
    enum gn_err rc;

    python.min_threads = config->threads.min;
    python.max_threads = config->threads.max;
    python.idle_ms = config->thread_idle_ms;
    python.queue_calls = config->queue_limit;
    python.queue_ms = config->queue_timeout_ms;
    python.stuck_ms = config->stuck_ms;
    python.gil_watch_ms = config->gil_watch_ms;
    python.exhausted = site->exhausted;
    python.exhausted_arg = site->exhausted_arg;
    python.stack_signal = SIGURG; /* host.c uses it too, when nobody looks any more */
    python.is_fifo = config->queue_order == GN_QUEUE_FIFO;
    python.n_families = config->n_mounts;
    python.family_limits = limits;
    for (unsigned i = 0; i < config->n_mounts; i++) {
        limits[i] = config->mounts[i].limit;
        mounts[i] = (struct gn_wsgi_mount_options){.prefix = config->mounts[i].prefix,
                .application = site->applications[i],
                .streams_uploads = !config->mounts[i].buffers_requests,
                .family = (uint16_t)i};
    }
    site->pyexec = gn_pyexec_create(loop, &python);
    gn_free(limits);
    rc = gn_wsgi_container_create(
            &(struct gn_wsgi_container_options){
                    .loop = loop,
                    .pyexec = site->pyexec,
                    .mounts = mounts,
                    .n_mounts = config->n_mounts,
                    .timeout_ms = config->timeout_ms,
                    .pipe_bytes = config->limits.output_bytes,
                    .multithread = config->threads.max > 1,
            },
            &site->container, err);
    gn_free(mounts);
    return rc;
}

enum gn_exit gn_site_start(struct gn_site *site, const struct gn_config *config,
        struct gn_loop *loop, struct gn_error *err)
{
    if (site->host != NULL) {
        enum gn_err rc = start_container(site, config, loop, err);

        if (rc != GN_OK) {
            return rc == GN_ERR_PYTHON ? GN_EXIT_PYTHON : GN_EXIT_START;
        }
    }
    if (site->app != NULL) {
        if (site->container != NULL) {
            gn_app_fallback(site->app, gn_wsgi_container_handler(site->container));
        }
        struct gn_app_options native = config->native;

        native.websocket.stall_ms = config->limits.write_stall_ms;
        if (gn_app_start(site->app, loop, &native, err) != GN_OK) {
            return GN_EXIT_START;
        }
    }
    if (site->host != NULL) {
        gn_py_host_release_gil(site->host);
        site->has_released = true;
    }
    return GN_EXIT_OK;
}

struct gn_handler *gn_site_handler(const struct gn_site *site)
{
    return site->app != NULL ? gn_app_handler(site->app)
                             : gn_wsgi_container_handler(site->container);
}

/* ---- ending ------------------------------------------------------------------------ */

GN_LOOP_THREAD static void stop_app(struct gn_site *site, struct gn_loop *loop)
{
    const gn_deadline until = gn_deadline_after_ms(gn_clock_now(), DRAIN_MS);
    const struct gn_task_pool *tasks = gn_app_tasks(site->app);

    gn_app_stop(site->app);
    while (tasks != NULL && gn_task_pool_n_alive(tasks) > 0 && gn_clock_now() < until) {
        gn_loop_run_once(loop);
    }
}

/* What the executor knows by now, for --log-level debug. */
GN_LOOP_THREAD static void log_statistics(const struct gn_site *site)
{
    struct gn_buf text;

    if (gn_log_is_on(GN_LOG_DEBUG)) {
        gn_buf_init(&text, STATISTICS_BYTES);
        gn_pyexec_stats_text(site->pyexec, &text);
        gn_log_block(
                GN_LOG_DEBUG, GN_LIT("statistics of the Python executor"), gn_buf_slice(&text));
        gn_buf_fini(&text);
    }
}

bool gn_site_stop(struct gn_site *site, struct gn_loop *loop, gn_deadline deadline)
{
    if (site->app != NULL) {
        stop_app(site, loop);
    }
    if (site->pyexec == NULL) {
        return true;
    }
    log_statistics(site);
    if (gn_pyexec_stop(site->pyexec, at_least(deadline, MIN_END_MS)) != GN_OK) {
        gn_log_warning("Python calls that do not end were left behind");
        return false;
    }
    return true;
}

static void end_python_objects(struct gn_site *site, unsigned n_mounts)
{
    for (unsigned i = 0; site->applications != NULL && i < n_mounts; i++) {
        gn_py_release(site->applications[i]);
    }
    gn_free(site->applications);
    site->applications = NULL;
}

bool gn_site_end(
        struct gn_site *site, const struct gn_config *config, bool is_stuck, gn_deadline deadline)
{
    bool is_over = true;

    gn_app_destroy(&site->app);
    gn_free(site->modules);
    if (site->host != NULL) {
        if (site->has_released) {
            gn_py_host_take_gil(site->host, at_least(deadline, MIN_END_MS));
        }
        if (!is_stuck) {
            gn_wsgi_container_destroy(&site->container);
            gn_pyexec_destroy(&site->pyexec); /* clients could be owed bytes of Python until now */
        }
        end_python_objects(site, config->n_mounts);
        is_over = gn_py_host_stop(&site->host, at_least(deadline, MIN_END_MS)) == GN_OK;
    }
    return is_over && !is_stuck;
}
