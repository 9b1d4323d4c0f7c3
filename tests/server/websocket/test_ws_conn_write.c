/* SPDX-License-Identifier: MIT */
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "tests/server/websocket/ws_fixture.h"
#include "tests/support/test.h"

/* Messages out: bounds, back-pressure, shared frames, order. */

static char block[65536];

Test(ws_conn_write, sends_from_outside_of_a_message)
{
    struct ws_fixture f;
    struct ws_got got;

    ws_open(&f, NULL);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_TEXT, GN_LIT("news")), GN_OK);
    got = ws_take(&f);
    cr_assert(got.ok);
    cr_assert(gn_slice_eq(got.payload, GN_LIT("news")));
    ws_end(&f);
}

Test(ws_conn_write, refuses_text_that_is_not_utf8)
{
    struct ws_fixture f;

    ws_open(&f, NULL);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_TEXT, GN_LIT("\xff")), GN_ERR_INVALID);
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_BINARY, GN_LIT("\xff")), GN_OK);
    ws_end(&f);
}

Test(ws_conn_write, says_full_at_the_bound_and_not_before)
{
    struct ws_fixture f;

    /* All in one turn: nothing is written in between, so every byte counts. */
    ws_open(&f, &(struct ws_options){.queue_bytes = 1000});
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_BINARY, gn_slice_of(block, 995)), GN_OK);
    cr_assert_eq(gn_ws_conn_n_waiting(f.conn), 999);
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_BINARY, GN_LIT("")), GN_OK);
    cr_assert_eq(gn_ws_conn_n_waiting(f.conn), 1001);
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_BINARY, GN_LIT("")), GN_ERR_FULL);
    cr_assert_eq(gn_ws_conn_n_waiting(f.conn), 1001);
    cr_assert_eq(f.n_drained, 0);
    ws_turn(&f);
    cr_assert_eq(f.n_drained, 1);
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_BINARY, GN_LIT("")), GN_OK);
    ws_end(&f);
}

Test(ws_conn_write, takes_one_message_of_any_size)
{
    struct ws_fixture f;
    const size_t len = 3u * 1024 * 1024;
    char *big = gn_xcalloc(len);

    ws_open(&f, &(struct ws_options){.queue_bytes = 1000});
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_BINARY, gn_slice_of(big, len)), GN_OK);
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_BINARY, GN_LIT("x")), GN_ERR_FULL);
    cr_assert_eq(ws_take(&f).payload.len, len);
    cr_assert_eq(f.n_drained, 1);
    ws_end(&f);
    gn_free(big);
}

Test(ws_conn_write, waits_for_a_slow_client_and_goes_on)
{
    struct ws_fixture f;
    unsigned n_sent = 0;

    ws_open(&f, NULL);
    gn_assert_loop_thread(f.loop);
    while (gn_ws_conn_send(f.conn, GN_WS_BINARY, gn_slice_of(block, 1000)) == GN_OK) {
        n_sent++;
        ws_turn(&f);
        cr_assert_lt(n_sent, 100000);
    }
    cr_assert_geq(gn_ws_conn_n_waiting(f.conn), 64u * 1024);
    for (unsigned i = 0; i < n_sent; i++) {
        struct ws_got got = ws_take(&f);

        cr_assert(got.ok && got.payload.len == 1000, "message %u", i);
    }
    cr_assert_eq(f.n_drained, 1);
    cr_assert_eq(gn_ws_conn_n_waiting(f.conn), 0);
    ws_end(&f);
}

Test(ws_conn_write, stops_reading_from_a_client_that_does_not_read)
{
    struct ws_fixture f;
    size_t n_put = 0;
    struct gn_buf b;

    gn_buf_init(&b, 65536);
    ws_frame(&b, GN_WS_PING, true, gn_slice_of(block, 125));
    ws_open(&f, NULL);
    while (send(f.client, b.ptr, b.len, MSG_NOSIGNAL) == (ssize_t)b.len) {
        n_put++;
        cr_assert_lt(n_put, 1000000, "pings pile up without a bound");
        ws_turn(&f);
    }
    gn_assert_loop_thread(f.loop);
    cr_assert_leq(gn_ws_conn_n_waiting(f.conn), 2u * 64 * 1024);
    ws_end(&f);
    gn_buf_fini(&b);
}

