/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/proto/ws_deflate.h"
#include "tests/support/fuzz.h"

/*
 * Any bytes as a compressed message: the expansion keeps to its limit and does
 * not depend on how they arrive. Then the same bytes as a message of ours,
 * there and back.
 */

enum { LIMIT_BYTES = 1 << 14, MAX_BYTES = 1 << 12 };

static enum gn_err inflate_cut(struct gn_slice input, struct gn_fuzz_cuts cuts, struct gn_buf *out)
{
    struct gn_ws_inflater *i = gn_ws_inflater_create(15, false);
    enum gn_err rc = GN_OK;

    gn_buf_init(out, LIMIT_BYTES);
    for (size_t at = 0, len; at < input.len && rc == GN_OK; at += len) {
        len = gn_fuzz_next_cut(&cuts, input.len - at);
        char *exact = gn_xalloc(len);

        memcpy(exact, input.ptr + at, len);
        rc = gn_ws_inflate(i, gn_slice_of(exact, len), at + len == input.len, out);
        gn_assert(out->len <= LIMIT_BYTES && out->cap <= LIMIT_BYTES);
        gn_free(exact);
    }
    gn_ws_inflater_destroy(&i);
    return rc;
}

static void round_trip(struct gn_slice text)
{
    struct gn_ws_deflater *d = gn_ws_deflater_create(9, true, 1);
    struct gn_ws_inflater *i = gn_ws_inflater_create(9, true);

    for (int round = 0; round < 2; round++) {
        struct gn_buf packed, plain;

        gn_buf_init(&packed, 1 << 16);
        gn_buf_init(&plain, LIMIT_BYTES);
        gn_assert(gn_ws_deflate(d, text, &packed) == GN_OK);
        gn_assert(gn_ws_inflate(i, gn_buf_slice(&packed), true, &plain) == GN_OK);
        gn_assert(gn_slice_eq(gn_buf_slice(&plain), text));
        gn_buf_fini(&packed);
        gn_buf_fini(&plain);
    }
    gn_ws_deflater_destroy(&d);
    gn_ws_inflater_destroy(&i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gn_buf whole, cut;
    struct gn_slice input;
    enum gn_err rc;

    if (size < 2 || size > MAX_BYTES) {
        return 0;
    }
    input = gn_slice_of((const char *)data + 1, size - 1);
    rc = inflate_cut(input, gn_fuzz_whole(input.len), &whole);
    gn_assert(inflate_cut(input, gn_fuzz_random_cuts(1 + data[0] % 16, size), &cut) == rc);
    gn_assert(rc != GN_OK || gn_slice_eq(gn_buf_slice(&whole), gn_buf_slice(&cut)));
    gn_buf_fini(&whole);
    gn_buf_fini(&cut);
    round_trip(input);
    return 0;
}
