/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/proto/http1_body.h"
#include "tests/support/fuzz.h"

/*
 * A body must yield the same content however it arrives. The first byte gives
 * the framing and how many bytes come at a time at most, the second the limit.
 */

enum { MAX_CONTENT_BYTES = 1 << 16 };

struct outcome {
    enum gn_body_result result;
    int status;
    size_t consumed;
    struct gn_buf content;
};

static void decode_piece(struct gn_http1_body *b, struct gn_slice piece, struct outcome *out)
{
    while (piece.len > 0 && out->result != GN_BODY_DONE && out->result != GN_BODY_ERROR) {
        size_t consumed = 0;
        struct gn_slice data = {0};

        out->result = gn_http1_body_decode(b, piece, &consumed, &data);
        gn_assert(consumed <= piece.len);
        gn_assert(consumed > 0 || out->result == GN_BODY_DONE || out->result == GN_BODY_ERROR);
        if (out->result == GN_BODY_DATA) {
            gn_assert(data.len > 0 && data.ptr >= piece.ptr);
            gn_assert(data.ptr + data.len <= piece.ptr + consumed);
            gn_assert(gn_buf_append(&out->content, data) == GN_OK);
        }
        out->consumed += consumed;
        piece = gn_slice_skip(piece, consumed);
    }
}

static void decode(const struct gn_http1_head *head, uint64_t limit_bytes, struct gn_slice input,
        struct gn_fuzz_cuts cuts, struct outcome *out)
{
    struct gn_http1_body b;

    *out = (struct outcome){.result = GN_BODY_MORE};
    gn_buf_init(&out->content, MAX_CONTENT_BYTES);
    gn_http1_body_init(&b, head, limit_bytes);
    if (b.error.status != 0) {
        out->result = GN_BODY_ERROR;
    }
    for (size_t at = 0, len; at < input.len; at += len) {
        len = gn_fuzz_next_cut(&cuts, input.len - at);
        char *exact = gn_xalloc(len);

        memcpy(exact, input.ptr + at, len);
        decode_piece(&b, gn_slice_of(exact, len), out);
        gn_free(exact);
    }
    out->status = out->result == GN_BODY_ERROR ? b.error.status : 0;
    gn_assert(b.n_bytes == out->content.len);
    gn_assert(b.n_bytes <= limit_bytes);
    gn_assert(gn_http1_body_is_done(&b) == (out->result == GN_BODY_DONE) ||
            out->result == GN_BODY_MORE || out->result == GN_BODY_DATA);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gn_http1_head head = {.minor_version = 1, .framing = GN_FRAMING_CHUNKED};
    struct outcome whole;
    struct outcome cut;
    struct gn_slice input;
    uint64_t limit_bytes;

    if (size < 3 || size > MAX_CONTENT_BYTES) {
        return 0;
    }
    if ((data[0] & 0x80) != 0) {
        head.framing = GN_FRAMING_LENGTH;
        head.content_length = data[1] * 3u;
    }
    limit_bytes = data[1] == 0 ? MAX_CONTENT_BYTES : data[1] * 2u;
    input = gn_slice_of((const char *)data + 2, size - 2);
    decode(&head, limit_bytes, input, gn_fuzz_whole(input.len), &whole);
    decode(&head, limit_bytes, input, gn_fuzz_random_cuts((data[0] & 0x3f) + 1u, size), &cut);

    gn_assert(whole.status == cut.status);
    gn_assert((whole.result == GN_BODY_DONE) == (cut.result == GN_BODY_DONE));
    gn_assert(whole.result != GN_BODY_DONE || whole.consumed == cut.consumed);
    gn_assert(whole.status != 0 ||
            gn_slice_eq(gn_buf_slice(&whole.content), gn_buf_slice(&cut.content)));
    gn_buf_fini(&whole.content);
    gn_buf_fini(&cut.content);
    return 0;
}
