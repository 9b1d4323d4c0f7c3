/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/net/stream.h"

/*
 * The plain stream: read, sendmsg and sendfile on a socket. Each call does
 * bounded work (MAX_WRITE_BYTES), so that one fast reader of a large file does
 * not keep the loop from everybody else: the descriptor stays writable and its
 * turn comes again.
 *
 * No call may raise SIGPIPE, whatever the process did with that signal:
 * sendmsg has a flag for it, sendfile has none and runs with the signal blocked.
 */

#define MAX_IOV 64
#define MAX_SENDFILE_BYTES (512u * 1024)
#define MAX_WRITE_BYTES (2u * 1024 * 1024)
#define COPY_BYTES (64u * 1024)

static enum gn_err fd_read(struct gn_stream *s, struct gn_buf *into, size_t max_bytes)
{
    gn_assert(into->cap - into->len >= max_bytes && max_bytes > 0);
    for (;;) {
        ssize_t n = read(gn_io_fd(&s->io), into->ptr + into->len, max_bytes);

        if (n > 0) {
            into->len += (size_t)n;
            return GN_OK;
        }
        if (n == 0) {
            return GN_ERR_EOF;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return GN_ERR_WANT_READ;
        }
        if (errno != EINTR) {
            return GN_ERR_IO;
        }
    }
}

/** The status of a failed send; GN_OK means "try again". */
static enum gn_err write_failure(void)
{
    if (errno == EINTR) {
        return GN_OK;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? GN_ERR_WANT_WRITE : GN_ERR_IO;
}

static size_t iov_total(const struct iovec *iov, int n_iov)
{
    size_t total = 0;

    for (int i = 0; i < n_iov; i++) {
        total += iov[i].iov_len;
    }
    return total;
}

static ssize_t send_iov(int fd, const struct iovec *iov, int n_iov, int flags)
{
    union {
        const struct iovec *in;
        struct iovec *out; /* struct msghdr has no const; sendmsg does not write through it */
    } ranges = {.in = iov};
    const struct msghdr message = {.msg_iov = ranges.out, .msg_iovlen = (size_t)n_iov};

    if (n_iov == 1) {
        return send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL | flags);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL | flags);
}

static enum gn_err write_memory(int fd, struct gn_bufq *q, uint64_t *n_sent)
{
    struct iovec iov[MAX_IOV];
    int n_iov = gn_bufq_peek(q, iov, MAX_IOV);
    size_t total = iov_total(iov, n_iov);
    ssize_t n;

    /* What follows comes in the next call: let the kernel fill its packet. */
    n = send_iov(fd, iov, n_iov, total < q->n_bytes ? MSG_MORE : 0);
    if (n < 0) {
        return write_failure();
    }
    gn_bufq_consume(q, (uint64_t)n);
    *n_sent += (uint64_t)n;
    /* A short write means a full socket buffer: asking again would only say EAGAIN. */
    return (size_t)n < total ? GN_ERR_WANT_WRITE : GN_OK;
}

/** For files that sendfile refuses (some file systems, some socket kinds). */
static ssize_t copy_file(int fd, const struct gn_bufq_file *file, size_t len)
{
    char *bytes = gn_xalloc(COPY_BYTES);
    ssize_t n;

    do {
        n = pread(file->fd, bytes, GN_MIN(len, (size_t)COPY_BYTES), (off_t)file->offset);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        n = send(fd, bytes, (size_t)n, MSG_NOSIGNAL);
    }
    gn_free(bytes);
    return n;
}

static ssize_t sendfile_without_sigpipe(int fd, const struct gn_bufq_file *file, size_t len)
{
    const struct timespec no_wait = {0};
    off_t offset = (off_t)file->offset;
    sigset_t pipe_only;
    sigset_t before;
    sigset_t pending;
    ssize_t n;
    int saved;
    bool was_pending;

    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)sigpending(&pending);
    was_pending = sigismember(&pending, SIGPIPE) == 1;
    (void)pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    n = sendfile(fd, file->fd, &offset, len);
    saved = errno;
    if (n < 0 && saved == EPIPE && !was_pending) {
        while (sigtimedwait(&pipe_only, NULL, &no_wait) < 0 && errno == EINTR) {
        }
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return n;
}

static enum gn_err write_file(
        int fd, const struct gn_bufq_file *file, struct gn_bufq *q, uint64_t *n_sent)
{
    size_t len = (size_t)GN_MIN(file->len, (uint64_t)MAX_SENDFILE_BYTES);
    ssize_t n = sendfile_without_sigpipe(fd, file, len);

    if (n < 0 && (errno == EINVAL || errno == ENOSYS)) {
        n = copy_file(fd, file, len);
    }
    if (n < 0) {
        return write_failure();
    }
    if (n == 0) {
        return GN_ERR_IO; /* the file shrank: the promised bytes do not exist */
    }
    gn_bufq_consume(q, (uint64_t)n);
    *n_sent += (uint64_t)n;
    return GN_OK;
}

static enum gn_err fd_write(struct gn_stream *s, struct gn_bufq *q)
{
    int fd = gn_io_fd(&s->io);
    uint64_t n_sent = 0;

    while (!gn_bufq_is_empty(q)) {
        struct gn_bufq_file file;

        if (n_sent >= MAX_WRITE_BYTES) {
            return GN_ERR_WANT_WRITE;
        }
        if (gn_bufq_peek_file(q, &file)) {
            GN_TRY(write_file(fd, &file, q, &n_sent));
        } else {
            GN_TRY(write_memory(fd, q, &n_sent));
        }
    }
    return GN_OK;
}

static enum gn_err fd_writev(
        struct gn_stream *s, const struct iovec *iov, int n_iov, size_t *n_sent_out)
{
    ssize_t n;

    *n_sent_out = 0;
    do {
        n = send_iov(gn_io_fd(&s->io), iov, n_iov, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return write_failure();
    }
    *n_sent_out = (size_t)n;
    return (size_t)n < iov_total(iov, n_iov) ? GN_ERR_WANT_WRITE : GN_OK;
}

static enum gn_err fd_shutdown(struct gn_stream *s)
{
    return shutdown(gn_io_fd(&s->io), SHUT_WR) == 0 ? GN_OK : GN_ERR_IO;
}

static bool fd_has_pending(const struct gn_stream *s)
{
    (void)s;
    return false;
}

static void fd_destroy(struct gn_stream *s)
{
    gn_free(s);
}

static const struct gn_stream_ops fd_ops = {
        .read = fd_read,
        .write = fd_write,
        .writev = fd_writev,
        .shutdown = fd_shutdown,
        .has_pending = fd_has_pending,
        .destroy = fd_destroy,
};

static void on_io(struct gn_io *io, unsigned events)
{
    struct gn_stream *s = GN_CONTAINER_OF(io, struct gn_stream, io);

    gn_assert_loop_thread(io->loop);
    s->on_ready(s, events);
}

struct gn_stream *gn_stream_fd_create(struct gn_loop *loop, int *fd)
{
    struct gn_stream *s = gn_xcalloc(sizeof(*s));

    s->ops = &fd_ops;
    gn_io_init(&s->io, loop, *fd, on_io);
    *fd = -1;
    return s;
}
