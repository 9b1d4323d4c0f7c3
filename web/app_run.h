/* SPDX-License-Identifier: MIT */
#ifndef GN_WEB_APP_RUN_H
#define GN_WEB_APP_RUN_H

/*
 * The whole life of a server in one call, for programs whose main() does
 * nothing else: a loop, listeners, signals, an orderly stop. Programs that
 * want more build the same from gn_loop, gn_http_server and gn_app_start;
 * app_run.c is the example.
 */

#include <stdint.h>

#include "server/base/err.h"
#include "server/http/error_page.h"
#include "server/http/limits.h"
#include "web/application.h"

struct gn_run_options {
    const char *const *bind; /* addresses as in server/net/addr.h, NULL-terminated;
                                NULL: "127.0.0.1:8000" */
    int64_t graceful_ms;     /* for running requests after SIGTERM or SIGINT; 30 000 */
    const char *proxies;     /* who may speak for clients, as in server/net/trust.h; NULL: nobody */
    unsigned proxy_fields;   /* in which fields; GN_FORWARDED_DEFAULT */
    bool is_quiet;           /* no line about the addresses on standard error */
    struct gn_http_limits limits;
    struct gn_app_options app;
    const struct gn_error_template *error_template; /* borrowed; NULL: the built-in error page */
    bool shows_request_ids; /* to clients, as X-Request-ID, and on error pages */
};

GN_EXPORT struct gn_run_options gn_run_options_default(void);

/**
 * Serves until SIGTERM or SIGINT, then stops gracefully (a second signal: at
 * once) and destroys the application, whatever happened. NULL options mean the
 * defaults. From main(), before other threads exist.
 *
 * Returns: 0, or 1 after one sentence on standard error: what main() should return
 */
GN_EXPORT GN_MUST_CHECK int gn_app_run(
        struct gn_application **app, const struct gn_run_options *options);

#endif
