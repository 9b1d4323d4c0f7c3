/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/proto/ws_frame.h"
#include "tests/support/feed.h"
#include "tests/support/test.h"

/*
 * Cases are written as frames without masks; client() masks them. What the
 * decoder reports is collected as text, one letter per event, pieces of one
 * message joined, so that it must be the same however the bytes arrive.
 */

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

struct frame {
    unsigned b0; /* FIN, RSV, opcode */
    struct gn_slice payload;
};

static void append_client_frame(struct gn_buf *b, unsigned b0, struct gn_slice payload)
{
    struct gn_ws_header h = gn_ws_encode_header_masked(GN_WS_CONTINUATION, false, payload.len, key);
    size_t start;

    h.bytes[0] = (char)b0;
    cr_assert_eq(gn_buf_append(b, gn_ws_header_slice(&h)), GN_OK);
    start = b->len;
    cr_assert_eq(gn_buf_append(b, payload), GN_OK);
    gn_ws_mask(b->ptr + start, payload.len, key, 0);
}

struct expectation {
    const char *name;
    const char *events; /* see describe() */
    struct gn_ws_decoder_options options;
};

/* T( B( Z(: a message begins, compressed if Z; ): it ends; P O C: ping, pong, close; E: error. */
static void describe(const struct gn_ws_event *ev, struct gn_buf *log)
{
    const char *start = ev->is_compressed ? "Z(" : ev->opcode == GN_WS_TEXT ? "T(" : "B(";
    enum gn_err rc = GN_OK;

    switch (ev->kind) {
    case GN_WS_EV_MORE:
        break;
    case GN_WS_EV_DATA:
        rc = gn_buf_printf(log, "%s" GN_SLICE_FMT "%s", ev->is_first ? start : "",
                GN_SLICE_ARG(ev->data), ev->is_last ? ")" : "");
        break;
    case GN_WS_EV_PING:
    case GN_WS_EV_PONG:
        rc = gn_buf_printf(log, "%c[" GN_SLICE_FMT "]", ev->kind == GN_WS_EV_PING ? 'P' : 'O',
                GN_SLICE_ARG(ev->data));
        break;
    case GN_WS_EV_CLOSE:
        rc = gn_buf_printf(log, "C%u[" GN_SLICE_FMT "]", ev->code, GN_SLICE_ARG(ev->data));
        break;
    case GN_WS_EV_ERROR:
        cr_assert_not_null(ev->reason);
        rc = gn_buf_printf(log, "E%u", ev->code);
        break;
    }
    cr_assert_eq(rc, GN_OK);
}

static void check(const struct gn_feed *feed, void *arg)
{
    const struct expectation *want = arg;
    struct gn_ws_decoder d;
    struct gn_buf log;
    struct gn_slice got;

    gn_buf_init(&log, 1 << 20);
    gn_ws_decoder_init(&d, &want->options);
    for (size_t i = 0; i < feed->n_pieces; i++) {
        char *bytes = gn_xstrndup(feed->pieces[i].ptr, feed->pieces[i].len);
        size_t at = 0;
        struct gn_ws_event ev;

        do {
            size_t n;

            gn_ws_decoder_feed(&d, bytes + at, feed->pieces[i].len - at, &n, &ev);
            describe(&ev, &log);
            at += n;
        } while (ev.kind != GN_WS_EV_MORE);
        cr_assert_eq(at, feed->pieces[i].len);
        gn_free(bytes);
    }
    got = gn_buf_slice(&log);
    /* A message in error may have been handed out in part: only the error counts then. */
    if (want->events[0] == 'E') {
        cr_assert(got.len >= 5 && gn_slice_ends_with(got, gn_slice_str(want->events)),
                "%s, %s: " GN_SLICE_FMT, want->name, feed->way, GN_SLICE_ARG(got));
    } else {
        cr_assert(gn_slice_eq(got, gn_slice_str(want->events)), "%s, %s: " GN_SLICE_FMT, want->name,
                feed->way, GN_SLICE_ARG(got));
    }
    gn_buf_fini(&log);
    gn_ws_decoder_fini(&d);
}

