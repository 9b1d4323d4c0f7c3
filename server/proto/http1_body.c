/* SPDX-License-Identifier: MIT */
#include "server/proto/http1_body.h"

#include "server/base/ascii.h"

/*
 * A step machine with one function per state, in wire order. Each step takes
 * at least one byte or changes the state, so a call ends. Chunk lines and
 * trailer lines are read byte by byte and never collected: nothing of them is
 * kept, so there is nothing to buffer, and a line may arrive in any pieces.
 *
 * Invariant: `left` counts bytes of content still to come in this chunk (or in
 * the whole body when its length was declared), and n_bytes + left never
 * passes limit_bytes while a chunk is being read.
 */

enum state {
    DATA_BY_LENGTH,   /* content of a declared length */
    CHUNK_SIZE,       /* hex digits */
    EXT_NAME_START,   /* behind ';' */
    EXT_NAME,         /* in a name */
    EXT_VALUE_START,  /* behind '=' */
    EXT_VALUE,        /* in a token */
    EXT_QUOTED,       /* in a quoted string */
    EXT_QUOTED_PAIR,  /* behind its backslash */
    EXT_END,          /* behind its closing quote */
    CHUNK_SIZE_LF,    /* behind the CR of the chunk line */
    CHUNK_DATA,       /* content */
    CHUNK_DATA_CR,    /* behind the content of a chunk */
    CHUNK_DATA_LF,    /* behind that CR */
    TRAILER_START,    /* at the start of a trailer line */
    TRAILER_NAME,     /* in a field name */
    TRAILER_VALUE,    /* in a field value */
    TRAILER_VALUE_LF, /* behind its CR */
    LAST_LF,          /* behind the CR of the empty line */
    DONE,
    FAILED,
};

enum { SIZE_DIGITS = 16 };

void gn_http1_body_init(
        struct gn_http1_body *b, const struct gn_http1_head *head, uint64_t limit_bytes)
{
    *b = (struct gn_http1_body){.limit_bytes = limit_bytes};
    switch (head->framing) {
    case GN_FRAMING_NONE:
        b->state = DONE;
        break;
    case GN_FRAMING_LENGTH:
        b->left = head->content_length;
        b->state = b->left > 0 ? DATA_BY_LENGTH : DONE;
        break;
    case GN_FRAMING_CHUNKED:
        b->state = CHUNK_SIZE;
        break;
    }
    if (b->left > limit_bytes) {
        b->error.status = 413;
        b->error.reason = "declared length beyond the limit";
        b->state = FAILED;
    }
}

bool gn_http1_body_is_done(const struct gn_http1_body *b)
{
    return b->state == DONE;
}

static void fail(struct gn_http1_body *b, int status, const char *reason)
{
    b->error.status = status;
    b->error.reason = reason;
    b->error.offset = b->offset;
    b->state = FAILED;
}

static bool is_within_limit(const struct gn_http1_body *b)
{
    return b->n_bytes <= b->limit_bytes && b->left <= b->limit_bytes - b->n_bytes;
}

static void step_chunk_size(struct gn_http1_body *b, char c)
{
    int digit = gn_ascii_hex(c);

    if (digit >= 0) {
        if (b->size_digits == SIZE_DIGITS || b->left >> 59 != 0) {
            fail(b, 400, "chunk size too large");
            return;
        }
        b->size_digits++;
        b->left = b->left * 16 + (unsigned)digit;
        return;
    }
    if (b->size_digits == 0 || (c != '\r' && c != ';')) {
        fail(b, 400, "invalid chunk size");
        return;
    }
    b->state = c == '\r' ? CHUNK_SIZE_LF : EXT_NAME_START;
    if (!is_within_limit(b)) {
        fail(b, 413, "content beyond the limit");
    }
}

/* Every byte of an extension counts, so that they cannot be the bulk of a body. */
static bool count_extension(struct gn_http1_body *b)
{
    if (b->extension_bytes == GN_BODY_EXTENSION_BYTES) {
        fail(b, 400, "too many bytes of chunk extensions");
        return false;
    }
    b->extension_bytes++;
    return true;
}

static bool is_ows(char c)
{
    return c == ' ' || c == '\t';
}

/* chunk-ext-name, behind white space if any (RFC 9112 7.1.1). */
static void step_ext_name_start(struct gn_http1_body *b, char c)
{
    if (is_ows(c)) {
        return;
    }
    if (!gn_ascii_is_tchar(c)) {
        fail(b, 400, "invalid chunk extension");
        return;
    }
    b->state = EXT_NAME;
}

static void end_of_extension(struct gn_http1_body *b, char c)
{
    if (c == ';') {
        b->state = EXT_NAME_START;
    } else if (c == '\r') {
        b->state = CHUNK_SIZE_LF;
    } else {
        fail(b, 400, "invalid chunk extension");
    }
}

static void step_ext_name(struct gn_http1_body *b, char c)
{
    if (c == '=') {
        b->state = EXT_VALUE_START;
    } else if (!gn_ascii_is_tchar(c)) {
        end_of_extension(b, c);
    }
}

static void step_ext_value_start(struct gn_http1_body *b, char c)
{
    if (is_ows(c)) {
        return;
    }
    if (c == '"') {
        b->state = EXT_QUOTED;
    } else if (gn_ascii_is_tchar(c)) {
        b->state = EXT_VALUE;
    } else {
        fail(b, 400, "invalid chunk extension");
    }
}

static void step_ext_value(struct gn_http1_body *b, char c)
{
    if (!gn_ascii_is_tchar(c)) {
        end_of_extension(b, c);
    }
}

