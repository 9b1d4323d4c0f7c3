/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_HTTP1_WRITER_H
#define GN_SERVER_PROTO_HTTP1_WRITER_H

/*
 * Responses as HTTP/1.1 bytes. The writer decides the framing (length, chunks,
 * or the end of the connection), the Connection field, and what 1xx, 204, 304
 * and HEAD do to it (RFC 9112 6.3, RFC 9110 8.6, 9.3.2); it refuses whatever an
 * application must not send. It is a small plain struct: copy it to another
 * thread, serialise there, copy it back. It never allocates but in `out`.
 *
 *   gn_http1_writer_init(&w, &head, keep_alive)
 *   gn_http1_writer_interim(...)          any number of times: 100, 103
 *   gn_http1_writer_head(...)             once
 *   gn_http1_writer_body(...)             any number of times
 *   gn_http1_writer_end(...)              once; then w.keep_alive says what becomes
 *                                         of the connection
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/slice.h"
#include "server/proto/headers.h"
#include "server/proto/http1_parser.h"

/** The length of a body is not known when the head is written. */
#define GN_LENGTH_UNKNOWN UINT64_MAX

enum { GN_HTTP1_PREFIX_BYTES = 20 };

struct gn_http1_writer {
    /* facts of the request */
    uint8_t minor_version;
    bool is_head;

    /* Before the head: whether we would keep the connection. After it: what
     * was promised. After the end: whether it may be kept. */
    bool keep_alive;

    uint8_t state;       /* enum in http1_writer.c */
    uint8_t framing;     /* enum in http1_writer.c; valid after the head */
    uint16_t status;     /* of the final response; 0 before its head */
    uint16_t dropped_id; /* a hop-by-hop field that was left out, or 0 */

    uint64_t declared; /* Content-Length, or GN_LENGTH_UNKNOWN */
    uint64_t n_body;   /* body bytes for the wire so far, without framing */

    const char *error;    /* static text after GN_ERR_INVALID: "header value holds CR" */
    unsigned error_index; /* of the offending header, when `error` is about one */
    char prefix[GN_HTTP1_PREFIX_BYTES];
};

/** A final response as the caller wants it. */
struct gn_http1_response {
    int status;                      /* 200..599 */
    struct gn_slice reason;          /* empty: the standard phrase */
    const struct gn_header *headers; /* ids may be GN_HDR_UNSET; checked unless flagged so */
    unsigned n_headers;
    uint64_t body_length;       /* or GN_LENGTH_UNKNOWN */
    struct gn_slice date;       /* 29 bytes from a gn_http_date_cache; empty: no Date field */
    struct gn_slice request_id; /* for X-Request-ID, known to be right; empty: no such field */
};

/** Prepares for the answer to `head`; `keep_alive` false closes whatever the client wishes. */
GN_ANY_THREAD void gn_http1_writer_init(
        struct gn_http1_writer *w, const struct gn_http1_head *head, bool keep_alive);
/** The same where there is no head: an error answer, closing the connection. */
GN_ANY_THREAD void gn_http1_writer_init_closing(struct gn_http1_writer *w);

/**
 * Appends a status line and fields. Adds what is missing of Date,
 * X-Request-ID, Server (`gustnado`), Content-Length or Transfer-Encoding, and Connection.
 *
 * - A Content-Length among the headers declares the length when body_length is
 *   GN_LENGTH_UNKNOWN; when both are given they must agree (but for HEAD and 304).
 * - `Connection: close` among the headers closes. Connection, Keep-Alive,
 *   Proxy-Connection, TE, Trailer, Transfer-Encoding and Upgrade are the
 *   connection's business: they are left out, and dropped_id names the last;
 *   but a 426 keeps its Upgrade (RFC 9110 15.5.22).
 * - A length not known is sent in chunks to HTTP/1.1, else ends with the connection.
 * - HEAD: pass the length GET would have, or GN_LENGTH_UNKNOWN to say nothing.
 *
 * Returns: GN_OK            head appended
 *          GN_ERR_INVALID   an invalid status, reason, name, value or length, or a second
 *                           head: see w->error; nothing was appended, the writer is as before
 *          GN_ERR_TOO_BIG, GN_ERR_NO_MEMORY   as gn_buf_reserve; the same
 */
GN_ANY_THREAD GN_HOT GN_MUST_CHECK enum gn_err gn_http1_writer_head(
        struct gn_http1_writer *w, const struct gn_http1_response *response, struct gn_buf *out);

/**
 * Appends an interim response: 100, or 102..199 with headers such as Link (RFC
 * 8297). HTTP/1.0 clients get nothing.
 *
 * Returns: as gn_http1_writer_head; GN_ERR_INVALID also for 101 and after the head
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_http1_writer_interim(struct gn_http1_writer *w,
        int status, const struct gn_header *headers, unsigned n_headers, struct gn_buf *out);

/**
 * Appends `101 Switching Protocols` with `Connection: Upgrade`; the headers
 * must name the protocol in an Upgrade field. HTTP ends here.
 *
 * Returns: as gn_http1_writer_head
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_http1_writer_upgrade(struct gn_http1_writer *w,
        const struct gn_header *headers, unsigned n_headers, struct gn_buf *out);

/** What to put on the wire for a piece of the body: prefix, the first `take` bytes, suffix. */
struct gn_http1_piece {
    struct gn_slice prefix; /* lies in the writer: valid until its next call */
    size_t take;            /* 0 when no body goes out (HEAD, 204, 304) */
    struct gn_slice suffix; /* static storage */
};

/**
 * Frames `len` more bytes of the body, which need not be copied. len 0 makes an
 * empty piece (never the last chunk).
 *
 * Returns: GN_OK            `*piece_out` is set
 *          GN_ERR_TOO_BIG   beyond the declared length: piece_out->take holds what still
 *                           fits, the surplus must be dropped
 *          GN_ERR_INVALID   not between head and end
 */
GN_ANY_THREAD GN_HOT GN_MUST_CHECK enum gn_err gn_http1_writer_body(
        struct gn_http1_writer *w, size_t len, struct gn_http1_piece *piece_out);

/**
 * Ends the body. `*tail_out` (static storage, may be empty) goes on the wire.
 *
 * Returns: GN_OK            complete; w->keep_alive is final
 *          GN_ERR_EOF       shorter than declared; w->keep_alive is false: close
 *          GN_ERR_INVALID   not between head and end
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_http1_writer_end(
        struct gn_http1_writer *w, struct gn_slice *tail_out);

/**
 * Head, whole body and end in one go, appended to `out`; response->body_length
 * is ignored. Returns as gn_http1_writer_head.
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_http1_writer_reply(struct gn_http1_writer *w,
        const struct gn_http1_response *response, struct gn_slice body, struct gn_buf *out);

/** Whether body bytes of this response go out at all; valid after the head. */
GN_ANY_THREAD bool gn_http1_writer_has_body(const struct gn_http1_writer *w);

#endif
