/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/http/handshake.h"
#include "tests/server/http/http_fixture.h"
#include "tests/server/net/tls_fixture.h"
#include "tests/support/test.h"

/* A server whose connections begin with a handshake, and clients of OpenSSL's. */

#define TURNS 30 /* enough for whatever can happen without waiting */

static struct http_fixture f;
static struct tls_made made;
static struct tls_peers p; /* its client and context; the stream is the server's */
static const struct gn_addr nobody = {.len = 0};
static char facts[64]; /* what the handler saw */

static void quiet(void *arg, enum gn_log_level level, struct gn_slice line)
{
    (void)arg;
    (void)level;
    (void)line;
}

static void setup(void)
{
    (void)tls_dir_make();
    made = tls_make("pair", &(struct tls_spec){.cn = "a.example", .san = "DNS:a.example"});
    gn_log_set_sink(quiet, NULL);
    http_fixture_init(&f);
    p = (struct tls_peers){.client_fd = -1, .loop = f.loop};
    p.client_ctx = SSL_CTX_new(TLS_client_method());
    tls_peers_serve(&p, &made);
}

static void teardown(void)
{
    gn_tls_ctx_unref(&p.ctx);
    SSL_CTX_free(p.client_ctx);
    http_fixture_fini(&f);
    tls_made_free(&made);
    tls_dir_remove();
}

TestSuite(handshake, .init = setup, .fini = teardown);

static void turn(void)
{
    http_fixture_turn(&f);
}

/** A connection whose other end is returned. */
static int connect_raw(void)
{
    int fds[2];

    gn_assert_loop_thread(f.loop);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    gn_http_server_add_tls_connection(f.server, &fds[0], &nobody, p.ctx);
    cr_assert_eq(fds[0], -1);
    return fds[1];
}