Test(ws_conn_write, shares_one_frame_among_connections)
{
    struct ws_fixture a;
    struct ws_fixture b;
    struct gn_ws_message *m;

    ws_open(&a, NULL);
    ws_open(&b, NULL);
    gn_assert_loop_thread(a.loop);
    cr_assert_eq(gn_ws_message_create(GN_WS_TEXT, GN_LIT("to all"), &m), GN_OK);
    cr_assert_eq(gn_ws_conn_send_message(a.conn, m), GN_OK);
    cr_assert_eq(gn_ws_conn_send_message(b.conn, m), GN_OK);
    cr_assert_eq(gn_ws_conn_send_message(a.conn, m), GN_OK);
    gn_ws_message_unref(&m);
    cr_assert(gn_slice_eq(ws_take(&a).payload, GN_LIT("to all")));
    cr_assert(gn_slice_eq(ws_take(&a).payload, GN_LIT("to all")));
    cr_assert(gn_slice_eq(ws_take(&b).payload, GN_LIT("to all")));
    ws_end(&a);
    ws_end(&b);
}

Test(ws_conn_write, keeps_the_order_of_everything_it_was_given)
{
    struct ws_fixture f;
    struct gn_ws_message *m;

    ws_open(&f, NULL);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_ws_message_create(GN_WS_TEXT, GN_LIT("2"), &m), GN_OK);
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_TEXT, GN_LIT("1")), GN_OK);
    cr_assert_eq(gn_ws_conn_send_message(f.conn, m), GN_OK);
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_BINARY, gn_slice_of(block, 20000)), GN_OK);
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_TEXT, GN_LIT("4")), GN_OK);
    gn_ws_conn_close(f.conn, 1000, GN_LIT(""));
    gn_ws_message_unref(&m);
    cr_assert(gn_slice_eq(ws_take(&f).payload, GN_LIT("1")));
    cr_assert(gn_slice_eq(ws_take(&f).payload, GN_LIT("2")));
    cr_assert_eq(ws_take(&f).payload.len, 20000);
    cr_assert(gn_slice_eq(ws_take(&f).payload, GN_LIT("4")));
    cr_assert_eq(ws_take_close(&f), 1000);
    ws_end(&f);
}

Test(ws_conn_write, releases_shared_frames_of_a_connection_that_is_cut)
{
    struct ws_fixture f;
    struct gn_ws_message *m;

    ws_open(&f, NULL);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_ws_message_create(GN_WS_TEXT, GN_LIT("never"), &m), GN_OK);
    cr_assert_eq(gn_ws_conn_send_message(f.conn, m), GN_OK);
    gn_ws_message_unref(&m);
    ws_end(&f); /* LeakSanitizer has the last word */
}

Test(ws_conn_write, pings_and_hears_pongs)
{
    struct ws_fixture f;
    struct ws_got got;

    ws_open(&f, NULL);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_ws_conn_ping(f.conn, gn_slice_of(block, 200)), GN_OK);
    got = ws_take(&f);
    cr_assert_eq(got.opcode, GN_WS_PING);
    cr_assert_eq(got.payload.len, 125);
    ws_send(&f, GN_WS_PONG, true, GN_LIT(""));
    cr_assert_eq(f.n_pongs, 1);
    ws_end(&f);
}

Test(ws_conn_write, survives_a_client_that_vanishes_under_a_send)
{
    struct ws_fixture f;

    ws_open(&f, NULL);
    gn_assert_loop_thread(f.loop);
    (void)close(f.client);
    f.client = -1;
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_BINARY, gn_slice_of(block, 20000)), GN_OK);
    ws_turn(&f);
    cr_assert_eq(f.n_closes, 1);
    cr_assert_eq(f.code, 1006);
    ws_end(&f);
}
