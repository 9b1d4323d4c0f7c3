/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/proto/ws_frame.h"
#include "tests/support/fuzz.h"

/*
 * Frames must mean the same however they arrive. Both runs write down what
 * happened in one text (pieces of a message joined), and the texts must agree.
 * The first byte gives the options and how many bytes come at a time at most.
 */

enum {
    MAX_INPUT_BYTES = 1 << 14,
    MAX_LOG_BYTES = 1 << 20,
    MESSAGE_LIMIT_BYTES = 4096,
};

struct record {
    struct gn_buf log;
    bool has_ended;
};

static void note(struct record *r, char kind, unsigned value, struct gn_slice data)
{
    gn_assert(gn_buf_printf(&r->log, "%c%u:", kind, value) == GN_OK);
    gn_assert(gn_buf_append(&r->log, data) == GN_OK);
}

static void record_event(struct record *r, const struct gn_ws_event *event)
{
    switch (event->kind) {
    case GN_WS_EV_MORE:
        break;
    case GN_WS_EV_DATA:
        if (event->is_first) {
            note(r, event->is_compressed ? 'M' : 'm', event->opcode, (struct gn_slice){0});
        }
        gn_assert(gn_buf_append(&r->log, event->data) == GN_OK);
        if (event->is_last) {
            note(r, 'l', 0, (struct gn_slice){0});
        }
        break;
    case GN_WS_EV_PING:
    case GN_WS_EV_PONG:
        gn_assert(event->data.len <= GN_WS_CONTROL_BYTES);
        note(r, event->kind == GN_WS_EV_PING ? 'i' : 'o', 0, event->data);
        break;
    case GN_WS_EV_CLOSE:
        gn_assert(event->code == GN_WS_CLOSE_NO_STATUS || gn_ws_close_code_is_valid(event->code));
        gn_assert(gn_utf8_is_valid(event->data));
        note(r, 'c', event->code, event->data);
        r->has_ended = true;
        break;
    case GN_WS_EV_ERROR:
        gn_assert(event->reason != NULL);
        note(r, 'e', event->code, (struct gn_slice){0});
        r->has_ended = true;
        break;
    }
}

static void feed_piece(struct gn_ws_decoder *d, char *bytes, size_t len, struct record *r)
{
    struct gn_ws_event event = {.kind = GN_WS_EV_PING};
    size_t at = 0;

    while (!r->has_ended && event.kind != GN_WS_EV_MORE) {
        size_t consumed = 0;

        gn_ws_decoder_feed(d, bytes + at, len - at, &consumed, &event);
        gn_assert(consumed <= len - at);
        at += consumed;
        record_event(r, &event);
    }
    gn_assert(r->has_ended || at == len);
}

static void decode(
        struct gn_slice input, bool allow_compressed, struct gn_fuzz_cuts cuts, struct record *r)
{
    struct gn_ws_decoder d;

    *r = (struct record){.has_ended = false};
    gn_buf_init(&r->log, MAX_LOG_BYTES);
    gn_ws_decoder_init(&d,
            &(struct gn_ws_decoder_options){.message_limit_bytes = MESSAGE_LIMIT_BYTES,
                    .allow_compressed = allow_compressed});
    for (size_t at = 0, len; at < input.len && !r->has_ended; at += len) {
        len = gn_fuzz_next_cut(&cuts, input.len - at);
        char *exact = gn_xalloc(len);

        memcpy(exact, input.ptr + at, len);
        feed_piece(&d, exact, len, r);
        gn_free(exact);
    }
    gn_ws_decoder_fini(&d);
}

/** Text that is refused may have been refused a few bytes earlier or later: the piece counts. */
static bool ends_badly(struct gn_slice log)
{
    return gn_slice_ends_with(log, GN_LIT("e1007:")) || gn_slice_ends_with(log, GN_LIT("e1009:")) ||
            gn_slice_ends_with(log, GN_LIT("e1002:"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gn_slice input;
    struct record whole;
    struct record cut;
    struct gn_slice a;
    struct gn_slice b;

    if (size < 2 || size > MAX_INPUT_BYTES) {
        return 0;
    }
    input = gn_slice_of((const char *)data + 1, size - 1);
    decode(input, (data[0] & 0x80) != 0, gn_fuzz_whole(input.len), &whole);
    decode(input, (data[0] & 0x80) != 0, gn_fuzz_random_cuts((data[0] & 0x3f) + 1u, size), &cut);
    a = gn_buf_slice(&whole.log);
    b = gn_buf_slice(&cut.log);
    gn_assert(whole.has_ended == cut.has_ended);
    if (ends_badly(a)) {
        gn_assert(ends_badly(b));
        gn_assert(memcmp(a.ptr + a.len - 6, b.ptr + b.len - 6, 6) == 0);
    } else {
        gn_assert(gn_slice_eq(a, b));
    }
    gn_buf_fini(&whole.log);
    gn_buf_fini(&cut.log);
    return 0;
}
