/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include "tests/server/websocket/ws_fixture.h"
#include "tests/support/test.h"

#include "server/websocket/ws_conn_priv.h"

/* What a connection is, and its end: who says what, and who is told. */

Test(ws_conn, an_idle_connection_is_small_and_holds_no_buffer)
{
    struct ws_fixture f;
    const struct gn_ws_conn *c;

    cr_assert_leq(sizeof(struct gn_ws_conn), 376);
    cr_assert_leq(sizeof(struct gn_stream), 120);
    ws_open(&f, NULL);
    ws_send(&f, GN_WS_TEXT, true, GN_LIT("hello"));
    ws_send(&f, GN_WS_PING, true, GN_LIT("anybody?"));
    cr_assert_eq(f.n_messages, 1);
    c = f.conn;
    cr_assert(c->state == GN_WS_OPEN && !c->is_busy && !c->has_next);
    cr_assert_null(c->in);
    cr_assert_null(c->decoder.control);
    cr_assert_null(c->assembly.ptr);
    cr_assert_null(c->current.own);
    cr_assert_null(c->current.block);
    cr_assert(gn_bufq_is_empty(&c->out));
    ws_end(&f);
}

Test(ws_conn, returns_the_code_of_a_close)
{
    static const struct {
        struct gn_slice payload;
        unsigned answer;
        unsigned told;
    } cases[] = {
            {GN_LIT_INIT(""), 1005, 1005},
            {GN_LIT_INIT("\x03\xe8"), 1000, 1000},
            {GN_LIT_INIT("\x03\xe9"
                         "away"),
                    1001, 1001},
            {GN_LIT_INIT("\x0f\xa0"), 4000, 4000},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct ws_fixture f;

        ws_open(&f, NULL);
        ws_send(&f, GN_WS_CLOSE, true, cases[i].payload);
        cr_assert_eq(ws_take_close(&f), cases[i].answer);
        cr_assert(ws_is_ended(&f));
        cr_assert_eq(f.n_closes, 1);
        cr_assert_eq(f.code, cases[i].told);
        ws_end(&f);
    }
}

Test(ws_conn, closes_and_waits_for_the_answer)
{
    struct ws_fixture f;

    ws_open(&f, NULL);
    gn_assert_loop_thread(f.loop);
    gn_ws_conn_close(f.conn, 1000, GN_LIT("done"));
    gn_ws_conn_close(f.conn, 1011, GN_LIT("again"));
    cr_assert_not(gn_ws_conn_is_open(f.conn));
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_TEXT, GN_LIT("late")), GN_ERR_GONE);
    cr_assert_eq(ws_take_close(&f), 1000);
    cr_assert_eq(f.n_closes, 0);
    ws_send(&f, GN_WS_TEXT, true, GN_LIT("was under way"));
    cr_assert_eq(f.n_messages, 0);
    ws_send(&f, GN_WS_CLOSE, true, GN_LIT("\x03\xe8"));
    cr_assert_eq(f.n_closes, 1);
    cr_assert_eq(f.code, 1000);
    cr_assert(ws_is_ended(&f));
    ws_end(&f);
}

Test(ws_conn, closes_without_a_code)
{
    struct ws_fixture f;

    ws_open(&f, NULL);
    gn_assert_loop_thread(f.loop);
    gn_ws_conn_close(f.conn, 1005, GN_LIT(""));
    cr_assert_eq(ws_take_close(&f), 1005);
    ws_end(&f);
}

Test(ws_conn, closes_from_inside_a_message)
{
    struct ws_fixture f;
    struct gn_buf b;

    gn_buf_init(&b, 1024);
    ws_frame(&b, GN_WS_TEXT, true, GN_LIT("one"));
    ws_frame(&b, GN_WS_TEXT, true, GN_LIT("two"));
    ws_frame(&b, GN_WS_CLOSE, true, GN_LIT("\x03\xe8"));
    ws_open(&f, NULL);
    f.close_in_message = true;
    ws_put(&f, gn_buf_slice(&b));
    cr_assert_eq(f.n_messages, 1);
    cr_assert_eq(f.n_closes, 1);
    cr_assert_eq(ws_take_close(&f), 1000);
    ws_end(&f);
    gn_buf_fini(&b);
}

Test(ws_conn, closes_while_its_owner_is_busy_and_input_waits)
{
    struct ws_fixture f;
    struct gn_buf b;

    gn_buf_init(&b, 1024);
    ws_frame(&b, GN_WS_TEXT, true, GN_LIT("one"));
    ws_frame(&b, GN_WS_TEXT, true, GN_LIT("two"));
    ws_frame(&b, GN_WS_TEXT, true, GN_LIT("three"));
    ws_frame(&b, GN_WS_CLOSE, true, GN_LIT("\x03\xe8"));
    ws_open(&f, NULL);
    f.owner = WS_OWNER_HOLD;
    ws_put(&f, gn_buf_slice(&b));
    gn_assert_loop_thread(f.loop);
    gn_ws_conn_close(f.conn, 1000, GN_LIT(""));
    ws_turn(&f);
    cr_assert_eq(f.n_messages, 1);
    cr_assert_eq(f.n_closes, 1);
    ws_end(&f);
    gn_buf_fini(&b);
}

Test(ws_conn, tells_of_a_client_that_vanishes)
{
    struct ws_fixture f;

    ws_open(&f, NULL);
    ws_hang_up(&f);
    cr_assert_eq(f.n_closes, 1);
    cr_assert_eq(f.code, 1006);
    cr_assert_str_eq(f.reason, "");
    ws_end(&f);
}

Test(ws_conn, survives_a_client_that_vanishes_at_any_byte)
{
    struct gn_buf b;

    gn_buf_init(&b, 4096);
    ws_frame(&b, GN_WS_TEXT, false, GN_LIT("some"));
    ws_frame(&b, GN_WS_CONTINUATION, true, GN_LIT("thing"));
    ws_frame(&b, GN_WS_PING, true, GN_LIT("x"));
    ws_frame(&b, GN_WS_CLOSE, true, GN_LIT("\x03\xe8"));
    for (size_t n = 0; n < b.len; n++) {
        struct ws_fixture f;

        ws_open(&f, NULL);
        ws_put(&f, gn_slice_of(b.ptr, n));
        ws_hang_up(&f);
        cr_assert_eq(f.n_closes, 1, "after %zu bytes", n);
        cr_assert_eq(f.code, 1006, "after %zu bytes", n);
        ws_end(&f);
    }
    gn_buf_fini(&b);
}

Test(ws_conn, lets_its_owner_keep_a_message_beyond_the_end)
{
    struct ws_fixture f;

    ws_open(&f, NULL);
    f.owner = WS_OWNER_HOLD;
    ws_send(&f, GN_WS_TEXT, true, GN_LIT("kept"));
    ws_hang_up(&f);
    cr_assert_eq(f.n_closes, 1);
    ws_end(&f);
}

Test(ws_conn, may_be_destroyed_while_open)
{
    struct ws_fixture f;

    ws_open(&f, NULL);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_ws_conn_send(f.conn, GN_WS_TEXT, GN_LIT("unsent")), GN_OK);
    gn_ws_conn_destroy(&f.conn);
    cr_assert_eq(f.n_closes, 0);
    cr_assert_eq(gn_ws_service_n_open(f.service), 0);
    ws_end(&f);
}

Test(ws_conn, owes_exactly_one_done_per_message, .signal = SIGABRT)
{
    struct ws_fixture f;

    ws_open(&f, NULL);
    gn_assert_loop_thread(f.loop);
    gn_ws_conn_done(f.conn);
}
