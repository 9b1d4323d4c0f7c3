/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_HTTP1_PARSER_H
#define GN_SERVER_PROTO_HTTP1_PARSER_H

/*
 * The head of an HTTP/1.x request (RFC 9112 2 to 6), parsed in place: names
 * and values are slices into the caller's buffer, fields go to the caller's
 * array, nothing is allocated. Everything that decides where the message ends
 * is decided here, strictly, before anybody sees the request: a head that is
 * handed out has exactly one meaning.
 *
 * The caller keeps all bytes of the head so far in one contiguous buffer and
 * feeds that buffer again whenever more arrived; bytes that were looked at
 * are not scanned again. The buffer may have moved between two calls.
 *
 *   gn_http1_parser_init(&p, &limits);
 *   gn_http1_parser_begin(&p, &head, fields, GN_ARRAY_LEN(fields));
 *   switch (gn_http1_parser_feed(&p, gn_buf_slice(&in), &consumed)) ...
 *
 * Not thread-safe; pure computation, no clock, no log.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/slice.h"
#include "server/proto/headers.h"
#include "server/proto/http1_error.h"
#include "server/proto/http_method.h"

struct gn_scan;

/** Bounds of a head; beyond them 414 or 431. */
struct gn_http1_limits {
    size_t request_line_bytes; /* 8190, without its CRLF; beyond: 414 */
    size_t field_bytes;        /* 8190, one header line without its CRLF; beyond: 431 */
    unsigned fields;           /* 100; beyond: 431 */
    size_t head_bytes;         /* 65536, everything to the empty line; beyond: 431 */
};

#define GN_HTTP1_LIMITS_DEFAULT                                                                    \
    ((struct gn_http1_limits){                                                                     \
            .request_line_bytes = 8190, .field_bytes = 8190, .fields = 100, .head_bytes = 65536})

/** Forms of the request target (RFC 9112 3.2). CONNECT's authority-form is answered 501. */
enum gn_http1_form {
    GN_FORM_ORIGIN,   /* /path?query */
    GN_FORM_ABSOLUTE, /* http://host/path?query */
    GN_FORM_ASTERISK, /* *, of OPTIONS only */
};

/** Where the content of the message ends (RFC 9112 6.3). */
enum gn_http1_framing {
    GN_FRAMING_NONE,    /* there is none */
    GN_FRAMING_LENGTH,  /* content_length bytes, which may be 0 */
    GN_FRAMING_CHUNKED, /* until the last chunk */
};

/** A parsed head. Slices point into the buffer last fed, or to static storage. */
struct gn_http1_head {
    enum gn_http_method method;
    enum gn_http1_form form;
    enum gn_http1_framing framing;
    unsigned n_headers;
    struct gn_slice method_name;
    struct gn_slice target;    /* as sent */
    struct gn_slice scheme;    /* of an absolute-form target, "http" or "https" in any case */
    struct gn_slice path;      /* undecoded, starts with '/'; "*" for GN_FORM_ASTERISK */
    struct gn_slice query;     /* undecoded, without the '?' */
    struct gn_slice host;      /* valid host [":" port] of the target or the Host field; empty on
                                  HTTP/1.0 without Host, and where Host is empty */
    struct gn_header *headers; /* n_headers of them, in the order sent; the caller's array */
    uint64_t content_length;   /* of GN_FRAMING_LENGTH, else 0; at most 2^63 - 1 */
    size_t head_bytes;         /* from the first byte fed to the end of the empty line */
    uint8_t minor_version;     /* 0 or 1 */
    bool has_query;            /* there was a '?' */
    bool keep_alive;           /* the client may go on after this (RFC 9112 9.3) */
    bool expect_continue;      /* the client waits for 100 (RFC 9110 10.1.1) */
    bool wants_upgrade;        /* `Connection: upgrade` with an Upgrade field, HTTP/1.1 */
    bool wants_websocket;      /* the same, and Upgrade lists websocket */
    bool has_forwarded;        /* there is a field of forwarded.h */
};

