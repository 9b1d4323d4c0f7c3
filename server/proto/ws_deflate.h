/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_WS_DEFLATE_H
#define GN_SERVER_PROTO_WS_DEFLATE_H

/*
 * permessage-deflate (RFC 7692): what to agree on, and one object for each
 * direction. An object that keeps its context belongs to one connection; one
 * that does not may serve any number of them in turn, a message at a time,
 * which is what keeps an idle connection small (a context costs up to 300 KiB).
 * Not thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/slice.h"
#include "server/proto/http1_parser.h"

/** What the server is ready for; see gn_ws_deflate_options_default. */
struct gn_ws_deflate_options {
    bool server_context_takeover; /* keep our context from message to message */
    bool client_context_takeover; /* let the client keep its own */
    uint8_t server_window_bits;   /* 9..15 */
    uint8_t client_window_bits;   /* 9..15 */
};

/** No context is kept in either direction, windows of 15 bits. */
GN_ANY_THREAD struct gn_ws_deflate_options gn_ws_deflate_options_default(void);

/** What was agreed. */
struct gn_ws_deflate_params {
    bool server_context_takeover;
    bool client_context_takeover;
    uint8_t server_window_bits;
    uint8_t client_window_bits;
    bool client_sets_window; /* the client may be told client_max_window_bits */
};

enum { GN_WS_DEFLATE_ANSWER_BYTES = 160 };

/**
 * Takes the first acceptable offer of the Sec-WebSocket-Extensions fields.
 * `answer_out` receives the value of our field, `*answer_slice_out` says how
 * much of it.
 *
 * Returns: GN_OK              agreed
 *          GN_ERR_NOT_FOUND   nothing acceptable was offered: go without
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_ws_deflate_negotiate(const struct gn_http1_head *head,
        const struct gn_ws_deflate_options *options, struct gn_ws_deflate_params *out,
        char answer_out[GN_WS_DEFLATE_ANSWER_BYTES], struct gn_slice *answer_slice_out);

struct gn_ws_inflater;

/** For frames from the client; `window_bits` as agreed for it. */
GN_ANY_THREAD struct gn_ws_inflater *gn_ws_inflater_create(uint8_t window_bits, bool keeps_context);
GN_ANY_THREAD void gn_ws_inflater_destroy(struct gn_ws_inflater **i);

/**
 * Appends what a piece of a compressed message expands to. `out` must have the
 * limit for messages: it bounds the expansion, whatever the ratio.
 *
 * Returns: GN_OK
 *          GN_ERR_TOO_BIG     the message is longer than out->limit: close with 1009
 *          GN_ERR_PROTOCOL    not DEFLATE data, or it breaks off: close with 1007
 *          GN_ERR_NO_MEMORY
 * After an error the object is as if new, and the connection must end.
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_ws_inflate(
        struct gn_ws_inflater *i, struct gn_slice piece, bool is_last, struct gn_buf *out);

struct gn_ws_deflater;

/** For frames to the client. Units: level 1 (fast) .. 9 (small). */
GN_ANY_THREAD struct gn_ws_deflater *gn_ws_deflater_create(
        uint8_t window_bits, bool keeps_context, int level);
GN_ANY_THREAD void gn_ws_deflater_destroy(struct gn_ws_deflater **d);

/**
 * Appends a whole message, compressed, for the payload of frames with RSV1 on
 * the first.
 *
 * Returns: GN_OK
 *          GN_ERR_TOO_BIG, GN_ERR_NO_MEMORY   as gn_buf_reserve; `out` is as before,
 *          and the context, if kept, is spoilt: close the connection
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_ws_deflate(
        struct gn_ws_deflater *d, struct gn_slice message, struct gn_buf *out);

#endif
