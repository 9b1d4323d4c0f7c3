/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_NET_STREAM_TLS_H
#define GN_SERVER_NET_STREAM_TLS_H

/*
 * The server's end of TLS on a connected descriptor, as a stream. Until the
 * handshake is done only gn_stream_tls_handshake is called; after that it is a
 * stream like any other. An idle stream holds no buffer.
 *
 * What TLS adds to the contract of stream.h: bytes that a write said WANT_* of
 * may be encrypted already, so they must be offered again, first and
 * unchanged. Destroying a stream sends close_notify if the socket takes it;
 * aborting does not, so that what was cut short never looks complete.
 *
 * Thread: the loop thread.
 */

#include "server/net/stream.h"
#include "server/net/tls_ctx.h"
#include "server/net/tls_facts.h"

/** Takes `*fd` as gn_stream_fd_create does, and a reference to `ctx`. */
GN_LOOP_THREAD struct gn_stream *gn_stream_tls_create(
        struct gn_loop *loop, int *fd, struct gn_tls_ctx *ctx);

/**
 * Goes on with the handshake as far as what arrived allows.
 *
 * Returns: GN_OK              done; s->tls holds the facts
 *          GN_ERR_WANT_READ, GN_ERR_WANT_WRITE
 *          GN_ERR_EOF, GN_ERR_IO   the client hung up
 *          GN_ERR_PROTOCOL    it failed; an alert was sent, gn_stream_tls_reason says why
 */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_stream_tls_handshake(struct gn_stream *s);
/** Why the handshake failed, for the log: "no shared cipher"; never NULL. */
GN_LOOP_THREAD const char *gn_stream_tls_reason(const struct gn_stream *s);

/**
 * What the first byte of a connection that waits in `fd` begins.
 *
 * Returns: GN_OK (a TLS handshake, or something its alert is the answer to),
 *          GN_ERR_UNSUPPORTED (a request in plain HTTP), GN_ERR_WANT_READ (nothing yet),
 *          GN_ERR_EOF, GN_ERR_IO
 */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_stream_tls_peek(int fd);

#endif
