/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/log.h"

#include "server/http/exchange_priv.h"
#include "server/http/http1_conn_priv.h"

/*
 * From responses to the stream. The common response is small and the socket
 * takes it whole: it is serialised into server->batch, memory that all
 * connections share, and leaves by one write at the end of the dispatcher's
 * run, together with the responses to whatever was pipelined. Only what the
 * socket refuses is copied to the connection's own queue.
 *
 * The batch belongs to one connection at a time, precedes nothing of that
 * connection's queue (which is empty then), and is never left filled between
 * two runs. Everybody else serialises aside and queues.
 */

#define BATCH_FLUSH_BYTES 32768u

static bool owns_batch(const struct gn_http1_conn *c)
{
    return c->server->batch_conn == c;
}

uint64_t gn_http1_conn_n_waiting(const struct gn_http1_conn *c)
{
    return c->out.n_bytes + (owns_batch(c) ? c->server->batch.len : 0);
}

struct gn_buf *gn_http1_conn_open_out(struct gn_http1_conn *c)
{
    struct gn_http_server *server = c->server;

    if (owns_batch(c)) {
        return &server->batch;
    }
    if (server->batch_conn == NULL && gn_bufq_is_empty(&c->out)) {
        server->batch_conn = c;
        return &server->batch;
    }
    gn_buf_clear(&server->aside);
    return &server->aside;
}

/** Moves what is serialised to the queue. */
static void spill(struct gn_http1_conn *c)
{
    if (owns_batch(c)) {
        gn_bufq_append(&c->out, gn_buf_slice(&c->server->batch));
        gn_buf_clear(&c->server->batch);
        c->server->batch_conn = NULL;
    }
}

void gn_http1_conn_close_out(struct gn_http1_conn *c, struct gn_buf *buf)
{
    if (buf == &c->server->aside) {
        gn_bufq_append(&c->out, gn_buf_slice(buf));
        gn_buf_clear(buf);
    } else if (!c->in_run) {
        spill(c);
    } else if (buf->len > BATCH_FLUSH_BYTES) {
        gn_http1_conn_flush(c);
    }
}

struct gn_bufq *gn_http1_conn_queue(struct gn_http1_conn *c)
{
    spill(c);
    return &c->out;
}

/** Output that nobody will get was not sent after all. */
GN_LOOP_THREAD static void lose(struct gn_http1_conn *c, uint64_t n_bytes)
{
    if (c->exchange != NULL) {
        c->exchange->ex.bytes_out -= GN_MIN(n_bytes, c->exchange->ex.bytes_out);
    }
}

void gn_http1_conn_drop_output(struct gn_http1_conn *c)
{
    lose(c, gn_http1_conn_n_waiting(c));
    if (owns_batch(c)) {
        gn_buf_clear(&c->server->batch);
        c->server->batch_conn = NULL;
    }
    gn_bufq_clear(&c->out);
}

/** The name of an open file, as well as the system knows it. */
static void name_of_file(int fd, char *name, size_t size)
{
    char link[32];
    ssize_t n;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, name, size - 1);
    name[n > 0 ? n : 0] = '\0';
}

/** A client that vanishes is not worth a word, but was it the file that could not be sent? */
GN_LOOP_THREAD GN_COLD static void log_lost_file(const struct gn_http1_conn *c)
{
    struct gn_bufq_file file;
    char peer[GN_ADDR_TEXT_BYTES];
    char name[256];
    char byte;
    ssize_t n;

    if (!gn_bufq_peek_file(&c->out, &file)) {
        return;
    }
    n = pread(file.fd, &byte, 1, (off_t)file.offset);
    if (n <= 0) {
        struct gn_error what = {0};
        int sys_errno = n < 0 ? errno : 0;

        gn_addr_format(&c->origin.peer, peer);
        name_of_file(file.fd, name, sizeof(name));
        (void)!gn_error_set(&what, GN_ERR_IO, sys_errno,
                "a response to %s was cut: %" PRIu64 " bytes of the file %s could not be sent%s",
                peer, file.len, name, n == 0 ? ": it has become shorter meanwhile" : "");
        gn_log_warning("%s", what.message);
    }
}

/** Notes how a write ended. */
GN_LOOP_THREAD static void note_write(struct gn_http1_conn *c, enum gn_err rc)
{
    c->writes_want_read = rc == GN_ERR_WANT_READ;
    if (rc != GN_OK && rc != GN_ERR_WANT_WRITE && rc != GN_ERR_WANT_READ) {
        c->is_broken = true;
        log_lost_file(c);
        lose(c, c->out.n_bytes);
        gn_bufq_clear(&c->out);
    }
}

/** One write from where the bytes lie; queues what the stream does not take. */
GN_LOOP_THREAD static void write_directly(
        struct gn_http1_conn *c, struct gn_slice first, struct gn_slice second)
{
    union {
        const char *in;
        void *out; /* struct iovec has no const; nobody writes through it */
    } base[2] = {{.in = first.ptr}, {.in = second.ptr}};
    const struct iovec iov[2] = {{.iov_base = base[0].out, .iov_len = first.len},
            {.iov_base = base[1].out, .iov_len = second.len}};
    size_t n_sent = 0;

    note_write(c, gn_stream_writev(c->stream, iov, second.len > 0 ? 2 : 1, &n_sent));
    if (c->is_broken) {
        lose(c, first.len + second.len - n_sent);
    } else if (n_sent < first.len + second.len) {
        gn_bufq_append(&c->out, gn_slice_skip(first, n_sent));
        gn_bufq_append(&c->out, gn_slice_skip(second, n_sent - GN_MIN(n_sent, first.len)));
    }
}

void gn_http1_conn_close_out_with(struct gn_http1_conn *c, struct gn_buf *buf, struct gn_slice body)
{
    if (c->is_broken) {
        gn_buf_clear(buf);
    } else if (buf == &c->server->aside) {
        gn_bufq_append(&c->out, gn_buf_slice(buf));
        gn_bufq_append(&c->out, body);
        gn_buf_clear(buf);
        gn_http1_conn_flush(c);
    } else {
        write_directly(c, gn_buf_slice(buf), body);
        gn_buf_clear(buf);
        c->server->batch_conn = NULL;
    }
}

void gn_http1_conn_flush(struct gn_http1_conn *c)
{
    uint64_t before = c->out.n_bytes;

    if (owns_batch(c)) {
        if (c->is_broken || c->server->batch.len == 0) {
            gn_buf_clear(&c->server->batch);
            c->server->batch_conn = NULL;
        } else {
            gn_http1_conn_close_out_with(c, &c->server->batch, gn_slice_of("", 0));
        }
        return;
    }
    if (before == 0 || c->is_broken) {
        return;
    }
    note_write(c, gn_stream_write(c->stream, &c->out));
    if (c->out.n_bytes < before) {
        gn_timeout_disarm(&c->write_time); /* progress: the stall is measured anew */
    }
}
