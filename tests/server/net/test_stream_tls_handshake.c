/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "tests/server/net/tls_fixture.h"
#include "tests/support/test.h"

/* Handshakes, good and bad. */

static struct tls_made made;
static struct tls_peers p;

static void setup(void)
{
    (void)tls_dir_make();
    made = tls_make("pair", &(struct tls_spec){.cn = "a.example", .san = "DNS:a.example"});
    tls_peers_init(&p);
    tls_peers_serve(&p, &made);
}

static void teardown(void)
{
    tls_peers_fini(&p);
    tls_made_free(&made);
    tls_dir_remove();
}

TestSuite(stream_tls_handshake, .init = setup, .fini = teardown);

static void offer_alpn(const char *wire, unsigned len)
{
    cr_assert_eq(
            SSL_CTX_set_alpn_protos(p.client_ctx, (const unsigned char *)(const void *)wire, len),
            0);
}

static void check_text(struct gn_slice text, const char *expected)
{
    cr_assert(gn_slice_eq(text, gn_slice_str(expected)), "\"" GN_SLICE_FMT "\" is not \"%s\"",
            GN_SLICE_ARG(text), expected);
    cr_assert_eq(text.ptr[text.len], '\0');
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void use_version(int version)
{
    cr_assert_eq(SSL_CTX_set_min_proto_version(p.client_ctx, version), 1);
    cr_assert_eq(SSL_CTX_set_max_proto_version(p.client_ctx, version), 1);
}

Test(stream_tls_handshake, settles_the_facts)
{
    offer_alpn("\x08http/1.1", 9);
    tls_peers_establish(&p, "A.Example");
    check_text(p.server->tls->protocol, "TLSv1.3");
    check_text(p.server->tls->cipher, "TLS_AES_128_GCM_SHA256");
    cr_assert_eq(p.server->tls->cipher_bits, 128);
    check_text(p.server->tls->server_name, "a.example");
    check_text(p.server->tls->alpn, "http/1.1");
    check_text(p.server->tls->client.cert_pem, "");
    check_text(p.server->tls->client.not_after, "");
    cr_assert_not(p.server->tls->has_client);
    cr_assert_not(p.server->tls->is_resumed);
    cr_assert(p.server->is_tls);
}

Test(stream_tls_handshake, facts_outlive_the_stream)
{
    struct gn_tls_facts *facts;

    tls_peers_establish(&p, NULL);
    gn_assert_loop_thread(p.loop);
    facts = gn_tls_facts_ref(p.server->tls);
    tls_peers_hang_up(&p);
    check_text(facts->protocol, "TLSv1.3");
    check_text(facts->server_name, "");
    gn_tls_facts_unref(&facts);
    cr_assert_null(facts);
    gn_tls_facts_unref(&facts);
}

/** The client's bytes come in pieces of `size`. */
static void handshake_in_pieces(size_t size)
{
    for (int i = 0; i < 20000 && (p.state != GN_OK || p.client_state != 0); i++) {
        if (tls_client_n_out(&p) == 0) {
            (void)tls_client_receive(&p);
            tls_client_step(&p);
        }
        (void)tls_client_send(&p, size);
        tls_server_step(&p);
    }
    cr_assert_eq(p.state, GN_OK, "pieces of %zu", size);
}

Test(stream_tls_handshake, works_however_it_is_cut)
{
    static const size_t sizes[] = {1, 2, 3, 5, 7, 64, 100, 1000};

    for (size_t v = 0; v < GN_ARRAY_LEN(versions); v++) {
        use_version(versions[v]);
        for (size_t i = 0; i < GN_ARRAY_LEN(sizes); i++) {
            tls_peers_connect(&p, "a.example");
            handshake_in_pieces(sizes[i]);
            tls_peers_hang_up(&p);
        }
    }
}

/** The client sends `n` bytes of its handshake in all, then hangs up; false when it is done before.
 */
static bool abort_after(size_t n)
{
    size_t sent = 0;

    tls_peers_connect(&p, "a.example");
    for (int i = 0; i < 10 && sent < n; i++) {
        (void)tls_client_receive(&p);
        if (p.client_state != 0) {
            tls_client_step(&p);
        }
        sent += tls_client_send(&p, n - sent);
        tls_server_step(&p);
    }
    (void)close(p.client_fd);
    p.client_fd = -1;
    tls_server_step(&p);
    cr_assert(sent < n || p.state == GN_OK || p.state == GN_ERR_EOF || p.state == GN_ERR_IO,
            "after %zu bytes: %s", n, gn_err_name(p.state));
    tls_peers_hang_up(&p);
    return sent == n;
}

Test(stream_tls_handshake, may_break_off_at_every_byte)
{
    for (size_t v = 0; v < GN_ARRAY_LEN(versions); v++) {
        size_t n = 0;

        use_version(versions[v]);
        while (abort_after(n)) {
            n++;
        }
        cr_assert_gt(n, 200);
    }
}

/* ---- nonsense ------------------------------------------------------------------- */

/** Feeds `bytes` and FIN to a new stream; the handshake must end with `expected`. */
static void check_nonsense(const char *what, struct gn_slice bytes, enum gn_err expected)
{
    char first;

    tls_peers_connect(&p, NULL);
    cr_assert_eq(send(p.client_fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
    (void)shutdown(p.client_fd, SHUT_WR);
    for (int i = 0; i < 5; i++) {
        tls_server_step(&p);
    }
    cr_assert_eq(p.state, expected, "%s: %s", what, gn_err_name(p.state));
    if (expected == GN_ERR_PROTOCOL) {
        gn_assert_loop_thread(p.loop);
        cr_assert_gt(strlen(gn_stream_tls_reason(p.server)), 3);
        cr_assert_eq(gn_stream_tls_handshake(p.server), GN_ERR_PROTOCOL);
        /* An alert, but to what does not look like TLS at all. */
        cr_assert(recv(p.client_fd, &first, 1, MSG_DONTWAIT) != 1 || first == 21, "%s", what);
    }
    tls_peers_hang_up(&p);
}

Test(stream_tls_handshake, garbage_is_refused_with_an_alert)
{
    static char zeros[20000];
    static const struct {
        const char *what;
        struct gn_slice bytes;
        enum gn_err expected;
    } cases[] = {
            {"nothing", GN_LIT_INIT(""), GN_ERR_EOF},
            {"half a record header", GN_LIT_INIT("\x16\x03\x01"), GN_ERR_EOF},
            {"half a hello", GN_LIT_INIT("\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03"),
                    GN_ERR_EOF},
            {"text", GN_LIT_INIT("\x01\x02hello, is anybody there?"), GN_ERR_PROTOCOL},
            {"a record too long", GN_LIT_INIT("\x16\x03\x01\xff\xff\x01\x00"), GN_ERR_PROTOCOL},
            {"an empty handshake record", GN_LIT_INIT("\x16\x03\x01\x00\x00\x16\x03\x01\x00\x00"),
                    GN_ERR_EOF},
            {"application data", GN_LIT_INIT("\x17\x03\x03\x00\x05hello"), GN_ERR_PROTOCOL},
            {"another handshake message", GN_LIT_INIT("\x16\x03\x01\x00\x04\x02\x00\x00\x00"),
                    GN_ERR_PROTOCOL},
            {"SSL 2",
                    GN_LIT_INIT("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\x02\x00"
                                "\x80\x03\x00\x80\x04\x00\x80\x05\x00\x80\x06\x00\x40\x07\x00\xc0"
                                "0123456789abcdef"),
                    GN_ERR_PROTOCOL},
            {"a hello that lies about its length",
                    GN_LIT_INIT("\x16\x03\x01\x00\x0a\x01\x00\x00\x06\x03\x03\x00\x00\x00\x00"),
                    GN_ERR_PROTOCOL},
            {"a hello without end", GN_LIT_INIT("\x16\x03\x01\x00\x04\x01\xff\xff\xff"),
                    GN_ERR_PROTOCOL},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        check_nonsense(cases[i].what, cases[i].bytes, cases[i].expected);
    }
    check_nonsense("zeros", gn_slice_of(zeros, sizeof(zeros)), GN_ERR_PROTOCOL);
}

/** Every byte of a true hello wrong in turn: no matter how it ends, it ends. */
Test(stream_tls_handshake, a_hello_with_any_byte_wrong_does_no_harm)
{
    char hello[1024];
    int len;

    tls_peers_connect(&p, "a.example");
    tls_client_step(&p);
    len = BIO_read(SSL_get_wbio(p.client), hello, sizeof(hello));
    cr_assert_gt(len, 100);
    tls_peers_hang_up(&p);
    for (int i = 0; i < len; i++) {
        tls_peers_connect(&p, NULL);
        hello[i] = (char)(hello[i] ^ 0x55);
        cr_assert_eq(write(p.client_fd, hello, (size_t)len), len);
        hello[i] = (char)(hello[i] ^ 0x55);
        (void)shutdown(p.client_fd, SHUT_WR);
        tls_server_step(&p);
        tls_server_step(&p);
        cr_assert_neq(p.state, GN_OK);
        cr_assert_neq(p.state, GN_ERR_WANT_READ);
        tls_peers_hang_up(&p);
    }
}

Test(stream_tls_handshake, old_versions_and_ciphers_are_refused)
{
    static const struct {
        int version;
        const char *ciphers;
    } cases[] = {
            {TLS1_VERSION, "ALL:@SECLEVEL=0"},
            {TLS1_1_VERSION, "ALL:@SECLEVEL=0"},
            {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256"},
            {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA"},
            {TLS1_2_VERSION, "AES128-GCM-SHA256"},
            {TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256"},
            {TLS1_2_VERSION, "NULL:@SECLEVEL=0"},
            {TLS1_2_VERSION, "aNULL:@SECLEVEL=0"},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        use_version(cases[i].version);
        cr_assert_eq(SSL_CTX_set_cipher_list(p.client_ctx, cases[i].ciphers), 1);
        tls_peers_connect(&p, NULL);
        tls_peers_handshake(&p);
        cr_assert_eq(p.state, GN_ERR_PROTOCOL, "%s", cases[i].ciphers);
        cr_assert_eq(p.client_state, SSL_ERROR_SSL);
        tls_peers_hang_up(&p);
    }
}

Test(stream_tls_handshake, peek_tells_plain_http_from_tls)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum gn_err expected;
    } cases[] = {{"GET / HTTP/1.1\r\n", 16, GN_ERR_UNSUPPORTED}, {"p", 1, GN_ERR_UNSUPPORTED},
            {"PRI * HTTP/2.0", 14, GN_ERR_UNSUPPORTED}, {"\x16\x03", 2, GN_OK}, {"\x80", 1, GN_OK},
            {"\0", 1, GN_OK}, {"[", 1, GN_OK}, {"@", 1, GN_OK}};
    int fds[2];

    gn_assert_loop_thread(p.loop);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char byte;

        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        cr_assert_eq(gn_stream_tls_peek(fds[0]), GN_ERR_WANT_READ);
        cr_assert_eq(write(fds[1], cases[i].bytes, cases[i].len), (ssize_t)cases[i].len);
        cr_assert_eq(gn_stream_tls_peek(fds[0]), cases[i].expected, "%s", cases[i].bytes);
        cr_assert_eq(read(fds[0], &byte, 1), 1);
        cr_assert_eq(byte, cases[i].bytes[0]);
        (void)close(fds[0]);
        (void)close(fds[1]);
    }
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    (void)close(fds[1]);
    cr_assert_eq(gn_stream_tls_peek(fds[0]), GN_ERR_EOF);
    (void)close(fds[0]);
    cr_assert_eq(gn_stream_tls_peek(fds[0]), GN_ERR_IO);
}

/* ---- ALPN -------------------------------------------------------------------------- */

Test(stream_tls_handshake, agrees_on_a_protocol_or_refuses)
{
    static const struct gn_slice names[] = {GN_LIT_INIT("h2"), GN_LIT_INIT("http/1.1")};
    const struct gn_tls_pair pair = {.cert_file = made.cert_path, .key_file = made.key_path};
    const struct gn_tls_options options = {
            .pairs = &pair, .n_pairs = 1, .alpn = names, .n_alpn = 2};

    offer_alpn("\x02h2", 3);
    tls_peers_connect(&p, NULL);
    tls_peers_handshake(&p);
    cr_assert_eq(p.state, GN_ERR_PROTOCOL); /* no_application_protocol */
    tls_peers_hang_up(&p);
    offer_alpn("\x02h2\x08http/1.1", 12);
    tls_peers_establish(&p, NULL);
    check_text(p.server->tls->alpn, "http/1.1");
    tls_peers_hang_up(&p);

    gn_tls_ctx_unref(&p.ctx);
    cr_assert_eq(gn_tls_ctx_create(&options, &p.ctx, NULL), GN_OK);
    offer_alpn("\x08http/1.1\x02h2", 12);
    tls_peers_establish(&p, NULL);
    check_text(p.server->tls->alpn, "h2"); /* our preference */
    tls_peers_hang_up(&p);
    cr_assert_eq(SSL_CTX_set_alpn_protos(p.client_ctx, NULL, 0), 0);
    tls_peers_establish(&p, NULL);
    check_text(p.server->tls->alpn, "");
}

/* ---- resumption --------------------------------------------------------------------- */

static SSL_SESSION *kept;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

/** Establishes with what was kept; says whether it was resumed. */
static bool resume(void)
{
    char byte;
    bool is_resumed;

    tls_peers_connect(&p, "a.example");
    if (kept != NULL) {
        cr_assert_eq(SSL_set_session(p.client, kept), 1);
    }
    tls_peers_handshake(&p);
    cr_assert_eq(p.state, GN_OK);
    (void)SSL_read(p.client, &byte, 1); /* tickets come behind the handshake */
    is_resumed = p.server->tls->is_resumed;
    cr_assert_eq(is_resumed, SSL_session_reused(p.client) == 1);
    check_text(p.server->tls->server_name, "a.example");
    tls_peers_hang_up(&p);
    return is_resumed;
}

Test(stream_tls_handshake, sessions_are_resumed)
{
    SSL_CTX_set_session_cache_mode(
            p.client_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(p.client_ctx, keep_session);
    for (size_t v = 0; v < GN_ARRAY_LEN(versions); v++) {
        use_version(versions[v]);
        SSL_SESSION_free(kept);
        kept = NULL;
        cr_assert_not(resume());
        cr_assert_not_null(kept);
        cr_assert(resume());
        cr_assert(resume());
        tls_peers_serve(&p, &made); /* other keys: a full handshake again */
        cr_assert_not(resume());
        cr_assert(resume());
    }
    SSL_SESSION_free(kept);
    kept = NULL;
}
