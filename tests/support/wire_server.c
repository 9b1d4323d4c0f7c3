/* SPDX-License-Identifier: MIT */

/*
 * A small HTTP server on a free port of 127.0.0.1, for tests that speak bytes:
 * tests/wire and load. It prints "port N" and serves until SIGTERM, then stops
 * gracefully. The path chooses what happens:
 *
 *   /hello              a fixed small answer
 *   /early...           answered at the head, the body unread
 *   /slow/MS            answered after so many milliseconds
 *   /big/BYTES          an answer of so many bytes
 *   /parts/N            N parts of "part\n", one per turn, length not known
 *   /short              declares more than it sends
 *   /abort              gives up in the middle of a chunked answer
 *   /fail               gives up before the answer
 *   /stream...          counts a streamed request body
 *   /limit/BYTES        as the echo, with its own body limit
 *   /upgrade            switches protocols and echoes raw bytes
 *   anything else       a JSON description of the request, its body in base64
 *
 * Options: --bind ADDRESS, --set NAME=VALUE (a field of struct gn_http_limits),
 * --access-log FORMAT (written to standard output).
 */

#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/http/access_log.h"
#include "server/http/exchange.h"
#include "server/http/http_server.h"
#include "server/loop/signals.h"

#define JSON_LIMIT_BYTES (128u << 20)
#define GRACE_MS 5000

/** What a handler keeps per exchange, in its arena. */
struct state {
    struct gn_exchange *ex;
    struct gn_timer timer;
    struct gn_defer next;
    uint64_t n_left;
    uint64_t n_body;
};

static struct gn_response text_response(int status, struct gn_slice body)
{
    static const struct gn_header type = {
            .name = GN_LIT_INIT("Content-Type"), .value = GN_LIT_INIT("text/plain")};

    return (struct gn_response){.status = status, .headers = &type, .n_headers = 1, .body = body};
}

static struct state *new_state(struct gn_exchange *ex)
{
    struct state *state = gn_arena_calloc(&ex->arena, sizeof(*state));

    state->ex = ex;
    ex->handler_data = state;
    return state;
}

static uint64_t number_after(struct gn_slice path, size_t prefix_len)
{
    uint64_t value = 0;

    return gn_slice_to_u64(gn_slice_skip(path, prefix_len), UINT32_MAX, &value) == GN_OK ? value
                                                                                         : 0;
}

/* ---- the echo ----------------------------------------------------------- */

static void put(struct gn_buf *out, struct gn_slice text)
{
    enum gn_err rc = gn_buf_append(out, text);

    gn_assert(rc == GN_OK);
}

static void put_json(struct gn_buf *out, struct gn_slice text)
{
    char escaped[8];

    put(out, GN_LIT("\""));
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c < 0x20 || c == '"' || c == '\\' || c >= 0x7f) {
            (void)snprintf(escaped, sizeof(escaped), "\\u%04x", c);
            put(out, gn_slice_str(escaped));
        } else {
            put(out, gn_slice_of(text.ptr + i, 1));
        }
    }
    put(out, GN_LIT("\""));
}

static void put_base64(struct gn_buf *out, const struct gn_body *body)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char in[3];
    size_t n;

    put(out, GN_LIT("\""));
    for (uint64_t at = 0; at < body->len; at += 3) {
        unsigned bits;
        char four[4];

        if (gn_body_read(body, at, (char *)in, sizeof(in), &n) != GN_OK) {
            break;
        }
        bits = (unsigned)in[0] << 16 | (n > 1 ? (unsigned)in[1] << 8 : 0) | (n > 2 ? in[2] : 0);
        four[0] = digits[bits >> 18 & 63];
        four[1] = digits[bits >> 12 & 63];
        four[2] = n > 1 ? digits[bits >> 6 & 63] : '=';
        four[3] = n > 2 ? digits[bits & 63] : '=';
        put(out, gn_slice_of(four, 4));
    }
    put(out, GN_LIT("\""));
}

