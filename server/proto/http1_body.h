/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_HTTP1_BODY_H
#define GN_SERVER_PROTO_HTTP1_BODY_H

/*
 * The content of a request (RFC 9112 6 and 7.1), taken out of its framing
 * piece by piece, in place and without a copy. Chunked framing is read to the
 * letter: hex digits, optional extensions (checked, bounded, ignored), exact
 * CRLF; trailer fields are checked, bounded and dropped, never shown to
 * anybody.
 *
 *   while (in.len > 0 && !gn_http1_body_is_done(&b)) {
 *       r = gn_http1_body_decode(&b, in, &consumed, &data);
 *       in = gn_slice_skip(in, consumed);
 *       if (r == GN_BODY_DATA) ... keep `data` ...
 *       if (r == GN_BODY_ERROR) ... answer b.error.status and close ...
 *   }
 *
 * A message without content is done from the start. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/slice.h"
#include "server/proto/http1_error.h"
#include "server/proto/http1_parser.h"

enum {
    GN_BODY_EXTENSION_BYTES = 4096, /* chunk extensions of one body, all together; beyond: 400 */
    GN_BODY_TRAILER_BYTES = 8190,   /* trailer section of one body; beyond: 431 */
    GN_BODY_TRAILER_FIELDS = 64,    /* beyond: 431 */
};

enum gn_body_result {
    GN_BODY_MORE,  /* all input was consumed, the body is not complete */
    GN_BODY_DATA,  /* a piece of content; call again with the rest */
    GN_BODY_DONE,  /* the body is complete; the rest is the next request's */
    GN_BODY_ERROR, /* see error; decode nothing more */
};

/** Fields are the decoder's own but for `error` and `n_bytes`. */
struct gn_http1_body {
    struct gn_http1_error error; /* offset from the first byte of the body as framed */
    uint64_t n_bytes;            /* content handed out so far */
    uint64_t limit_bytes;        /* content allowed in all; may be lowered or raised meanwhile */

    uint64_t offset;          /* framed bytes consumed */
    uint64_t left;            /* of the content or of the current chunk */
    uint16_t extension_bytes; /* of chunk extensions so far */
    uint16_t trailer_bytes;
    uint8_t trailer_fields;
    uint8_t size_digits; /* of the chunk size being read */
    uint8_t state;       /* enum in http1_body.c */
};

/**
 * Begins on the content of `head`. A declared length beyond `limit_bytes` is
 * an error (413) at once: look at error.status before waiting for bytes.
 */
GN_ANY_THREAD void gn_http1_body_init(
        struct gn_http1_body *b, const struct gn_http1_head *head, uint64_t limit_bytes);

/**
 * Consumes input up to the next event. `*data_out` is a part of `in`, set with
 * GN_BODY_DATA only.
 *
 * Returns: see enum gn_body_result; error.status is 400, 413 or 431
 */
GN_ANY_THREAD GN_HOT GN_MUST_CHECK enum gn_body_result gn_http1_body_decode(struct gn_http1_body *b,
        struct gn_slice in, size_t *consumed_out, struct gn_slice *data_out);

GN_ANY_THREAD bool gn_http1_body_is_done(const struct gn_http1_body *b);

#endif
