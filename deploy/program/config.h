/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_CONFIG_H
#define GN_DEPLOY_PROGRAM_CONFIG_H

/*
 * What the program was asked to do: the options, their defaults, and whether
 * they make sense together.
 *
 * Thread: start-up.
 */

#include <stdbool.h>
#include <stdint.h>

#include "deploy/program/options.h"
#include "deploy/program/thread_range.h"
#include "server/base/err.h"
#include "server/base/log.h"
#include "server/http/http_server.h"
#include "server/http/limits.h"
#include "server/net/tls_ctx.h"
#include "server/net/trust.h"
#include "web/application.h"

/** A WSGI application and where it lives; slices into the command line. */
struct gn_mount {
    struct gn_slice prefix; /* "" for the root */
    struct gn_slice name;   /* MODULE:CALLABLE */
    bool buffers_requests;  /* bodies are collected before it is called */
    unsigned limit;         /* requests at once; 0: any number */
};

/** How the queue for Python is ordered. */
enum gn_queue_order {
    GN_QUEUE_COST, /* cheap calls before dear ones */
    GN_QUEUE_FIFO, /* first come, first served */
};

struct gn_config {
    bool show_help;
    bool show_version;
    bool check_only;

    /* applications */
    struct gn_text_list positional; /* at most one MODULE:CALLABLE */
    struct gn_text_list mount_texts;
    struct gn_text_list buffering_texts;
    struct gn_text_list mount_limits; /* /PREFIX=N */
    struct gn_text_list modules;      /* FILE.so */
    struct gn_text_list pythonpath_texts;
    struct gn_text_list env;
    const char *chdir; /* NULL: stay */
    const char *venv;  /* NULL: look around */

    /* addresses */
    struct gn_text_list binds;
    unsigned backlog;
    bool reuse_port;

    /* proxies in front of us */
    const char *forwarded_allow; /* gn_trust_create's spelling */
    unsigned forwarded_fields;   /* bits of enum gn_forwarded_field */
    enum gn_proxy_protocol proxy_protocol;
    const char *proxy_allow; /* gn_trust_create's spelling */

    /* TLS */
    struct gn_text_list certfiles;
    struct gn_text_list keyfiles;
    const char *ca_certs; /* NULL: none */
    enum gn_tls_client_certs cert_reqs;

    /* workers */
    struct gn_thread_range threads;
    int64_t thread_idle_ms;
    enum gn_queue_order queue_order;
    unsigned queue_limit;
    int64_t queue_timeout_ms;

    /* deadlines and bounds */
    int64_t timeout_ms;   /* until a WSGI application begins to answer; 0: none */
    int64_t stuck_ms;     /* after that, until its worker is stuck; 0: never */
    bool stay_when_stuck; /* else the program ends when no worker is left */
    int64_t gil_watch_ms; /* until a GIL that does not move is logged; 0: never */
    int64_t graceful_ms;
    struct gn_http_limits limits;

    /* native handlers and WebSockets */
    struct gn_app_options native;

    const char *error_page; /* NULL: the built-in one */

    bool request_ids; /* shown to applications and clients */

    const char *control; /* path of the control socket; NULL: a place is chosen; "": none */

    /* logs */
    const char *access_log;    /* NULL: none; "-": standard output */
    const char *access_format; /* NULL: combined */
    const char *error_log;     /* NULL or "-": standard error */
    enum gn_log_level log_level;

    /* worked out by gn_config_read */
    struct gn_mount *mounts;
    unsigned n_mounts;
    const char **pythonpath;
    unsigned n_pythonpath;
    struct gn_trust *forwarded;  /* peers that may speak for clients */
    struct gn_trust *proxy_from; /* peers whose connections begin with a PROXY header */
    char **owned_words;          /* of GUSTNADO_CMD_ARGS */
    unsigned n_owned_words;
    char *owned_texts;  /* copies that were split */
    char **owned_paths; /* made absolute (paths.h) */
    unsigned n_owned_paths;
    char port_bind[32];
};

/**
 * Defaults, then $GUSTNADO_CMD_ARGS, then the command line. With show_help or
 * show_version set nothing is checked further.
 *
 * Returns: GN_OK (gn_config_fini ends it), GN_ERR_INVALID (one sentence in err; nothing to end)
 */
GN_MUST_CHECK enum gn_err gn_config_read(
        struct gn_config *config, int argc, char *const *argv, struct gn_error *err);
void gn_config_fini(struct gn_config *config);

#endif