enum gn_http1_result {
    GN_HTTP1_MORE,  /* the head is not complete; feed again when more arrived */
    GN_HTTP1_DONE,  /* the head is complete and was consumed */
    GN_HTTP1_ERROR, /* see parser->error; feed nothing more */
};

/** Fields are the parser's own but for `error`. */
struct gn_http1_parser {
    struct gn_http1_error error; /* valid after GN_HTTP1_ERROR; offset from the first byte fed */

    struct gn_http1_limits limits;
    const struct gn_scan *scan;
    struct gn_http1_head *head;
    uintptr_t base;      /* where the buffer was at the last call */
    size_t line_at;      /* offset of the line being read */
    size_t scan_at;      /* offset up to which that line is known to hold no end */
    unsigned capacity;   /* of head->headers */
    uint8_t state;       /* enum in http1_parser.c */
    uint8_t blank_lines; /* leading empty lines so far */
    uint16_t seen;       /* fields that must not repeat */
};

/** Keeps a copy of the limits; picks the fastest scanners the CPU has. */
GN_ANY_THREAD void gn_http1_parser_init(
        struct gn_http1_parser *p, const struct gn_http1_limits *limits);

/**
 * Starts on a new head. `head` and `headers` stay the caller's and are filled
 * during the calls that follow; `capacity` above limits.fields is not used,
 * below it takes the limit's place.
 */
GN_ANY_THREAD void gn_http1_parser_begin(struct gn_http1_parser *p, struct gn_http1_head *head,
        struct gn_header *headers, unsigned capacity);

/**
 * Looks at what has arrived. `bytes` holds everything since the first byte of
 * this head; one empty line before the request line is skipped (RFC 9112 2.2).
 *
 * Returns: GN_HTTP1_DONE   `head` is filled, `*consumed_out` bytes belong to it;
 *                          what follows is content or the next request
 *          GN_HTTP1_MORE   not complete; `*consumed_out` is 0
 *          GN_HTTP1_ERROR  answer parser->error.status and close; `*consumed_out` is 0
 * Valid:   the slices in `head` while the buffer stays where it is; when it moves,
 *          gn_http1_head_move.
 */
GN_ANY_THREAD GN_HOT GN_MUST_CHECK enum gn_http1_result gn_http1_parser_feed(
        struct gn_http1_parser *p, struct gn_slice bytes, size_t *consumed_out);

/** Whether anything but a leading empty line has arrived: then a timeout is a 408. */
GN_ANY_THREAD bool gn_http1_parser_has_begun(const struct gn_http1_parser *p);

/**
 * What has been read of a head that is not complete, or was refused: its
 * request line and the fields up to there. NULL before the end of the request
 * line. It has no meaning yet (framing, keep_alive): for an answer in the
 * client's language, not for serving. `bytes` is what was last fed, wherever it
 * lies now.
 */
GN_ANY_THREAD const struct gn_http1_head *gn_http1_parser_peek(
        struct gn_http1_parser *p, struct gn_slice bytes);

/**
 * Points every slice that lies in the `len` bytes at `from` to the same place
 * in `to`: after the head's bytes were copied, or their buffer has moved and
 * `from`, the address it had, is gone.
 */
GN_ANY_THREAD void gn_http1_head_move(
        struct gn_http1_head *head, uintptr_t from, size_t len, const char *to);

/** The first field with that id, or NULL. */
static inline const struct gn_header *gn_http1_head_find(
        const struct gn_http1_head *head, enum gn_header_id id)
{
    return gn_headers_find(head->headers, head->n_headers, id);
}

/** The value of the first field with that id; the empty slice (ptr NULL) when there is none. */
static inline struct gn_slice gn_http1_head_value(
        const struct gn_http1_head *head, enum gn_header_id id)
{
    return gn_headers_value(head->headers, head->n_headers, id);
}

#endif
