/* SPDX-License-Identifier: MIT */
#include "server/proto/ws_frame.h"

#include "server/base/alloc.h"

/*
 * Decoder: a step machine of three steps. The header is collected byte by
 * byte up to a length that its second byte determines, and judged as soon as
 * those two bytes are there; only a header that passed every rule starts a
 * payload. Payload is unmasked and handed out where it lies. Control payload,
 * at most 125 bytes, is handed out whole: one that arrives in parts is put
 * together in memory of its own, which is there for as long as that takes.
 *
 * Invariant: `left` counts payload bytes of the current frame still to come;
 * in_message says that the next data frame must be a continuation.
 */

enum state {
    HEADER,
    DATA,
    CONTROL,
    ENDED, /* a close frame came, or an error: everything else is dropped */
};

enum {
    FIN = 0x80,
    RSV = 0x70,
    RSV1 = 0x40,
    OPCODE = 0x0f,
    MASKED = 0x80,
    LENGTH = 0x7f,
    LENGTH_16 = 126,
    LENGTH_64 = 127,
    MASK_BYTES = 4,
    CLOSE_CODE_BYTES = 2,
};

bool gn_ws_close_code_is_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
            (code >= 3000 && code <= 4999);
}

void gn_ws_decoder_init(struct gn_ws_decoder *d, const struct gn_ws_decoder_options *options)
{
    *d = (struct gn_ws_decoder){
            .message_limit_bytes = options->message_limit_bytes,
            .allow_compressed = options->allow_compressed,
            .state = HEADER,
            .header_need = 2,
    };
}

static void drop_control(struct gn_ws_decoder *d)
{
    gn_free(d->control);
    d->control = NULL;
}

void gn_ws_decoder_fini(struct gn_ws_decoder *d)
{
    drop_control(d);
}

bool gn_ws_decoder_is_idle(const struct gn_ws_decoder *d)
{
    return d->state == HEADER && d->header_len == 0 && !d->in_message;
}

static void fail(struct gn_ws_decoder *d, struct gn_ws_event *ev, unsigned code, const char *reason)
{
    d->state = ENDED;
    *ev = (struct gn_ws_event){.kind = GN_WS_EV_ERROR, .code = (uint16_t)code, .reason = reason};
}

static bool is_control(unsigned opcode)
{
    return (opcode & 8) != 0;
}

/* What the first two bytes alone can break (RFC 6455 5.2, 5.4, 5.5); NULL when nothing. */
static const char *error_of_start(const struct gn_ws_decoder *d, unsigned b0, unsigned b1)
{
    unsigned opcode = b0 & OPCODE;
    bool starts_message = opcode == GN_WS_TEXT || opcode == GN_WS_BINARY;

    if (!starts_message && opcode != GN_WS_CONTINUATION &&
            (opcode < GN_WS_CLOSE || opcode > GN_WS_PONG)) {
        return "unknown opcode";
    }
    if ((b0 & RSV & ~RSV1) != 0 || ((b0 & RSV1) != 0 && !(d->allow_compressed && starts_message))) {
        return "reserved bit set";
    }
    if ((b1 & MASKED) == 0) {
        return "client frame without a mask";
    }
    if (is_control(opcode)) {
        if ((b0 & FIN) == 0) {
            return "fragmented control frame";
        }
        return (b1 & LENGTH) > GN_WS_CONTROL_BYTES ? "control frame too long" : NULL;
    }
    if (starts_message == d->in_message) {
        return starts_message ? "new message inside a fragmented one"
                              : "continuation without a message";
    }
    return NULL;
}

