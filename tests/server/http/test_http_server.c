/* SPDX-License-Identifier: MIT */
#include <sys/socket.h>
#include <unistd.h>

#include "server/http/http_server.h"
#include "tests/server/http/http_fixture.h"
#include "tests/support/test.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

struct stop {
    struct gn_loop *loop;
    unsigned n_calls;
};

static void on_stopped(void *arg)
{
    struct stop *stop = arg;

    stop->n_calls++;
}

static void stop_in(struct http_fixture *f, int64_t ms, struct stop *stop)
{
    gn_assert_loop_thread(f->loop);
    *stop = (struct stop){.loop = f->loop};
    gn_http_server_stop(f->server, gn_loop_after_ms(f->loop, ms), on_stopped, stop);
    cr_assert(gn_http_server_is_stopping(f->server));
    cr_assert_eq(stop->n_calls, 0, "called from within stop");
}

Test(http_server, stops_at_once_with_idle_connections)
{
    struct http_fixture f;
    struct stop stop;

    http_fixture_init(&f);
    http_fixture_start(&f);
    http_fixture_feed(&f, GET);
    stop_in(&f, 10000, &stop);
    http_fixture_turn(&f);
    cr_assert_eq(stop.n_calls, 1);
    cr_assert(f.record.is_destroyed);
    http_fixture_fini(&f);
}

Test(http_server, lets_who_is_served_end_and_says_close)
{
    struct http_fixture f;
    struct stop stop;

    http_fixture_init(&f);
    f.serve = http_fixture_hold;
    http_fixture_start(&f);
    http_fixture_feed(&f, GET);
    stop_in(&f, 10000, &stop);
    http_fixture_turn(&f);
    cr_assert_eq(stop.n_calls, 0);
    cr_assert_eq(f.n_cancel, 0);
    http_fixture_reply(f.held[0], "ok");
    http_fixture_turn(&f);
    cr_assert_not_null(strstr(http_fixture_output(&f), "Connection: close\r\n"));
    gn_mem_stream_end(f.stream);
    http_fixture_turn(&f);
    cr_assert_eq(stop.n_calls, 1);
    http_fixture_fini(&f);
}

Test(http_server, cuts_what_is_left_at_the_deadline)
{
    struct http_fixture f;
    struct stop stop;

    http_fixture_init(&f);
    f.serve = http_fixture_hold;
    http_fixture_start(&f);
    http_fixture_feed(&f, GET);
    stop_in(&f, 1, &stop);
    for (int i = 0; i < 1000 && stop.n_calls == 0; i++) {
        (void)usleep(1000);
        http_fixture_turn(&f);
    }
    cr_assert_eq(stop.n_calls, 1);
    cr_assert_eq(f.n_cancel, 1);
    cr_assert_eq(f.why, GN_ERR_CANCELLED);
    cr_assert(f.record.is_destroyed);
    http_fixture_reply(f.held[0], "nobody reads this");
    http_fixture_fini(&f);
}

struct hook {
    struct gn_stop_hook hook;
    unsigned n_calls;
};

static void on_hook(struct gn_stop_hook *hook, gn_deadline deadline)
{
    GN_CONTAINER_OF(hook, struct hook, hook)->n_calls++;
    cr_assert(deadline > 0);
}

Test(http_server, waits_for_its_hooks)
{
    struct hook early = {.hook.fn = on_hook};
    struct hook late = {.hook.fn = on_hook};
    struct http_fixture f;
    struct stop stop;

    http_fixture_init(&f);
    http_fixture_start(&f);
    gn_assert_loop_thread(f.loop);
    gn_http_server_on_stop(f.server, &early.hook);
    cr_assert_eq(early.n_calls, 0);
    stop_in(&f, 10000, &stop);
    cr_assert_eq(early.n_calls, 1);
    gn_http_server_on_stop(f.server, &late.hook);
    cr_assert_eq(late.n_calls, 1, "who comes late is told at once");
    http_fixture_turn(&f);
    cr_assert_eq(stop.n_calls, 0);
    gn_http_server_remove_stop_hook(f.server, &early.hook);
    gn_http_server_remove_stop_hook(f.server, &late.hook);
    http_fixture_turn(&f);
    cr_assert_eq(stop.n_calls, 1);
    http_fixture_fini(&f);
}

Test(http_server, may_be_destroyed_before_a_handler_is_done)
{
    struct http_fixture f;

    http_fixture_init(&f);
    f.serve = http_fixture_hold;
    http_fixture_start(&f);
    http_fixture_feed(&f, GET);
    gn_assert_loop_thread(f.loop);
    gn_http_server_destroy(&f.server);
    cr_assert_null(f.server);
    cr_assert_eq(f.n_cancel, 1);
    http_fixture_reply(f.held[0], "later");
    for (int i = 0; i < 4; i++) {
        gn_loop_run_once(f.loop);
    }
    cr_assert_eq(f.n_release, 1);
    gn_mem_record_fini(&f.record);
    gn_loop_destroy(&f.loop);
}

