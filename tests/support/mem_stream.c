/* SPDX-License-Identifier: MIT */
#include "tests/support/mem_stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"

/*
 * A socket pair stands for readiness only: one byte lies in it while there is
 * something to read, and its send buffer is stuffed while nothing may be
 * written.
 */

#define MEMORY_BYTES (256u << 20)

static void set_readable(struct gn_mem_stream *m)
{
    bool wanted = m->input.len > 0 || m->has_eof || m->is_dead;
    char byte = 0;
    ssize_t n;

    do {
        n = recv(gn_io_fd(&m->stream.io), &byte, 1, MSG_DONTWAIT);
    } while (n > 0);
    if (wanted) {
        n = send(m->peer_fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        gn_assert(n == 1);
    }
}

static void set_writable(struct gn_mem_stream *m)
{
    static const char stuffing[2048];
    char sink[2048];
    ssize_t n;

    do {
        n = m->room > 0 ? recv(m->peer_fd, sink, sizeof(sink), MSG_DONTWAIT)
                        : send(gn_io_fd(&m->stream.io), stuffing, sizeof(stuffing),
                                  MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n > 0);
}

static bool fails(struct gn_mem_stream *m)
{
    return ++m->record->n_calls == m->fail_at;
}

static enum gn_err mem_read(struct gn_stream *s, struct gn_buf *into, size_t max_bytes)
{
    struct gn_mem_stream *m = GN_CONTAINER_OF(s, struct gn_mem_stream, stream);
    size_t n = GN_MIN(max_bytes, m->input.len);

    gn_assert(max_bytes > 0 && into->cap - into->len >= max_bytes);
    if (fails(m) || (n == 0 && m->is_dead)) {
        return GN_ERR_IO;
    }
    if (n == 0) {
        return m->has_eof ? GN_ERR_EOF : GN_ERR_WANT_READ;
    }
    if (m->max_read > 0) {
        n = GN_MIN(n, m->max_read);
    }
    memcpy(into->ptr + into->len, m->input.ptr, n);
    into->len += n;
    gn_buf_consume(&m->input, n);
    set_readable(m);
    return GN_OK;
}

static size_t take(struct gn_mem_stream *m, struct gn_slice bytes)
{
    size_t n = GN_MIN(bytes.len, m->room);
    enum gn_err rc = gn_buf_append(&m->record->output, gn_slice_of(bytes.ptr, n));

    gn_assert(rc == GN_OK);
    if (m->room != SIZE_MAX) {
        m->room -= n;
    }
    if (n > 0) {
        m->record->n_writes++;
    }
    set_writable(m);
    return n;
}

static enum gn_err mem_writev(
        struct gn_stream *s, const struct iovec *iov, int n_iov, size_t *n_sent_out)
{
    struct gn_mem_stream *m = GN_CONTAINER_OF(s, struct gn_mem_stream, stream);
    unsigned before = m->record->n_writes;

    *n_sent_out = 0;
    if (fails(m) || m->is_dead) {
        return GN_ERR_IO;
    }
    for (int i = 0; i < n_iov; i++) {
        size_t n = take(m, gn_slice_of(iov[i].iov_base, iov[i].iov_len));

        *n_sent_out += n;
        if (n < iov[i].iov_len) {
            return GN_ERR_WANT_WRITE;
        }
    }
    m->record->n_writes = GN_MIN(m->record->n_writes, before + 1);
    return GN_OK;
}

static struct gn_slice file_bytes(const struct gn_bufq_file *file, char *into, size_t size)
{
    ssize_t n =
            pread(file->fd, into, (size_t)GN_MIN(file->len, (uint64_t)size), (off_t)file->offset);

    return gn_slice_of(into, n > 0 ? (size_t)n : 0);
}

static enum gn_err mem_write(struct gn_stream *s, struct gn_bufq *q)
{
    struct gn_mem_stream *m = GN_CONTAINER_OF(s, struct gn_mem_stream, stream);
    char copy[2048];

    if (fails(m) || m->is_dead) {
        return GN_ERR_IO;
    }
    while (!gn_bufq_is_empty(q)) {
        struct gn_bufq_file file;
        struct iovec first;
        struct gn_slice bytes;
        size_t n;

        if (gn_bufq_peek_file(q, &file)) {
            bytes = file_bytes(&file, copy, sizeof(copy));
            if (bytes.len == 0) {
                return GN_ERR_IO;
            }
        } else {
            (void)gn_bufq_peek(q, &first, 1);
            bytes = gn_slice_of(first.iov_base, first.iov_len);
        }
        n = take(m, bytes);
        gn_bufq_consume(q, n);
        if (n < bytes.len) {
            return GN_ERR_WANT_WRITE;
        }
    }
    return GN_OK;
}

static enum gn_err mem_shutdown(struct gn_stream *s)
{
    struct gn_mem_stream *m = GN_CONTAINER_OF(s, struct gn_mem_stream, stream);

    m->record->has_shut = true;
    return fails(m) ? GN_ERR_IO : GN_OK;
}

static bool mem_has_pending(const struct gn_stream *s)
{
    (void)s;
    return false;
}

static void mem_destroy(struct gn_stream *s)
{
    struct gn_mem_stream *m = GN_CONTAINER_OF(s, struct gn_mem_stream, stream);

    m->record->is_destroyed = true;
    (void)close(m->peer_fd);
    gn_buf_fini(&m->input);
    gn_free(m);
}

static const struct gn_stream_ops mem_ops = {
        .read = mem_read,
        .write = mem_write,
        .writev = mem_writev,
        .shutdown = mem_shutdown,
        .has_pending = mem_has_pending,
        .destroy = mem_destroy,
};

static void on_io(struct gn_io *io, unsigned events)
{
    struct gn_stream *s = GN_CONTAINER_OF(io, struct gn_stream, io);

    s->on_ready(s, events);
}

void gn_mem_record_init(struct gn_mem_record *record)
{
    *record = (struct gn_mem_record){.n_calls = 0};
    gn_buf_init(&record->output, MEMORY_BYTES);
}

void gn_mem_record_fini(struct gn_mem_record *record)
{
    gn_buf_fini(&record->output);
}

struct gn_mem_stream *gn_mem_stream_create(struct gn_loop *loop, struct gn_mem_record *record)
{
    struct gn_mem_stream *m = gn_xcalloc(sizeof(*m));
    int pair[2];
    int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);

    gn_assert(rc == 0);
    m->stream.ops = &mem_ops;
    gn_io_init(&m->stream.io, loop, pair[0], on_io);
    m->peer_fd = pair[1];
    m->room = SIZE_MAX;
    m->record = record;
    gn_buf_init(&m->input, MEMORY_BYTES);
    return m;
}

void gn_mem_stream_feed(struct gn_mem_stream *m, struct gn_slice bytes)
{
    enum gn_err rc = gn_buf_append(&m->input, bytes);

    gn_assert(rc == GN_OK);
    set_readable(m);
}

void gn_mem_stream_end(struct gn_mem_stream *m)
{
    m->has_eof = true;
    set_readable(m);
}

void gn_mem_stream_kill(struct gn_mem_stream *m)
{
    m->is_dead = true;
    set_readable(m);
}

void gn_mem_stream_take(struct gn_mem_stream *m, size_t n)
{
    m->room = n > SIZE_MAX - m->room ? SIZE_MAX : m->room + n;
    set_writable(m);
}