GN_LOOP_THREAD static void serve_echo(struct gn_exchange *ex)
{
    static const struct gn_header headers[] = {
            {.name = GN_LIT_INIT("Content-Type"), .value = GN_LIT_INIT("application/json")},
            {.name = GN_LIT_INIT("X-Echo"), .value = GN_LIT_INIT("1")},
    };
    const struct gn_http1_head *head = ex->head;
    struct gn_response response;
    struct gn_buf json;

    gn_buf_init(&json, JSON_LIMIT_BYTES);
    put(&json, GN_LIT("{\"method\": "));
    put_json(&json, head->method_name);
    put(&json, GN_LIT(", \"path\": "));
    put_json(&json, head->path);
    put(&json, GN_LIT(", \"query\": "));
    put_json(&json, head->query);
    put(&json, GN_LIT(", \"host\": "));
    put_json(&json, head->host);
    put(&json,
            head->minor_version == 0 ? GN_LIT(", \"proto\": \"HTTP/1.0\"")
                                     : GN_LIT(", \"proto\": \"HTTP/1.1\""));
    put(&json, GN_LIT(", \"body_b64\": "));
    put_base64(&json, &ex->body);
    put(&json, GN_LIT("}"));
    response = (struct gn_response){
            .status = 200, .headers = headers, .n_headers = 2, .body = gn_buf_slice(&json)};
    gn_exchange_reply(ex, &response);
    gn_buf_fini(&json);
}

/* ---- other behaviours --------------------------------------------------- */

static void on_slow_end(struct gn_timer *timer)
{
    struct state *state = GN_CONTAINER_OF(timer, struct state, timer);
    struct gn_response response = text_response(200, GN_LIT("slow\n"));

    gn_assert_loop_thread(timer->loop);
    gn_exchange_reply(state->ex, &response);
}

GN_LOOP_THREAD static void serve_slow(struct gn_exchange *ex)
{
    struct state *state = new_state(ex);
    struct gn_loop *loop = gn_exchange_loop(ex);

    gn_timer_init(&state->timer, loop, on_slow_end);
    gn_timer_start(&state->timer, gn_loop_after_ms(loop, (int64_t)number_after(ex->path_info, 6)));
}

GN_LOOP_THREAD static void serve_big(struct gn_exchange *ex)
{
    size_t size = (size_t)number_after(ex->path_info, 5);
    char *bytes = gn_xalloc(size + 1);
    struct gn_response response;

    memset(bytes, 'x', size);
    response = text_response(200, gn_slice_of(bytes, size));
    gn_exchange_reply(ex, &response);
    gn_free(bytes);
}

static void on_next_part(struct gn_defer *defer)
{
    struct state *state = GN_CONTAINER_OF(defer, struct state, next);
    struct gn_bufq part = {0};
    enum gn_err rc;

    gn_assert_loop_thread(gn_exchange_loop(state->ex));
    if (state->n_left == 0) {
        gn_exchange_finish(state->ex);
        return;
    }
    state->n_left--;
    gn_bufq_append(&part, GN_LIT("part\n"));
    rc = gn_exchange_write(state->ex, &part);
    if (rc != GN_ERR_FULL) {
        gn_loop_defer(gn_exchange_loop(state->ex), &state->next);
    }
}

GN_LOOP_THREAD static void serve_parts(struct gn_exchange *ex)
{
    struct state *state = new_state(ex);
    struct gn_response head = text_response(200, gn_slice_of("", 0));

    state->n_left = number_after(ex->path_info, 7);
    state->next.fn = on_next_part;
    if (gn_exchange_start(ex, &head, GN_LENGTH_UNKNOWN) != GN_OK) {
        gn_exchange_abort(ex);
        return;
    }
    gn_loop_defer(gn_exchange_loop(ex), &state->next);
}

GN_LOOP_THREAD static void serve_truncated(struct gn_exchange *ex, uint64_t declared, bool abort)
{
    struct gn_response head = text_response(200, gn_slice_of("", 0));
    struct gn_bufq part = {0};

    gn_bufq_append(&part, GN_LIT("some\n"));
    if (gn_exchange_start(ex, &head, declared) != GN_OK || gn_exchange_write(ex, &part) != GN_OK) {
        gn_exchange_abort(ex);
        return;
    }
    if (abort) {
        gn_exchange_abort(ex);
    } else {
        gn_exchange_finish(ex);
    }
}