enum { MAX_FRAMES = 6 };

struct frames_case {
    const char *name;
    struct frame frames[MAX_FRAMES]; /* up to the first with b0 == 0 and no payload pointer */
    const char *events;
    bool allow_compressed;
};

static void check_frames(const struct frames_case *c)
{
    struct expectation want = {.name = c->name,
            .events = c->events,
            .options = {.message_limit_bytes = 16, .allow_compressed = c->allow_compressed}};
    struct gn_buf b;

    gn_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < MAX_FRAMES && c->frames[i].payload.ptr != NULL; i++) {
        append_client_frame(&b, c->frames[i].b0, c->frames[i].payload);
    }
    gn_feed_all_ways(gn_buf_slice(&b), check, &want);
    gn_buf_fini(&b);
}

#define F(b0, text)                                                                                \
    {                                                                                              \
        b0, GN_LIT_INIT(text)                                                                      \
    }

Test(ws_frame, decodes_messages)
{
    static const struct frames_case cases[] = {
            {"text", {F(0x81, "Hello")}, "T(Hello)", false},
            {"binary", {F(0x82, "\xff")}, "B(\xff)", false},
            {"empty", {F(0x81, ""), F(0x82, "")}, "T()B()", false},
            {"two fragments", {F(0x01, "Hel"), F(0x80, "lo")}, "T(Hello)", false},
            {"empty fragments", {F(0x01, ""), F(0x00, ""), F(0x00, "x"), F(0x80, "")}, "T(x)",
                    false},
            {"control between", {F(0x01, "Hel"), F(0x89, "p"), F(0x8a, ""), F(0x80, "lo")},
                    "T(HelP[p]O[]lo)", false},
            {"character across fragments", {F(0x01, "\xc3"), F(0x80, "\xa9")}, "T(\xc3\xa9)",
                    false},
            {"close", {F(0x88, "\x03\xe8 bye"), F(0x81, "ignored")}, "C1000[ bye]", false},
            {"close without code", {F(0x88, "")}, "C1005[]", false},
            {"close with a private code", {F(0x88, "\x0f\xa0")}, "C4000[]", false},
            {"limit", {F(0x82, "0123456789abcdef")}, "B(0123456789abcdef)", false},
            {"limit, in fragments", {F(0x02, "0123456789abcde"), F(0x80, "f")},
                    "B(0123456789abcdef)", false},
            {"compressed", {F(0xc1, "\xff\xff")}, "Z(\xff\xff)", true},
            {"compressed in fragments", {F(0x41, "\xff"), F(0x80, "\xff"), F(0x81, "x")},
                    "Z(\xff\xff)T(x)", true},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        check_frames(&cases[i]);
    }
}

