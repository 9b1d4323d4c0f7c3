/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/proto/http1_parser.h"
#include "tests/support/fuzz.h"

/*
 * A head must mean the same however it arrives. The first byte says how many
 * bytes come at a time at most; each delivery moves everything so far to a new
 * block of exactly its size, as a growing buffer would. So must the part that
 * was read of a head that is refused, or not complete.
 */

enum { MAX_FIELDS = 100 };

struct outcome {
    enum gn_http1_result result;
    size_t consumed;
    int status;
    bool has_shown; /* a part of a head that is not DONE */
    struct gn_http1_head head;
    struct gn_header fields[MAX_FIELDS];
    char *block; /* what the slices point into */
};

static char *copy_exactly(struct gn_slice bytes)
{
    char *block = gn_xalloc(bytes.len > 0 ? bytes.len : 1);

    memcpy(block, bytes.ptr, bytes.len);
    return block;
}

/** Looks at what was read after it has moved once more. */
static void peek(struct gn_http1_parser *p, struct outcome *out, size_t len)
{
    char *moved = copy_exactly(gn_slice_of(out->block, len));

    gn_free(out->block);
    out->block = moved;
    out->has_shown = gn_http1_parser_peek(p, gn_slice_of(moved, len)) != NULL;
}

static void parse(struct gn_slice input, struct gn_fuzz_cuts cuts, struct outcome *out)
{
    struct gn_http1_parser p;
    size_t len = 0;

    gn_http1_parser_init(&p, &GN_HTTP1_LIMITS_DEFAULT);
    gn_http1_parser_begin(&p, &out->head, out->fields, MAX_FIELDS);
    out->block = NULL;
    do {
        char *before = out->block;

        /* A large input byte by byte would be copied a thousand times over. */
        for (size_t least = len + input.len / 256; len <= least && len < input.len;) {
            len += gn_fuzz_next_cut(&cuts, input.len - len);
        }
        out->block = copy_exactly(gn_slice_of(input.ptr, len));
        gn_free(before);
        out->result = gn_http1_parser_feed(&p, gn_slice_of(out->block, len), &out->consumed);
    } while (out->result == GN_HTTP1_MORE && len < input.len);
    out->status = out->result == GN_HTTP1_ERROR ? p.error.status : 0;
    if (out->result != GN_HTTP1_DONE) {
        peek(&p, out, len);
    }
}

static void check_error(const struct outcome *o)
{
    int s = o->status;

    gn_assert(s == 400 || s == 414 || s == 417 || s == 431 || s == 501 || s == 505);
    gn_assert(o->consumed == 0);
}

/** What every accepted head promises, whatever was sent. */
static void check_head(const struct outcome *o, size_t input_len)
{
    const struct gn_http1_head *head = &o->head;

    gn_assert(o->consumed > 0 && o->consumed <= input_len);
    gn_assert(head->head_bytes == o->consumed);
    gn_assert(head->n_headers <= MAX_FIELDS);
    gn_assert(head->minor_version <= 1);
    gn_assert(head->minor_version == 1 || head->framing != GN_FRAMING_CHUNKED);
    gn_assert(gn_headers_count(head->headers, head->n_headers, GN_HDR_HOST) <= 1);
    gn_assert(gn_headers_count(head->headers, head->n_headers, GN_HDR_CONTENT_LENGTH) <= 1);
    gn_assert(head->framing != GN_FRAMING_CHUNKED ||
            gn_http1_head_find(head, GN_HDR_CONTENT_LENGTH) == NULL);
    for (unsigned i = 0; i < head->n_headers; i++) {
        gn_assert(gn_is_token(head->headers[i].name));
        gn_assert(gn_is_field_value(head->headers[i].value));
    }
}

static void check_same_fields(const struct outcome *a, const struct outcome *b)
{
    gn_assert(a->head.n_headers == b->head.n_headers);
    for (unsigned i = 0; i < a->head.n_headers; i++) {
        gn_assert(gn_slice_eq(a->fields[i].name, b->fields[i].name));
        gn_assert(gn_slice_eq(a->fields[i].value, b->fields[i].value));
        gn_assert(a->fields[i].id == b->fields[i].id && a->fields[i].flags == b->fields[i].flags);
    }
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
    gn_assert(a->result == b->result && a->status == b->status && a->consumed == b->consumed);
    if (a->result != GN_HTTP1_DONE) {
        gn_assert(a->has_shown == b->has_shown);
        if (a->has_shown) {
            gn_assert(a->head.method == b->head.method);
            check_same_fields(a, b);
        }
        return;
    }
    gn_assert(a->head.method == b->head.method && a->head.form == b->head.form);
    gn_assert(a->head.framing == b->head.framing);
    gn_assert(a->head.content_length == b->head.content_length);
    gn_assert(a->head.keep_alive == b->head.keep_alive);
    gn_assert(a->head.expect_continue == b->head.expect_continue);
    gn_assert(a->head.wants_websocket == b->head.wants_websocket);
    gn_assert(gn_slice_eq(a->head.path, b->head.path) && gn_slice_eq(a->head.query, b->head.query));
    gn_assert(gn_slice_eq(a->head.host, b->head.host));
    check_same_fields(a, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole;
    static struct outcome cut;
    struct gn_slice input;

    if (size < 2) {
        return 0;
    }
    input = gn_slice_of((const char *)data + 1, size - 1);
    parse(input, gn_fuzz_whole(input.len), &whole);
    parse(input, gn_fuzz_random_cuts((size_t)data[0] % 64 + 1, size), &cut);
    check_same(&whole, &cut);
    if (whole.result == GN_HTTP1_DONE) {
        check_head(&whole, input.len);
    } else if (whole.result == GN_HTTP1_ERROR) {
        check_error(&whole);
    }
    gn_free(whole.block);
    gn_free(cut.block);
    return 0;
}
