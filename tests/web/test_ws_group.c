/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"
#include "tests/web/web_fixture.h"
#include "web/websocket_handler.h"
#include "web/ws_group.h"

static struct gn_ws_group *room;
static struct gn_websocket *last;

GN_LOOP_THREAD static enum gn_err join(struct gn_websocket *ws)
{
    gn_ws_group_add(room, ws);
    gn_ws_group_add(room, ws);
    last = ws;
    return GN_OK;
}

GN_LOOP_THREAD static enum gn_err say(
        struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
{
    return gn_ws_group_broadcast(
            room, kind, data, gn_slice_eq(data, GN_LIT("to others")) ? ws : NULL);
}

GN_LOOP_THREAD static void leave(struct gn_websocket *ws, unsigned code, struct gn_slice reason)
{
    (void)ws;
    (void)code;
    (void)reason;
    gn_ws_group_remove(room, ws);
    gn_ws_group_add(room, ws);
}

static const struct gn_websocket_ops ops = {
        .open = join, .message = say, .close = leave, .queue_bytes = 1000};

static void init(struct web_fixture *f, enum gn_ws_slow slow)
{
    web_init(f);
    room = gn_ws_group_create(slow);
    gn_app_websocket(f->app, "/ws", &ops);
    web_start(f);
}

static void expect(struct web_fixture *f, struct web_client *c, const char *text)
{
    struct web_frame frame = web_ws_take(f, c);

    cr_assert_eq(frame.opcode, GN_WS_TEXT);
    cr_assert(gn_slice_eq(frame.payload, gn_slice_str(text)), "%.*s", (int)frame.payload.len,
            frame.payload.ptr);
}

Test(ws_group, reaches_every_member)
{
    struct web_client others[3];
    struct web_fixture f;

    init(&f, GN_WS_SLOW_CLOSE);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws", ""), 101);
    for (int i = 0; i < 3; i++) {
        web_connect(&f, &others[i]);
        cr_assert_eq(web_upgrade(&f, &others[i], "/ws", ""), 101);
    }
    cr_assert_eq(gn_ws_group_n_members(room), 4);
    web_ws_send(&f, &f.client, GN_WS_TEXT, GN_LIT("to others"));
    web_ws_send(&f, &others[0], GN_WS_TEXT, GN_LIT("to all"));
    expect(&f, &f.client, "to all");
    for (int i = 0; i < 3; i++) {
        expect(&f, &others[i], "to others");
        expect(&f, &others[i], "to all");
    }
    gn_ws_group_remove(room, last);
    gn_ws_group_remove(room, last);
    cr_assert_eq(gn_ws_group_n_members(room), 3);
    web_hang_up(&f, &others[0]);
    cr_assert_eq(gn_ws_group_n_members(room), 2, "who has gone is no member");
    gn_ws_group_destroy(&room);
    room = gn_ws_group_create(GN_WS_SLOW_CLOSE);
    for (int i = 1; i < 3; i++) {
        web_hang_up(&f, &others[i]);
    }
    web_end(&f);
    cr_assert_eq(gn_ws_group_n_members(room), 0);
    gn_ws_group_destroy(&room);
    gn_ws_group_destroy(&room);
}

Test(ws_group, refuses_text_that_is_not_utf8)
{
    struct web_fixture f;

    init(&f, GN_WS_SLOW_CLOSE);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_ws_group_broadcast(room, GN_WS_TEXT, GN_LIT("\xff"), NULL), GN_ERR_INVALID);
    cr_assert_eq(gn_ws_group_broadcast(room, GN_WS_TEXT, GN_LIT("nobody"), NULL), GN_OK);
    web_end(&f);
    gn_ws_group_destroy(&room);
}

static char block[600];

GN_LOOP_THREAD static void broadcast(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        cr_assert_eq(
                gn_ws_group_broadcast(room, GN_WS_BINARY, gn_slice_of(block, sizeof(block)), NULL),
                GN_OK);
    }
}

Test(ws_group, closes_a_slow_member)
{
    struct web_fixture f;

    init(&f, GN_WS_SLOW_CLOSE);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws", ""), 101);
    broadcast(3); /* in one turn: the third meets a full queue */
    cr_assert_eq(web_ws_take(&f, &f.client).payload.len, sizeof(block));
    cr_assert_eq(web_ws_take(&f, &f.client).payload.len, sizeof(block));
    cr_assert_eq(web_ws_take_close(&f, &f.client), 1013);
    web_end(&f);
    gn_ws_group_destroy(&room);
}

Test(ws_group, lets_a_slow_member_miss_a_message)
{
    struct web_fixture f;

    init(&f, GN_WS_SLOW_SKIP);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws", ""), 101);
    broadcast(3);
    web_turn(&f);
    cr_assert_eq(gn_ws_group_broadcast(room, GN_WS_TEXT, GN_LIT("later"), NULL), GN_OK);
    cr_assert_eq(web_ws_take(&f, &f.client).payload.len, sizeof(block));
    cr_assert_eq(web_ws_take(&f, &f.client).payload.len, sizeof(block));
    expect(&f, &f.client, "later");
    web_end(&f);
    gn_ws_group_destroy(&room);
}
