/* SPDX-License-Identifier: MIT */
#include "tests/web/web_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/proto/ws_frame.h"
#include "tests/support/test.h"

#define MAX_BYTES (64u * 1024 * 1024)

static const struct timespec pause_1ms = {.tv_nsec = 1000000};

/* ---- life -------------------------------------------------------------------- */

void web_init(struct web_fixture *f)
{
    *f = (struct web_fixture){.client.fd = -1};
    cr_assert_eq(gn_loop_create(&f->loop, NULL), GN_OK);
    f->app = gn_app_create();
}

void web_start_with(struct web_fixture *f, const struct gn_app_options *options)
{
    struct gn_error err = {0};

    gn_assert_loop_thread(f->loop);
    cr_assert_eq(gn_app_start(f->app, f->loop, options, &err), GN_OK, "%s", err.message);
    f->server = gn_http_server_create(f->loop,
            &(struct gn_http_server_options){
                    .limits = gn_http_limits_default(),
                    .proxies = f->proxies,
                    .handler = gn_app_handler(f->app),
            });
    web_connect(f, &f->client);
}

void web_start(struct web_fixture *f)
{
    web_start_with(f, NULL);
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

void web_end(struct web_fixture *f)
{
    bool is_stopped = false;

    gn_assert_loop_thread(f->loop);
    web_hang_up(f, &f->client);
    gn_app_stop(f->app);
    if (f->server != NULL) {
        gn_http_server_stop(f->server, gn_clock_now(), on_stopped, &is_stopped);
        for (int i = 0; i < 10000 && !is_stopped; i++) {
            gn_loop_run_once(f->loop);
            (void)nanosleep(&pause_1ms, NULL);
        }
        cr_assert(is_stopped);
        gn_http_server_destroy(&f->server);
    }
    gn_app_destroy(&f->app);
    gn_app_destroy(&f->inner);
    gn_loop_destroy(&f->loop);
}

void web_turn(struct web_fixture *f)
{
    for (int i = 0; i < 4; i++) {
        gn_loop_run_once(f->loop);
    }
}

void web_wait(struct web_fixture *f, const unsigned *counter, unsigned n)
{
    const gn_deadline until = gn_deadline_after_ms(gn_clock_now(), 10000);

    while (*counter < n) {
        cr_assert_lt(gn_clock_now(), until, "waited 10 s");
        gn_loop_run_once(f->loop);
        (void)nanosleep(&pause_1ms, NULL);
    }
}

/* ---- clients ------------------------------------------------------------------- */

void web_connect(struct web_fixture *f, struct web_client *c)
{
    const struct gn_addr nobody = {0};
    int fds[2];

    gn_assert_loop_thread(f->loop);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    c->fd = fds[1];
    gn_buf_init(&c->received, MAX_BYTES);
    gn_http_server_add_connection(f->server, &fds[0], &nobody);
}

void web_hang_up(struct web_fixture *f, struct web_client *c)
{
    if (c->fd >= 0) {
        (void)close(c->fd);
        c->fd = -1;
    }
    gn_buf_fini(&c->received);
    web_turn(f);
}

bool web_slurp(struct web_client *c)
{
    ssize_t n;

    cr_assert_eq(gn_buf_reserve(&c->received, 65536), GN_OK);
    n = read(c->fd, c->received.ptr + c->received.len, 65536);
    if (n > 0) {
        c->received.len += (size_t)n;
    }
    return n > 0;
}

void web_put(struct web_fixture *f, struct web_client *c, struct gn_slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN) {
            break;
        }
        bytes = gn_slice_skip(bytes, n > 0 ? (size_t)n : 0);
        gn_loop_run_once(f->loop);
    }
    web_turn(f);
}

/* ---- answers --------------------------------------------------------------------- */

static struct gn_slice find_text(struct gn_slice s, const char *text)
{
    const size_t len = strlen(text);

    for (size_t i = 0; i + len <= s.len; i++) {
        if (memcmp(s.ptr + i, text, len) == 0) {
            return gn_slice_skip(s, i);
        }
    }
    return gn_slice_of(NULL, 0);
}