static uint64_t read_big_endian(const uint8_t *p, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

/* The payload length, which must be in its shortest form (RFC 6455 5.2). */
static const char *parse_length(struct gn_ws_decoder *d)
{
    unsigned short_form = d->header[1] & LENGTH;

    d->left = short_form;
    if (short_form == LENGTH_16) {
        d->left = read_big_endian(d->header + 2, 2);
        return d->left < LENGTH_16 ? "length not in its shortest form" : NULL;
    }
    if (short_form == LENGTH_64) {
        d->left = read_big_endian(d->header + 2, 8);
        if (d->left >> 63 != 0) {
            return "length beyond 2^63";
        }
        return d->left <= UINT16_MAX ? "length not in its shortest form" : NULL;
    }
    return NULL;
}

static void begin_message(struct gn_ws_decoder *d)
{
    d->message_opcode = d->opcode;
    d->message_compressed = (d->header[0] & RSV1) != 0;
    d->message_bytes = 0;
    d->message_started = false;
    d->utf8 = (struct gn_utf8){0};
}

static bool validates_text(const struct gn_ws_decoder *d)
{
    return d->message_opcode == GN_WS_TEXT && !d->message_compressed;
}

/* Fills a DATA event for `n` unmasked bytes; ends the frame and the message when it is time. */
static void report_data(struct gn_ws_decoder *d, char *bytes, size_t n, struct gn_ws_event *ev)
{
    bool is_last = d->left == 0 && d->fin;

    if (d->left == 0) {
        d->state = HEADER;
        d->in_message = !d->fin;
    }
    if (validates_text(d) &&
            (!gn_utf8_feed(&d->utf8, gn_slice_of(bytes, n)) ||
                    (is_last && !gn_utf8_is_complete(&d->utf8)))) {
        fail(d, ev, GN_WS_CLOSE_BAD_DATA, "text is not UTF-8");
        return;
    }
    ev->kind = GN_WS_EV_DATA;
    ev->data = gn_slice_of(bytes, n);
    ev->opcode = (enum gn_ws_opcode)d->message_opcode;
    ev->is_first = !d->message_started;
    ev->is_last = is_last;
    ev->is_compressed = d->message_compressed;
    d->message_started = true;
}

static void report_close(struct gn_ws_decoder *d, struct gn_slice payload, struct gn_ws_event *ev)
{
    if (payload.len == 1) {
        fail(d, ev, GN_WS_CLOSE_PROTOCOL, "close frame with one byte");
        return;
    }
    ev->code = GN_WS_CLOSE_NO_STATUS;
    if (payload.len >= CLOSE_CODE_BYTES) {
        ev->code = (uint16_t)read_big_endian((const uint8_t *)payload.ptr, CLOSE_CODE_BYTES);
        if (!gn_ws_close_code_is_valid(ev->code)) {
            fail(d, ev, GN_WS_CLOSE_PROTOCOL, "close code not allowed on the wire");
            return;
        }
    }
    ev->data = gn_slice_skip(payload, CLOSE_CODE_BYTES);
    if (!gn_utf8_is_valid(ev->data)) {
        fail(d, ev, GN_WS_CLOSE_BAD_DATA, "close reason is not UTF-8");
        return;
    }
    ev->kind = GN_WS_EV_CLOSE;
    d->state = ENDED;
}

static void report_control(struct gn_ws_decoder *d, struct gn_slice payload, struct gn_ws_event *ev)
{
    d->state = HEADER;
    if (d->opcode == GN_WS_CLOSE) {
        report_close(d, payload, ev);
        return;
    }
    ev->kind = d->opcode == GN_WS_PING ? GN_WS_EV_PING : GN_WS_EV_PONG;
    ev->data = payload;
}

/* The header is complete: settle the frame, and report it when it has no payload. */
static void begin_frame(struct gn_ws_decoder *d, struct gn_ws_event *ev)
{
    const char *error = parse_length(d);

    if (error != NULL) {
        fail(d, ev, GN_WS_CLOSE_PROTOCOL, error);
        return;
    }
    memcpy(d->mask, d->header + d->header_need - MASK_BYTES, MASK_BYTES);
    d->opcode = d->header[0] & OPCODE;
    d->mask_at = 0;
    d->header_len = 0;
    d->header_need = 2;
    if (is_control(d->opcode)) {
        d->control_len = 0;
        d->state = CONTROL;
        if (d->left == 0) {
            report_control(d, GN_LIT(""), ev);
        }
        return;
    }
    d->fin = (d->header[0] & FIN) != 0;
    if (d->opcode != GN_WS_CONTINUATION) {
        begin_message(d);
    }
    if (d->left > d->message_limit_bytes - d->message_bytes) {
        fail(d, ev, GN_WS_CLOSE_TOO_BIG, "message beyond the limit");
        return;
    }
    d->message_bytes += d->left;
    d->state = DATA;
    if (d->left == 0) {
        report_data(d, NULL, 0, ev);
    }
}

static size_t step_header(
        struct gn_ws_decoder *d, const char *bytes, size_t len, struct gn_ws_event *ev)
{
    size_t n = GN_MIN(len, (size_t)(d->header_need - d->header_len));

    memcpy(d->header + d->header_len, bytes, n);
    d->header_len = (uint8_t)(d->header_len + n);
    if (d->header_len < d->header_need) {
        return n;
    }
    if (d->header_need == 2) {
        const char *error = error_of_start(d, d->header[0], d->header[1]);
        unsigned short_form = d->header[1] & LENGTH;

        if (error != NULL) {
            fail(d, ev, GN_WS_CLOSE_PROTOCOL, error);
            return n;
        }
        d->header_need = (uint8_t)(2 + MASK_BYTES +
                (short_form == LENGTH_16                  ? 2
                                : short_form == LENGTH_64 ? 8
                                                          : 0));
        return n;
    }
    begin_frame(d, ev);
    return n;
}

static size_t step_data(struct gn_ws_decoder *d, char *bytes, size_t len, struct gn_ws_event *ev)
{
    size_t n = (size_t)GN_MIN(d->left, (uint64_t)len);

    gn_ws_mask(bytes, n, d->mask, d->mask_at);
    d->mask_at = (uint8_t)((d->mask_at + n) & 3);
    d->left -= n;
    report_data(d, bytes, n, ev);
    return n;
}

/* Keeps a part of a control payload; the first one makes room for all of it. */
static void keep_control(struct gn_ws_decoder *d, const char *bytes, size_t n)
{
    if (d->control == NULL) {
        d->control = gn_xalloc(n + (size_t)d->left);
    }
    memcpy(d->control + d->control_len, bytes, n);
    d->control_len = (uint8_t)(d->control_len + n);
}

static size_t step_control(struct gn_ws_decoder *d, char *bytes, size_t len, struct gn_ws_event *ev)
{
    size_t n = (size_t)GN_MIN(d->left, (uint64_t)len);

    gn_ws_mask(bytes, n, d->mask, d->mask_at);
    d->mask_at = (uint8_t)((d->mask_at + n) & 3);
    d->left -= n;
    if (d->control == NULL && d->left == 0) {
        report_control(d, gn_slice_of(bytes, n), ev);
        return n;
    }
    keep_control(d, bytes, n);
    if (d->left == 0) {
        report_control(d, gn_slice_of(d->control, d->control_len), ev);
    }
    return n;
}

void gn_ws_decoder_feed(struct gn_ws_decoder *d, char *bytes, size_t len, size_t *consumed_out,
        struct gn_ws_event *event_out)
{
    size_t at = 0;

    *event_out = (struct gn_ws_event){.kind = GN_WS_EV_MORE};
    if (GN_UNLIKELY(d->control != NULL) && d->state != CONTROL) {
        drop_control(d); /* it was handed out by the last call */
    }
    while (at < len && event_out->kind == GN_WS_EV_MORE) {
        switch ((enum state)d->state) {
        case HEADER:
            at += step_header(d, bytes + at, len - at, event_out);
            break;
        case DATA:
            at += step_data(d, bytes + at, len - at, event_out);
            break;
        case CONTROL:
            at += step_control(d, bytes + at, len - at, event_out);
            break;
        case ENDED:
            at = len;
            break;
        }
    }
    *consumed_out = at;
}

static struct gn_ws_header encode(unsigned b0, unsigned mask_bit, uint64_t payload_bytes)
{
    struct gn_ws_header h = {.len = 2};
    unsigned n_extended = payload_bytes <= GN_WS_CONTROL_BYTES ? 0
            : payload_bytes <= UINT16_MAX                      ? 2
                                                               : 8;

    h.bytes[0] = (char)b0;
    if (n_extended == 0) {
        h.bytes[1] = (char)(mask_bit | (unsigned)payload_bytes);
        return h;
    }
    h.bytes[1] = (char)(mask_bit | (n_extended == 2 ? LENGTH_16 : LENGTH_64));
    for (unsigned i = 0; i < n_extended; i++) {
        h.bytes[h.len++] = (char)(payload_bytes >> (8 * (n_extended - 1 - i)));
    }
    return h;
}

struct gn_ws_header gn_ws_encode_header(
        enum gn_ws_opcode opcode, bool fin, bool is_compressed, uint64_t payload_bytes)
{
    unsigned b0 = (unsigned)opcode | (fin ? FIN : 0) | (is_compressed ? RSV1 : 0);

    return encode(b0, 0, payload_bytes);
}

struct gn_ws_header gn_ws_encode_header_masked(
        enum gn_ws_opcode opcode, bool fin, uint64_t payload_bytes, const uint8_t key[4])
{
    struct gn_ws_header h = encode((unsigned)opcode | (fin ? FIN : 0), MASKED, payload_bytes);

    memcpy(h.bytes + h.len, key, MASK_BYTES);
    h.len = (uint8_t)(h.len + MASK_BYTES);
    return h;
}

/* The longest start of `text` within `max` bytes that does not cut a character. */
static size_t cut_between_characters(struct gn_slice text, size_t max)
{
    size_t n = GN_MIN(text.len, max);

    while (n > 0 && n < text.len && ((unsigned char)text.ptr[n] & 0xc0) == 0x80) {
        n--;
    }
    return n;
}

struct gn_ws_close_frame gn_ws_encode_close(unsigned code, struct gn_slice reason)
{
    struct gn_ws_close_frame f = {.len = 2};
    size_t n;

    f.bytes[0] = (char)(FIN | GN_WS_CLOSE);
    if (code == 0 || code == GN_WS_CLOSE_NO_STATUS) {
        return f;
    }
    n = cut_between_characters(reason, GN_WS_CONTROL_BYTES - CLOSE_CODE_BYTES);
    f.bytes[1] = (char)(CLOSE_CODE_BYTES + n);
    f.bytes[2] = (char)(code >> 8);
    f.bytes[3] = (char)code;
    if (n > 0) {
        memcpy(f.bytes + 4, reason.ptr, n);
    }
    f.len = (uint8_t)(4 + n);
    return f;
}

void gn_ws_mask(char *bytes, size_t len, const uint8_t key[4], unsigned phase)
{
    uint8_t turned[8];
    uint64_t wide;
    size_t i = 0;

    for (unsigned k = 0; k < 8; k++) {
        turned[k] = key[(phase + k) & 3];
    }
    memcpy(&wide, turned, sizeof(wide));
    /* 32 bytes a turn: the compiler makes vectors of it; memcpy because nothing is aligned. */
    for (; len - i >= 32; i += 32) {
        uint64_t w[4];

        memcpy(w, bytes + i, sizeof(w));
        for (unsigned k = 0; k < 4; k++) {
            w[k] ^= wide;
        }
        memcpy(bytes + i, w, sizeof(w));
    }
    for (; len - i >= 8; i += 8) {
        uint64_t w;

        memcpy(&w, bytes + i, sizeof(w));
        w ^= wide;
        memcpy(bytes + i, &w, sizeof(w));
    }
    for (unsigned k = 0; i < len; i++, k++) {
        bytes[i] = (char)((unsigned char)bytes[i] ^ turned[k]);
    }
}
