/* SPDX-License-Identifier: MIT */
#include "server/proto/ws_deflate.h"

#include <stdio.h>
#include <zlib.h>

#include "server/base/alloc.h"
#include "server/proto/headers.h"

/*
 * A message is a raw DEFLATE stream flushed to a byte boundary, without the
 * four bytes 00 00 ff ff that such a flush ends with (RFC 7692 7.2). The
 * inflater writes straight into the caller's buffer and stops at its limit: a
 * single spare byte tells "exactly full" from "more to come".
 *
 * A message that broke off would inflate to a part of what was meant, and its
 * rest would spoil the next one. So those four bytes must be what they are in
 * a whole message: an empty block, which adds nothing and ends where they end.
 * Senders that leave out the start of that block, or send all of it, are many;
 * what ends with a block at the end of a byte is taken as it is.
 */

enum {
    WINDOW_BITS_MIN = 9, /* zlib cannot compress with 8 */
    WINDOW_BITS_MAX = 15,
    MEM_LEVEL = 8,
    FIRST_BYTES = 512, /* room made before inflating */
    TAIL_BYTES = 4,
    AT_BLOCK_END = 128, /* in data_type of zlib */
    UNUSED_BITS = 63,   /* there, too: how many of the last byte */
};

static const char flush_tail[] = "\0\0\xff\xff";

struct gn_ws_inflater {
    z_stream z;
    bool keeps_context;
    bool is_whole; /* the last byte that came ended a block, or none came since a message did */
};

struct gn_ws_deflater {
    z_stream z;
    bool keeps_context;
};

struct gn_ws_deflate_options gn_ws_deflate_options_default(void)
{
    return (struct gn_ws_deflate_options){
            .server_window_bits = WINDOW_BITS_MAX, .client_window_bits = WINDOW_BITS_MAX};
}

/* An offer as its parameters go by. */
struct offer {
    bool server_no_takeover, client_no_takeover;
    bool has_server_bits, has_client_bits;
    uint8_t server_bits, client_bits;
};

/* 8..15, one or two digits, no leading zero (RFC 7692 7.1.2). */
static bool parse_bits(struct gn_slice text, uint8_t *bits_out)
{
    uint64_t bits;

    if (gn_slice_to_u64(text, WINDOW_BITS_MAX, &bits) != GN_OK || bits < 8 || text.ptr[0] == '0') {
        return false;
    }
    *bits_out = (uint8_t)bits;
    return true;
}

static bool set_once(bool *flag, bool is_valid)
{
    bool is_first = !*flag;

    *flag = true;
    return is_first && is_valid;
}

/* One parameter, `name` or `name=value`; false when it does not belong into an offer. */
static bool note_parameter(struct gn_slice text, struct offer *o)
{
    size_t equals = gn_slice_find(text, '=');
    struct gn_slice name = gn_slice_trim_ows(gn_slice_of(text.ptr, equals));
    struct gn_slice value = gn_slice_trim_ows(gn_slice_skip(text, equals + 1));
    bool has_value = equals < text.len;

    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') {
        value = gn_slice_of(value.ptr + 1, value.len - 2);
    }
    if (gn_slice_eq_nocase(name, GN_LIT("server_no_context_takeover"))) {
        return set_once(&o->server_no_takeover, !has_value);
    }
    if (gn_slice_eq_nocase(name, GN_LIT("client_no_context_takeover"))) {
        return set_once(&o->client_no_takeover, !has_value);
    }
    if (gn_slice_eq_nocase(name, GN_LIT("server_max_window_bits"))) {
        return set_once(&o->has_server_bits, has_value && parse_bits(value, &o->server_bits));
    }
    if (gn_slice_eq_nocase(name, GN_LIT("client_max_window_bits"))) {
        o->client_bits = WINDOW_BITS_MAX;
        return set_once(&o->has_client_bits, !has_value || parse_bits(value, &o->client_bits));
    }
    return false;
}

static bool parse_offer(struct gn_slice element, struct offer *o)
{
    struct gn_slice rest = element;
    struct gn_slice part;

    *o = (struct offer){.server_bits = WINDOW_BITS_MAX, .client_bits = WINDOW_BITS_MAX};
    if (!gn_slice_split(&rest, ';', &part) ||
            !gn_slice_eq_nocase(gn_slice_trim_ows(part), GN_LIT("permessage-deflate"))) {
        return false;
    }
    while (gn_slice_split(&rest, ';', &part)) {
        if (!note_parameter(part, o)) {
            return false;
        }
    }
    return o->server_bits >= WINDOW_BITS_MIN;
}

