/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_SITE_H
#define GN_DEPLOY_PROGRAM_SITE_H

/*
 * What is served: Python applications in their container, native modules in
 * their application, and one handler in front of both. Without a Python
 * application no interpreter is started; without a module the container stands
 * alone.
 *
 * Thread: the main thread, which is also the loop's.
 */

#include <stdbool.h>

#include "bridge/py/host.h"
#include "bridge/py/pyexec.h"
#include "deploy/program/child.h"
#include "deploy/program/config.h"
#include "server/base/err.h"
#include "server/http/handler.h"
#include "server/loop/loop.h"
#include "web/application.h"
#include "web/module.h"
#include "wsgi/container.h"

struct gn_site {
    struct gn_application *app; /* NULL: no module */
    const struct gn_module **modules;
    struct gn_py_host *host; /* NULL: no Python application */
    void **applications;     /* a PyObject per mount, until the container has them */
    struct gn_pyexec *pyexec;
    struct gn_wsgi_container *container;
    struct gn_own_addresses own;  /* what forked children must close */
    bool has_released;            /* workers may have the GIL */
    void (*exhausted)(void *arg); /* set before gn_site_start: no Python call can run any more */
    void *exhausted_arg;
};

/** How the process ends; also in --help. */
enum gn_exit {
    GN_EXIT_OK = 0,
    GN_EXIT_START = 1,
    GN_EXIT_USAGE = 2,
    GN_EXIT_PYTHON = 3,
    GN_EXIT_APPLICATION = 4,
    GN_EXIT_STUCK = 5,
};

/**
 * Loads modules, starts Python and imports applications.
 *
 * Returns: GN_EXIT_OK, or what to exit with; `err` then holds one sentence and
 *          gn_site_end must be called all the same
 */
enum gn_exit gn_site_load(struct gn_site *site, const struct gn_config *config, int argc,
        char *const *argv, struct gn_error *err);

/** Makes it ready to serve on `loop`; returns as gn_site_load. Workers have the GIL after. */
GN_LOOP_THREAD enum gn_exit gn_site_start(struct gn_site *site, const struct gn_config *config,
        struct gn_loop *loop, struct gn_error *err);

/** Serves every exchange. */
struct gn_handler *gn_site_handler(const struct gn_site *site);

/** Ends native handlers and Python calls; connections may still exist. Runs turns of the loop.
 *  Returns: false when a Python call is stuck. */
GN_LOOP_THREAD bool gn_site_stop(struct gn_site *site, struct gn_loop *loop, gn_deadline deadline);

/**
 * Frees everything and finalises Python, exit hooks included. After gn_site_stop
 * if it was started, and after the server has been destroyed.
 *
 * Returns: false when threads of Python may still run: the caller must _exit
 */
GN_LOOP_THREAD bool gn_site_end(
        struct gn_site *site, const struct gn_config *config, bool is_stuck, gn_deadline deadline);

#endif