Test(ws_frame, refuses_broken_frames)
{
    static const struct frames_case cases[] = {
            {"RSV1", {F(0xc1, "x")}, "E1002", false},
            {"RSV2", {F(0xa1, "x")}, "E1002", true},
            {"RSV3", {F(0x91, "x")}, "E1002", true},
            {"RSV1 on a continuation", {F(0x41, "x"), F(0xc0, "y")}, "E1002", true},
            {"RSV1 on a ping", {F(0xc9, "x")}, "E1002", true},
            {"opcode 3", {F(0x83, "x")}, "E1002", false},
            {"opcode 7", {F(0x87, "x")}, "E1002", false},
            {"opcode 11", {F(0x8b, "x")}, "E1002", false},
            {"opcode 15", {F(0x8f, "x")}, "E1002", false},
            {"continuation first", {F(0x80, "x")}, "E1002", false},
            {"continuation after the end", {F(0x81, "x"), F(0x80, "x")}, "E1002", false},
            {"text inside text", {F(0x01, "x"), F(0x81, "y")}, "E1002", false},
            {"binary inside text", {F(0x01, "x"), F(0x02, "y")}, "E1002", false},
            {"fragmented ping", {F(0x09, "x")}, "E1002", false},
            {"fragmented close", {F(0x08, "")}, "E1002", false},
            {"close of one byte", {F(0x88, "\x03")}, "E1002", false},
            {"close 999", {F(0x88, "\x03\xe7")}, "E1002", false},
            {"close 1004", {F(0x88, "\x03\xec")}, "E1002", false},
            {"close 1005", {F(0x88, "\x03\xed")}, "E1002", false},
            {"close 1006", {F(0x88, "\x03\xee")}, "E1002", false},
            {"close 1015", {F(0x88, "\x03\xf7")}, "E1002", false},
            {"close 2999", {F(0x88, "\x0b\xb7")}, "E1002", false},
            {"close 5000", {F(0x88, "\x13\x88")}, "E1002", false},
            {"close reason not UTF-8", {F(0x88, "\x03\xe8\xff")}, "E1007", false},
            {"close reason cut", {F(0x88, "\x03\xe8\xc3")}, "E1007", false},
            {"text not UTF-8", {F(0x81, "a\xff")}, "E1007", false},
            {"text cut in a character", {F(0x81, "\xc3")}, "E1007", false},
            {"text broken across fragments", {F(0x01, "\xc3"), F(0x80, "x")}, "E1007", false},
            {"text cut at the end of fragments", {F(0x01, "\xc3"), F(0x80, "")}, "E1007", false},
            {"too big", {F(0x82, "0123456789abcdef0")}, "E1009", false},
            {"too big in fragments", {F(0x02, "0123456789abcdef"), F(0x00, ""), F(0x80, "0")},
                    "E1009", false},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        check_frames(&cases[i]);
    }
}

/* Headers that no encoder of ours makes. */
Test(ws_frame, refuses_broken_headers)
{
    static const struct {
        struct gn_slice bytes;
        struct expectation want;
    } cases[] = {
            {GN_LIT_INIT("\x81\x05Hello"), {"not masked", "E1002", {16, false}}},
            {GN_LIT_INIT("\x89\xfe\x00\x7e"), {"ping of 126", "E1002", {999, false}}},
            {GN_LIT_INIT("\x89\xff\x00\x00"), {"ping with 64 bits", "E1002", {999, false}}},
            {GN_LIT_INIT("\x82\xfe\x00\x7d\x01\x02\x03\x04"),
                    {"16 bits for 125", "E1002", {999, false}}},
            {GN_LIT_INIT("\x82\xff\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04"),
                    {"64 bits for 65535", "E1002", {99999, false}}},
            {GN_LIT_INIT("\x82\xff\x80\0\0\0\0\0\0\0\x01\x02\x03\x04"),
                    {"top bit of 64 set, unit CVE-2025-1695", "E1002", {UINT64_MAX, false}}},
            {GN_LIT_INIT("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04"),
                    {"2^63 - 1 bytes", "E1009", {1 << 20, false}}},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct expectation want = cases[i].want;

        gn_feed_all_ways(cases[i].bytes, check, &want);
    }
}

