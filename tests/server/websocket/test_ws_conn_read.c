/* SPDX-License-Identifier: MIT */
#include <sys/socket.h>

#include "server/base/alloc.h"
#include "tests/server/websocket/ws_fixture.h"
#include "tests/support/feed.h"
#include "tests/support/test.h"

/* Messages in: whole, split at every byte, in fragments, held, and at the limits. */

/** Some text with a ping inside, split in three frames, then a binary message. */
static void make_conversation(struct gn_buf *b)
{
    ws_frame(b, GN_WS_TEXT, false, GN_LIT("gr\xc3"));
    ws_frame(b, GN_WS_PING, true, GN_LIT("?"));
    ws_frame(b, GN_WS_CONTINUATION, false, GN_LIT(""));
    ws_frame(b, GN_WS_CONTINUATION, true, GN_LIT("\xbc\xc3\x9f"));
    ws_frame(b, GN_WS_BINARY, true, GN_LIT("\x00\xff"));
    ws_frame(b, GN_WS_TEXT, true, GN_LIT(""));
    ws_frame(b, GN_WS_CLOSE, true,
            GN_LIT("\x03\xe8"
                   "bye"));
}

static void expect(struct ws_fixture *f, unsigned opcode, struct gn_slice payload, const char *way)
{
    struct ws_got got = ws_take(f);

    cr_assert(got.ok, "%s", way);
    cr_assert_eq(got.opcode, opcode, "%s: opcode %u", way, got.opcode);
    cr_assert(gn_slice_eq(got.payload, payload), "%s", way);
}

static void converse(const struct gn_feed *feed, void *arg)
{
    struct ws_fixture f;

    (void)arg;
    ws_open(&f, NULL);
    for (size_t i = 0; i < feed->n_pieces; i++) {
        ws_put(&f, feed->pieces[i]);
    }
    expect(&f, GN_WS_PONG, GN_LIT("?"), feed->way);
    expect(&f, GN_WS_TEXT, GN_LIT("gr\xc3\xbc\xc3\x9f"), feed->way);
    expect(&f, GN_WS_BINARY, GN_LIT("\x00\xff"), feed->way);
    expect(&f, GN_WS_TEXT, GN_LIT(""), feed->way);
    cr_assert_eq(ws_take_close(&f), 1000, "%s", feed->way);
    cr_assert(ws_is_ended(&f), "%s", feed->way);
    cr_assert_eq(f.n_messages, 3);
    cr_assert_eq(f.n_pings, 1);
    cr_assert_eq(f.n_closes, 1);
    cr_assert_eq(f.code, 1000);
    cr_assert_str_eq(f.reason, "bye");
    ws_end(&f);
}

Test(ws_conn_read, understands_a_conversation_however_it_is_cut)
{
    struct gn_buf b;

    gn_buf_init(&b, 4096);
    make_conversation(&b);
    gn_feed_all_ways(gn_buf_slice(&b), converse, NULL);
    gn_buf_fini(&b);
}

Test(ws_conn_read, handles_what_came_behind_the_handshake)
{
    struct ws_fixture f;
    struct gn_buf b;

    gn_buf_init(&b, 4096);
    make_conversation(&b);
    ws_open(&f, &(struct ws_options){.early = gn_buf_slice(&b)});
    cr_assert_eq(f.n_messages, 3);
    cr_assert_eq(f.n_closes, 1);
    ws_end(&f);
    gn_buf_fini(&b);
}

Test(ws_conn_read, takes_early_bytes_larger_than_a_block)
{
    const size_t len = 100000;
    char *big = gn_xcalloc(len);
    struct ws_fixture f;
    struct gn_buf b;

    gn_buf_init(&b, 2 * len);
    ws_frame(&b, GN_WS_BINARY, true, gn_slice_of(big, len));
    ws_open(&f, &(struct ws_options){.early = gn_buf_slice(&b)});
    cr_assert_eq(f.n_messages, 1);
    cr_assert_eq(f.payload.len, len);
    ws_end(&f);
    gn_buf_fini(&b);
    gn_free(big);
}

