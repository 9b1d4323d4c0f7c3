/* SPDX-License-Identifier: MIT */
#include "server/loop/task.h"
#include "server/net/trust.h"
#include "tests/support/test.h"
#include "tests/web/web_fixture.h"
#include "web/reply.h"
#include "web/request.h"
#include "web/websocket_handler.h"

/* WebSocket routes over a connection, from the request to the last callback. */

static unsigned n_accepted;
static unsigned n_opened;
static unsigned n_messages;
static unsigned n_closed;
static unsigned n_pings;
static unsigned closed_with;
static enum gn_err waited;

/* ---- callbacks --------------------------------------------------------------------- */

GN_LOOP_THREAD static enum gn_err on_open(struct gn_websocket *ws)
{
    n_opened++;
    return gn_ws_send_text(ws, GN_LIT("hello"));
}

GN_LOOP_THREAD static enum gn_err echo(
        struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
{
    n_messages++;
    return gn_ws_send(ws, kind, data);
}

static void on_close(struct gn_websocket *ws, unsigned code, struct gn_slice reason)
{
    (void)ws;
    (void)reason;
    n_closed++;
    closed_with = code;
}

static void on_ping(struct gn_websocket *ws, struct gn_slice payload)
{
    (void)ws;
    (void)payload;
    n_pings++;
}

static const struct gn_websocket_ops echo_ops = {
        .open = on_open, .message = echo, .ping = on_ping, .close = on_close};

static void init_behind(
        struct web_fixture *f, const struct gn_websocket_ops *ops, struct gn_http_proxies proxies)
{
    n_accepted = 0;
    n_opened = 0;
    n_messages = 0;
    n_closed = 0;
    n_pings = 0;
    closed_with = 0;
    waited = GN_OK;
    web_init(f);
    f->proxies = proxies;
    gn_app_websocket(f->app, "/ws/{room}", ops);
    web_start(f);
}

static void init(struct web_fixture *f, const struct gn_websocket_ops *ops)
{
    init_behind(f, ops, (struct gn_http_proxies){.forwarded = NULL});
}

static void expect_text(struct web_fixture *f, const char *text)
{
    struct web_frame frame = web_ws_take(f, &f->client);

    cr_assert_eq(frame.opcode, GN_WS_TEXT, "opcode %d instead of %s", frame.opcode, text);
    cr_assert(gn_slice_eq(frame.payload, gn_slice_str(text)), "%.*s instead of %s",
            (int)frame.payload.len, frame.payload.ptr, text);
}

/* ---- the plain life ------------------------------------------------------------------- */

Test(websocket_handler, opens_answers_and_closes)
{
    struct web_fixture f;

    init(&f, &echo_ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", ""), 101);
    expect_text(&f, "hello");
    web_ws_send(&f, &f.client, GN_WS_TEXT, GN_LIT("one"));
    expect_text(&f, "one");
    web_ws_send(&f, &f.client, GN_WS_PING, GN_LIT("p"));
    cr_assert_eq(web_ws_take(&f, &f.client).opcode, GN_WS_PONG);
    cr_assert_eq(n_pings, 1);
    web_ws_send(&f, &f.client, GN_WS_CLOSE, GN_LIT("\x0f\xa0"));
    cr_assert_eq(web_ws_take_close(&f, &f.client), 4000);
    cr_assert_eq(web_ws_take(&f, &f.client).opcode, -1);
    cr_assert_eq(n_opened, 1);
    cr_assert_eq(n_closed, 1);
    cr_assert_eq(closed_with, 4000);
    web_end(&f);
}

Test(websocket_handler, tells_of_a_client_that_vanishes)
{
    struct web_fixture f;

    init(&f, &echo_ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", ""), 101);
    web_hang_up(&f, &f.client);
    cr_assert_eq(n_closed, 1);
    cr_assert_eq(closed_with, 1006);
    web_end(&f);
}

Test(websocket_handler, closes_with_1001_when_the_server_stops)
{
    struct web_fixture f;
    bool is_stopped = false;

    init(&f, &echo_ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", ""), 101);
    expect_text(&f, "hello");
    gn_assert_loop_thread(f.loop);
    gn_http_server_stop(f.server, gn_loop_after_ms(f.loop, 10000), NULL, NULL);
    cr_assert_eq(web_ws_take_close(&f, &f.client), 1001);
    cr_assert_not(is_stopped);
    web_ws_send(&f, &f.client, GN_WS_CLOSE, GN_LIT("\x03\xe9"));
    cr_assert_eq(n_closed, 1);
    gn_http_server_destroy(&f.server);
    web_end(&f);
}

Test(websocket_handler, needs_no_callbacks)
{
    static const struct gn_websocket_ops no_ops;
    struct web_fixture f;

    init(&f, &no_ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", ""), 101);
    web_ws_send(&f, &f.client, GN_WS_TEXT, GN_LIT("one"));
    web_ws_send(&f, &f.client, GN_WS_CLOSE, GN_LIT(""));
    cr_assert_eq(web_ws_take_close(&f, &f.client), 1005);
    web_end(&f);
}

/* ---- who may connect --------------------------------------------------------------------- */

Test(websocket_handler, refuses_other_requests_and_origins)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
            {"GET /ws/a HTTP/1.1\r\nHost: test\r\n\r\n", 426},
            {"POST /ws/a HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n", 405},
            {"GET /ws/a HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                    426},
            {"GET /ws/a HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
                    400},
            {"GET /ws/a HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             "Origin: http://evil\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                    403},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct web_fixture f;

        init(&f, &echo_ops);
        cr_assert_eq(web_ask(&f, cases[i].request).status, cases[i].status, "%s", cases[i].request);
        cr_assert_eq(n_opened + n_closed, 0);
        web_end(&f);
    }
}

Test(websocket_handler, lets_its_own_and_allowed_origins_in)
{
    static const char *const origins[] = {"https://friend.example", NULL};
    static const struct gn_websocket_ops ops = {.origins = origins};
    static const struct gn_websocket_ops open_ops = {.any_origin = true};
    struct web_fixture f;

    init(&f, &ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", "Origin: http://TEST\r\n"), 101);
    web_end(&f);
    init(&f, &ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", "Origin: https://friend.example\r\n"), 101);
    web_end(&f);
    init(&f, &ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", "Origin: https://other.example\r\n"), 403);
    web_end(&f);
    init(&f, &open_ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", "Origin: https://other.example\r\n"), 101);
    web_end(&f);
}

Test(websocket_handler, compares_the_origin_with_what_a_trusted_proxy_says)
{
    static const char fields[] = "Origin: https://a.example\r\nX-Forwarded-Proto: https\r\n"
                                 "X-Forwarded-Host: a.example\r\n";
    struct gn_trust *trust = NULL;
    struct web_fixture f;

    init(&f, &echo_ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", fields), 403);
    web_end(&f);
    cr_assert_eq(gn_trust_create(GN_LIT("*"), &trust, NULL), GN_OK);
    init_behind(&f, &echo_ops,
            (struct gn_http_proxies){.forwarded = trust, .forwarded_fields = GN_FORWARDED_ALL});
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", fields), 101);
    web_end(&f);
    gn_trust_destroy(&trust);
}

GN_LOOP_THREAD static enum gn_err judge(struct gn_request *r, void **user_out)
{
    static char user[] = "somebody";

    GN_TRY(gn_sleep_await(gn_after_ms(r, 1)));
    if (gn_query_arg(r, "token").ptr == NULL) {
        return gn_fail(r, 401, "who are you");
    }
    if (gn_slice_eq(gn_query_arg(r, "token"), GN_LIT("elsewhere"))) {
        return gn_reply_redirect(r, 307, GN_LIT("/other"));
    }
    *user_out = user;
    n_accepted++;
    return GN_OK;
}

GN_LOOP_THREAD static enum gn_err say_facts(
        struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
{
    struct gn_slice room = gn_ws_path_arg(ws, "room");
    struct gn_slice protocol = gn_ws_protocol(ws);

    (void)kind;
    (void)data;
    cr_assert_null(gn_ws_path_arg(ws, "none").ptr);
    cr_assert_not_null(gn_ws_app(ws));
    cr_assert(gn_ws_is_open(ws));
    GN_TRY(gn_ws_send_text(ws, room));
    GN_TRY(gn_ws_send_text(ws, protocol));
    GN_TRY(gn_ws_send_text(ws, gn_slice_str(gn_ws_user(ws))));
    return gn_ws_send_text(ws, gn_slice_str(gn_ws_data(ws)));
}

static char route_data[] = "the data";
static const char *const protocols[] = {"v2", "v1", NULL};
static const struct gn_websocket_ops judging_ops = {.accept = judge,
        .message = say_facts,
        .close = on_close,
        .data = route_data,
        .protocols = protocols};

static void connect_again(struct web_fixture *f)
{
    web_hang_up(f, &f->client);
    web_connect(f, &f->client);
}

Test(websocket_handler, asks_before_it_accepts)
{
    struct web_fixture f;

    init(&f, &judging_ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", ""), 401);
    connect_again(&f); /* a handshake that fails ends the connection */
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a?token=elsewhere", ""), 307);
    connect_again(&f);
    cr_assert_eq(n_closed, 0);
    cr_assert_eq(
            web_upgrade(&f, &f.client, "/ws/b%20c?token=1", "Sec-WebSocket-Protocol: v0, v1\r\n"),
            101);
    web_ws_send(&f, &f.client, GN_WS_TEXT, GN_LIT("?"));
    expect_text(&f, "b c");
    expect_text(&f, "v1");
    expect_text(&f, "somebody");
    expect_text(&f, "the data");
    web_end(&f);
    cr_assert_eq(n_closed, 1);
}

Test(websocket_handler, closes_one_whose_client_left_before_the_upgrade)
{
    struct web_fixture f;

    init(&f, &judging_ops);
    web_put(&f, &f.client,
            GN_LIT("GET /ws/a?token=1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                   "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
    web_hang_up(&f, &f.client);
    web_end(&f);
    /* Cancelled in time, or accepted and over at once: never one without the other. */
    cr_assert_eq(n_closed, n_accepted);
}

/* ---- callbacks that wait ------------------------------------------------------------------- */

static unsigned n_elsewhere;

static void count_elsewhere(void *arg)
{
    ++*(unsigned *)arg;
}

GN_LOOP_THREAD static enum gn_err echo_slowly(
        struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
{
    n_messages++;
    waited = gn_sleep_await(gn_ws_after_ms(ws, 1));
    GN_TRY(waited);
    GN_TRY(gn_ws_run_await(ws, count_elsewhere, &n_elsewhere, gn_ws_after_ms(ws, 10000)));
    return gn_ws_send(ws, kind, data);
}

static const struct gn_websocket_ops slow_ops = {.message = echo_slowly, .close = on_close};

Test(websocket_handler, handles_messages_one_by_one_in_order)
{
    struct web_fixture f;

    init(&f, &slow_ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", ""), 101);
    for (char c = 'a'; c <= 'h'; c++) {
        web_ws_send(&f, &f.client, GN_WS_TEXT, gn_slice_of(&c, 1));
    }
    for (char c = 'a'; c <= 'h'; c++) {
        const char text[] = {c, '\0'};

        expect_text(&f, text);
    }
    cr_assert_eq(n_elsewhere, 8);
    web_end(&f);
}

GN_LOOP_THREAD static enum gn_err wait_for_ever(
        struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
{
    (void)ws;
    (void)kind;
    (void)data;
    n_messages++;
    waited = gn_sleep_await(GN_NEVER);
    cr_assert_eq(n_closed, 0, "close before message has returned");
    return waited;
}

static const struct gn_websocket_ops endless_ops = {.message = wait_for_ever, .close = on_close};

Test(websocket_handler, cancels_a_callback_whose_client_goes)
{
    struct web_fixture f;

    init(&f, &endless_ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", ""), 101);
    web_ws_send(&f, &f.client, GN_WS_TEXT, GN_LIT("x"));
    cr_assert_eq(n_messages, 1);
    web_hang_up(&f, &f.client);
    web_turn(&f);
    cr_assert_eq(waited, GN_ERR_CANCELLED);
    cr_assert_eq(n_closed, 1);
    web_end(&f);
}

Test(websocket_handler, cancels_callbacks_when_the_application_stops)
{
    struct web_fixture f;

    init(&f, &endless_ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", ""), 101);
    web_ws_send(&f, &f.client, GN_WS_TEXT, GN_LIT("x"));
    web_end(&f);
    cr_assert_eq(waited, GN_ERR_CANCELLED);
    cr_assert_eq(n_closed, 1);
}

GN_LOOP_THREAD static enum gn_err flood(
        struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
{
    static char block[65536];

    (void)kind;
    (void)data;
    for (n_messages = 0; n_messages < 64; n_messages++) {
        GN_TRY(gn_ws_send_await(ws, GN_WS_BINARY, gn_slice_of(block, sizeof(block)), GN_NEVER));
    }
    return GN_OK;
}

static const struct gn_websocket_ops flooding_ops = {
        .message = flood, .close = on_close, .queue_bytes = 100000};

Test(websocket_handler, waits_for_room)
{
    struct web_fixture f;

    init(&f, &flooding_ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", ""), 101);
    web_ws_send(&f, &f.client, GN_WS_TEXT, GN_LIT("go"));
    cr_assert_lt(n_messages, 32, "nothing held it back");
    for (int i = 0; i < 64; i++) {
        cr_assert_eq(web_ws_take(&f, &f.client).payload.len, 65536, "message %d", i);
    }
    cr_assert_eq(n_messages, 64);
    web_end(&f);
}

Test(websocket_handler, ends_a_wait_for_room_when_the_client_goes)
{
    struct web_fixture f;

    init(&f, &flooding_ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", ""), 101);
    web_ws_send(&f, &f.client, GN_WS_TEXT, GN_LIT("go"));
    web_hang_up(&f, &f.client);
    web_wait(&f, &n_closed, 1);
    web_end(&f);
}

/* A sender that is not one of the connection's own callbacks. */

static struct gn_websocket *shared;
static unsigned n_outsiders;

GN_LOOP_THREAD static enum gn_err share(struct gn_websocket *ws)
{
    shared = ws;
    return GN_OK;
}

static const struct gn_websocket_ops shared_ops = {
        .open = share, .close = on_close, .queue_bytes = 1000};

static void outsider(void *arg)
{
    static char block[65536];
    enum gn_err rc;

    gn_assert_loop_thread(gn_app_loop(arg));
    do {
        rc = gn_ws_send_await(shared, GN_WS_BINARY, gn_slice_of(block, sizeof(block)), GN_NEVER);
    } while (rc == GN_OK);
    cr_assert_eq(rc, GN_ERR_GONE);
    n_outsiders++;
}

Test(websocket_handler, tells_other_senders_that_it_has_ended)
{
    struct web_fixture f;

    init(&f, &shared_ops);
    n_outsiders = 0;
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", ""), 101);
    cr_assert_eq(gn_task_start(gn_app_tasks(f.app), outsider, f.app, NULL), GN_OK);
    cr_assert_eq(gn_task_start(gn_app_tasks(f.app), outsider, f.app, NULL), GN_OK);
    cr_assert_eq(n_outsiders, 0);
    web_hang_up(&f, &f.client);
    web_wait(&f, &n_outsiders, 2);
    web_end(&f);
}

/* ---- errors -------------------------------------------------------------------------------------
 */

GN_LOOP_THREAD static enum gn_err fail_as_told(
        struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
{
    (void)kind;
    switch (data.ptr[0]) {
    case 'b':
        return GN_ERR_BUG;
    case 'f':
        return GN_ERR_FULL;
    case 'c':
        gn_ws_close(ws, 4001, GN_LIT("as told"));
        return GN_ERR_BUG;
    default:
        return gn_ws_send_text(ws, GN_LIT("\xff"));
    }
}

static const struct gn_websocket_ops failing_ops = {.message = fail_as_told};

Test(websocket_handler, closes_after_an_error)
{
    static const struct {
        const char *told;
        unsigned code;
    } cases[] = {{"b", 1011}, {"f", 1013}, {"c", 4001}, {"x", 1011}};

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct web_fixture f;

        init(&f, &failing_ops);
        cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", ""), 101);
        web_ws_send(&f, &f.client, GN_WS_TEXT, gn_slice_str(cases[i].told));
        cr_assert_eq(web_ws_take_close(&f, &f.client), cases[i].code, "%s", cases[i].told);
        web_end(&f);
    }
}

Test(websocket_handler, closes_with_1013_when_no_task_can_be_had)
{
    struct gn_app_options options = gn_app_options_default();
    struct web_client busy;
    struct web_fixture f;

    web_init(&f);
    gn_app_websocket(f.app, "/ws", &endless_ops);
    options.max_tasks = 1;
    web_start_with(&f, &options);
    n_closed = 0;
    web_connect(&f, &busy);
    cr_assert_eq(web_upgrade(&f, &busy, "/ws", ""), 101);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws", ""), 101);
    web_ws_send(&f, &busy, GN_WS_TEXT, GN_LIT("x"));
    web_ws_send(&f, &f.client, GN_WS_TEXT, GN_LIT("x"));
    cr_assert_eq(web_ws_take_close(&f, &f.client), 1013);
    web_hang_up(&f, &busy);
    web_end(&f);
}

Test(websocket_handler, bounds_messages)
{
    static const struct gn_websocket_ops ops = {.message = echo, .message_bytes = 10};
    struct web_fixture f;

    init(&f, &ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", ""), 101);
    web_ws_send(&f, &f.client, GN_WS_TEXT, GN_LIT("0123456789"));
    expect_text(&f, "0123456789");
    web_ws_send(&f, &f.client, GN_WS_TEXT, GN_LIT("0123456789a"));
    cr_assert_eq(web_ws_take_close(&f, &f.client), 1009);
    web_end(&f);
}

Test(websocket_handler, bounds_messages_by_the_applications_bound_where_there_is_no_other)
{
    static const struct gn_websocket_ops ops = {.message = echo};
    struct gn_app_options options = gn_app_options_default();
    struct web_fixture f;

    cr_assert_eq(options.ws_message_bytes, 10u << 20);
    cr_assert_eq(options.ws_queue_bytes, 1u << 20);
    options.ws_message_bytes = 10;
    web_init(&f);
    gn_app_websocket(f.app, "/ws", &ops);
    web_start_with(&f, &options);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws", ""), 101);
    web_ws_send(&f, &f.client, GN_WS_TEXT, GN_LIT("0123456789"));
    expect_text(&f, "0123456789");
    web_ws_send(&f, &f.client, GN_WS_TEXT, GN_LIT("0123456789a"));
    cr_assert_eq(web_ws_take_close(&f, &f.client), 1009);
    web_end(&f);
}

Test(websocket_handler, agrees_on_compression_where_the_route_wants_it)
{
    static const struct gn_websocket_ops ops = {.message = echo, .compress = true};
    static const char offer[] = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    struct web_fixture f;
    struct web_answer a;

    init(&f, &ops);
    cr_assert_eq(web_upgrade(&f, &f.client, "/ws/a", offer), 101);
    web_ws_send(&f, &f.client, GN_WS_TEXT, GN_LIT("plain is fine too"));
    expect_text(&f, "plain is fine too");
    web_end(&f);
    init(&f, &echo_ops);
    web_put(&f, &f.client,
            GN_LIT("GET /ws/a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                   "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
    a = web_take(&f, &f.client);
    cr_assert_eq(a.status, 101);
    cr_assert_null(web_field(&a, "Sec-WebSocket-Extensions").ptr);
    web_end(&f);
}
