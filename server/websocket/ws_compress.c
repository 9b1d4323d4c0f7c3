/* SPDX-License-Identifier: MIT */
#include "server/websocket/ws_compress.h"

/* An inflater of the largest window reads what any smaller one wrote. */

#define LARGEST_WINDOW_BITS 15
#define LEVEL 3 /* the best of zlib's fast ones */

void gn_ws_compress_fini(struct gn_ws_compress *z)
{
    gn_ws_inflater_destroy(&z->inflater);
    for (size_t i = 0; i < GN_ARRAY_LEN(z->deflaters); i++) {
        gn_ws_deflater_destroy(&z->deflaters[i]);
    }
    gn_buf_fini(&z->scratch);
}

enum gn_err gn_ws_compress_inflate(
        struct gn_ws_compress *z, struct gn_slice message, struct gn_buf *out)
{
    if (z->inflater == NULL) {
        z->inflater = gn_ws_inflater_create(LARGEST_WINDOW_BITS, false);
    }
    return gn_ws_inflate(z->inflater, message, true, out);
}

bool gn_ws_compress_deflate(struct gn_ws_compress *z, uint8_t window_bits, struct gn_slice message,
        struct gn_slice *out)
{
    struct gn_ws_deflater **deflater = &z->deflaters[window_bits & 15];

    if (message.len < GN_WS_COMPRESS_MIN_BYTES || message.len > GN_WS_COMPRESS_MAX_BYTES) {
        return false;
    }
    if (*deflater == NULL) {
        *deflater = gn_ws_deflater_create(window_bits, false, LEVEL);
    }
    if (z->scratch.limit == 0) {
        gn_buf_init(&z->scratch, GN_WS_COMPRESS_MAX_BYTES);
    }
    gn_buf_clear(&z->scratch);
    if (gn_ws_deflate(*deflater, message, &z->scratch) != GN_OK || z->scratch.len >= message.len) {
        return false;
    }
    *out = gn_buf_slice(&z->scratch);
    return true;
}
