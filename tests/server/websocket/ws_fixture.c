/* SPDX-License-Identifier: MIT */
#include "tests/server/websocket/ws_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "tests/support/test.h"

#define MAX_BYTES (64u * 1024 * 1024)

GN_LOOP_THREAD static struct ws_fixture *fixture_of(const struct gn_ws_conn *c)
{
    return gn_ws_conn_owner(c);
}

GN_LOOP_THREAD static void on_message(
        struct gn_ws_conn *c, enum gn_ws_opcode opcode, struct gn_slice payload)
{
    struct ws_fixture *f = fixture_of(c);
    enum gn_err rc;

    f->n_messages++;
    f->opcode = opcode;
    f->held = payload;
    gn_buf_clear(&f->payload);
    cr_assert_eq(gn_buf_append(&f->payload, payload), GN_OK);
    if (f->close_in_message) {
        gn_ws_conn_close(c, GN_WS_CLOSE_NORMAL, GN_LIT("enough"));
    } else if (f->owner == WS_OWNER_ECHO) {
        rc = gn_ws_conn_send(c, opcode, payload);
        cr_assert(rc == GN_OK || rc == GN_ERR_GONE);
    }
    if (f->owner != WS_OWNER_HOLD) {
        gn_ws_conn_done(c);
    }
}

GN_LOOP_THREAD static void on_ping(struct gn_ws_conn *c, struct gn_slice payload)
{
    (void)payload;
    fixture_of(c)->n_pings++;
}

GN_LOOP_THREAD static void on_pong(struct gn_ws_conn *c, struct gn_slice payload)
{
    (void)payload;
    fixture_of(c)->n_pongs++;
}

GN_LOOP_THREAD static void on_drained(struct gn_ws_conn *c)
{
    fixture_of(c)->n_drained++;
}

GN_LOOP_THREAD static void on_close(struct gn_ws_conn *c, unsigned code, struct gn_slice reason)
{
    struct ws_fixture *f = fixture_of(c);

    f->n_closes++;
    f->code = code;
    (void)snprintf(f->reason, sizeof(f->reason), GN_SLICE_FMT, GN_SLICE_ARG(reason));
    cr_assert_eq(gn_ws_conn_send(c, GN_WS_TEXT, GN_LIT("late")), GN_ERR_GONE);
    gn_ws_conn_destroy(&f->conn);
}

static const struct gn_ws_conn_ops ops = {
        .message = on_message,
        .ping = on_ping,
        .pong = on_pong,
        .drained = on_drained,
        .close = on_close,
};

void ws_open(struct ws_fixture *f, const struct ws_options *o)
{
    static const struct ws_options defaults = {0};
    struct gn_ws_conn_config config = {.ops = &ops, .owner = f};
    struct gn_bufq out = {0};
    struct gn_stream *stream;
    int fds[2];

    if (o == NULL) {
        o = &defaults;
    }
    config.message_bytes = o->message_bytes != 0 ? o->message_bytes : 1024u * 1024;
    config.deflate = o->deflate;
    config.queue_bytes = o->queue_bytes != 0 ? o->queue_bytes : 64u * 1024;
    *f = (struct ws_fixture){.client = -1};
    gn_buf_init(&f->payload, MAX_BYTES);
    gn_buf_init(&f->received, MAX_BYTES);
    cr_assert_eq(gn_loop_create(&f->loop, NULL), GN_OK);
    gn_assert_loop_thread(f->loop);
    f->service = gn_ws_service_create(f->loop, NULL, &o->timeouts);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    f->client = fds[1];
    stream = gn_stream_fd_create(f->loop, &fds[0]);
    f->conn = gn_ws_conn_create(f->service, &stream, o->early, &out, &config);
    cr_assert_null(stream);
    if (!o->keep_busy) {
        gn_ws_conn_done(f->conn);
    }
    ws_turn(f);
}

void ws_end(struct ws_fixture *f)
{
    gn_assert_loop_thread(f->loop);
    gn_ws_conn_destroy(&f->conn);
    gn_ws_service_destroy(&f->service);
    gn_loop_destroy(&f->loop);
    gn_buf_fini(&f->payload);
    gn_buf_fini(&f->received);
    if (f->client >= 0) {
        (void)close(f->client);
    }
}

void ws_turn(struct ws_fixture *f)
{
    for (int i = 0; i < 3; i++) {
        gn_loop_run_once(f->loop);
    }
}

/** Reads what is there, so that the server can go on writing. */
static bool slurp(struct ws_fixture *f)
{
    bool got = false;

    for (;;) {
        ssize_t n;

        cr_assert_eq(gn_buf_reserve(&f->received, 65536), GN_OK);
        n = read(f->client, f->received.ptr + f->received.len, 65536);
        if (n <= 0) {
            return got;
        }
        f->received.len += (size_t)n;
        got = true;
    }
}