static void step_ext_quoted(struct gn_http1_body *b, char c)
{
    if (c == '"') {
        b->state = EXT_END;
    } else if (c == '\\') {
        b->state = EXT_QUOTED_PAIR;
    } else if (!gn_ascii_is(c, GN_ASCII_VALUE)) {
        fail(b, 400, "invalid chunk extension");
    }
}

static void step_ext_quoted_pair(struct gn_http1_body *b, char c)
{
    b->state = EXT_QUOTED;
    if (!gn_ascii_is(c, GN_ASCII_VALUE)) {
        fail(b, 400, "invalid chunk extension");
    }
}

static void step_chunk_size_lf(struct gn_http1_body *b, char c)
{
    if (c != '\n') {
        fail(b, 400, "CR without LF in a chunk line");
        return;
    }
    b->state = b->left > 0 ? CHUNK_DATA : TRAILER_START;
}

static void step_chunk_data_cr(struct gn_http1_body *b, char c)
{
    b->state = CHUNK_DATA_LF;
    if (c != '\r') {
        fail(b, 400, "chunk data not followed by CRLF");
    }
}

static void step_chunk_data_lf(struct gn_http1_body *b, char c)
{
    b->state = CHUNK_SIZE;
    b->size_digits = 0;
    if (c != '\n') {
        fail(b, 400, "chunk data not followed by CRLF");
    }
}

static bool count_trailer(struct gn_http1_body *b)
{
    if (b->trailer_bytes == GN_BODY_TRAILER_BYTES) {
        fail(b, 431, "trailer section too long");
        return false;
    }
    b->trailer_bytes++;
    return true;
}

static void step_trailer_start(struct gn_http1_body *b, char c)
{
    if (c == '\r') {
        b->state = LAST_LF;
    } else if (!gn_ascii_is_tchar(c)) {
        fail(b, 400, "invalid trailer field name");
    } else if (b->trailer_fields == GN_BODY_TRAILER_FIELDS) {
        fail(b, 431, "too many trailer fields");
    } else {
        b->trailer_fields++;
        b->state = TRAILER_NAME;
    }
}

static void step_trailer_name(struct gn_http1_body *b, char c)
{
    if (c == ':') {
        b->state = TRAILER_VALUE;
    } else if (!gn_ascii_is_tchar(c)) {
        fail(b, 400, "invalid trailer field name");
    }
}

static void step_trailer_value(struct gn_http1_body *b, char c)
{
    if (c == '\r') {
        b->state = TRAILER_VALUE_LF;
    } else if (!gn_ascii_is(c, GN_ASCII_VALUE)) {
        fail(b, 400, "invalid trailer field value");
    }
}

static void step_trailer_value_lf(struct gn_http1_body *b, char c)
{
    b->state = TRAILER_START;
    if (c != '\n') {
        fail(b, 400, "CR without LF in a trailer field");
    }
}

static void step_last_lf(struct gn_http1_body *b, char c)
{
    b->state = DONE;
    if (c != '\n') {
        fail(b, 400, "CR without LF behind the trailer section");
    }
}

/* States that take one byte of framing. */
static const struct {
    void (*step)(struct gn_http1_body *b, char c);
    bool (*count)(struct gn_http1_body *b);
} steps[] = {
        [CHUNK_SIZE] = {step_chunk_size, NULL},
        [EXT_NAME_START] = {step_ext_name_start, count_extension},
        [EXT_NAME] = {step_ext_name, count_extension},
        [EXT_VALUE_START] = {step_ext_value_start, count_extension},
        [EXT_VALUE] = {step_ext_value, count_extension},
        [EXT_QUOTED] = {step_ext_quoted, count_extension},
        [EXT_QUOTED_PAIR] = {step_ext_quoted_pair, count_extension},
        [EXT_END] = {end_of_extension, count_extension},
        [CHUNK_SIZE_LF] = {step_chunk_size_lf, NULL},
        [CHUNK_DATA_CR] = {step_chunk_data_cr, NULL},
        [CHUNK_DATA_LF] = {step_chunk_data_lf, NULL},
        [TRAILER_START] = {step_trailer_start, count_trailer},
        [TRAILER_NAME] = {step_trailer_name, count_trailer},
        [TRAILER_VALUE] = {step_trailer_value, count_trailer},
        [TRAILER_VALUE_LF] = {step_trailer_value_lf, count_trailer},
        [LAST_LF] = {step_last_lf, count_trailer},
};

/* Takes as much content as has arrived, which is not nothing. */
static struct gn_slice take_data(struct gn_http1_body *b, struct gn_slice in)
{
    size_t n = (size_t)GN_MIN(b->left, (uint64_t)in.len);

    b->offset += n;
    b->left -= n;
    b->n_bytes += n;
    if (b->left == 0) {
        b->state = b->state == CHUNK_DATA ? CHUNK_DATA_CR : DONE;
    }
    return gn_slice_of(in.ptr, n);
}

enum gn_body_result gn_http1_body_decode(struct gn_http1_body *b, struct gn_slice in,
        size_t *consumed_out, struct gn_slice *data_out)
{
    size_t at = 0;

    *consumed_out = 0;
    while (at < in.len && b->state != DONE && b->state != FAILED) {
        if (b->state == DATA_BY_LENGTH || b->state == CHUNK_DATA) {
            *data_out = take_data(b, gn_slice_skip(in, at));
            *consumed_out = at + data_out->len;
            return GN_BODY_DATA;
        }
        if (steps[b->state].count != NULL && !steps[b->state].count(b)) {
            break;
        }
        steps[b->state].step(b, in.ptr[at]);
        if (b->state != FAILED) {
            at++;
            b->offset++;
        }
    }
    *consumed_out = at;
    if (b->state == FAILED) {
        return GN_BODY_ERROR;
    }
    return b->state == DONE ? GN_BODY_DONE : GN_BODY_MORE;
}
