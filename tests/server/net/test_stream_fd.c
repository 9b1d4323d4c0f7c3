/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/net/stream.h"
#include "tests/support/test.h"

struct fixture {
    struct gn_loop *loop;
    struct gn_stream *stream;
    int peer;
    unsigned events; /* of the last callback */
};

static void on_ready(struct gn_stream *s, unsigned events)
{
    struct fixture *f = s->owner;

    f->events = events;
}

static void setup(struct fixture *f)
{
    int pair[2];

    *f = (struct fixture){.events = 0};
    cr_assert_eq(gn_loop_create(&f->loop, NULL), GN_OK);
    gn_assert_loop_thread(f->loop);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    f->peer = pair[1];
    f->stream = gn_stream_fd_create(f->loop, &pair[0]);
    cr_assert_eq(pair[0], -1);
    f->stream->on_ready = on_ready;
    f->stream->owner = f;
}

static void teardown(struct fixture *f)
{
    gn_assert_loop_thread(f->loop);
    gn_stream_destroy(&f->stream);
    if (f->peer >= 0) {
        (void)close(f->peer);
    }
    gn_loop_destroy(&f->loop);
}

static enum gn_err read_some(struct fixture *f, struct gn_buf *into)
{
    gn_assert_loop_thread(f->loop);
    cr_assert_eq(gn_buf_reserve(into, 16), GN_OK);
    return gn_stream_read(f->stream, into, 16);
}

Test(stream_fd, reads_what_came_and_says_what_to_wait_for)
{
    struct fixture f;
    struct gn_buf in;

    setup(&f);
    gn_buf_init(&in, 64);
    cr_assert_eq(read_some(&f, &in), GN_ERR_WANT_READ);
    cr_assert_eq(write(f.peer, "hello", 5), 5);
    cr_assert_eq(read_some(&f, &in), GN_OK);
    cr_assert_eq(write(f.peer, " you", 4), 4);
    cr_assert_eq(read_some(&f, &in), GN_OK);
    cr_assert(gn_slice_eq(gn_buf_slice(&in), GN_LIT("hello you")));
    (void)close(f.peer);
    f.peer = -1;
    cr_assert_eq(read_some(&f, &in), GN_ERR_EOF);
    gn_buf_fini(&in);
    teardown(&f);
}

/** Reads everything the peer has for now; returns how much. */
static size_t swallow(int fd, struct gn_buf *into)
{
    size_t before = into->len;
    ssize_t n;

    do {
        cr_assert_eq(gn_buf_reserve(into, 65536), GN_OK);
        n = read(fd, into->ptr + into->len, 65536);
        into->len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    return into->len - before;
}

static void count_release(void *arg)
{
    unsigned *n = arg;

    (*n)++;
}

Test(stream_fd, writes_segments_of_every_kind_in_order)
{
    char path[] = "/tmp/gn-stream-XXXXXX";
    struct fixture f;
    struct gn_bufq q = {0};
    struct gn_buf got;
    unsigned n_released = 0;
    int file = mkstemp(path);

    setup(&f);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(write(file, "0123456789", 10), 10);
    gn_bufq_append(&q, GN_LIT("own "));
    gn_bufq_lend(&q, GN_LIT("lent "), count_release, &n_released);
    gn_bufq_lend_file(&q, file, 2, 5, count_release, &n_released);
    gn_bufq_append(&q, GN_LIT(" end"));
    cr_assert_eq(gn_stream_write(f.stream, &q), GN_OK);
    cr_assert(gn_bufq_is_empty(&q));
    cr_assert_eq(n_released, 2);
    gn_buf_init(&got, 1 << 20);
    swallow(f.peer, &got);
    cr_assert(gn_slice_eq(gn_buf_slice(&got), GN_LIT("own lent 23456 end")));
    gn_buf_fini(&got);
    (void)close(file);
    (void)unlink(path);
    teardown(&f);
}

Test(stream_fd, a_file_that_shrank_is_an_error_not_a_spin)
{
    char path[] = "/tmp/gn-stream-XXXXXX";
    struct fixture f;
    struct gn_bufq q = {0};
    int file = mkstemp(path);

    setup(&f);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(write(file, "0123456789", 10), 10);
    gn_bufq_lend_file(&q, file, 0, 20, NULL, NULL);
    cr_assert_eq(gn_stream_write(f.stream, &q), GN_ERR_IO);
    gn_bufq_clear(&q);
    (void)close(file);
    (void)unlink(path);
    teardown(&f);
}

Test(stream_fd, waits_when_full_and_loses_nothing)
{
    enum { TOTAL = 3 << 20 };
    struct fixture f;
    struct gn_bufq q = {0};
    struct gn_buf got;
    char *bytes = gn_xalloc(TOTAL);
    unsigned n_waits = 0;

    setup(&f);
    gn_assert_loop_thread(f.loop);
    for (size_t i = 0; i < TOTAL; i++) {
        bytes[i] = (char)(i * 2654435761u >> 16);
    }
    gn_bufq_lend(&q, gn_slice_of(bytes, TOTAL), NULL, NULL);
    gn_buf_init(&got, 2 * TOTAL);
    for (;;) {
        enum gn_err rc = gn_stream_write(f.stream, &q);

        (void)swallow(f.peer, &got);
        if (rc == GN_OK) {
            break;
        }
        cr_assert_eq(rc, GN_ERR_WANT_WRITE);
        n_waits++;
    }
    cr_assert(n_waits > 0);
    cr_assert(gn_slice_eq(gn_buf_slice(&got), gn_slice_of(bytes, TOTAL)));
    gn_buf_fini(&got);
    gn_free(bytes);
    teardown(&f);
}

Test(stream_fd, writev_says_how_much_was_taken)
{
    char first[] = "first ";
    char second[] = "second";
    const struct iovec iov[2] = {{first, 6}, {second, 6}};
    struct fixture f;
    struct gn_buf got;
    size_t n_sent = 0;
    enum gn_err rc;

    setup(&f);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_stream_writev(f.stream, iov, 2, &n_sent), GN_OK);
    cr_assert_eq(n_sent, 12);
    gn_buf_init(&got, 1 << 24);
    swallow(f.peer, &got);
    cr_assert(gn_slice_eq(gn_buf_slice(&got), GN_LIT("first second")));
    do {
        rc = gn_stream_writev(f.stream, iov, 1, &n_sent);
    } while (rc == GN_OK);
    cr_assert_eq(rc, GN_ERR_WANT_WRITE);
    cr_assert(n_sent < 6);
    gn_buf_fini(&got);
    teardown(&f);
}

