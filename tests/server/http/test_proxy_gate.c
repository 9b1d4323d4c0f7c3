/* SPDX-License-Identifier: MIT */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/http/exchange.h"
#include "server/http/http_server.h"
#include "server/net/trust.h"
#include "server/proto/proxy_protocol.h"
#include "tests/server/http/http_fixture.h"
#include "tests/support/test.h"

/*
 * Connections over socket pairs whose peer is said to be 10.0.0.1:1000, which
 * has to begin with a PROXY header, or 10.0.0.2:1000, which has not.
 */

#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define V1 "PROXY TCP4 192.0.2.9 198.51.100.1 5555 443\r\n"
#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V2_ADDRESSES "\xc0\x00\x02\x09\xc6\x33\x64\x01\x15\xb3\x01\xbb"
#define TLV_SSL "\x20\x00\x05\x01\x00\x00\x00\x00"

static struct http_fixture f;
static struct gn_trust *trust;
static char seen[512]; /* by the handler */

static void quiet(void *arg, enum gn_log_level level, struct gn_slice line)
{
    (void)arg;
    (void)level;
    (void)line;
}

static void note(struct http_fixture *fixture, struct gn_exchange *ex)
{
    char peer[GN_ADDR_TEXT_BYTES];
    char conn[GN_ADDR_TEXT_BYTES];

    gn_assert_loop_thread(fixture->loop);
    gn_addr_format(&ex->peer, peer);
    gn_addr_format(gn_exchange_conn_peer(ex), conn);
    (void)snprintf(seen, sizeof(seen), "%s by %s, %s, port %u%s", peer, conn,
            ex->is_tls ? "https" : "http", ex->server_port, ex->peer_is_trusted ? ", trusted" : "");
    http_fixture_reply(ex, "ok");
}

static void setup(enum gn_proxy_protocol protocol)
{
    gn_log_set_sink(quiet, NULL);
    http_fixture_init(&f);
    f.serve = note;
    cr_assert_eq(gn_trust_create(GN_LIT("10.0.0.1"), &trust, NULL), GN_OK);
    f.proxies.protocol = protocol;
    f.proxies.protocol_from = trust;
    f.limits.handshake_ms = 50;
    http_fixture_start(&f);
    seen[0] = '\0';
}

static void teardown(void)
{
    http_fixture_fini(&f);
    gn_trust_destroy(&trust);
}

static int connect_from(const char *peer)
{
    struct gn_addr addr;
    int fds[2];

    gn_assert_loop_thread(f.loop);
    cr_assert(gn_addr_parse_ip(gn_slice_str(peer), 1000, &addr));
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    gn_http_server_add_connection(f.server, &fds[0], &addr);
    cr_assert_eq(fds[0], -1);
    return fds[1];
}

static void put(int fd, struct gn_slice bytes)
{
    cr_assert_eq(write(fd, bytes.ptr, bytes.len), (ssize_t)bytes.len);
    http_fixture_turn(&f);
}

/** What has come back; "" for nothing yet, "eof" for the end. */
static const char *answer(int fd)
{
    static char text[4096];
    ssize_t n;

    http_fixture_turn(&f);
    n = read(fd, text, sizeof(text) - 1);
    if (n == 0) {
        return "eof";
    }
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static void hang_up(int fd)
{
    (void)close(fd);
    http_fixture_turn(&f);
}

#define BY_PROXY "192.0.2.9:5555 by 10.0.0.1:1000, "

Test(proxy_gate, takes_the_client_from_either_version)
{
    static const struct {
        struct gn_slice header;
        const char *want;
    } cases[] = {
            {GN_LIT_INIT(V1), BY_PROXY "http, port 443"},
            {GN_LIT_INIT("PROXY TCP6 2001:db8::9 2001:db8::1 5555 443\r\n"),
                    "[2001:db8::9]:5555 by 10.0.0.1:1000, http, port 443"},
            {GN_LIT_INIT("PROXY TCP6 ::ffff:192.0.2.9 ::1 5555 443\r\n"),
                    BY_PROXY "http, port 443"},
            {GN_LIT_INIT("PROXY UNKNOWN\r\n"), "10.0.0.1:1000 by 10.0.0.1:1000, http, port 0"},
            {GN_LIT_INIT(SIG "\x21\x11\x00\x0c" V2_ADDRESSES), BY_PROXY "http, port 443"},
            {GN_LIT_INIT(SIG "\x21\x11\x00\x14" V2_ADDRESSES TLV_SSL), BY_PROXY "https, port 443"},
            {GN_LIT_INIT(SIG "\x20\x11\x00\x0c" V2_ADDRESSES),
                    "10.0.0.1:1000 by 10.0.0.1:1000, http, port 0"},
    };

    setup(GN_PROXY_PROTOCOL_AUTO);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        int fd = connect_from("10.0.0.1");

        put(fd, cases[i].header);
        put(fd, GN_LIT(GET));
        cr_assert(begins_with(answer(fd), "HTTP/1.1 200"), "%zu", i);
        cr_assert_str_eq(seen, cases[i].want, "%zu: %s", i, seen);
        put(fd, GN_LIT(GET)); /* of every request of the connection */
        cr_assert(begins_with(answer(fd), "HTTP/1.1 200"), "%zu", i);
        cr_assert_str_eq(seen, cases[i].want, "%zu: %s", i, seen);
        hang_up(fd);
    }
    teardown();
}