/* Lengths around each change of form, there and back. */
Test(ws_frame, lengths_survive_the_round_trip)
{
    static const size_t lengths[] = {0, 1, 124, 125, 126, 127, 65535, 65536, 70000};

    for (size_t i = 0; i < GN_ARRAY_LEN(lengths); i++) {
        struct gn_ws_decoder_options options = {.message_limit_bytes = 70000};
        char *payload = gn_xcalloc(lengths[i] + 1);
        struct gn_ws_decoder d;
        struct gn_ws_event ev;
        struct gn_buf b;
        size_t n;

        memset(payload, 'x', lengths[i]);
        gn_buf_init(&b, 1 << 20);
        append_client_frame(&b, 0x82, gn_slice_of(payload, lengths[i]));
        gn_ws_decoder_init(&d, &options);
        gn_ws_decoder_feed(&d, b.ptr, b.len, &n, &ev);
        cr_assert_eq(ev.kind, GN_WS_EV_DATA);
        cr_assert(ev.is_first && ev.is_last);
        cr_assert(gn_slice_eq(ev.data, gn_slice_of(payload, lengths[i])), "%zu", lengths[i]);
        cr_assert_eq(n, b.len);
        cr_assert(gn_ws_decoder_is_idle(&d));
        gn_ws_decoder_fini(&d);
        gn_buf_fini(&b);
        gn_free(payload);
    }
}

/* An idle connection has no room for a control frame: it is made when one arrives in parts, and
 * given back with the next bytes. */
Test(ws_frame, has_room_for_a_control_frame_only_while_one_arrives)
{
    struct gn_ws_decoder_options options = {.message_limit_bytes = 99};
    struct gn_ws_decoder d;
    struct gn_ws_event ev;
    struct gn_buf b;
    size_t n;

    cr_assert_leq(sizeof(d), 64);
    gn_buf_init(&b, 999);
    append_client_frame(&b, 0x89, GN_LIT("whole"));
    append_client_frame(&b, 0x89, GN_LIT("in parts"));
    append_client_frame(&b, 0x8a, GN_LIT(""));
    gn_ws_decoder_init(&d, &options);
    gn_ws_decoder_feed(&d, b.ptr, b.len, &n, &ev);
    cr_assert(gn_slice_eq(ev.data, GN_LIT("whole")));
    cr_assert_eq(ev.data.ptr, b.ptr + n - ev.data.len, "where it lies");
    cr_assert_null(d.control);
    gn_buf_consume(&b, n);
    gn_ws_decoder_feed(&d, b.ptr, 7, &n, &ev);
    cr_assert_eq(ev.kind, GN_WS_EV_MORE);
    cr_assert_not_null(d.control);
    gn_buf_consume(&b, n);
    gn_ws_decoder_feed(&d, b.ptr, b.len, &n, &ev);
    cr_assert_eq(ev.kind, GN_WS_EV_PING);
    cr_assert(gn_slice_eq(ev.data, GN_LIT("in parts")));
    gn_buf_consume(&b, n);
    gn_ws_decoder_feed(&d, b.ptr, b.len, &n, &ev);
    cr_assert_eq(ev.kind, GN_WS_EV_PONG);
    cr_assert_eq(ev.data.len, 0);
    cr_assert_null(d.control);
    gn_ws_decoder_fini(&d);
    gn_buf_fini(&b);
}

Test(ws_frame, encodes_headers)
{
    static const struct {
        uint64_t length;
        struct gn_slice bytes;
    } cases[] = {
            {0, GN_LIT_INIT("\x81\x00")},
            {125, GN_LIT_INIT("\x81\x7d")},
            {126, GN_LIT_INIT("\x81\x7e\x00\x7e")},
            {65535, GN_LIT_INIT("\x81\x7e\xff\xff")},
            {65536, GN_LIT_INIT("\x81\x7f\0\0\0\0\0\x01\0\0")},
            {INT64_MAX, GN_LIT_INIT("\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff")},
    };
    struct gn_ws_header h;

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        h = gn_ws_encode_header(GN_WS_TEXT, true, false, cases[i].length);
        cr_assert(gn_slice_eq(gn_ws_header_slice(&h), cases[i].bytes), "%zu", i);
    }
    h = gn_ws_encode_header(GN_WS_BINARY, false, true, 1);
    cr_assert(gn_slice_eq(gn_ws_header_slice(&h), GN_LIT("\x42\x01")));
}

