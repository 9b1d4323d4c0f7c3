/* SPDX-License-Identifier: MIT */
#include "tests/server/websocket/ws_fixture.h"
#include "tests/support/test.h"

/* Timeouts, and closing everything. The clock is real: tests wait for events, never for times. */

Test(ws_service, pings_a_client_that_is_silent)
{
    struct ws_fixture f;
    struct ws_got got = {0};

    ws_open(&f, &(struct ws_options){.timeouts = {.ping_ms = 1, .pong_ms = 60000}});
    while (!got.ok) {
        got = ws_take(&f);
    }
    cr_assert_eq(got.opcode, GN_WS_PING);
    ws_send(&f, GN_WS_PONG, true, got.payload);
    cr_assert_eq(f.n_pongs, 1);
    ws_end(&f);
}

Test(ws_service, closes_a_client_that_answers_no_ping)
{
    struct ws_fixture f;

    ws_open(&f, &(struct ws_options){.timeouts = {.ping_ms = 1, .pong_ms = 1, .close_ms = 1}});
    ws_wait(&f, &f.n_closes, 1);
    cr_assert_eq(f.code, 1001);
    cr_assert_eq(ws_take(&f).opcode, GN_WS_PING);
    cr_assert_eq(ws_take_close(&f), 1001);
    ws_end(&f);
}

Test(ws_service, keeps_a_client_that_says_anything)
{
    struct ws_fixture f;

    ws_open(&f, &(struct ws_options){.timeouts = {.ping_ms = 1, .pong_ms = 20}});
    f.owner = WS_OWNER_SINK;
    for (int n_pings = 0; n_pings < 5;) {
        struct ws_got got = ws_take(&f);

        cr_assert(!got.ok || got.opcode == GN_WS_PING);
        n_pings += got.ok;
        ws_send(&f, GN_WS_TEXT, true, GN_LIT("here"));
    }
    cr_assert_eq(f.n_closes, 0);
    ws_end(&f);
}

Test(ws_service, cuts_a_client_that_never_answers_a_close)
{
    struct ws_fixture f;

    ws_open(&f, &(struct ws_options){.timeouts = {.close_ms = 1}});
    gn_assert_loop_thread(f.loop);
    gn_ws_conn_close(f.conn, 1000, GN_LIT(""));
    ws_wait(&f, &f.n_closes, 1);
    cr_assert_eq(f.code, 1006);
    ws_end(&f);
}

Test(ws_service, cuts_a_client_that_takes_nothing)
{
    static char block[65536];
    struct ws_fixture f;

    ws_open(&f, &(struct ws_options){.timeouts = {.stall_ms = 1}, .queue_bytes = 8u * 1024 * 1024});
    gn_assert_loop_thread(f.loop);
    while (gn_ws_conn_send(f.conn, GN_WS_BINARY, gn_slice_of(block, sizeof(block))) == GN_OK) {
        continue;
    }
    ws_wait(&f, &f.n_closes, 1);
    cr_assert_eq(f.code, 1006);
    ws_end(&f);
}

Test(ws_service, closes_all_of_them)
{
    struct ws_fixture f;

    ws_open(&f, NULL);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_ws_service_n_open(f.service), 1);
    gn_ws_service_close_all(f.service, 1001, GN_NEVER);
    cr_assert_eq(ws_take_close(&f), 1001);
    ws_send(&f, GN_WS_CLOSE, true, GN_LIT("\x03\xe9"));
    cr_assert_eq(f.n_closes, 1);
    cr_assert_eq(gn_ws_service_n_open(f.service), 0);
    ws_end(&f);
}

Test(ws_service, cuts_those_left_at_the_deadline)
{
    struct ws_fixture f;

    ws_open(&f, NULL);
    gn_assert_loop_thread(f.loop);
    gn_ws_service_close_all(f.service, 1001, gn_clock_now());
    ws_wait(&f, &f.n_closes, 1);
    cr_assert_eq(f.code, 1006);
    ws_end(&f);
}

Test(ws_service, aborts_all_of_them)
{
    struct ws_fixture f;

    ws_open(&f, NULL);
    gn_assert_loop_thread(f.loop);
    gn_ws_service_abort_all(f.service);
    cr_assert_eq(f.n_closes, 1);
    cr_assert_eq(f.code, 1006);
    ws_end(&f);
}
