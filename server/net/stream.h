/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_NET_STREAM_H
#define GN_SERVER_NET_STREAM_H

/*
 * A connected byte stream: plain descriptor or TLS, behind one small interface.
 * Calls never block: they do what they can and say what to wait for. What to
 * wait for follows from the status (want read, want write), never from the
 * caller's guess, so that TLS falls out naturally.
 *
 * Thread: the loop thread. Ownership: a stream owns its descriptor; the
 * connection that holds the stream sets `owner` and `on_ready`. A connection
 * may pass a stream on to another owner (WebSocket upgrade).
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/attr.h"
#include "server/base/buf.h"
#include "server/base/bufq.h"
#include "server/base/err.h"
#include "server/loop/loop.h"
#include "server/net/addr.h"

struct gn_stream;
struct gn_tls_facts;

struct gn_stream_ops {
    /**
     * Reads at most `max_bytes` behind into->len, once; room has been reserved.
     * Returns: GN_OK (at least one byte), GN_ERR_WANT_READ, GN_ERR_WANT_WRITE,
     *          GN_ERR_EOF, GN_ERR_IO
     */
    enum gn_err (*read)(struct gn_stream *s, struct gn_buf *into, size_t max_bytes);
    /**
     * Writes from the head of `q`, consuming what was taken, until it is empty or
     * the descriptor is full. Files go by sendfile where the kernel can. What was
     * offered and not taken must be offered again, first and unchanged: a TLS
     * stream may have sealed some of it already. So with writev.
     * Returns: GN_OK (q is empty), GN_ERR_WANT_WRITE, GN_ERR_WANT_READ,
     *          GN_ERR_IO (the stream is dead; a file that shrank counts too)
     */
    enum gn_err (*write)(struct gn_stream *s, struct gn_bufq *q);
    /**
     * Writes bytes that are not worth queueing: at most once what `iov` holds;
     * `*n_sent_out` may be less, also on GN_OK's siblings.
     * Returns: GN_OK (everything), GN_ERR_WANT_WRITE, GN_ERR_WANT_READ, GN_ERR_IO
     */
    enum gn_err (*writev)(
            struct gn_stream *s, const struct iovec *iov, int n_iov, size_t *n_sent_out);
    /** Sends FIN, or close_notify. Returns: GN_OK, GN_ERR_WANT_*, GN_ERR_IO */
    enum gn_err (*shutdown)(struct gn_stream *s);
    /** True when bytes are decrypted and waiting although the descriptor is quiet. */
    bool (*has_pending)(const struct gn_stream *s);
    /** Frees what the kind holds and the stream itself; the descriptor is closed by the caller. */
    void (*destroy)(struct gn_stream *s);
};

/** `events` as in gn_io_fn. */
typedef void (*gn_stream_fn)(struct gn_stream *s, unsigned events);

struct gn_stream {
    const struct gn_stream_ops *ops;
    struct gn_io io; /* watched events are the owner's business, by gn_io_watch */
    gn_stream_fn on_ready;
    void *owner;
    void (*on_closed)(void *arg); /* NULL, or who counts descriptors: told when it is closed */
    void *closed_arg;
    bool is_tls;
    bool is_aborted;          /* being destroyed by gn_stream_abort: no farewell */
    struct gn_tls_facts *tls; /* what the handshake settled; NULL before it, and without TLS */
};

/**
 * A plain stream on a connected, non-blocking descriptor, which it takes
 * (`*fd` becomes -1). `on_ready` and `owner` are the caller's to set before
 * watching.
 */
GN_LOOP_THREAD struct gn_stream *gn_stream_fd_create(struct gn_loop *loop, int *fd);

/** Stops watching, closes the descriptor, frees; accepts NULL. */
GN_LOOP_THREAD void gn_stream_destroy(struct gn_stream **s);
/** The same, but with a reset instead of an orderly end (SO_LINGER 0). */
GN_LOOP_THREAD void gn_stream_abort(struct gn_stream **s);

GN_LOOP_THREAD static inline GN_MUST_CHECK enum gn_err gn_stream_read(
        struct gn_stream *s, struct gn_buf *into, size_t max_bytes)
{
    return s->ops->read(s, into, max_bytes);
}

GN_LOOP_THREAD static inline GN_MUST_CHECK enum gn_err gn_stream_write(
        struct gn_stream *s, struct gn_bufq *q)
{
    return s->ops->write(s, q);
}

GN_LOOP_THREAD static inline GN_MUST_CHECK enum gn_err gn_stream_writev(
        struct gn_stream *s, const struct iovec *iov, int n_iov, size_t *n_sent_out)
{
    return s->ops->writev(s, iov, n_iov, n_sent_out);
}

GN_LOOP_THREAD static inline GN_MUST_CHECK enum gn_err gn_stream_shutdown(struct gn_stream *s)
{
    return s->ops->shutdown(s);
}

GN_LOOP_THREAD static inline bool gn_stream_has_pending(const struct gn_stream *s)
{
    return s->ops->has_pending(s);
}

#endif
