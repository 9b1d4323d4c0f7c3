/* SPDX-License-Identifier: MIT */
#include "server/websocket/ws_compress.h"
#include "tests/server/websocket/ws_fixture.h"
#include "tests/support/feed.h"
#include "tests/support/test.h"

/* Compression on a connection: what is compressed, what is not, and what is refused. */

static const struct gn_ws_deflate_params agreed = {
        .server_window_bits = 15, .client_window_bits = 15};
static const struct gn_ws_deflate_params small_window = {
        .server_window_bits = 9, .client_window_bits = 15};

static char text[GN_WS_COMPRESS_MAX_BYTES + 1];

static void fill_text(void)
{
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = "the quick brown fox "[(i + i / 97) % 20];
    }
}

/** Deflates as a client does. */
static void squeeze(struct gn_slice in, struct gn_buf *out)
{
    struct gn_ws_deflater *d = gn_ws_deflater_create(15, false, 6);

    gn_buf_init(out, 1024u * 1024);
    cr_assert_eq(gn_ws_deflate(d, in, out), GN_OK);
    gn_ws_deflater_destroy(&d);
}

static bool says(const struct ws_got *got, struct gn_slice expected)
{
    struct gn_ws_inflater *i = gn_ws_inflater_create(15, false);
    struct gn_buf out;
    bool is_same;

    gn_buf_init(&out, 1024u * 1024);
    cr_assert_eq(gn_ws_inflate(i, got->payload, true, &out), GN_OK);
    is_same = gn_slice_eq(gn_buf_slice(&out), expected);
    gn_buf_fini(&out);
    gn_ws_inflater_destroy(&i);
    return is_same;
}

static void converse(const struct gn_feed *feed, void *arg)
{
    struct ws_got got;
    struct ws_fixture f;

    (void)arg;
    ws_open(&f, &(struct ws_options){.deflate = &agreed});
    for (size_t i = 0; i < feed->n_pieces; i++) {
        ws_put(&f, feed->pieces[i]);
    }
    cr_assert_eq(ws_take(&f).opcode, GN_WS_PONG, "%s", feed->way);
    got = ws_take(&f);
    cr_assert(got.ok && got.is_compressed, "%s", feed->way);
    cr_assert(says(&got, gn_slice_of(text, 300)), "%s", feed->way);
    got = ws_take(&f);
    cr_assert(got.ok && !got.is_compressed, "%s", feed->way);
    cr_assert(gn_slice_eq(got.payload, GN_LIT("small")), "%s", feed->way);
    ws_end(&f);
}

Test(ws_compress, reads_compressed_messages_however_they_are_cut, .init = fill_text)
{
    struct gn_buf squeezed;
    struct gn_buf b;

    gn_buf_init(&b, 4096);
    squeeze(gn_slice_of(text, 300), &squeezed);
    ws_frame(&b, GN_WS_TEXT | WS_RSV1, false, gn_slice_of(squeezed.ptr, 10));
    ws_frame(&b, GN_WS_PING, true, GN_LIT("in between"));
    ws_frame(&b, GN_WS_CONTINUATION, true, gn_slice_skip(gn_buf_slice(&squeezed), 10));
    gn_buf_fini(&squeezed);
    squeeze(GN_LIT("small"), &squeezed);
    ws_frame(&b, GN_WS_TEXT | WS_RSV1, true, gn_buf_slice(&squeezed));
    gn_feed_all_ways(gn_buf_slice(&b), converse, NULL);
    gn_buf_fini(&squeezed);
    gn_buf_fini(&b);
}

Test(ws_compress, compresses_what_pays, .init = fill_text)
{
    static const struct {
        size_t size;
        bool is_compressed;
    } cases[] = {
            {GN_WS_COMPRESS_MIN_BYTES - 1, false},
            {GN_WS_COMPRESS_MIN_BYTES, true},
            {GN_WS_COMPRESS_MAX_BYTES, true},
            {GN_WS_COMPRESS_MAX_BYTES + 1, false},
    };
    struct ws_fixture f;

    ws_open(&f, &(struct ws_options){.deflate = &agreed, .queue_bytes = 1024u * 1024});
    gn_assert_loop_thread(f.loop);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_slice message = gn_slice_of(text, cases[i].size);
        struct ws_got got;

        cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_TEXT, message), GN_OK);
        got = ws_take(&f);
        cr_assert(got.ok);
        cr_assert_eq(got.is_compressed, cases[i].is_compressed, "%zu", cases[i].size);
        cr_assert(got.is_compressed ? says(&got, message) : gn_slice_eq(got.payload, message));
    }
    ws_end(&f);
}