static void agree(const struct offer *o, const struct gn_ws_deflate_options *options,
        struct gn_ws_deflate_params *out)
{
    out->server_context_takeover = options->server_context_takeover && !o->server_no_takeover;
    out->client_context_takeover = options->client_context_takeover && !o->client_no_takeover;
    out->server_window_bits = GN_MIN(options->server_window_bits, o->server_bits);
    /* A client that did not offer to may not be asked for a smaller window, and one that
     * offers 8 is left alone: any window of ours can read it. */
    out->client_sets_window = o->has_client_bits && o->client_bits >= WINDOW_BITS_MIN;
    out->client_window_bits = out->client_sets_window
            ? GN_MIN(options->client_window_bits, o->client_bits)
            : WINDOW_BITS_MAX;
}

static struct gn_slice format_answer(
        const struct gn_ws_deflate_params *p, char out[GN_WS_DEFLATE_ANSWER_BYTES])
{
    char server_bits[32] = "";
    char client_bits[32] = "";
    int n;

    if (p->server_window_bits < WINDOW_BITS_MAX) {
        (void)snprintf(server_bits, sizeof(server_bits), "; server_max_window_bits=%u",
                p->server_window_bits);
    }
    if (p->client_sets_window && p->client_window_bits < WINDOW_BITS_MAX) {
        (void)snprintf(client_bits, sizeof(client_bits), "; client_max_window_bits=%u",
                p->client_window_bits);
    }
    n = snprintf(out, GN_WS_DEFLATE_ANSWER_BYTES, "permessage-deflate%s%s%s%s",
            p->server_context_takeover ? "" : "; server_no_context_takeover",
            p->client_context_takeover ? "" : "; client_no_context_takeover", server_bits,
            client_bits);
    gn_assert(n > 0 && n < GN_WS_DEFLATE_ANSWER_BYTES);
    return gn_slice_of(out, (size_t)n);
}

enum gn_err gn_ws_deflate_negotiate(const struct gn_http1_head *head,
        const struct gn_ws_deflate_options *options, struct gn_ws_deflate_params *out,
        char answer_out[GN_WS_DEFLATE_ANSWER_BYTES], struct gn_slice *answer_slice_out)
{
    for (unsigned i = 0; i < head->n_headers; i++) {
        struct gn_slice rest = head->headers[i].value;
        struct gn_slice element;
        struct offer o;

        if (head->headers[i].id != GN_HDR_SEC_WEBSOCKET_EXTENSIONS) {
            continue;
        }
        while (gn_list_next(&rest, &element)) {
            if (parse_offer(element, &o)) {
                agree(&o, options, out);
                *answer_slice_out = format_answer(out, answer_out);
                return GN_OK;
            }
        }
    }
    return GN_ERR_NOT_FOUND;
}

static Bytef *bytes_in(struct gn_slice s)
{
    /* zlib does not write there, its field merely lacks the const. */
    return (Bytef *)(uintptr_t)s.ptr;
}

struct gn_ws_inflater *gn_ws_inflater_create(uint8_t window_bits, bool keeps_context)
{
    struct gn_ws_inflater *i = gn_xcalloc(sizeof(*i));

    gn_assert(window_bits >= WINDOW_BITS_MIN && window_bits <= WINDOW_BITS_MAX);
    i->keeps_context = keeps_context;
    i->is_whole = true;
    gn_assert(inflateInit2(&i->z, -(int)window_bits) == Z_OK);
    return i;
}

void gn_ws_inflater_destroy(struct gn_ws_inflater **i)
{
    if (*i != NULL) {
        inflateEnd(&(*i)->z);
        gn_free(*i);
        *i = NULL;
    }
}

/* Room to inflate into: the rest of `out`, or one spare byte when it is full for good. */
static enum gn_err make_room(struct gn_ws_inflater *i, struct gn_buf *out, Bytef *spare)
{
    enum gn_err rc = GN_OK;

    if (out->len == out->limit) {
        i->z.next_out = spare;
        i->z.avail_out = 1;
        return GN_OK;
    }
    if (out->len == out->cap) {
        rc = gn_buf_reserve(out, GN_MIN((size_t)FIRST_BYTES, out->limit - out->len));
    }
    if (rc == GN_OK) {
        i->z.next_out = (Bytef *)out->ptr + out->len;
        i->z.avail_out = (uInt)GN_MIN(out->cap - out->len, (size_t)UINT32_MAX / 2);
    }
    return rc;
}

/* Whether the input, all of which was taken, ends with a block; `result` is of inflate. */
static bool ends_with_block(const z_stream *z, int result)
{
    return z->avail_in == 0 &&
            (result == Z_STREAM_END ||
                    (z->data_type & (AT_BLOCK_END | UNUSED_BITS)) == AT_BLOCK_END);
}

static enum gn_err inflate_piece(struct gn_ws_inflater *i, struct gn_slice in, struct gn_buf *out)
{
    Bytef spare;

