/* SPDX-License-Identifier: MIT */
#include "server/net/stream_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/ascii.h"

#include "server/net/tls_ctx_priv.h"

/*
 * OpenSSL reads and writes through a BIO of ours: send with MSG_NOSIGNAL, so
 * that SIGPIPE cannot happen; MSG_MORE while records follow, so that small
 * ones share a packet; and a bound on what one call may read, so that a client
 * that sends nothing but key updates does not keep the loop.
 *
 * OpenSSL reads ahead: bytes of the next record may wait inside it although
 * the descriptor is quiet. `may_pend` says so: it is set by a read that left
 * something, and cleared by one that found no whole record.
 *
 * A write is cut into records of 16 KiB. One that the socket does not take
 * stays sealed in OpenSSL until the same bytes are offered again (stream.h);
 * pieces are gathered into the context's scratch memory, where nothing is kept
 * between calls.
 *
 * After a fatal error no further call reaches OpenSSL, shutdown included.
 */

#define MAX_IOV 64
#define MAX_WRITE_BYTES (1024u * 1024)
#define MAX_READ_BYTES (128u * 1024)

struct tls_stream {
    struct gn_stream stream; /* first */
    struct gn_tls_ctx *ctx;
    SSL *ssl;
    const char *reason; /* of the fatal error; OpenSSL's static text */
    size_t read_budget; /* bytes that this call may still take from the descriptor */
    bool is_established;
    bool is_broken;
    bool has_eof;  /* the descriptor's */
    bool has_shut; /* close_notify was sent */
    bool may_pend; /* OpenSSL may hold a whole record */
    bool has_more; /* what is being written goes on */
};

static struct tls_stream *tls_of(struct gn_stream *s)
{
    return GN_CONTAINER_OF(s, struct tls_stream, stream);
}

static const struct tls_stream *tls_of_const(const struct gn_stream *s)
{
    return (const struct tls_stream *)(const void *)s; /* its first member */
}

/* ---- the BIO --------------------------------------------------------------- */

static int bio_write(BIO *bio, const char *bytes, int len)
{
    const struct tls_stream *t = BIO_get_data(bio);
    const int flags = MSG_NOSIGNAL | (t->has_more ? MSG_MORE : 0);
    ssize_t n;

    BIO_clear_retry_flags(bio);
    do {
        n = send(gn_io_fd(&t->stream.io), bytes, (size_t)len, flags);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        BIO_set_retry_write(bio);
    }
    return (int)n;
}

static int bio_read(BIO *bio, char *into, int size)
{
    struct tls_stream *t = BIO_get_data(bio);
    ssize_t n;

    BIO_clear_retry_flags(bio);
    if (t->read_budget == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    do {
        n = recv(gn_io_fd(&t->stream.io), into, (size_t)size, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        BIO_set_retry_read(bio);
    } else if (n == 0) {
        t->has_eof = true;
    } else if (n > 0) {
        t->read_budget -= GN_MIN((size_t)n, t->read_budget);
    }
    return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *ptr)
{
    const struct tls_stream *t = BIO_get_data(bio);

    (void)number;
    (void)ptr;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return t->has_eof;
    default:
        return 0;
    }
}

BIO_METHOD *gn_tls_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");

    gn_assert(method != NULL && BIO_meth_set_write(method, bio_write) == 1 &&
            BIO_meth_set_read(method, bio_read) == 1 && BIO_meth_set_ctrl(method, bio_ctrl) == 1);
    return method;
}

/* ---- calls into OpenSSL ------------------------------------------------------ */

/** What a call that returned `rc` <= 0 means. */
static enum gn_err failure(struct tls_stream *t, int rc)
{
    unsigned long code;

    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return GN_ERR_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return GN_ERR_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return GN_ERR_EOF;
    case SSL_ERROR_SSL:
        code = ERR_peek_error();
        t->is_broken = true;
        t->reason = ERR_reason_error_string(code);
        ERR_clear_error();
        return GN_ERR_PROTOCOL;
    default:
        t->is_broken = true;
        ERR_clear_error();
        return GN_ERR_IO;
    }
}

static enum gn_err open_record(struct tls_stream *t, char *into, size_t max_bytes, size_t *n_out)
{
    int rc;

    ERR_clear_error();
    rc = SSL_read_ex(t->ssl, into, max_bytes, n_out);
    if (rc == 1) {
        t->may_pend = SSL_has_pending(t->ssl) == 1;
        return GN_OK;
    }
    t->may_pend = false;
    return failure(t, rc);
}

static enum gn_err seal_record(struct tls_stream *t, struct gn_slice bytes, size_t *n_out)
{
    int rc;