void ws_put(struct ws_fixture *f, struct gn_slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(f->client, bytes.ptr, bytes.len, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN) {
            break; /* the server has hung up; the test looks at why */
        }
        bytes = gn_slice_skip(bytes, n > 0 ? (size_t)n : 0);
        gn_loop_run_once(f->loop);
        if (bytes.len > 0) {
            (void)slurp(f);
        }
    }
    ws_turn(f);
}

void ws_frame(struct gn_buf *to, unsigned opcode, bool fin, struct gn_slice payload)
{
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
    struct gn_ws_header header =
            gn_ws_encode_header_masked((enum gn_ws_opcode)(opcode & 0x0f), fin, payload.len, key);
    size_t at;

    header.bytes[0] = (char)(header.bytes[0] | (int)(opcode & WS_RSV1));
    cr_assert_eq(gn_buf_append(to, gn_ws_header_slice(&header)), GN_OK);
    at = to->len;
    cr_assert_eq(gn_buf_append(to, payload), GN_OK);
    gn_ws_mask(to->ptr + at, payload.len, key, 0);
}

void ws_send(struct ws_fixture *f, unsigned opcode, bool fin, struct gn_slice payload)
{
    struct gn_buf bytes;

    gn_buf_init(&bytes, MAX_BYTES);
    ws_frame(&bytes, opcode, fin, payload);
    ws_put(f, gn_buf_slice(&bytes));
    gn_buf_fini(&bytes);
}

void ws_hang_up(struct ws_fixture *f)
{
    (void)close(f->client);
    f->client = -1;
    ws_turn(f);
}

void ws_release(struct ws_fixture *f)
{
    gn_assert_loop_thread(f->loop);
    gn_ws_conn_done(f->conn);
    ws_turn(f);
}

/** The length of the frame at the start of `b`, 0 when it is not whole. */
static size_t frame_size(struct gn_slice b, size_t *header_out)
{
    size_t len;
    size_t header = 2;

    if (b.len < 2) {
        return 0;
    }
    len = (unsigned char)b.ptr[1] & 0x7f;
    if (len >= 126) {
        size_t n_bytes = len == 126 ? 2 : 8;

        if (b.len < 2 + n_bytes) {
            return 0;
        }
        len = 0;
        for (size_t i = 0; i < n_bytes; i++) {
            len = len << 8 | (unsigned char)b.ptr[2 + i];
        }
        header += n_bytes;
    }
    *header_out = header;
    return b.len >= header + len ? header + len : 0;
}

struct ws_got ws_take(struct ws_fixture *f)
{
    static char taken[4u * 1024 * 1024];
    size_t header = 0;
    size_t size;
    struct ws_got got = {0};
    unsigned char first;

    ws_turn(f);
    (void)slurp(f);
    while ((size = frame_size(gn_buf_slice(&f->received), &header)) == 0) {
        ws_turn(f);
        if (!slurp(f)) {
            return got;
        }
    }
    cr_assert_leq(size, sizeof(taken));
    memcpy(taken, f->received.ptr, size);
    gn_buf_consume(&f->received, size);
    first = (unsigned char)taken[0];
    got.is_compressed = (first & WS_RSV1) != 0;
    got.ok = (first & 0xb0) == 0x80 && (taken[1] & 0x80) == 0;
    got.opcode = first & 0x0f;
    got.payload = gn_slice_of(taken + header, size - header);
    return got;
}

unsigned ws_take_close(struct ws_fixture *f)
{
    struct ws_got got = ws_take(f);

    if (!got.ok || got.opcode != GN_WS_CLOSE) {
        return 0;
    }
    if (got.payload.len == 0) {
        return GN_WS_CLOSE_NO_STATUS;
    }
    cr_assert_geq(got.payload.len, 2);
    return (unsigned)(unsigned char)got.payload.ptr[0] << 8 | (unsigned char)got.payload.ptr[1];
}

bool ws_is_ended(struct ws_fixture *f)
{
    char c;

    ws_turn(f);
    (void)slurp(f);
    return f->received.len == 0 && recv(f->client, &c, 1, 0) == 0;
}

void ws_wait(struct ws_fixture *f, const unsigned *counter, unsigned n)
{
    const gn_deadline until = gn_deadline_after_ms(gn_clock_now(), 10000);

    while (*counter < n) {
        const struct timespec pause = {.tv_nsec = 1000000};

        cr_assert_lt(gn_clock_now(), until, "waited 10 s");
        gn_loop_run_once(f->loop);
        (void)nanosleep(&pause, NULL);
    }
}
