/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/http/exchange.h"
#include "server/http/http_server.h"
#include "server/net/trust.h"
#include "tests/server/http/http_fixture.h"
#include "tests/support/test.h"

/* Many connections over socket pairs, whose peers are said to be whoever the test likes. */

#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define MAX_CONNECTIONS 128

static struct http_fixture f;
static struct gn_trust *trust;

static void quiet(void *arg, enum gn_log_level level, struct gn_slice line)
{
    (void)arg;
    (void)level;
    (void)line;
}

static void setup(unsigned per_client, const char *trusted, enum gn_proxy_protocol protocol)
{
    gn_log_set_sink(quiet, NULL);
    http_fixture_init(&f);
    cr_assert_eq(gn_trust_create(gn_slice_str(trusted), &trust, NULL), GN_OK);
    f.limits.connections_per_client = per_client;
    if (protocol == GN_PROXY_PROTOCOL_OFF) {
        f.proxies.forwarded = trust;
    } else {
        f.proxies.protocol = protocol;
        f.proxies.protocol_from = trust;
    }
    http_fixture_start(&f);
}

static void teardown(void)
{
    http_fixture_fini(&f);
    gn_trust_destroy(&trust);
}

static int connect_at(const struct gn_addr *peer)
{
    int fds[2];

    gn_assert_loop_thread(f.loop);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    gn_http_server_add_connection(f.server, &fds[0], peer);
    return fds[1];
}

static int connect_from(const char *peer)
{
    struct gn_addr addr;

    cr_assert(gn_addr_parse_ip(gn_slice_str(peer), 1000, &addr));
    return connect_at(&addr);
}

/** The status of the answer to `text`; 0: closed without one. */
static int ask(int fd, const char *text)
{
    const size_t status_at = sizeof("HTTP/1.1 ") - 1;
    char answer[1024];
    uint64_t status = 0;
    ssize_t n;

    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
    http_fixture_turn(&f);
    n = read(fd, answer, sizeof(answer));
    if (n < (ssize_t)status_at + 3) {
        return 0;
    }
    cr_assert_eq(gn_slice_to_u64(gn_slice_of(answer + status_at, 3), 599, &status), GN_OK);
    return (int)status;
}

static void hang_up(int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        (void)close(fds[i]);
    }
    http_fixture_turn(&f);
}

static void check_cap(const char *peer, const char *header, unsigned n_served)
{
    char text[256];
    int fds[4];

    (void)snprintf(text, sizeof(text), "%s%s", header, GET);
    for (unsigned i = 0; i < 4; i++) {
        fds[i] = connect_from(peer);
        cr_assert_eq(ask(fds[i], text), i < n_served ? 200 : 503, "%s: connection %u", peer, i);
    }
    hang_up(fds, 4);
}

Test(http_server_accept, refuses_a_client_beyond_its_cap)
{
    setup(3, "10.0.0.1", GN_PROXY_PROTOCOL_OFF);
    check_cap("192.0.2.7", "", 3);
    check_cap("192.0.2.8", "", 3);
    check_cap("192.0.2.7", "", 3); /* those that closed no longer count */
    check_cap("2001:db8::1", "", 3);
    cr_assert_eq(gn_http_server_stats(f.server).refused_clients, 4);
    teardown();
}

Test(http_server_accept, counts_no_proxy_and_nobody_without_a_cap)
{
    setup(1, "10.0.0.1", GN_PROXY_PROTOCOL_OFF);
    check_cap("10.0.0.1", "", 4);
    teardown();
    setup(0, "10.0.0.1", GN_PROXY_PROTOCOL_OFF);
    check_cap("192.0.2.7", "", 4);
    teardown();
}

Test(http_server_accept, counts_clients_of_unix_sockets_not_at_all)
{
    struct gn_addr peer;
    int fds[2];

    setup(1, "10.0.0.1", GN_PROXY_PROTOCOL_OFF);
    cr_assert_eq(gn_addr_parse(GN_LIT("unix:/x"), &peer, NULL), GN_OK);
    for (unsigned i = 0; i < 2; i++) {
        fds[i] = connect_at(&peer);
        cr_assert_eq(ask(fds[i], GET), 200);
    }
    hang_up(fds, 2);
    teardown();
}

Test(http_server_accept, counts_whom_a_proxy_header_names)
{
    setup(2, "10.0.0.1", GN_PROXY_PROTOCOL_AUTO);
    check_cap("10.0.0.1", "PROXY TCP4 192.0.2.9 10.0.0.1 1 2\r\n", 2);
    check_cap("10.0.0.1", "PROXY TCP4 192.0.2.8 10.0.0.1 1 2\r\n", 2);
    check_cap("10.0.0.1", "PROXY UNKNOWN\r\n", 4);
    check_cap("192.0.2.9", "", 2);
    teardown();
}

Test(http_server_accept, tells_some_and_closes_the_rest)
{
    int fds[MAX_CONNECTIONS];
    unsigned n_told = 0;

    setup(1, "10.0.0.1", GN_PROXY_PROTOCOL_OFF);
    for (unsigned i = 0; i < MAX_CONNECTIONS; i++) {
        fds[i] = connect_from("192.0.2.7");
    }
    /* the fixture's own, the one that is served, and those that are told */
    cr_assert_eq(gn_http_server_stats(f.server).connections, 1 + 1 + 64);
    cr_assert_eq(ask(fds[0], GET), 200);
    for (unsigned i = 1; i < MAX_CONNECTIONS; i++) {
        n_told += ask(fds[i], GET) == 503 ? 1 : 0;
    }
    cr_assert_eq(n_told, 64);
    hang_up(fds, MAX_CONNECTIONS);
    check_cap("192.0.2.7", "", 1); /* the told have gone: there is room to tell again */
    teardown();
}

/* ---- upgraded streams ------------------------------------------------------------- */

static struct gn_stream *given;

static void on_upgraded(
        void *arg, struct gn_stream **stream, struct gn_slice early, struct gn_bufq *out)
{
    (void)arg;
    (void)early;
    (void)out;
    given = *stream;
    *stream = NULL;
}

static void upgrade(struct http_fixture *fixture, struct gn_exchange *ex)
{
    const struct gn_header header = GN_HEADER(UPGRADE, "Upgrade", GN_LIT("x"));

    gn_assert_loop_thread(fixture->loop);
    if (ex->head->wants_upgrade) {
        gn_exchange_upgrade(ex, &header, 1, on_upgraded, NULL);
    } else {
        http_fixture_reply(ex, "ok");
    }
}

Test(http_server_accept, counts_upgraded_connections_until_they_close)
{
    int first;
    int second;

    setup(1, "10.0.0.1", GN_PROXY_PROTOCOL_OFF);
    f.serve = upgrade;
    first = connect_from("192.0.2.7");
    (void)ask(first, "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    cr_assert_not_null(given);
    second = connect_from("192.0.2.7");
    cr_assert_eq(ask(second, GET), 503);
    gn_stream_destroy(&given);
    hang_up(&second, 1);
    second = connect_from("192.0.2.7");
    cr_assert_eq(ask(second, GET), 200);
    hang_up(&first, 1);
    hang_up(&second, 1);
    teardown();
}