    ERR_clear_error();
    rc = SSL_write_ex(t->ssl, bytes.ptr, bytes.len, n_out);
    return rc == 1 ? GN_OK : failure(t, rc);
}

/** The stream's callers know no protocol error. */
static enum gn_err as_stream_error(enum gn_err rc)
{
    return rc == GN_ERR_PROTOCOL ? GN_ERR_IO : rc;
}

/* ---- reading -------------------------------------------------------------------- */

static enum gn_err tls_read(struct gn_stream *s, struct gn_buf *into, size_t max_bytes)
{
    struct tls_stream *t = tls_of(s);
    size_t left = max_bytes;
    enum gn_err rc;

    gn_assert(into->cap - into->len >= max_bytes && max_bytes > 0);
    if (t->is_broken) {
        return GN_ERR_IO;
    }
    t->read_budget = MAX_READ_BYTES;
    do {
        size_t n = 0;

        rc = open_record(t, into->ptr + into->len, left, &n);
        into->len += n;
        left -= n;
    } while (rc == GN_OK && left > 0 && t->may_pend);
    if (left == max_bytes || (rc != GN_ERR_WANT_READ && rc != GN_ERR_EOF)) {
        return as_stream_error(rc);
    }
    /* The end comes again, though the descriptor may not tell of it. */
    t->may_pend = rc == GN_ERR_EOF;
    return GN_OK;
}

static bool tls_has_pending(const struct gn_stream *s)
{
    return tls_of_const(s)->may_pend;
}

/* ---- writing ---------------------------------------------------------------------- */

/** Up to a record's worth behind the first `skip` bytes: where it lies, or gathered. */
static struct gn_slice gather(
        const struct tls_stream *t, const struct iovec *iov, int n_iov, size_t skip)
{
    char *scratch = t->ctx->scratch;
    size_t len = 0;

    for (int i = 0; i < n_iov && len < GN_TLS_RECORD_BYTES; i++) {
        struct gn_slice part = gn_slice_of(iov[i].iov_base, iov[i].iov_len);
        size_t skipped = GN_MIN(skip, part.len);

        skip -= skipped;
        part = gn_slice_skip(part, skipped);
        part.len = GN_MIN(part.len, GN_TLS_RECORD_BYTES - len);
        if (len == 0 && (part.len == GN_TLS_RECORD_BYTES || i == n_iov - 1)) {
            return part;
        }
        if (part.len > 0) {
            memcpy(scratch + len, part.ptr, part.len);
            len += part.len;
        }
    }
    return gn_slice_of(scratch, len);
}

static enum gn_err read_file(
        const struct tls_stream *t, const struct gn_bufq_file *file, struct gn_slice *bytes_out)
{
    size_t len = (size_t)GN_MIN(file->len, (uint64_t)GN_TLS_RECORD_BYTES);
    ssize_t n;

    do {
        n = pread(file->fd, t->ctx->scratch, len, (off_t)file->offset);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return GN_ERR_IO; /* an error, or the file shrank: the promised bytes do not exist */
    }
    *bytes_out = gn_slice_of(t->ctx->scratch, (size_t)n);
    return GN_OK;
}

/** The next record's worth of a queue. */
static enum gn_err next_of_queue(
        const struct tls_stream *t, const struct gn_bufq *q, struct gn_slice *bytes_out)
{
    struct iovec iov[MAX_IOV];
    struct gn_bufq_file file;

    if (gn_bufq_peek_file(q, &file)) {
        return read_file(t, &file, bytes_out);
    }
    *bytes_out = gather(t, iov, gn_bufq_peek(q, iov, MAX_IOV), 0);
    return GN_OK;
}

static enum gn_err tls_write(struct gn_stream *s, struct gn_bufq *q)
{
    struct tls_stream *t = tls_of(s);
    uint64_t n_sent = 0;

    if (t->is_broken) {
        return GN_ERR_IO;
    }
    while (!gn_bufq_is_empty(q)) {
        struct gn_slice bytes;
        size_t n = 0;

        if (n_sent >= MAX_WRITE_BYTES) {
            return GN_ERR_WANT_WRITE;
        }
        GN_TRY(next_of_queue(t, q, &bytes));
        t->has_more = bytes.len < q->n_bytes;
        GN_TRY(as_stream_error(seal_record(t, bytes, &n)));
        gn_bufq_consume(q, n);
        n_sent += n;
    }
    return GN_OK;
}

static enum gn_err tls_writev(
        struct gn_stream *s, const struct iovec *iov, int n_iov, size_t *n_sent_out)
{
    struct tls_stream *t = tls_of(s);
    size_t total = 0;