static void check_in_pieces(struct gn_slice bytes, size_t split)
{
    int fd = connect_from("10.0.0.1");

    seen[0] = '\0';
    for (size_t at = 0; at < bytes.len; at += split) {
        put(fd, gn_slice_of(bytes.ptr + at, GN_MIN(split, bytes.len - at)));
    }
    cr_assert(begins_with(answer(fd), "HTTP/1.1 200"), "pieces of %zu", split);
    cr_assert_str_eq(seen, BY_PROXY "http, port 443", "pieces of %zu", split);
    hang_up(fd);
}

/* However it is cut, neither a byte of the request is lost nor one of the header left. */
Test(proxy_gate, takes_the_header_to_the_byte)
{
    static const struct gn_slice inputs[] = {
            GN_LIT_INIT(V1 GET),
            GN_LIT_INIT(SIG "\x21\x11\x00\x0c" V2_ADDRESSES GET),
    };

    setup(GN_PROXY_PROTOCOL_AUTO);
    for (size_t i = 0; i < GN_ARRAY_LEN(inputs); i++) {
        for (size_t split = 1; split <= inputs[i].len; split++) {
            check_in_pieces(inputs[i], split);
        }
    }
    teardown();
}

Test(proxy_gate, refuses_what_is_no_header_with_400)
{
    static const struct {
        enum gn_proxy_protocol protocol;
        struct gn_slice bytes;
    } cases[] = {
            {GN_PROXY_PROTOCOL_AUTO, GN_LIT_INIT(GET)},
            {GN_PROXY_PROTOCOL_AUTO, GN_LIT_INIT("PROXY TCP4 nonsense\r\n")},
            {GN_PROXY_PROTOCOL_AUTO, GN_LIT_INIT(SIG "\x31\x11\x00\x0c" V2_ADDRESSES)},
            {GN_PROXY_PROTOCOL_V1, GN_LIT_INIT(SIG "\x21\x11\x00\x0c" V2_ADDRESSES)},
            {GN_PROXY_PROTOCOL_V2, GN_LIT_INIT(V1)},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        int fd;

        setup(cases[i].protocol);
        fd = connect_from("10.0.0.1");
        put(fd, cases[i].bytes);
        cr_assert(begins_with(answer(fd), "HTTP/1.1 400"), "%zu", i);
        cr_assert_str_eq(answer(fd), "eof");
        cr_assert_eq(f.n_serve, 0);
        hang_up(fd);
        teardown();
    }
}

Test(proxy_gate, bounds_the_header)
{
    static char v2[16 + 4080 + 1];
    int fd;

    setup(GN_PROXY_PROTOCOL_AUTO);
    memcpy(v2, SIG "\x20\x00", 14);
    v2[14] = (char)(4080 >> 8);
    v2[15] = (char)(4080 & 255);
    fd = connect_from("10.0.0.1");
    put(fd, gn_slice_of(v2, 16 + 4080));
    put(fd, GN_LIT(GET));
    cr_assert(begins_with(answer(fd), "HTTP/1.1 200"));
    hang_up(fd);
    v2[15]++;
    fd = connect_from("10.0.0.1");
    put(fd, gn_slice_of(v2, 16));
    cr_assert(begins_with(answer(fd), "HTTP/1.1 400"));
    hang_up(fd);
    teardown();
}