GN_LOOP_THREAD static void take_streamed(struct gn_exchange *ex)
{
    struct state *state = ex->handler_data;
    struct gn_bufq in = {0};
    struct gn_response response;
    struct gn_slice text;
    bool ended;

    gn_exchange_take_body(ex, &in, &ended);
    state->n_body += in.n_bytes;
    gn_bufq_clear(&in);
    if (ended) {
        text = gn_arena_printf(&ex->arena, "%" PRIu64 " bytes\n", state->n_body);
        response = text_response(200, text);
        gn_exchange_reply(ex, &response);
    }
}

/* ---- a raw echo behind 101 ---------------------------------------------- */

struct raw {
    struct gn_stream *stream;
    struct gn_bufq out;
    struct gn_buf in;
};

GN_LOOP_THREAD static void raw_close(struct raw *raw)
{
    gn_stream_destroy(&raw->stream);
    gn_bufq_clear(&raw->out);
    gn_buf_fini(&raw->in);
    gn_free(raw);
}

static void on_raw_ready(struct gn_stream *stream, unsigned events)
{
    struct raw *raw = stream->owner;
    enum gn_err rc = GN_OK;

    gn_assert_loop_thread(stream->io.loop);
    if ((events & GN_IO_READ) != 0) {
        gn_buf_clear(&raw->in);
        rc = gn_buf_reserve(&raw->in, 4096);
        if (rc == GN_OK) {
            rc = gn_stream_read(stream, &raw->in, 4096);
        }
        gn_bufq_append(&raw->out, gn_buf_slice(&raw->in));
    }
    if (rc == GN_OK || rc == GN_ERR_WANT_READ) {
        rc = gn_stream_write(stream, &raw->out);
    }
    if (rc != GN_OK && rc != GN_ERR_WANT_WRITE) {
        raw_close(raw);
        return;
    }
    gn_io_watch(&stream->io, rc == GN_OK ? GN_IO_READ : GN_IO_READ | GN_IO_WRITE);
}

static void on_upgraded(
        void *arg, struct gn_stream **stream, struct gn_slice early, struct gn_bufq *out)
{
    struct raw *raw = gn_xcalloc(sizeof(*raw));

    (void)arg;
    raw->stream = *stream;
    *stream = NULL;
    gn_assert_loop_thread(raw->stream->io.loop);
    raw->stream->owner = raw;
    raw->stream->on_ready = on_raw_ready;
    gn_buf_init(&raw->in, 4096);
    gn_bufq_move(&raw->out, out);
    gn_bufq_append(&raw->out, early);
    gn_io_watch(&raw->stream->io, GN_IO_READ | GN_IO_WRITE);
}

GN_LOOP_THREAD static void serve_upgrade(struct gn_exchange *ex)
{
    const struct gn_header upgrade = {.name = GN_LIT("Upgrade"), .value = GN_LIT("raw")};

    if (ex->head->wants_upgrade) {
        gn_exchange_upgrade(ex, &upgrade, 1, on_upgraded, NULL);
    } else {
        gn_exchange_reply_error(ex, 426, GN_LIT("ask for an upgrade"));
    }
}

/* ---- the handler -------------------------------------------------------- */

static bool has_prefix(const struct gn_exchange *ex, const char *prefix)
{
    return gn_slice_starts_with(ex->path_info, gn_slice_str(prefix));
}

static void on_begin(struct gn_handler *h, struct gn_exchange *ex)
{
    (void)h;
    gn_assert_loop_thread(gn_exchange_loop(ex));
    if (has_prefix(ex, "/early")) {
        struct gn_response response = text_response(200, GN_LIT("early\n"));

        gn_exchange_reply(ex, &response);
    } else if (has_prefix(ex, "/stream")) {
        ex->body_mode = GN_BODY_STREAM;
        ex->handler_data = new_state(ex);
    } else if (has_prefix(ex, "/limit/")) {
        ex->body_limit_bytes = number_after(ex->path_info, 7);
    }
}