Test(ws_conn_read, echoes_every_size_around_its_blocks)
{
    static const size_t sizes[] = {
            0, 1, 125, 126, 127, 16369, 16370, 16376, 16377, 16384, 16385, 65535, 65536, 300000};
    char *big = gn_xalloc(300000);
    struct ws_fixture f;

    for (size_t i = 0; i < 300000; i++) {
        big[i] = (char)(i * 7 + i / 251);
    }
    ws_open(&f, NULL);
    for (size_t i = 0; i < GN_ARRAY_LEN(sizes); i++) {
        struct ws_got got;

        ws_send(&f, GN_WS_BINARY, true, gn_slice_of(big, sizes[i]));
        got = ws_take(&f);
        cr_assert(got.ok, "%zu", sizes[i]);
        cr_assert(gn_slice_eq(got.payload, gn_slice_of(big, sizes[i])), "%zu", sizes[i]);
    }
    ws_end(&f);
    gn_free(big);
}

Test(ws_conn_read, delivers_pipelined_messages_in_order)
{
    struct ws_fixture f;
    struct gn_buf b;

    gn_buf_init(&b, 1024u * 1024);
    for (char c = 'a'; c <= 'z'; c++) {
        ws_frame(&b, GN_WS_TEXT, true, gn_slice_of(&c, 1));
    }
    ws_open(&f, NULL);
    ws_put(&f, gn_buf_slice(&b));
    for (char c = 'a'; c <= 'z'; c++) {
        expect(&f, GN_WS_TEXT, gn_slice_of(&c, 1), "in order");
    }
    ws_end(&f);
    gn_buf_fini(&b);
}

Test(ws_conn_read, holds_messages_until_the_first_done)
{
    struct ws_fixture f;

    ws_open(&f, &(struct ws_options){.keep_busy = true});
    ws_send(&f, GN_WS_TEXT, true, GN_LIT("one"));
    cr_assert_eq(f.n_messages, 0);
    ws_release(&f);
    cr_assert_eq(f.n_messages, 1);
    ws_end(&f);
}

Test(ws_conn_read, delivers_one_message_at_a_time)
{
    struct ws_fixture f;

    ws_open(&f, NULL);
    f.owner = WS_OWNER_HOLD;
    ws_send(&f, GN_WS_TEXT, true, GN_LIT("one"));
    ws_send(&f, GN_WS_PING, true, GN_LIT("still there?"));
    ws_send(&f, GN_WS_TEXT, false, GN_LIT("tw"));
    ws_send(&f, GN_WS_CONTINUATION, true, GN_LIT("o"));
    ws_send(&f, GN_WS_TEXT, true, GN_LIT("three"));
    cr_assert_eq(f.n_messages, 1);
    expect(&f, GN_WS_PONG, GN_LIT("still there?"), "while the owner is busy");
    cr_assert(gn_slice_eq(f.held, GN_LIT("one")));
    ws_release(&f);
    cr_assert_eq(f.n_messages, 2);
    cr_assert(gn_slice_eq(f.held, GN_LIT("two")));
    ws_release(&f);
    cr_assert_eq(f.n_messages, 3);
    cr_assert(gn_slice_eq(f.held, GN_LIT("three")));
    ws_release(&f);
    ws_end(&f);
}

Test(ws_conn_read, stops_reading_while_its_owner_holds_two)
{
    static char block[4096];
    struct ws_fixture f;
    size_t n_taken = 0;
    struct gn_buf b;

    gn_buf_init(&b, 65536);
    ws_frame(&b, GN_WS_BINARY, true, gn_slice_of(block, sizeof(block)));
    ws_open(&f, NULL);
    f.owner = WS_OWNER_HOLD;
    for (int i = 0; i < 4096; i++) {
        ssize_t n = send(f.client, b.ptr, b.len, MSG_NOSIGNAL);

        ws_turn(&f);
        if (n < (ssize_t)b.len) {
            break;
        }
        n_taken += (size_t)n;
    }
    cr_assert_lt(n_taken, 4u * 1024 * 1024, "the client was never held back");
    cr_assert_eq(f.n_messages, 1);
    ws_end(&f);
    gn_buf_fini(&b);
}

Test(ws_conn_read, keeps_the_message_valid_while_it_reads_on)
{
    struct ws_fixture f;

    ws_open(&f, NULL);
    f.owner = WS_OWNER_HOLD;
    ws_send(&f, GN_WS_TEXT, true, GN_LIT("precious"));
    ws_send(&f, GN_WS_TEXT, true, GN_LIT("overwrite"));
    cr_assert(gn_slice_eq(f.held, GN_LIT("precious")));
    ws_hang_up(&f);
    ws_end(&f);
}