static void write_to_the_dead(bool from_file)
{
    const struct sigaction deadly = {.sa_handler = SIG_DFL};
    char path[] = "/tmp/gn-stream-XXXXXX";
    struct fixture f;
    struct gn_bufq q = {0};
    int file = mkstemp(path);

    cr_assert_eq(sigaction(SIGPIPE, &deadly, NULL), 0);
    setup(&f);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(write(file, "0123456789", 10), 10);
    (void)close(f.peer);
    f.peer = -1;
    if (from_file) {
        gn_bufq_lend_file(&q, file, 0, 10, NULL, NULL);
    } else {
        gn_bufq_append(&q, GN_LIT("nobody reads this"));
    }
    cr_assert_eq(gn_stream_write(f.stream, &q), GN_ERR_IO);
    gn_bufq_clear(&q);
    (void)close(file);
    (void)unlink(path);
    teardown(&f);
}

Test(stream_fd, memory_to_a_dead_peer_raises_no_signal)
{
    write_to_the_dead(false);
}

Test(stream_fd, a_file_to_a_dead_peer_raises_no_signal)
{
    write_to_the_dead(true);
}

Test(stream_fd, shutdown_ends_our_side_only)
{
    struct fixture f;
    struct gn_buf in;
    char byte;

    setup(&f);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_stream_shutdown(f.stream), GN_OK);
    cr_assert_eq(read(f.peer, &byte, 1), 0);
    cr_assert_eq(write(f.peer, "x", 1), 1);
    gn_buf_init(&in, 64);
    cr_assert_eq(read_some(&f, &in), GN_OK);
    gn_buf_fini(&in);
    teardown(&f);
}

Test(stream_fd, tells_its_owner_when_it_is_ready)
{
    struct fixture f;

    setup(&f);
    gn_assert_loop_thread(f.loop);
    gn_io_watch(&f.stream->io, GN_IO_READ);
    gn_loop_run_once(f.loop);
    cr_assert_eq(f.events, 0);
    cr_assert_eq(write(f.peer, "x", 1), 1);
    gn_loop_run_once(f.loop);
    cr_assert_eq(f.events, GN_IO_READ);
    gn_io_watch(&f.stream->io, GN_IO_WRITE);
    gn_loop_run_once(f.loop);
    cr_assert_eq(f.events, GN_IO_WRITE);
    teardown(&f);
}

Test(stream_fd, abort_resets_a_tcp_connection)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    struct gn_loop *loop = NULL;
    struct gn_stream *stream;
    char byte;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd;

    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    cr_assert_eq(bind(listener, (struct sockaddr *)&in, len), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&in, &len), 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&in, len), 0);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    stream = gn_stream_fd_create(loop, &fd);
    gn_stream_abort(&stream);
    cr_assert_null(stream);
    cr_assert_eq(read(client, &byte, 1), -1);
    cr_assert_eq(errno, ECONNRESET);
    gn_stream_abort(&stream);
    (void)close(client);
    (void)close(listener);
    gn_loop_destroy(&loop);
}