static void on_serve(struct gn_handler *h, struct gn_exchange *ex)
{
    (void)h;
    gn_assert_loop_thread(gn_exchange_loop(ex));
    if (has_prefix(ex, "/hello")) {
        struct gn_response response = text_response(200, GN_LIT("hello\n"));

        gn_exchange_reply(ex, &response);
    } else if (has_prefix(ex, "/slow/")) {
        serve_slow(ex);
    } else if (has_prefix(ex, "/big/")) {
        serve_big(ex);
    } else if (has_prefix(ex, "/parts/")) {
        serve_parts(ex);
    } else if (has_prefix(ex, "/short")) {
        serve_truncated(ex, 100, false);
    } else if (has_prefix(ex, "/abort")) {
        serve_truncated(ex, GN_LENGTH_UNKNOWN, true);
    } else if (has_prefix(ex, "/fail")) {
        gn_exchange_abort(ex);
    } else if (has_prefix(ex, "/stream")) {
        take_streamed(ex);
    } else if (has_prefix(ex, "/upgrade")) {
        serve_upgrade(ex);
    } else {
        serve_echo(ex);
    }
}

static void on_body(struct gn_handler *h, struct gn_exchange *ex)
{
    (void)h;
    gn_assert_loop_thread(gn_exchange_loop(ex));
    take_streamed(ex);
}

static void on_drained(struct gn_handler *h, struct gn_exchange *ex)
{
    struct state *state = ex->handler_data;

    (void)h;
    gn_assert_loop_thread(gn_exchange_loop(ex));
    gn_loop_defer(gn_exchange_loop(ex), &state->next);
}

static void on_cancel(struct gn_handler *h, struct gn_exchange *ex, enum gn_err why)
{
    struct state *state = ex->handler_data;

    (void)h;
    (void)why;
    gn_assert_loop_thread(gn_exchange_loop(ex));
    if (state != NULL) {
        gn_timer_stop(&state->timer);
        gn_defer_cancel(&state->next);
    }
    gn_exchange_abort(ex);
}

static const struct gn_handler_ops ops = {
        .name = "wire",
        .begin = on_begin,
        .serve = on_serve,
        .body = on_body,
        .drained = on_drained,
        .cancel = on_cancel,
};

/* ---- the program -------------------------------------------------------- */

struct program {
    struct gn_loop *loop;
    struct gn_http_server *server;
    struct gn_signal on_term;
};

static void on_stopped(void *arg)
{
    struct program *program = arg;

    gn_assert_loop_thread(program->loop);
    gn_loop_stop(program->loop);
}

static void on_sigterm(struct gn_signal *watch, int signum)
{
    struct program *program = GN_CONTAINER_OF(watch, struct program, on_term);

    (void)signum;
    gn_assert_loop_thread(program->loop);
    gn_http_server_stop(
            program->server, gn_loop_after_ms(program->loop, GRACE_MS), on_stopped, program);
}

/** A field of struct gn_http_limits by name; all are integers of 4 or 8 bytes. */
static const struct limit_field {
    const char *name;
    size_t offset;
    size_t size;
} limit_fields[] = {
#define FIELD(name)                                                                                \
    {                                                                                              \
#name, offsetof(struct gn_http_limits, name), sizeof(((struct gn_http_limits *)0)->name)   \
    }
        FIELD(request_line_bytes),
        FIELD(field_bytes),
        FIELD(fields),
        FIELD(head_bytes),
        FIELD(body_bytes),
        FIELD(body_memory_bytes),
        FIELD(pipeline_bytes),
        FIELD(output_bytes),
        FIELD(output_low_bytes),
        FIELD(head_ms),
        FIELD(idle_ms),
        FIELD(body_idle_ms),
        FIELD(write_stall_ms),
        FIELD(linger_ms),
        FIELD(body_rate_bytes_s),
        FIELD(body_rate_grace_ms),
        FIELD(drain_bytes),
        FIELD(connections),
        FIELD(connections_per_client),
        FIELD(requests_per_conn),
#undef FIELD
};