Test(ws_conn_read, answers_what_breaks_the_protocol)
{
    static const struct {
        const char *name;
        struct gn_slice bytes;
        unsigned code;
    } cases[] = {
            {"not masked", GN_LIT_INIT("\x81\x01x"), 1002},
            {"reserved opcode", GN_LIT_INIT("\x83\x80\0\0\0\0"), 1002},
            {"reserved bit", GN_LIT_INIT("\xc1\x80\0\0\0\0"), 1002},
            {"continuation of nothing", GN_LIT_INIT("\x80\x80\0\0\0\0"), 1002},
            {"long ping", GN_LIT_INIT("\x89\xfe\x00\x7e\0\0\0\0"), 1002},
            {"fragmented ping", GN_LIT_INIT("\x09\x80\0\0\0\0"), 1002},
            {"not UTF-8", GN_LIT_INIT("\x81\x81\0\0\0\0\xff"), 1007},
            {"close code 1005", GN_LIT_INIT("\x88\x82\0\0\0\0\x03\xed"), 1002},
            {"close of one byte", GN_LIT_INIT("\x88\x81\0\0\0\0\x03"), 1002},
            {"close reason not UTF-8", GN_LIT_INIT("\x88\x83\0\0\0\0\x03\xe8\xff"), 1007},
            {"a length beyond the limit", GN_LIT_INIT("\x82\xff\0\0\0\1\0\0\0\0\0\0\0\0"), 1009},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct ws_fixture f;

        ws_open(&f, NULL);
        ws_put(&f, cases[i].bytes);
        ws_put(&f, GN_LIT("\x81\x81\0\0\0\0x more that nobody reads"));
        cr_assert_eq(ws_take_close(&f), cases[i].code, "%s", cases[i].name);
        cr_assert(ws_is_ended(&f), "%s", cases[i].name);
        cr_assert_eq(f.n_messages, 0, "%s", cases[i].name);
        ws_hang_up(&f);
        cr_assert_eq(f.n_closes, 1, "%s", cases[i].name);
        cr_assert_eq(f.code, cases[i].code, "%s", cases[i].name);
        ws_end(&f);
    }
}

/** A message of `n` bytes in `n_frames` frames. */
static void send_sized(struct ws_fixture *f, size_t n, unsigned n_frames)
{
    char bytes[512] = {0};

    cr_assert_leq(n, sizeof(bytes));
    for (unsigned i = 0; i < n_frames; i++) {
        size_t part = i + 1 < n_frames ? n / n_frames : n - (n_frames - 1) * (n / n_frames);

        ws_send(f, i == 0 ? GN_WS_BINARY : GN_WS_CONTINUATION, i + 1 == n_frames,
                gn_slice_of(bytes, part));
    }
}

Test(ws_conn_read, bounds_a_message_however_it_is_split)
{
    for (unsigned n_frames = 1; n_frames <= 3; n_frames++) {
        struct ws_fixture f;

        ws_open(&f, &(struct ws_options){.message_bytes = 300});
        send_sized(&f, 300, n_frames);
        cr_assert_eq(f.n_messages, 1, "%u frames", n_frames);
        cr_assert_eq(ws_take(&f).payload.len, 300);
        send_sized(&f, 301, n_frames);
        cr_assert_eq(ws_take_close(&f), 1009, "%u frames", n_frames);
        cr_assert_eq(f.n_messages, 1);
        ws_end(&f);
    }
}

Test(ws_conn_read, delivers_what_came_before_a_close)
{
    struct ws_fixture f;
    struct gn_buf b;

    gn_buf_init(&b, 1024);
    ws_frame(&b, GN_WS_TEXT, true, GN_LIT("one"));
    ws_frame(&b, GN_WS_TEXT, true, GN_LIT("two"));
    ws_frame(&b, GN_WS_CLOSE, true, GN_LIT("\x03\xe9"));
    ws_open(&f, NULL);
    f.owner = WS_OWNER_HOLD;
    ws_put(&f, gn_buf_slice(&b));
    cr_assert_eq(f.n_closes, 0);
    ws_release(&f);
    cr_assert_eq(f.n_messages, 2);
    cr_assert_eq(f.n_closes, 1);
    cr_assert_eq(f.code, 1001);
    ws_end(&f);
    gn_buf_fini(&b);
}