struct gn_slice web_field(const struct web_answer *a, const char *name)
{
    struct gn_slice rest = a->head;
    struct gn_slice line;

    while (gn_slice_split(&rest, '\n', &line)) {
        size_t colon = gn_slice_find(line, ':');

        if (gn_slice_eq_nocase(gn_slice_of(line.ptr, colon), gn_slice_str(name))) {
            line = gn_slice_skip(line, colon + 1);
            line.len -= line.len > 0 && line.ptr[line.len - 1] == '\r';
            return gn_slice_trim_ows(line);
        }
    }
    return gn_slice_of(NULL, 0);
}

/** Joins chunks in place; false when the last one is not there. */
static bool join_chunks(struct gn_slice in, char *to, size_t *len_out, size_t *taken_out)
{
    const char *start = in.ptr;

    *len_out = 0;
    for (;;) {
        struct gn_slice eol = find_text(in, "\r\n");
        size_t size;

        if (eol.ptr == NULL) {
            return false;
        }
        size = strtoul(in.ptr, NULL, 16);
        in = gn_slice_skip(eol, 2);
        if (in.len < size + 2) {
            return false;
        }
        memmove(to + *len_out, in.ptr, size);
        *len_out += size;
        in = gn_slice_skip(in, size + 2);
        if (size == 0) {
            *taken_out = (size_t)(in.ptr - start);
            return true;
        }
    }
}

/** Cuts an answer from the start of what was received; false when it is not whole. */
static bool cut_answer(struct web_client *c, struct web_answer *a, bool is_ended)
{
    static char taken[4u * 1024 * 1024];
    struct gn_slice all = gn_buf_slice(&c->received);
    struct gn_slice end = find_text(all, "\r\n\r\n");
    struct gn_slice length;
    size_t head_len;
    size_t body_len;
    size_t n_taken;
    uint64_t declared;

    if (end.ptr == NULL) {
        return false;
    }
    head_len = (size_t)(end.ptr - all.ptr) + 4;
    cr_assert_leq(all.len, sizeof(taken));
    memcpy(taken, all.ptr, all.len);
    a->head = gn_slice_of(taken, head_len);
    a->status = (int)strtol(taken + 9, NULL, 10);
    length = web_field(a, "Content-Length");
    n_taken = head_len;
    body_len = all.len - head_len;
    if (a->status == 204 || a->status == 304 || a->status < 200) {
        body_len = 0;
    } else if (gn_slice_to_u64(length, SIZE_MAX, &declared) == GN_OK) {
        if (body_len < declared) {
            return is_ended; /* HEAD */
        }
        body_len = (size_t)declared;
        n_taken += body_len;
    } else if (web_field(a, "Transfer-Encoding").ptr != NULL) {
        size_t n_chunked;

        if (!join_chunks(gn_slice_of(taken + head_len, body_len), taken + head_len, &body_len,
                    &n_chunked)) {
            a->status = 0;
            return is_ended;
        }
        n_taken += n_chunked;
    } else if (!is_ended) {
        return false;
    } else {
        n_taken += body_len;
    }
    a->body = gn_slice_of(taken + head_len, body_len);
    gn_buf_consume(&c->received, n_taken);
    return true;
}

static bool is_at_end(const struct web_client *c)
{
    char byte;

    return recv(c->fd, &byte, 1, MSG_PEEK) == 0;
}

struct web_answer web_take(struct web_fixture *f, struct web_client *c)
{
    const gn_deadline until = gn_deadline_after_ms(gn_clock_now(), 10000);

    for (;;) {
        struct web_answer a = {0};
        bool is_ended;

        gn_loop_run_once(f->loop);
        (void)web_slurp(c);
        is_ended = is_at_end(c) && !web_slurp(c);
        if (cut_answer(c, &a, is_ended)) {
            return a;
        }
        if (is_ended || gn_clock_now() > until) {
            return (struct web_answer){0};
        }
    }
}

struct web_answer web_ask(struct web_fixture *f, const char *request)
{
    web_put(f, &f->client, gn_slice_str(request));
    return web_take(f, &f->client);
}