Test(proxy_gate, lets_others_through_as_plain_clients)
{
    int fd;

    setup(GN_PROXY_PROTOCOL_AUTO);
    fd = connect_from("10.0.0.2");
    put(fd, GN_LIT(GET));
    cr_assert(begins_with(answer(fd), "HTTP/1.1 200"));
    cr_assert_str_eq(seen, "10.0.0.2:1000 by 10.0.0.2:1000, http, port 0");
    hang_up(fd);
    fd = connect_from("10.0.0.2");
    put(fd, GN_LIT(V1 GET)); /* whom it names is nobody's business */
    cr_assert(begins_with(answer(fd), "HTTP/1.1 400"));
    hang_up(fd);
    teardown();
    setup(GN_PROXY_PROTOCOL_OFF);
    fd = connect_from("10.0.0.1");
    put(fd, GN_LIT(GET));
    cr_assert(begins_with(answer(fd), "HTTP/1.1 200"));
    hang_up(fd);
    teardown();
}

Test(proxy_gate, believes_the_named_client_in_fields_only_if_it_is_a_proxy_too)
{
    struct gn_trust *forwarded = NULL;
    int fd;

    cr_assert_eq(gn_trust_create(GN_LIT("10.0.0.1, 192.0.2.9"), &forwarded, NULL), GN_OK);
    gn_log_set_sink(quiet, NULL);
    http_fixture_init(&f);
    f.serve = note;
    cr_assert_eq(gn_trust_create(GN_LIT("10.0.0.1"), &trust, NULL), GN_OK);
    f.proxies = (struct gn_http_proxies){.forwarded = forwarded,
            .forwarded_fields = GN_FORWARDED_ALL,
            .protocol = GN_PROXY_PROTOCOL_AUTO,
            .protocol_from = trust};
    http_fixture_start(&f);
    fd = connect_from("10.0.0.1");
    put(fd, GN_LIT(V1 "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n"));
    cr_assert(begins_with(answer(fd), "HTTP/1.1 200"));
    cr_assert_str_eq(seen, "203.0.113.5:0 by 10.0.0.1:1000, http, port 443, trusted");
    hang_up(fd);
    fd = connect_from("10.0.0.1");
    put(fd,
            GN_LIT("PROXY TCP4 192.0.2.8 198.51.100.1 5555 443\r\n"
                   "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n"));
    cr_assert(begins_with(answer(fd), "HTTP/1.1 200"));
    cr_assert_str_eq(seen, "192.0.2.8:5555 by 10.0.0.1:1000, http, port 443");
    hang_up(fd);
    teardown();
    gn_trust_destroy(&forwarded);
}

static void wait_for_end(int fd)
{
    const gn_deadline until = gn_deadline_after_ms(gn_clock_now(), 10000);

    while (strcmp(answer(fd), "eof") != 0) {
        cr_assert_lt(gn_clock_now(), until, "waited 10 s");
    }
}

Test(proxy_gate, does_not_wait_for_ever)
{
    int silent;
    int half;

    setup(GN_PROXY_PROTOCOL_AUTO);
    silent = connect_from("10.0.0.1");
    half = connect_from("10.0.0.1");
    put(half, GN_LIT("PROXY TCP4 192.0"));
    cr_assert_eq(gn_http_server_stats(f.server).connections, 3);
    wait_for_end(silent);
    wait_for_end(half);
    cr_assert_eq(gn_http_server_stats(f.server).connections, 1);
    hang_up(silent);
    hang_up(half);
    teardown();
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

Test(proxy_gate, ends_with_the_client_and_with_the_server)
{
    bool is_stopped = false;
    int fd;

    setup(GN_PROXY_PROTOCOL_AUTO);
    fd = connect_from("10.0.0.1");
    put(fd, GN_LIT("PROXY"));
    hang_up(fd);
    cr_assert_eq(gn_http_server_stats(f.server).connections, 1);
    fd = connect_from("10.0.0.1");
    put(fd, GN_LIT("PROXY"));
    gn_http_server_stop(f.server, gn_loop_after_ms(f.loop, 10000), on_stopped, &is_stopped);
    cr_assert_str_eq(answer(fd), "eof");
    cr_assert(is_stopped);
    hang_up(fd);
    teardown();
}