    gn_assert(in.len <= UINT32_MAX);
    if (in.len == 0) {
        return GN_OK;
    }
    i->z.next_in = bytes_in(in);
    i->z.avail_in = (uInt)in.len;
    i->is_whole = false;
    for (;;) {
        uInt before;
        int z;

        GN_TRY(make_room(i, out, &spare));
        before = i->z.avail_out;
        z = inflate(&i->z, Z_SYNC_FLUSH);
        if (i->z.avail_out < before && out->len == out->limit) {
            return GN_ERR_TOO_BIG;
        }
        out->len += before - i->z.avail_out;
        i->is_whole = i->is_whole || ends_with_block(&i->z, z);
        if (z == Z_STREAM_END) {
            /* A block marked as the last: another stream follows (RFC 7692 7.2.3.4), in the
             * same window (7.2.2), which a mere inflateReset would forget. */
            z = inflateResetKeep(&i->z);
        }
        if (z != Z_OK && z != Z_BUF_ERROR) {
            return z == Z_MEM_ERROR ? GN_ERR_NO_MEMORY : GN_ERR_PROTOCOL;
        }
        if (i->z.avail_out > 0 && (i->z.avail_in == 0 || z == Z_BUF_ERROR)) {
            return GN_OK; /* it waits for input */
        }
    }
}

/* Feeds the four bytes that were left out. */
static enum gn_err end_message(struct gn_ws_inflater *i, struct gn_buf *out)
{
    const size_t before = out->len;

    if (i->is_whole) {
        return GN_OK;
    }
    GN_TRY(inflate_piece(i, gn_slice_of(flush_tail, TAIL_BYTES), out));
    return i->is_whole && out->len == before ? GN_OK : GN_ERR_PROTOCOL;
}

enum gn_err gn_ws_inflate(
        struct gn_ws_inflater *i, struct gn_slice piece, bool is_last, struct gn_buf *out)
{
    enum gn_err rc = inflate_piece(i, piece, out);

    if (rc == GN_OK && is_last) {
        rc = end_message(i, out);
    }
    if (rc != GN_OK || (is_last && !i->keeps_context)) {
        i->is_whole = true;
        gn_assert(inflateReset(&i->z) == Z_OK);
    }
    return rc;
}

struct gn_ws_deflater *gn_ws_deflater_create(uint8_t window_bits, bool keeps_context, int level)
{
    struct gn_ws_deflater *d = gn_xcalloc(sizeof(*d));

    gn_assert(window_bits >= WINDOW_BITS_MIN && window_bits <= WINDOW_BITS_MAX);
    d->keeps_context = keeps_context;
    gn_assert(deflateInit2(&d->z, level, Z_DEFLATED, -(int)window_bits, MEM_LEVEL,
                      Z_DEFAULT_STRATEGY) == Z_OK);
    return d;
}

void gn_ws_deflater_destroy(struct gn_ws_deflater **d)
{
    if (*d != NULL) {
        deflateEnd(&(*d)->z);
        gn_free(*d);
        *d = NULL;
    }
}

/* Everything, and a flush to a byte boundary, into `out`. */
static enum gn_err deflate_all(
        struct gn_ws_deflater *d, struct gn_slice message, struct gn_buf *out)
{
    d->z.next_in = bytes_in(message);
    d->z.avail_in = (uInt)message.len;
    do {
        size_t room;

        GN_TRY(gn_buf_reserve(out, GN_MAX((size_t)FIRST_BYTES, (size_t)d->z.avail_in / 2)));
        room = GN_MIN(out->cap - out->len, (size_t)UINT32_MAX / 2);
        d->z.next_out = (Bytef *)out->ptr + out->len;
        d->z.avail_out = (uInt)room;
        (void)deflate(&d->z, Z_SYNC_FLUSH);
        out->len += room - d->z.avail_out;
    } while (d->z.avail_out == 0);
    return GN_OK;
}

enum gn_err gn_ws_deflate(struct gn_ws_deflater *d, struct gn_slice message, struct gn_buf *out)
{
    size_t start = out->len;
    enum gn_err rc;

    if (message.len > UINT32_MAX / 2) {
        return GN_ERR_TOO_BIG;
    }
    if (message.len == 0) {
        return gn_buf_append(out, gn_slice_of(flush_tail, 1)); /* RFC 7692 7.2.3.6 */
    }
    rc = deflate_all(d, message, out);
    if (rc == GN_OK) {
        gn_assert(out->len - start >= TAIL_BYTES &&
                memcmp(out->ptr + out->len - TAIL_BYTES, flush_tail, TAIL_BYTES) == 0);
        out->len -= TAIL_BYTES;
    } else {
        out->len = start;
    }
    if (rc != GN_OK || !d->keeps_context) {
        gn_assert(deflateReset(&d->z) == Z_OK);
    }
    return rc;
}