static bool set_limit(struct gn_http_limits *limits, const char *name, uint64_t value)
{
    const uint32_t small = (uint32_t)value;

    for (size_t i = 0; i < GN_ARRAY_LEN(limit_fields); i++) {
        const struct limit_field *f = &limit_fields[i];

        if (strcmp(f->name, name) == 0) {
            memcpy((char *)limits + f->offset,
                    f->size == sizeof(small) ? (const void *)&small : (const void *)&value,
                    f->size);
            return true;
        }
    }
    return false;
}

static bool parse_set(struct gn_http_limits *limits, const char *text)
{
    struct gn_slice rest = gn_slice_str(text);
    struct gn_slice name;
    uint64_t value;
    char *key;
    bool ok;

    if (!gn_slice_split(&rest, '=', &name) || gn_slice_to_u64(rest, INT64_MAX, &value) != GN_OK) {
        return false;
    }
    key = gn_xstrndup(name.ptr, name.len);
    ok = set_limit(limits, key, value);
    gn_free(key);
    return ok;
}

struct settings {
    struct gn_http_limits limits;
    const char *log_format; /* NULL: no access log */
    const char *bind;
};

static bool parse_arguments(int argc, char **argv, struct settings *settings)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--set") == 0) {
            if (!parse_set(&settings->limits, argv[i + 1])) {
                return false;
            }
        } else if (strcmp(argv[i], "--access-log") == 0) {
            settings->log_format = argv[i + 1];
        } else if (strcmp(argv[i], "--bind") == 0) {
            settings->bind = argv[i + 1];
        } else {
            return false;
        }
    }
    return argc % 2 == 1;
}

GN_LOOP_THREAD static enum gn_err listen_on(
        struct program *program, const char *bind, struct gn_error *err)
{
    const struct gn_listener_options options = {.unix_mode = -1};
    struct gn_listener *listener;
    struct gn_addr addr;

    GN_TRY(gn_addr_parse(gn_slice_str(bind), &addr, err));
    GN_TRY(gn_listener_open(&addr, &options, &listener, err));
    (void)printf("port %u\n", gn_addr_port(gn_listener_addr(listener)));
    (void)fflush(stdout);
    gn_http_server_add_listener(program->server, &listener);
    return GN_OK;
}

static enum gn_err run(const struct settings *settings, struct gn_error *err)
{
    struct gn_handler handler = {.ops = &ops};
    struct gn_access_log *log = NULL;
    struct program program = {0};
    enum gn_err rc;

    GN_TRY(gn_loop_create(&program.loop, err));
    gn_assert_loop_thread(program.loop);
    if (settings->log_format != NULL) {
        const struct gn_access_log_options options = {
                .path = GN_LIT("-"), .format = gn_slice_str(settings->log_format)};

        GN_TRY(gn_access_log_create(program.loop, &options, &log, err));
    }
    program.server = gn_http_server_create(program.loop,
            &(struct gn_http_server_options){
                    .limits = settings->limits, .handler = &handler, .access_log = log});
    gn_signal_start(&program.on_term, program.loop, SIGTERM, on_sigterm);
    rc = listen_on(&program, settings->bind, err);
    if (rc == GN_OK) {
        gn_loop_run(program.loop);
    }
    gn_signal_stop(&program.on_term);
    gn_http_server_destroy(&program.server);
    gn_access_log_destroy(&log);
    gn_loop_destroy(&program.loop);
    return rc;
}

int main(int argc, char **argv)
{
    struct settings settings = {.limits = gn_http_limits_default(), .bind = "127.0.0.1:0"};
    struct gn_error err = {0};

    if (!parse_arguments(argc, argv, &settings)) {
        (void)fprintf(stderr,
                "usage: %s [--bind ADDRESS] [--set LIMIT=VALUE]... "
                "[--access-log FORMAT]\n",
                argv[0]);
        return EXIT_FAILURE;
    }
    if (run(&settings, &err) != GN_OK) {
        gn_log_error("%s", err.message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
