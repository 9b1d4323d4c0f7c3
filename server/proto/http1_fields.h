/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_HTTP1_FIELDS_H
#define GN_SERVER_PROTO_HTTP1_FIELDS_H

/*
 * What header fields mean for the connection: framing, Host, persistence,
 * expectations. A part of the parser; others want http1_parser.h.
 */

#include "server/base/slice.h"
#include "server/proto/headers.h"
#include "server/proto/http1_parser.h"

/** Facts gathered while the fields go by; bits of gn_http1_parser.seen. */
enum {
    GN_SEEN_HOST = 1,
    GN_SEEN_LENGTH = 2,
    GN_SEEN_CODING = 4,
    GN_SEEN_CODING_OTHER = 8, /* a list of codings that ends in chunked: 501 */
    GN_SEEN_CLOSE = 16,
    GN_SEEN_KEEP_ALIVE = 32,
    GN_SEEN_UPGRADE_TOKEN = 64,
    GN_SEEN_UPGRADE = 128,
    GN_SEEN_WEBSOCKET = 256,
    GN_SEEN_CONTINUE = 512,
    GN_SEEN_EXPECT_OTHER = 1024,
    GN_SEEN_FORWARDED = 2048,
};

/**
 * Notes one field.
 *
 * Returns: NULL, or why the request is malformed (400); static text
 */
GN_ANY_THREAD GN_HOT const char *gn_http1_note_field(
        struct gn_http1_head *head, uint16_t *seen, struct gn_header *field);

/**
 * Draws the conclusions once all fields are in: framing, keep_alive and what
 * else the head says of itself.
 *
 * Returns: true    `head` is complete and has one meaning
 *          false   error_out->status and ->reason say what to answer
 */
GN_ANY_THREAD GN_MUST_CHECK bool gn_http1_conclude_fields(
        struct gn_http1_head *head, uint16_t seen, struct gn_http1_error *error_out);

#endif
