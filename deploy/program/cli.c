/* SPDX-License-Identifier: MIT */
#include "deploy/program/cli.h"

#include <stddef.h>

#include "bridge/py/pyexec.h"
#include "server/proto/forwarded.h"

#include "deploy/program/cli_priv.h"

/* What people bring along from other servers. */
static const struct gn_option_hint hints[] = {
        {"workers w processes",
                "one process serves, on as many threads as --threads says; start "
                "several with --reuse-port to use more processors"},
        {"worker-class k interface",
                "there is one kind of worker; --threads and --max-connections bound it"},
        {"host port uds unix-socket", "write --bind HOST:PORT or --bind unix:PATH"},
        {"config c ini", "options go on the command line or into $GUSTNADO_CMD_ARGS"},
        {"reload preload", "code is read once, at the start: stop it and start it again"},
        {"daemon D daemonize pid p pidfile user u group g",
                "leave that to what starts it, as systemd's User= and Type=exec do"},
        {"umask m", "start it under that umask, as systemd's UMask= does; Unix sockets follow it"},
        {"max-requests max-requests-jitter",
                "its workers are threads, which are not recycled; to be started anew is for what "
                "starts it, as systemd's RuntimeMaxSec= and MemoryMax= do"},
        {"capture-output R",
                "what applications print goes to standard error, or to --error-logfile"},
        {"log-config log-config-json log-config-dict log-syslog log-syslog-to",
                "it logs to standard error, or to --error-logfile; how applications log is theirs"},
};

struct gn_config gn_cli_defaults(void)
{
    struct gn_pyexec_options python = gn_pyexec_options_default();

    return (struct gn_config){
            .backlog = 2048,
            .threads = {.min = python.min_threads, .max = python.max_threads},
            .thread_idle_ms = python.idle_ms,
            .queue_limit = python.queue_calls,
            .queue_timeout_ms = python.queue_ms,
            .timeout_ms = 30000,
            .stuck_ms = python.stuck_ms,
            .gil_watch_ms = python.gil_watch_ms,
            .graceful_ms = 30000,
            .forwarded_fields = GN_FORWARDED_DEFAULT,
            .proxy_allow = "127.0.0.1,::1",
            .limits = gn_http_limits_default(),
            .native = gn_app_options_default(),
            .log_level = GN_LOG_INFO,
    };
}

struct gn_option_table gn_cli_table(void)
{
    return (struct gn_option_table){
            .options = gn_cli_options,
            .n = gn_cli_n_options,
            .hints = hints,
            .n_hints = GN_ARRAY_LEN(hints),
            .positional_offset = offsetof(struct gn_config, positional),
    };
}

void gn_cli_help(struct gn_buf *text)
{
    const struct gn_option_table table = gn_cli_table();
    const struct gn_config config = gn_cli_defaults();

    (void)!gn_buf_append(text,
            GN_LIT("Usage: gustnado [OPTIONS] [MODULE:CALLABLE]\n"
                   "       gustnado stacks|stats [PID]   asks a running server; see --help there\n"
                   "\n"
                   "Serves WSGI applications, native handlers and WebSockets on one port.\n"
                   "MODULE:CALLABLE is a Python module and the WSGI callable in it, which may be\n"
                   "a call with literal arguments: \"mysite.wsgi:application\",\n"
                   "\"site:create_app(1)\". Without :CALLABLE it is \"application\", then "
                   "\"app\".\n"));
    gn_options_help(&table, &config, text);
    (void)!gn_buf_append(text,
            GN_LIT("\n"
                   "Sizes may end in K, M or G; seconds in ms, s, m or h. Values in [brackets]\n"
                   "are the defaults. $GUSTNADO_CMD_ARGS holds more options, read before these.\n"
                   "\n"
                   "Signals: TERM and INT stop gracefully, a second one at once, QUIT at once;\n"
                   "USR1 opens the log files anew.\n"
                   "\n"
                   "Exit status: 0 stopped as asked; 1 could not start (an address, a file, an\n"
                   "environment, a module); 2 the command line is wrong; 3 Python itself could\n"
                   "not be started; 4 an application could not be loaded; 5 every Python worker\n"
                   "was stuck, to be started anew (Restart=on-failure in systemd).\n"));
}