    *n_sent_out = 0;
    if (t->is_broken) {
        return GN_ERR_IO;
    }
    for (int i = 0; i < n_iov; i++) {
        total += iov[i].iov_len;
    }
    while (*n_sent_out < total) {
        struct gn_slice bytes = gather(t, iov, n_iov, *n_sent_out);
        size_t n = 0;

        if (*n_sent_out >= MAX_WRITE_BYTES) {
            return GN_ERR_WANT_WRITE;
        }
        t->has_more = *n_sent_out + bytes.len < total;
        GN_TRY(as_stream_error(seal_record(t, bytes, &n)));
        *n_sent_out += n;
    }
    return GN_OK;
}

/* ---- the end ------------------------------------------------------------------------ */

/** Sends close_notify, once. */
static enum gn_err say_goodbye(struct tls_stream *t)
{
    int rc;

    ERR_clear_error();
    t->has_more = false;
    t->read_budget = 0;
    rc = SSL_shutdown(t->ssl);
    if (rc < 0) {
        return as_stream_error(failure(t, rc));
    }
    t->has_shut = true;
    return GN_OK;
}

static enum gn_err tls_shutdown(struct gn_stream *s)
{
    struct tls_stream *t = tls_of(s);

    if (t->is_established && !t->has_shut) {
        if (t->is_broken) {
            return GN_ERR_IO;
        }
        GN_TRY(say_goodbye(t));
    }
    return shutdown(gn_io_fd(&s->io), SHUT_WR) == 0 ? GN_OK : GN_ERR_IO;
}

static void tls_destroy(struct gn_stream *s)
{
    struct tls_stream *t = tls_of(s);

    gn_assert_loop_thread(s->io.loop);
    if (t->is_established && !t->has_shut && !t->is_broken && !s->is_aborted) {
        (void)!say_goodbye(t);
    }
    SSL_free(t->ssl);
    gn_tls_ctx_unref(&t->ctx);
    gn_tls_facts_unref(&s->tls);
    gn_free(t);
}

static const struct gn_stream_ops tls_ops = {
        .read = tls_read,
        .write = tls_write,
        .writev = tls_writev,
        .shutdown = tls_shutdown,
        .has_pending = tls_has_pending,
        .destroy = tls_destroy,
};

/* ---- the beginning -------------------------------------------------------------------- */

enum gn_err gn_stream_tls_peek(int fd)
{
    char first;
    ssize_t n;

    do {
        n = recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n == 0) {
        return GN_ERR_EOF;
    }
    if (n < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK ? GN_ERR_WANT_READ : GN_ERR_IO;
    }
    first = gn_ascii_lower(first);
    return first >= 'a' && first <= 'z' ? GN_ERR_UNSUPPORTED : GN_OK;
}

static void on_io(struct gn_io *io, unsigned events)
{
    struct gn_stream *s = GN_CONTAINER_OF(io, struct gn_stream, io);

    gn_assert_loop_thread(io->loop);
    s->on_ready(s, events);
}

struct gn_stream *gn_stream_tls_create(struct gn_loop *loop, int *fd, struct gn_tls_ctx *ctx)
{
    struct tls_stream *t = gn_xcalloc(sizeof(*t));
    BIO *bio = BIO_new(ctx->bio);

    t->ssl = SSL_new(ctx->ssl);
    gn_assert(t->ssl != NULL && bio != NULL);
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_accept_state(t->ssl);
    t->ctx = gn_tls_ctx_ref(ctx);
    t->stream.ops = &tls_ops;
    t->stream.is_tls = true;
    gn_io_init(&t->stream.io, loop, *fd, on_io);
    *fd = -1;
    return &t->stream;
}

enum gn_err gn_stream_tls_handshake(struct gn_stream *s)
{
    struct tls_stream *t = tls_of(s);
    int rc;

    gn_assert(s->ops == &tls_ops && !t->is_established);
    if (t->is_broken) {
        return GN_ERR_PROTOCOL;
    }
    ERR_clear_error();
    t->read_budget = MAX_READ_BYTES;
    rc = SSL_do_handshake(t->ssl);
    if (rc != 1) {
        return failure(t, rc);
    }
    t->is_established = true;
    t->may_pend = SSL_has_pending(t->ssl) == 1;
    s->tls = gn_tls_facts_of(t->ssl);
    return GN_OK;
}

const char *gn_stream_tls_reason(const struct gn_stream *s)
{
    const struct tls_stream *t = tls_of_const(s);

    return t->reason != NULL ? t->reason : "unknown reason";
}