struct web_answer web_send(struct web_fixture *f, const char *method, const char *target,
        const char *fields, const char *body)
{
    struct gn_buf request;
    struct web_answer a;

    gn_buf_init(&request, MAX_BYTES);
    cr_assert_eq(gn_buf_printf(&request,
                         "%s %s HTTP/1.1\r\nHost: test\r\n%sContent-Length: %zu\r\n\r\n%s", method,
                         target, fields, strlen(body), body),
            GN_OK);
    web_put(f, &f->client, gn_buf_slice(&request));
    gn_buf_fini(&request);
    a = web_take(f, &f->client);
    return a;
}

struct web_answer web_get(struct web_fixture *f, const char *target)
{
    struct gn_buf request;

    gn_buf_init(&request, MAX_BYTES);
    cr_assert_eq(gn_buf_printf(&request, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", target), GN_OK);
    web_put(f, &f->client, gn_buf_slice(&request));
    gn_buf_fini(&request);
    return web_take(f, &f->client);
}

/* ---- WebSocket --------------------------------------------------------------------- */

int web_upgrade(struct web_fixture *f, struct web_client *c, const char *target, const char *fields)
{
    struct gn_buf request;

    gn_buf_init(&request, MAX_BYTES);
    cr_assert_eq(gn_buf_printf(&request,
                         "GET %s HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\n"
                         "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                         target, fields),
            GN_OK);
    web_put(f, c, gn_buf_slice(&request));
    gn_buf_fini(&request);
    return web_take(f, c).status;
}

void web_ws_send(
        struct web_fixture *f, struct web_client *c, unsigned opcode, struct gn_slice payload)
{
    static const uint8_t key[4] = {1, 2, 3, 4};
    struct gn_ws_header header =
            gn_ws_encode_header_masked((enum gn_ws_opcode)opcode, true, payload.len, key);
    struct gn_buf bytes;

    gn_buf_init(&bytes, MAX_BYTES);
    cr_assert_eq(gn_buf_append(&bytes, gn_ws_header_slice(&header)), GN_OK);
    cr_assert_eq(gn_buf_append(&bytes, payload), GN_OK);
    gn_ws_mask(bytes.ptr + header.len, payload.len, key, 0);
    web_put(f, c, gn_buf_slice(&bytes));
    gn_buf_fini(&bytes);
}

/** The size of the frame at the start of `b`; 0 when it is not whole. */
static size_t frame_size(struct gn_slice b, size_t *header_out)
{
    size_t len = b.len >= 2 ? (unsigned char)b.ptr[1] : 0;
    size_t n_bytes = len == 126 ? 2 : len == 127 ? 8 : 0;

    *header_out = 2 + n_bytes;
    if (b.len < *header_out) {
        return 0;
    }
    for (size_t i = 0; i < n_bytes; i++) {
        len = (i == 0 ? 0 : len << 8) | (unsigned char)b.ptr[2 + i];
    }
    return b.len >= *header_out + len ? *header_out + len : 0;
}

struct web_frame web_ws_take(struct web_fixture *f, struct web_client *c)
{
    static char taken[1024u * 1024];
    const gn_deadline until = gn_deadline_after_ms(gn_clock_now(), 10000);
    struct web_frame frame = {.opcode = -1};
    size_t header;
    size_t size;

    while ((size = frame_size(gn_buf_slice(&c->received), &header)) == 0) {
        gn_loop_run_once(f->loop);
        if (!web_slurp(c) && (is_at_end(c) || gn_clock_now() > until)) {
            return frame;
        }
    }
    cr_assert_leq(size, sizeof(taken));
    memcpy(taken, c->received.ptr, size);
    gn_buf_consume(&c->received, size);
    frame.opcode = taken[0] & 0x0f;
    frame.payload = gn_slice_of(taken + header, size - header);
    return frame;
}

unsigned web_ws_take_close(struct web_fixture *f, struct web_client *c)
{
    struct web_frame frame = web_ws_take(f, c);

    if (frame.opcode != GN_WS_CLOSE) {
        return 0;
    }
    if (frame.payload.len < 2) {
        return GN_WS_CLOSE_NO_STATUS;
    }
    return (unsigned)(unsigned char)frame.payload.ptr[0] << 8 | (unsigned char)frame.payload.ptr[1];
}
