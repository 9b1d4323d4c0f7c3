/* SPDX-License-Identifier: MIT */
/*
 * One table says everything about an option: its name, where its value goes,
 * its bounds and its help. Spellings are gunicorn's where gunicorn has them.
 */
#include <limits.h>
#include <stddef.h>

#include "deploy/program/proxies.h"
#include "deploy/program/thread_range.h"

#include "deploy/program/cli_priv.h"

#define MAX_MS (INT64_C(7) * 24 * 3600 * 1000)
#define MAX_BODY (INT64_C(1) << 40)
#define MAX_MEMORY (INT64_C(1) << 30)

/* In the order of the enumerations. */
static const char *const queue_orders[] = {"cost", "fifo", NULL};
static const char *const proxy_protocols[] = {"off", "v1", "v2", "auto", NULL};
static const char *const log_levels[] = {"debug", "info", "warning", "error", "critical", NULL};
/* gunicorn's numbers, those of Python's ssl module, are understood too. */
static const char *const cert_reqs[] = {"none 0", "optional 1", "required 2", NULL};

#define AT(field) .offset = offsetof(struct gn_config, field)
#define LIMIT(field) .offset = offsetof(struct gn_config, limits.field)
#define NATIVE(field) .offset = offsetof(struct gn_config, native.field)
#define MS(low) .kind = GN_OPTION_MS, .value = "SECONDS", .min = (low), .max = MAX_MS
#define COUNT(low, high) .kind = GN_OPTION_COUNT, .value = "N", .min = (low), .max = (high)
#define SIZE(low, high) .kind = GN_OPTION_SIZE, .value = "SIZE", .min = (low), .max = (high)
#define SIZE64(low, high) .kind = GN_OPTION_SIZE64, .value = "SIZE", .min = (low), .max = (high)

