/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_WEBSOCKET_WS_COMPRESS_H
#define GN_SERVER_WEBSOCKET_WS_COMPRESS_H

/*
 * permessage-deflate for all connections of a service (RFC 7692). No context
 * is kept from message to message, so one object per window size serves any
 * number of connections, and a connection with compression is no larger than
 * one without.
 *
 * Thread: the loop thread. Ownership: embedded; a zeroed one is ready.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/slice.h"
#include "server/proto/ws_deflate.h"

enum {
    GN_WS_COMPRESS_MIN_BYTES = 128,        /* smaller messages gain nothing */
    GN_WS_COMPRESS_MAX_BYTES = 256 * 1024, /* larger ones would keep the loop too long */
};

struct gn_ws_compress {
    struct gn_ws_inflater *inflater;
    struct gn_ws_deflater *deflaters[16]; /* by window bits, made when first needed */
    struct gn_buf scratch;                /* what the last gn_ws_compress_deflate made */
};

void gn_ws_compress_fini(struct gn_ws_compress *z);

/**
 * Inflates a whole message into `out`, whose limit bounds it.
 *
 * Returns: as gn_ws_inflate
 */
GN_MUST_CHECK enum gn_err gn_ws_compress_inflate(
        struct gn_ws_compress *z, struct gn_slice message, struct gn_buf *out);

/**
 * Deflates a message when that makes it smaller and its size is within the
 * bounds above.
 *
 * Returns: true   `*out` is valid until the next call
 *          false  send it as it is
 */
GN_MUST_CHECK bool gn_ws_compress_deflate(struct gn_ws_compress *z, uint8_t window_bits,
        struct gn_slice message, struct gn_slice *out);

#endif