Test(http_server, counts_what_it_does)
{
    struct gn_http_server_stats stats;
    struct http_fixture f;

    http_fixture_init(&f);
    f.serve = http_fixture_hold;
    http_fixture_start(&f);
    http_fixture_feed(&f, GET GET);
    gn_assert_loop_thread(f.loop);
    stats = gn_http_server_stats(f.server);
    cr_assert_eq(stats.connections, 1);
    cr_assert_eq(stats.accepted, 1);
    cr_assert_eq(stats.requests, 1);
    cr_assert_eq(stats.exchanges, 1);
    f.serve = NULL;
    http_fixture_reply(f.held[0], "ok");
    http_fixture_turn(&f);
    http_fixture_feed(&f, "nonsense\r\n\r\n");
    stats = gn_http_server_stats(f.server);
    cr_assert_eq(stats.requests, 2);
    cr_assert_eq(stats.exchanges, 0);
    cr_assert_eq(stats.refused_heads, 1);
    http_fixture_fini(&f);
}

Test(http_server, serves_a_descriptor_it_is_given)
{
    const struct gn_addr nobody = {.len = 0};
    struct http_fixture f;
    char got[512];
    ssize_t n;
    int pair[2];

    http_fixture_init(&f);
    http_fixture_start(&f);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    gn_http_server_add_connection(f.server, &pair[0], &nobody);
    cr_assert_eq(pair[0], -1);
    cr_assert_eq(write(pair[1], GET, sizeof(GET) - 1), (ssize_t)sizeof(GET) - 1);
    http_fixture_turn(&f);
    n = read(pair[1], got, sizeof(got));
    cr_assert(n > 12 && strncmp(got, "HTTP/1.1 200", 12) == 0);
    (void)close(pair[1]);
    http_fixture_fini(&f);
}

static int dial(const struct gn_addr *addr)
{
    int fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    cr_assert(fd >= 0);
    (void)connect(fd, &addr->u.sa, addr->len);
    return fd;
}

Test(http_server, stops_accepting_at_its_cap_and_resumes)
{
    const struct gn_listener_options options = {.unix_mode = -1};
    struct gn_listener *listener;
    struct gn_addr addr;
    struct http_fixture f;
    int clients[3];

    http_fixture_init(&f);
    f.limits.connections = 3; /* the fixture's own is one of them */
    http_fixture_start(&f);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_addr_parse(GN_LIT("127.0.0.1:0"), &addr, NULL), GN_OK);
    cr_assert_eq(gn_listener_open(&addr, &options, &listener, NULL), GN_OK);
    addr = *gn_listener_addr(listener);
    gn_http_server_add_listener(f.server, &listener);
    for (int i = 0; i < 3; i++) {
        clients[i] = dial(&addr);
    }
    http_fixture_turn(&f);
    cr_assert_eq(gn_http_server_stats(f.server).connections, 3);
    (void)close(clients[0]);
    for (int i = 0; i < 1000 && gn_http_server_stats(f.server).accepted < 4; i++) {
        http_fixture_turn(&f);
    }
    cr_assert_eq(gn_http_server_stats(f.server).accepted, 4);
    cr_assert_eq(gn_http_server_stats(f.server).connections, 3);
    (void)close(clients[1]);
    (void)close(clients[2]);
    for (int i = 0; i < 1000 && gn_http_server_stats(f.server).connections > 1; i++) {
        http_fixture_turn(&f);
    }
    http_fixture_fini(&f);
}

Test(http_server, an_exchange_may_look_at_its_address_after_the_listener_closed)
{
    const struct gn_listener_options options = {.unix_mode = -1};
    struct gn_listener *listener;
    struct gn_addr addr;
    struct http_fixture f;
    struct stop stop;
    uint16_t port;
    int client;

    http_fixture_init(&f);
    f.serve = http_fixture_hold;
    http_fixture_start(&f);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_addr_parse(GN_LIT("127.0.0.1:0"), &addr, NULL), GN_OK);
    cr_assert_eq(gn_listener_open(&addr, &options, &listener, NULL), GN_OK);
    addr = *gn_listener_addr(listener);
    port = gn_addr_port(&addr);
    gn_http_server_add_listener(f.server, &listener);
    client = dial(&addr);
    for (int i = 0; i < 1000 && gn_http_server_stats(f.server).connections < 2; i++) {
        http_fixture_turn(&f);
    }
    cr_assert_eq(write(client, GET, sizeof(GET) - 1), (ssize_t)sizeof(GET) - 1);
    for (int i = 0; i < 1000 && f.n_held == 0; i++) {
        http_fixture_turn(&f);
    }
    cr_assert_eq(f.n_held, 1);
    stop_in(&f, 10000, &stop);
    http_fixture_turn(&f);
    cr_assert_eq(gn_addr_port(f.held[0]->local), port);
    http_fixture_reply(f.held[0], "ok");
    (void)close(client);
    for (int i = 0; i < 1000 && stop.n_calls == 0; i++) {
        http_fixture_turn(&f);
    }
    cr_assert_eq(stop.n_calls, 1);
    http_fixture_fini(&f);
}

Test(http_server, two_live_in_one_loop)
{
    struct http_fixture f;
    struct http_fixture other;

    http_fixture_init(&f);
    http_fixture_start(&f);
    http_fixture_init(&other);
    http_fixture_start(&other);
    http_fixture_feed(&f, GET);
    http_fixture_feed(&other, GET GET);
    cr_assert_eq(f.n_serve, 1);
    cr_assert_eq(other.n_serve, 2);
    http_fixture_fini(&f);
    http_fixture_fini(&other);
}