const struct gn_option gn_cli_options[] = {
        {.group = "Applications",
                .name = "mount",
                .value = "/PREFIX=MODULE:CALLABLE",
                .help = "Serve a WSGI application below a prefix. May be repeated.",
                .kind = GN_OPTION_LIST,
                AT(mount_texts)},
        {.name = "request-buffering",
                .value = "[/PREFIX=]on|off",
                .help = "Off: an application is called at once and reads wsgi.input while the body "
                        "arrives; a slow client then occupies a worker, and --timeout counts the "
                        "upload. For all applications, or for the one at /PREFIX. May be repeated. "
                        "[on]",
                .kind = GN_OPTION_LIST,
                AT(buffering_texts)},
        {.name = "mount-limit",
                .value = "/PREFIX=N",
                .help = "At most N requests of that application run at once; more wait, and hold "
                        "up no other application. May be repeated.",
                .kind = GN_OPTION_LIST,
                AT(mount_limits)},
        {.name = "module",
                .value = "FILE.so",
                .help = "Load native handlers; their routes go before WSGI. May be repeated.",
                .kind = GN_OPTION_LIST,
                AT(modules)},
        {.name = "chdir",
                .value = "DIR",
                .help = "Work in this directory: relative paths start there, those of other "
                        "options too, and Python modules are looked for there first.",
                .kind = GN_OPTION_TEXT,
                AT(chdir)},
        {.name = "pythonpath",
                .value = "DIR,...",
                .help = "More directories to look for Python modules in. May be repeated.",
                .kind = GN_OPTION_LIST,
                AT(pythonpath_texts)},
        {.name = "venv",
                .aliases = "virtualenv home",
                .value = "DIR",
                .help = "Virtual environment; else $VIRTUAL_ENV, else .venv. Empty: none.",
                .kind = GN_OPTION_TEXT,
                AT(venv)},
        {.name = "env",
                .letter = 'e',
                .value = "NAME=VALUE",
                .help = "Set an environment variable. May be repeated.",
                .kind = GN_OPTION_LIST,
                AT(env)},
        {.name = "check-config",
                .help = "Load everything, serve nothing, and say whether it would have worked.",
                .kind = GN_OPTION_FLAG,
                AT(check_only)},

        {.group = "Addresses",
                .name = "bind",
                .letter = 'b',
                .value = "ADDRESS",
                .help = "HOST:PORT, [IPv6]:PORT or unix:PATH. May be repeated. Without it "
                        "0.0.0.0:$PORT if $PORT is set, else 127.0.0.1:8000.",
                .kind = GN_OPTION_LIST,
                AT(binds)},
        {.name = "backlog",
                .help = "Connections the kernel keeps waiting to be accepted.",
                COUNT(1, 65535),
                AT(backlog)},
        {.name = "reuse-port",
                .help = "Let several servers share a port (SO_REUSEPORT).",
                .kind = GN_OPTION_FLAG,
                AT(reuse_port)},

        {.group = "Behind proxies",
                .name = "forwarded-allow-ips",
                .value = "LIST",
                .help = "Peers that may speak for clients, as addresses and networks, unix for "
                        "Unix sockets, * for all. Without it $FORWARDED_ALLOW_IPS if set, else "
                        "127.0.0.1,::1. Empty: nobody.",
                .kind = GN_OPTION_TEXT,
                AT(forwarded_allow)},
        {.name = "forwarded-headers",
                .value = "LIST",
                .help = "The fields they write themselves, of: x-forwarded-for, x-real-ip, "
                        "x-forwarded-proto, x-forwarded-host, x-forwarded-port, "
                        "x-forwarded-prefix, forwarded (which goes before the others), none. Name "
                        "none that a proxy of yours passes on as clients send it.",
                .kind = GN_OPTION_CUSTOM,
                .parse = gn_proxies_parse_forwarded,
                .show = gn_proxies_show_forwarded,
                AT(forwarded_fields)},
        {.name = "proxy-protocol",
                .value = "off|v1|v2|auto",
                .help = "Connections begin with a PROXY header of HAProxy's, which names the "
                        "client; with TLS before the handshake.",
                .kind = GN_OPTION_WORD,
                .words = proxy_protocols,
                AT(proxy_protocol)},
        {.name = "proxy-allow-from",
                .value = "LIST",
                .help = "Peers whose connections have to begin with one; others are plain clients. "
                        "[127.0.0.1,::1]",
                .kind = GN_OPTION_TEXT,
                AT(proxy_allow)},

        {.group = "TLS",
                .name = "certfile",
                .aliases = "ssl-certfile",
                .value = "FILE",
                .help = "Speak HTTPS on every address but unix: ones, with this certificate and "
                        "those that lead to its root, in PEM. May be repeated, each with its "
                        "--keyfile: the host that a client asks for chooses.",
                .kind = GN_OPTION_LIST,
                AT(certfiles)},
        {.name = "keyfile",
                .aliases = "ssl-keyfile",
                .value = "FILE",
                .help = "The certificate's private key, in PEM. Without it the key is in "
                        "--certfile.",
                .kind = GN_OPTION_LIST,
                AT(keyfiles)},
        {.name = "ca-certs",
                .aliases = "ssl-ca-certs",
                .value = "FILE",
                .help = "Certificates that vouch for clients' certificates, in PEM.",
                .kind = GN_OPTION_TEXT,
                AT(ca_certs)},
        {.name = "cert-reqs",
                .aliases = "ssl-cert-reqs",
                .value = "none|optional|required",
                .help = "Whether clients are asked for a certificate, and must have one.",
                .kind = GN_OPTION_WORD,
                .words = cert_reqs,
                AT(cert_reqs)},

        {.group = "Python workers",
                .name = "threads",
                .value = "N or MIN:MAX",
                .help = "Worker threads at most, and kept when idle. More than one runs only "
                        "while others wait for something outside Python, or compute for long.",
                .kind = GN_OPTION_CUSTOM,
                .parse = gn_thread_range_parse,
                .show = gn_thread_range_show,
                AT(threads)},
        {.name = "thread-idle",
                .help = "A thread beyond MIN ends after being idle for so long.",
                MS(1),
                AT(thread_idle_ms)},
        {.name = "queue",
                .value = "cost|fifo",
                .help = "Who goes first: cost lets requests that are usually cheap pass those that "
                        "usually compute or wait for long, which wait a little longer but never "
                        "without end; fifo is first come, first served.",
                .kind = GN_OPTION_WORD,
                .words = queue_orders,
                AT(queue_order)},
        {.name = "queue-limit",
                .help = "Requests that may wait for a worker; beyond: 503. An application with a "
                        "--mount-limit has as many for itself.",
                COUNT(1, 1000000),
                AT(queue_limit)},
        {.name = "queue-timeout",
                .help = "Longest wait for a worker; beyond: 503. 0: no limit.",
                MS(0),
                AT(queue_timeout_ms)},

        {.group = "Deadlines",
                .name = "timeout",
                .letter = 't',
                .aliases = "harakiri request-timeout",
                .help = "For a WSGI application to answer, then the client gets 504. 0: no limit.",
                MS(0),
                AT(timeout_ms)},
        {.name = "stuck-timeout",
                .help = "A worker that has not come back so long after its request's timeout is "
                        "stuck. When none is left, the server ends with status 5. 0: never.",
                MS(0),
                AT(stuck_ms)},
        {.name = "stay-when-stuck",
                .help = "Do not end then: native handlers and WebSockets go on.",
                .kind = GN_OPTION_FLAG,
                AT(stay_when_stuck)},
        {.name = "gil-watch",
                .help = "When Python's global lock has not moved for so long, log what every "
                        "thread is doing. 0: never.",
                MS(0),
                AT(gil_watch_ms)},
        {.name = "graceful-timeout",
                .help = "For running requests to end after SIGTERM or SIGINT.",
                MS(0),
                AT(graceful_ms)},
        {.name = "keep-alive",
                .help = "An idle connection is closed after so long. 0: no limit.",
                MS(0),
                LIMIT(idle_ms)},
        {.name = "handshake-timeout",
                .help = "For a PROXY header, and for a TLS handshake; then the connection is "
                        "closed.",
                MS(1),
                LIMIT(handshake_ms)},
        {.name = "header-timeout",
                .help = "For a request's head, from its first byte; then 408.",
                MS(1),
                LIMIT(head_ms)},
        {.name = "body-timeout",
                .help = "A body that makes no progress for so long is answered 408.",
                MS(1),
                LIMIT(body_idle_ms)},
        {.name = "body-rate",
                .help = "Bytes of body per second that a client must send; else 408. 0: any.",
                SIZE64(0, MAX_MEMORY),
                LIMIT(body_rate_bytes_s)},
        {.name = "body-rate-after",
                .help = "When that rate begins to count.",
                MS(0),
                LIMIT(body_rate_grace_ms)},
        {.name = "write-timeout",
                .help = "A client that takes nothing for so long is cut.",
                MS(1),
                LIMIT(write_stall_ms)},
        {.name = "linger",
                .help = "How long to read on after an error answer, so that it arrives.",
                MS(0),
                LIMIT(linger_ms)},

        {.group = "Limits",
                .name = "limit-request-line",
                .help = "Longest request line; beyond: 414.",
                SIZE(16, MAX_MEMORY),
                LIMIT(request_line_bytes)},
        {.name = "limit-request-fields",
                .help = "Most header fields; beyond: 431.",
                COUNT(1, 32768),
                LIMIT(fields)},
        {.name = "limit-request-field_size",
                .aliases = "limit-request-field-size",
                .help = "Longest header field; beyond: 431.",
                SIZE(16, MAX_MEMORY),
                LIMIT(field_bytes)},
        {.name = "limit-request-head",
                .help = "Request line and fields together; beyond: 431.",
                SIZE(64, MAX_MEMORY),
                LIMIT(head_bytes)},
        {.name = "limit-request-body",
                .help = "Longest body; beyond: 413.",
                SIZE64(0, MAX_BODY),
                LIMIT(body_bytes)},
        {.name = "body-memory",
                .help = "Larger bodies go to an unlinked temporary file.",
                SIZE(0, MAX_MEMORY),
                LIMIT(body_memory_bytes)},
        {.name = "pipeline-size",
                .help = "What is read ahead while a request is being served.",
                SIZE(1024, MAX_MEMORY),
                LIMIT(pipeline_bytes)},
        {.name = "output-size",
                .help = "Response bytes waiting for a client, beyond which applications wait; as "
                        "much again on the way from a Python worker.",
                SIZE(1024, MAX_MEMORY),
                LIMIT(output_bytes)},
        {.name = "output-low",
                .help = "Below this they go on.",
                SIZE(0, MAX_MEMORY),
                LIMIT(output_low_bytes)},
        {.name = "drain-size",
                .help = "Of a body nobody reads, so much is read and dropped; else the connection "
                        "is closed.",
                SIZE64(0, MAX_BODY),
                LIMIT(drain_bytes)},
        {.name = "max-connections",
                .aliases = "worker-connections",
                .help = "Open connections. 0: as many as descriptors allow.",
                COUNT(0, 10000000),
                LIMIT(connections)},
        {.name = "max-connections-per-ip",
                .help = "Open connections of one client address (IPv6: of its first 64 bits); "
                        "beyond: 503. Peers of --forwarded-allow-ips and Unix sockets do not "
                        "count. 0: no limit.",
                COUNT(0, 10000000),
                LIMIT(connections_per_client)},
        {.name = "handshake-rate",
                .help = "TLS handshakes begun per second; beyond, they wait. 0: no limit.",
                COUNT(0, 1000000),
                LIMIT(handshakes_s)},
        {.name = "max-requests-per-connection",
                .help = "The last one is answered with Connection: close. 0: no limit.",
                COUNT(0, UINT_MAX),
                LIMIT(requests_per_conn)},

        {.group = "Native handlers and WebSockets",
                .name = "native-tasks",
                .help = "Native handlers at once; beyond: 503.",
                COUNT(1, 1000000),
                NATIVE(max_tasks)},
        {.name = "ws-max-size",
                .help = "Longest message from a WebSocket's client, inflated; beyond: closed with "
                        "1009. Modules may set their own.",
                SIZE(1, MAX_MEMORY),
                NATIVE(ws_message_bytes)},
        {.name = "ws-send-queue",
                .help = "What may wait for a WebSocket's client; then senders are told. Modules "
                        "may set their own.",
                SIZE(1, MAX_MEMORY),
                NATIVE(ws_queue_bytes)},
        {.name = "ws-ping-interval",
                .help = "How often a WebSocket's client is asked for a sign of life. 0: never.",
                MS(0),
                NATIVE(websocket.ping_ms)},
        {.name = "ws-ping-timeout",
                .help = "For that sign; then the WebSocket is closed with 1001. 0: no limit.",
                MS(0),
                NATIVE(websocket.pong_ms)},
        {.name = "ws-close-timeout",
                .help = "For the client's part of closing; then it is cut. 0: no limit.",
                MS(0),
                NATIVE(websocket.close_ms)},

        {.group = "Error pages",
                .name = "error-page",
                .value = "FILE",
                .help = "HTML for errors the server answers itself, instead of the built-in page; "
                        "{{status}}, {{reason}}, {{detail}} and {{request_id}} are filled in. "
                        "Clients that ask for JSON get JSON.",
                .kind = GN_OPTION_TEXT,
                AT(error_page)},

        {.group = "Control",
                .name = "control",
                .value = "PATH",
                .help = "Socket for \"gustnado stacks\" and \"gustnado stats\", open to this user "
                        "alone. Else PID.sock in $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/gustnado, "
                        "for root /run/gustnado, or /tmp/gustnado-UID. Empty: none.",
                .kind = GN_OPTION_TEXT,
                AT(control)},

        {.group = "Logs",
                .name = "access-logfile",
                .aliases = "access-log",
                .value = "FILE",
                .help = "One line per request, to a file or (-) to standard output. SIGUSR1 opens "
                        "it anew.",
                .kind = GN_OPTION_TEXT,
                AT(access_log)},
        {.name = "access-logformat",
                .value = "FORMAT",
                .help = "In gunicorn's atoms and a few more, like \"%(h)s %(r)s %(s)s "
                        "%({queue_us}x)s\"; or \"json\".",
                .kind = GN_OPTION_TEXT,
                AT(access_format)},
        {.name = "request-id",
                .help = "Tell each request's id, which the access log can name, to applications "
                        "(HTTP_X_REQUEST_ID and gustnado.request_id), to clients (X-Request-ID), "
                        "on error pages and in tracebacks. It is what a trusted proxy sent in "
                        "X-Request-ID, else it is made.",
                .kind = GN_OPTION_FLAG,
                AT(request_ids)},
        {.name = "error-logfile",
                .aliases = "log-file error-log",
                .value = "FILE",
                .help = "Standard error, from the start on: what the server logs and whatever "
                        "applications print there. SIGUSR1 opens it anew. (-): as it is.",
                .kind = GN_OPTION_TEXT,
                AT(error_log)},
        {.name = "log-level",
                .value = "LEVEL",
                .help = "What is logged to standard error, or to --error-logfile.",
                .kind = GN_OPTION_WORD,
                .words = log_levels,
                AT(log_level)},

        {.group = "Help",
                .name = "help",
                .letter = 'h',
                .help = "This text.",
                .kind = GN_OPTION_FLAG,
                AT(show_help)},
        {.name = "version",
                .letter = 'v',
                .help = "Versions of the program and of the Python inside it.",
                .kind = GN_OPTION_FLAG,
                AT(show_version)},
};

const unsigned gn_cli_n_options = GN_ARRAY_LEN(gn_cli_options);