Test(ws_frame, encodes_close_frames)
{
    struct gn_ws_close_frame f = gn_ws_encode_close(1000, GN_LIT("bye"));
    char reason[130];

    cr_assert(gn_slice_eq(gn_slice_of(f.bytes, f.len),
            GN_LIT("\x88\x05\x03\xe8"
                   "bye")));
    f = gn_ws_encode_close(0, GN_LIT("not sent"));
    cr_assert(gn_slice_eq(gn_slice_of(f.bytes, f.len), GN_LIT("\x88\x00")));
    f = gn_ws_encode_close(1005, GN_LIT(""));
    cr_assert_eq(f.len, 2);
    f = gn_ws_encode_close(1001, GN_LIT(""));
    cr_assert_eq(f.len, 4);

    memset(reason, 'x', sizeof(reason));
    f = gn_ws_encode_close(1001, gn_slice_of(reason, sizeof(reason)));
    cr_assert_eq(f.len, 2 + 125);
    memcpy(reason + 122, "\xc3\xa9", 2); /* the cut would fall inside this character */
    f = gn_ws_encode_close(1001, gn_slice_of(reason, sizeof(reason)));
    cr_assert_eq(f.len, 2 + 2 + 122);
    memcpy(reason + 121, "\xc3\xa9", 2);
    f = gn_ws_encode_close(1001, gn_slice_of(reason, 123));
    cr_assert_eq(f.len, 2 + 125);
}

Test(ws_frame, knows_when_it_is_idle)
{
    struct gn_ws_decoder_options options = {.message_limit_bytes = 99};
    struct gn_ws_decoder d;
    struct gn_ws_event ev;
    struct gn_buf b;
    size_t n;

    gn_ws_decoder_init(&d, &options);
    cr_assert(gn_ws_decoder_is_idle(&d));
    gn_buf_init(&b, 999);
    append_client_frame(&b, 0x01, GN_LIT("x"));
    gn_ws_decoder_feed(&d, b.ptr, 1, &n, &ev);
    cr_assert_not(gn_ws_decoder_is_idle(&d), "inside a header");
    gn_ws_decoder_feed(&d, b.ptr + 1, b.len - 1, &n, &ev);
    cr_assert_not(gn_ws_decoder_is_idle(&d), "inside a message");
    gn_buf_clear(&b);
    append_client_frame(&b, 0x80, GN_LIT(""));
    gn_ws_decoder_feed(&d, b.ptr, b.len, &n, &ev);
    cr_assert(ev.is_last);
    cr_assert(gn_ws_decoder_is_idle(&d));
    gn_ws_decoder_fini(&d);
    gn_buf_fini(&b);
}

/* Every length to 100, every phase, at the very end of a page: exact at the tail, and
 * nothing beyond it is read or written. */
Test(ws_frame, tornado_cve_2026_49854_ghsa_cx3h_4qpv_8hc9_masks_exactly)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    cr_assert_neq(two, MAP_FAILED);
    cr_assert_eq(mprotect(two + page, page, PROT_NONE), 0);
    for (size_t n = 0; n <= 100; n++) {
        for (unsigned phase = 0; phase < 8; phase++) {
            char *p = two + page - n;

            for (size_t i = 0; i < n; i++) {
                p[i] = (char)(i * 7);
            }
            p[-1] = 'x';
            gn_ws_mask(p, n, key, phase);
            cr_assert_eq(p[-1], 'x');
            for (size_t i = 0; i < n; i++) {
                cr_assert_eq((uint8_t)p[i], ((i * 7) & 0xff) ^ key[(i + phase) & 3], "%zu", n);
            }
        }
    }
    munmap(two, 2 * page);
}

Test(ws_frame, knows_the_codes_of_the_wire)
{
    for (unsigned code = 0; code < 70000; code++) {
        bool want =
                (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
                (code >= 3000 && code <= 4999);

        cr_assert_eq(gn_ws_close_code_is_valid(code), want, "%u", code);
    }
}
