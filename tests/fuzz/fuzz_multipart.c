/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/proto/multipart.h"
#include "tests/support/fuzz.h"

/*
 * A form must mean the same however it arrives. The first byte says how many
 * bytes come at a time at most; the boundary is X.
 */

enum { MAX_LOG_BYTES = 1 << 18 };

struct outcome {
    bool failed;
    bool done;
    struct gn_buf log; /* every event in words, content in between */
};

static void append(struct outcome *out, struct gn_slice text)
{
    gn_assert(gn_buf_append(&out->log, text) == GN_OK);
}

static void note(struct outcome *out, const struct gn_multipart_event *ev)
{
    switch (ev->kind) {
    case GN_MULTIPART_PART:
        append(out, GN_LIT("\n[part "));
        append(out, ev->name);
        append(out, ev->filename.ptr != NULL ? GN_LIT(" file ") : GN_LIT(" field "));
        append(out, ev->filename);
        append(out, GN_LIT(" type "));
        append(out, ev->content_type);
        gn_assert(gn_slice_find(ev->filename, '/') == ev->filename.len);
        gn_assert(gn_slice_find(ev->filename, '\\') == ev->filename.len);
        break;
    case GN_MULTIPART_DATA:
        gn_assert(ev->data.len > 0);
        append(out, ev->data);
        break;
    case GN_MULTIPART_END:
        append(out, GN_LIT(" end]"));
        break;
    case GN_MULTIPART_DONE:
        append(out, GN_LIT(" done"));
        break;
    case GN_MULTIPART_ERROR:
        out->failed = true;
        break;
    case GN_MULTIPART_MORE:
        break;
    }
}

static void decode(struct gn_slice input, struct gn_fuzz_cuts cuts, struct outcome *out)
{
    struct gn_multipart_limits limits = {.parts = 4, .head_bytes = 256};
    struct gn_multipart m;

    *out = (struct outcome){.failed = false};
    gn_buf_init(&out->log, MAX_LOG_BYTES);
    gn_assert(gn_multipart_init(&m, GN_LIT("multipart/form-data; boundary=X"), &limits) == GN_OK);
    for (size_t at = 0, len; at < input.len && !out->failed; at += len) {
        len = gn_fuzz_next_cut(&cuts, input.len - at);
        char *exact = gn_xalloc(len);
        struct gn_slice piece = gn_slice_of(exact, len);
        struct gn_multipart_event ev;

        memcpy(exact, input.ptr + at, len);
        do {
            size_t n;

            gn_multipart_feed(&m, piece, &n, &ev);
            gn_assert(n <= piece.len);
            note(out, &ev);
            piece = gn_slice_skip(piece, n);
        } while (ev.kind != GN_MULTIPART_MORE && ev.kind != GN_MULTIPART_ERROR);
        gn_assert(out->failed || piece.len == 0);
        gn_free(exact);
    }
    out->done = gn_multipart_is_done(&m);
    gn_assert(out->failed == (m.error != NULL));
    gn_multipart_fini(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, cut;
    struct gn_slice input;

    if (size < 2) {
        return 0;
    }
    input = gn_slice_of((const char *)data + 1, size - 1);
    decode(input, gn_fuzz_whole(input.len), &whole);
    decode(input, gn_fuzz_random_cuts(1 + data[0] % 16, size), &cut);
    gn_assert(whole.failed == cut.failed && whole.done == cut.done);
    gn_assert(gn_slice_eq(gn_buf_slice(&whole.log), gn_buf_slice(&cut.log)));
    gn_buf_fini(&whole.log);
    gn_buf_fini(&cut.log);
    return 0;
}