static void connect_client(void)
{
    p.client_fd = connect_raw();
    p.client = SSL_new(p.client_ctx);
    SSL_set_bio(p.client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(p.client);
}

static void hang_up(void)
{
    SSL_free(p.client);
    p.client = NULL;
    if (p.client_fd >= 0) {
        (void)close(p.client_fd);
        p.client_fd = -1;
    }
    turn();
}

static void handshake(void)
{
    p.client_state = SSL_ERROR_WANT_READ;
    for (int i = 0; i < TURNS && p.client_state != 0; i++) {
        (void)tls_client_receive(&p);
        tls_client_step(&p);
        if (p.client_state != 0) {
            (void)tls_client_send(&p, SIZE_MAX);
            turn();
        }
    }
    cr_assert_eq(p.client_state, 0);
}

static void client_write(const char *text, size_t len)
{
    size_t n;

    cr_assert_eq(SSL_write_ex(p.client, text, len, &n), 1);
    cr_assert_eq(n, len);
}

/** What the client has read, as text; valid until the next call. */
static const char *client_read(void)
{
    static char text[200000];
    size_t len = 0;

    for (int i = 0; i < TURNS; i++) {
        size_t n;

        (void)tls_client_send(&p, SIZE_MAX);
        turn();
        (void)tls_client_receive(&p);
        while (len + 1 < sizeof(text) &&
                SSL_read_ex(p.client, text + len, sizeof(text) - 1 - len, &n) == 1) {
            len += n;
        }
    }
    text[len] = '\0';
    return text;
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;

    for (; (text = strstr(text, what)) != NULL; text += strlen(what)) {
        n++;
    }
    return n;
}

/** The other end is closed, after reading what is there. */
static bool is_closed(int fd)
{
    char byte;
    ssize_t n;

    do {
        n = recv(fd, &byte, 1, MSG_DONTWAIT);
    } while (n > 0);
    return n == 0 || errno == ECONNRESET; /* what was not read makes it a reset */
}

static void note_facts(struct http_fixture *fixture, struct gn_exchange *ex)
{
    (void)fixture;
    (void)snprintf(facts, sizeof(facts), "%s %d %s", ex->is_tls ? "tls" : "plain", ex->tls != NULL,
            ex->tls != NULL ? ex->tls->protocol.ptr : "");
    http_fixture_reply(ex, "ok");
}

/* ---- good ones -------------------------------------------------------------------- */

Test(handshake, leads_to_requests_that_know_it)
{
    f.serve = note_facts;
    http_fixture_start(&f);
    gn_assert_loop_thread(f.loop);
    connect_client();
    handshake();
    client_write("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    cr_assert_eq(count(client_read(), "HTTP/1.1 200 "), 1);
    cr_assert_str_eq(facts, "tls 1 TLSv1.3");
    cr_assert_eq(gn_http_server_stats(f.server).connections, 2);
    cr_assert_eq(gn_http_server_stats(f.server).failed_handshakes, 0);
    hang_up();
    cr_assert_eq(gn_http_server_stats(f.server).connections, 1);
    http_fixture_feed(&f, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_assert_str_eq(facts, "plain 0 ");
}

Test(handshake, a_request_may_come_with_its_last_message)
{
    http_fixture_start(&f);
    connect_client();
    handshake();
    cr_assert_gt(tls_client_n_out(&p), 0); /* the client's Finished is still with it */
    client_write("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    cr_assert_eq(count(client_read(), "HTTP/1.1 200 "), 1);
    hang_up();
}

Test(handshake, what_waits_inside_the_stream_is_not_forgotten)
{
    const char request[] = "GET /0123456789012345678901234567890 HTTP/1.1\r\nHost: a\r\n\r\n";
    const size_t n_requests = 16384 / (sizeof(request) - 1);
    char *bytes = gn_xalloc(16384);

    http_fixture_start(&f);
    connect_client();
    handshake();
    for (size_t i = 0; i < n_requests; i++) {
        memcpy(bytes + i * (sizeof(request) - 1), request, sizeof(request) - 1);
    }
    client_write(bytes, n_requests * (sizeof(request) - 1)); /* one record */
    cr_assert_eq(count(client_read(), "HTTP/1.1 200 "), n_requests);
    gn_free(bytes);
    hang_up();
}

Test(handshake, a_body_of_many_records_arrives)
{
    char *body = gn_xcalloc(300000);

    f.limits.body_memory_bytes = 1 << 20;
    http_fixture_start(&f);
    connect_client();
    handshake();
    client_write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n", 53);
    for (int i = 0; i < 30; i++) {
        client_write(body, 10000);
        (void)tls_client_send(&p, SIZE_MAX);
        turn();
    }
    cr_assert_eq(count(client_read(), "HTTP/1.1 200 "), 1);
    gn_free(body);
    hang_up();
}

/* ---- bad ones ---------------------------------------------------------------------- */

Test(handshake, plain_http_is_told_what_is_wrong)
{
    char text[2048] = "";
    int fd;

    http_fixture_start(&f);
    gn_assert_loop_thread(f.loop);
    fd = connect_raw();
    cr_assert_eq(write(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27), 27);
    turn();
    cr_assert_gt(recv(fd, text, sizeof(text) - 1, 0), 0);
    cr_assert_eq(strncmp(text, "HTTP/1.1 400 Bad Request\r\n", 26), 0);
    cr_assert_eq(count(text, "\r\nConnection: close\r\n"), 1);
    cr_assert_eq(count(text, "This port speaks HTTPS"), 1);
    cr_assert(is_closed(fd));
    cr_assert_eq(gn_http_server_stats(f.server).failed_handshakes, 1);
    (void)close(fd);
    turn();
    cr_assert_eq(gn_http_server_stats(f.server).connections, 1);
}

Test(handshake, garbage_gets_an_alert_that_no_reset_destroys)
{
    char text[64];
    int fd;

    http_fixture_start(&f);
    gn_assert_loop_thread(f.loop);
    fd = connect_raw();
    cr_assert_eq(write(fd, "\x16\x03\x01\xff\xff\x01\x00", 7), 7);
    turn();
    cr_assert_eq(write(fd, "more", 4), 4);
    turn();
    cr_assert_eq(recv(fd, text, sizeof(text), 0), 7);
    cr_assert_eq(text[0], 21);
    cr_assert(is_closed(fd));
    cr_assert_eq(gn_http_server_stats(f.server).connections, 2); /* still lingering */
    (void)close(fd);
    turn();
    cr_assert_eq(gn_http_server_stats(f.server).connections, 1);
    cr_assert_eq(gn_http_server_stats(f.server).failed_handshakes, 1);
}

Test(handshake, who_sends_garbage_without_end_is_cut)
{
    static char zeros[65536];
    int fd;

    http_fixture_start(&f);
    gn_assert_loop_thread(f.loop);
    fd = connect_raw();
    cr_assert_eq(write(fd, "\x16\x03\x01\xff\xff\x01\x00", 7), 7);
    for (int i = 0; i < 10000 && gn_http_server_stats(f.server).connections > 1; i++) {
        (void)send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL | MSG_DONTWAIT);
        turn();
    }
    cr_assert_eq(gn_http_server_stats(f.server).connections, 1);
    (void)close(fd);
}

Test(handshake, who_hangs_up_leaves_nothing)
{
    http_fixture_start(&f);
    gn_assert_loop_thread(f.loop);
    for (int sent = 0; sent < 3; sent++) {
        connect_client();
        tls_client_step(&p);
        (void)tls_client_send(&p, (size_t)sent * 100);
        turn();
        cr_assert_eq(gn_http_server_stats(f.server).connections, 2);
        hang_up();
        cr_assert_eq(gn_http_server_stats(f.server).connections, 1);
    }
    cr_assert_eq(gn_http_server_stats(f.server).failed_handshakes, 3);
}

Test(handshake, takes_no_longer_than_it_may)
{
    int silent;

    f.limits.handshake_ms = 20;
    http_fixture_start(&f);
    gn_assert_loop_thread(f.loop);
    silent = connect_raw();
    connect_client();
    tls_client_step(&p);
    (void)tls_client_send(&p, 20); /* half a hello */
    while (gn_http_server_stats(f.server).connections > 1) {
        turn();
    }
    cr_assert(is_closed(silent));
    cr_assert(is_closed(p.client_fd));
    cr_assert_eq(gn_http_server_stats(f.server).failed_handshakes, 2);
    (void)close(silent);
    hang_up();
}

Test(handshake, no_more_begin_than_the_rate_allows)
{
    int fds[10];
    unsigned n_answered = 0;
    char hello[4096]; /* post-quantum key shares made it long */
    int len;

    f.limits.handshakes_s = 4;
    http_fixture_start(&f);
    gn_assert_loop_thread(f.loop);
    connect_client();
    tls_client_step(&p);
    len = BIO_read(SSL_get_wbio(p.client), hello, sizeof(hello));
    for (size_t i = 0; i < GN_ARRAY_LEN(fds); i++) {
        fds[i] = connect_raw();
        cr_assert_eq(write(fds[i], hello, (size_t)len), len);
    }
    turn();
    for (size_t i = 0; i < GN_ARRAY_LEN(fds); i++) {
        n_answered += recv(fds[i], hello, 1, MSG_DONTWAIT) == 1 ? 1 : 0;
    }
    cr_assert(n_answered >= 4 && n_answered < 10, "%u", n_answered); /* a second's worth */
    cr_assert_eq(gn_http_server_stats(f.server).connections, 12);
    for (size_t i = 0; i < GN_ARRAY_LEN(fds); i++) {
        (void)close(fds[i]);
    }
    hang_up();
    while (gn_http_server_stats(f.server).connections > 1) {
        turn(); /* whoever waited has its turn, and is found gone */
    }
}

Test(handshake, a_stop_ends_those_under_way)
{
    int fd;

    http_fixture_start(&f);
    gn_assert_loop_thread(f.loop);
    fd = connect_raw();
    turn();
    gn_http_server_stop(f.server, gn_loop_after_ms(f.loop, 1000), NULL, NULL);
    turn();
    cr_assert(is_closed(fd));
    (void)close(fd);
}