Test(ws_compress, leaves_what_does_not_shrink)
{
    char noise[500];
    uint32_t state = 1;
    struct ws_fixture f;

    for (size_t i = 0; i < sizeof(noise); i++) {
        state = state * 1664525u + 1013904223u;
        noise[i] = (char)(state >> 24);
    }
    ws_open(&f, &(struct ws_options){.deflate = &agreed});
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_BINARY, gn_slice_of(noise, sizeof(noise))), GN_OK);
    cr_assert_not(ws_take(&f).is_compressed);
    ws_end(&f);
}

Test(ws_compress, compresses_a_shared_message_once_per_window, .init = fill_text)
{
    const struct gn_slice message = gn_slice_of(text, 1000);
    struct ws_fixture plain;
    struct ws_fixture wide;
    struct ws_fixture narrow;
    struct gn_ws_message *m;
    struct ws_got got;

    ws_open(&plain, NULL);
    ws_open(&wide, &(struct ws_options){.deflate = &agreed});
    ws_open(&narrow, &(struct ws_options){.deflate = &small_window});
    gn_assert_loop_thread(wide.loop);
    cr_assert_eq(gn_ws_message_create(GN_WS_TEXT, message, &m), GN_OK);
    cr_assert_eq(gn_ws_conn_send_message(plain.conn, m), GN_OK);
    cr_assert_eq(gn_ws_conn_send_message(wide.conn, m), GN_OK);
    cr_assert_eq(gn_ws_conn_send_message(wide.conn, m), GN_OK);
    cr_assert_eq(gn_ws_conn_send_message(narrow.conn, m), GN_OK);
    gn_ws_message_unref(&m);
    cr_assert_not(ws_take(&plain).is_compressed);
    for (int i = 0; i < 2; i++) {
        got = ws_take(&wide);
        cr_assert(got.ok && got.is_compressed && says(&got, message));
    }
    got = ws_take(&narrow);
    cr_assert(got.ok && !got.is_compressed);
    ws_end(&plain);
    ws_end(&wide);
    ws_end(&narrow);
}

Test(ws_compress, bounds_a_message_after_inflation, .init = fill_text)
{
    static const struct {
        size_t size;
        unsigned code; /* 0: it is delivered */
    } cases[] = {{2000, 0}, {2001, 1009}, {200000, 1009}};

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_buf squeezed;
        struct ws_fixture f;

        ws_open(&f, &(struct ws_options){.deflate = &agreed, .message_bytes = 2000});
        squeeze(gn_slice_of(text, cases[i].size), &squeezed);
        ws_send(&f, GN_WS_TEXT | WS_RSV1, true, gn_buf_slice(&squeezed));
        if (cases[i].code == 0) {
            cr_assert_eq(f.payload.len, cases[i].size);
        } else {
            cr_assert_eq(ws_take_close(&f), cases[i].code, "%zu", cases[i].size);
        }
        gn_buf_fini(&squeezed);
        ws_end(&f);
    }
}

Test(ws_compress, refuses_garbage_and_text_that_is_not_utf8)
{
    struct gn_buf squeezed;
    struct ws_fixture f;

    ws_open(&f, &(struct ws_options){.deflate = &agreed});
    ws_send(&f, GN_WS_BINARY | WS_RSV1, true, GN_LIT("\xff\xff\xff\xff"));
    cr_assert_eq(ws_take_close(&f), 1007);
    ws_end(&f);
    ws_open(&f, &(struct ws_options){.deflate = &agreed});
    squeeze(GN_LIT("\xff"), &squeezed);
    ws_send(&f, GN_WS_TEXT | WS_RSV1, true, gn_buf_slice(&squeezed));
    cr_assert_eq(ws_take_close(&f), 1007);
    cr_assert_eq(f.n_messages, 0);
    gn_buf_fini(&squeezed);
    ws_end(&f);
}

Test(ws_compress, refuses_rsv1_that_was_not_agreed_or_is_on_a_ping)
{
    struct ws_fixture f;

    ws_open(&f, NULL);
    ws_send(&f, GN_WS_TEXT | WS_RSV1, true, GN_LIT("x"));
    cr_assert_eq(ws_take_close(&f), 1002);
    ws_end(&f);
    ws_open(&f, &(struct ws_options){.deflate = &agreed});
    ws_send(&f, GN_WS_PING | WS_RSV1, true, GN_LIT("x"));
    cr_assert_eq(ws_take_close(&f), 1002);
    ws_end(&f);
}
