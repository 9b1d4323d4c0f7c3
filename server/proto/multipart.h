/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_MULTIPART_H
#define GN_SERVER_PROTO_MULTIPART_H

/*
 * multipart/form-data (RFC 7578, RFC 2046 5.1), decoded as it arrives: the
 * content of parts is handed out in place and never collected here; only the
 * head of one part is held, within a bound. Files go to disk, fields to
 * memory: that is for the caller to decide at GN_MULTIPART_PART.
 *
 * Strict where a second reader might differ: exact CRLF, one
 * Content-Disposition of form-data with a name in each part. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/arena.h"
#include "server/base/buf.h"
#include "server/base/slice.h"

enum {
    GN_MULTIPART_BOUNDARY_BYTES = 70,                               /* RFC 2046 5.1.1 */
    GN_MULTIPART_DELIMITER_BYTES = GN_MULTIPART_BOUNDARY_BYTES + 4, /* CRLF "--" before it */
};

struct gn_multipart_limits {
    unsigned parts;    /* 100; beyond: an error */
    size_t head_bytes; /* 8190, of one part; beyond: an error */
};

#define GN_MULTIPART_LIMITS_DEFAULT ((struct gn_multipart_limits){.parts = 100, .head_bytes = 8190})

enum gn_multipart_event_kind {
    GN_MULTIPART_MORE,  /* all input was consumed */
    GN_MULTIPART_PART,  /* a part begins: see name, filename, content_type */
    GN_MULTIPART_DATA,  /* some of its content */
    GN_MULTIPART_END,   /* of the part */
    GN_MULTIPART_DONE,  /* the last boundary was read; what follows is ignored */
    GN_MULTIPART_ERROR, /* malformed or beyond a limit: see error; decode nothing more */
};

struct gn_multipart_event {
    enum gn_multipart_event_kind kind;
    struct gn_slice data; /* DATA: in the input, or in the decoder until its next call */
    /* PART: in the decoder until its next call. Unescaped; bytes as sent, usually UTF-8. */
    struct gn_slice name;
    struct gn_slice filename;     /* without any folders; ptr NULL: a field, not a file */
    struct gn_slice content_type; /* as sent; empty: text/plain (RFC 7578 4.4) */
};

/** Fields are the decoder's own but for `error`. */
struct gn_multipart {
    const char *error;      /* static text after GN_MULTIPART_ERROR */
    enum gn_err error_code; /* GN_ERR_PROTOCOL or GN_ERR_TOO_BIG */
    struct gn_multipart_limits limits;
    unsigned n_parts;
    uint8_t state;     /* enum in multipart.c */
    uint8_t matched;   /* bytes of the delimiter that stand at the end of what was seen */
    uint8_t n_virtual; /* of those, the first ones that were never content: 2 or 0 */
    uint8_t delim_len;
    char delim[GN_MULTIPART_DELIMITER_BYTES];
    struct gn_buf head;    /* of the part being read */
    struct gn_arena arena; /* what of it had to be unescaped */
};

/**
 * Prepares for the body of a request with that Content-Type.
 *
 * Returns: GN_OK
 *          GN_ERR_UNSUPPORTED   not multipart/form-data
 *          GN_ERR_INVALID       no boundary, or one that RFC 2046 does not allow
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_multipart_init(struct gn_multipart *m,
        struct gn_slice content_type, const struct gn_multipart_limits *limits);
GN_ANY_THREAD void gn_multipart_fini(struct gn_multipart *m);

/** Consumes input up to the next event; call again with the rest until GN_MULTIPART_MORE. */
GN_ANY_THREAD GN_HOT void gn_multipart_feed(struct gn_multipart *m, struct gn_slice in,
        size_t *consumed_out, struct gn_multipart_event *event_out);

/** Whether the last boundary was read: a body that ends before is truncated. */
GN_ANY_THREAD bool gn_multipart_is_done(const struct gn_multipart *m);

#endif
