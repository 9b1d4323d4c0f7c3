/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "tests/server/net/tls_fixture.h"
#include "tests/support/test.h"

/* Which certificate a client gets, and what becomes of the client's own. */

static struct tls_peers p;

static void setup(void)
{
    (void)tls_dir_make();
    tls_peers_init(&p);
}

static void teardown(void)
{
    tls_peers_fini(&p);
    tls_dir_remove();
}

TestSuite(stream_tls_certs, .init = setup, .fini = teardown);

/* ---- by name ------------------------------------------------------------------- */

static void check_choice(const char *host, const struct tls_made *expected)
{
    X509 *cert;

    tls_peers_establish(&p, host);
    cert = SSL_get0_peer_certificate(p.client);
    cr_assert_eq(X509_cmp(cert, expected->cert), 0, "%s", host != NULL ? host : "no name");
    tls_peers_hang_up(&p);
}

static void serve_pairs(const struct tls_made *all, unsigned n)
{
    struct gn_tls_pair pairs[8];
    struct gn_error err = {0};

    for (unsigned i = 0; i < n; i++) {
        pairs[i] = (struct gn_tls_pair){.cert_file = all[i].cert_path, .key_file = all[i].key_path};
    }
    cr_assert_eq(
            gn_tls_ctx_create(&(struct gn_tls_options){.pairs = pairs, .n_pairs = n}, &p.ctx, &err),
            GN_OK, "%s", err.message);
}

Test(stream_tls_certs, the_name_chooses_the_pair)
{
    struct tls_made all[] = {
            tls_make("first", &(struct tls_spec){.cn = "x", .san = "DNS:first.example"}),
            tls_make("wild", &(struct tls_spec){.cn = "x", .san = "DNS:*.example,DNS:z.org"}),
            tls_make("exact", &(struct tls_spec){.cn = "x", .san = "DNS:Exact.example"}),
            tls_make("later", &(struct tls_spec){.cn = "x", .san = "DNS:first.example"}),
    };

    serve_pairs(all, 4);
    check_choice("first.example", &all[0]); /* not the later one of the same kind */
    check_choice("exact.example", &all[2]);
    check_choice("EXACT.example", &all[2]);
    check_choice("exact.example.", &all[2]);
    check_choice("other.example", &all[1]);
    check_choice("z.org", &all[1]);
    check_choice("a.other.example", &all[0]);
    check_choice("unknown.org", &all[0]);
    check_choice(NULL, &all[0]);
    for (size_t i = 0; i < GN_ARRAY_LEN(all); i++) {
        tls_made_free(&all[i]);
    }
}

Test(stream_tls_certs, the_kind_of_key_the_client_can_use_is_chosen)
{
    struct tls_made all[] = {
            tls_make(
                    "rsa", &(struct tls_spec){.cn = "x", .san = "DNS:a.example", .rsa_bits = 2048}),
            tls_make("ec", &(struct tls_spec){.cn = "x", .san = "DNS:a.example"}),
    };

    serve_pairs(all, 2);
    cr_assert_eq(SSL_CTX_set_max_proto_version(p.client_ctx, TLS1_2_VERSION), 1);
    for (int names = 0; names < 2; names++) {
        const char *host = names ? "a.example" : NULL;

        cr_assert_eq(SSL_CTX_set_cipher_list(p.client_ctx, "ECDHE-RSA-AES128-GCM-SHA256"), 1);
        check_choice(host, &all[0]);
        cr_assert_eq(SSL_CTX_set_cipher_list(p.client_ctx, "ECDHE-ECDSA-AES128-GCM-SHA256"), 1);
        check_choice(host, &all[1]);
    }
    tls_made_free(&all[0]);
    tls_made_free(&all[1]);
}

Test(stream_tls_certs, pairs_without_any_name_leave_the_first)
{
    struct tls_made all[] = {
            tls_make("none", &(struct tls_spec){.cn = "No Host"}),
            tls_make("b", &(struct tls_spec){.cn = "b.example"}),
    };

    serve_pairs(all, 2);
    check_choice("b.example", &all[1]);
    check_choice("c.example", &all[0]);
    check_choice(NULL, &all[0]);
    tls_made_free(&all[0]);
    tls_made_free(&all[1]);
}

/* ---- the client's own ------------------------------------------------------------- */

struct world {
    struct tls_made ca;
    struct tls_made other_ca;
    struct tls_made server;
    struct tls_made good;
    struct tls_made stranger;
    struct tls_made expired;
};

static void make_world(struct world *w)
{
    w->ca = tls_make("ca", &(struct tls_spec){.cn = "Our CA", .is_ca = true});
    w->other_ca = tls_make("other", &(struct tls_spec){.cn = "Other CA", .is_ca = true});
    w->server = tls_make("server", &(struct tls_spec){.cn = "a.example"});
    w->good = tls_make("good", &(struct tls_spec){.cn = "Ada, \xc3\x89", .issuer = &w->ca});
    w->stranger = tls_make("stranger", &(struct tls_spec){.cn = "Eve", .issuer = &w->other_ca});
    w->expired = tls_make("expired",
            &(struct tls_spec){
                    .cn = "Old", .issuer = &w->ca, .starts_in_s = -200, .ends_in_s = -100});
}

static void free_world(struct world *w)
{
    tls_made_free(&w->ca);
    tls_made_free(&w->other_ca);
    tls_made_free(&w->server);
    tls_made_free(&w->good);
    tls_made_free(&w->stranger);
    tls_made_free(&w->expired);
}

static void ask_clients(const struct world *w, enum gn_tls_client_certs asks)
{
    const struct gn_tls_pair pair = {
            .cert_file = w->server.cert_path, .key_file = w->server.key_path};
    const struct gn_tls_options options = {
            .pairs = &pair,
            .n_pairs = 1,
            .ca_certs = asks != GN_TLS_CLIENT_CERTS_NONE ? w->ca.cert_path : NULL,
            .client_certs = asks,
    };
    struct gn_error err = {0};

    gn_tls_ctx_unref(&p.ctx);
    cr_assert_eq(gn_tls_ctx_create(&options, &p.ctx, &err), GN_OK, "%s", err.message);
}

/** A handshake with that certificate (NULL: none); returns how it ended for the server. */
static enum gn_err show(const struct tls_made *made)
{
    tls_peers_connect(&p, NULL);
    if (made != NULL) {
        cr_assert_eq(SSL_use_certificate(p.client, made->cert), 1);
        cr_assert_eq(SSL_use_PrivateKey(p.client, made->key), 1);
    }
    tls_peers_handshake(&p);
    return p.state;
}

static void check_shown(
        const struct tls_made *made, enum gn_err expected, bool has_client, const char *what)
{
    cr_assert_eq(show(made), expected, "%s", what);
    if (expected == GN_OK) {
        cr_assert_eq(p.server->tls->has_client, has_client, "%s", what);
    }
    tls_peers_hang_up(&p);
}

Test(stream_tls_certs, clients_are_let_in_as_was_asked)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct world w;

    make_world(&w);
    for (size_t v = 0; v < GN_ARRAY_LEN(versions); v++) {
        cr_assert_eq(SSL_CTX_set_max_proto_version(p.client_ctx, versions[v]), 1);
        ask_clients(&w, GN_TLS_CLIENT_CERTS_NONE);
        check_shown(NULL, GN_OK, false, "none, none");
        check_shown(&w.good, GN_OK, false, "none, good");
        ask_clients(&w, GN_TLS_CLIENT_CERTS_OPTIONAL);
        check_shown(NULL, GN_OK, false, "optional, none");
        check_shown(&w.good, GN_OK, true, "optional, good");
        check_shown(&w.stranger, GN_ERR_PROTOCOL, false, "optional, stranger");
        check_shown(&w.expired, GN_ERR_PROTOCOL, false, "optional, expired");
        ask_clients(&w, GN_TLS_CLIENT_CERTS_REQUIRED);
        check_shown(NULL, GN_ERR_PROTOCOL, false, "required, none");
        check_shown(&w.good, GN_OK, true, "required, good");
        check_shown(&w.stranger, GN_ERR_PROTOCOL, false, "required, stranger");
        check_shown(&w.expired, GN_ERR_PROTOCOL, false, "required, expired");
    }
    free_world(&w);
}

static void check_text(struct gn_slice text, const char *expected)
{
    cr_assert(gn_slice_eq(text, gn_slice_str(expected)), "\"" GN_SLICE_FMT "\" is not \"%s\"",
            GN_SLICE_ARG(text), expected);
}

Test(stream_tls_certs, the_clients_certificate_is_among_the_facts)
{
    const struct gn_tls_client *client;
    struct world w;

    make_world(&w);
    ask_clients(&w, GN_TLS_CLIENT_CERTS_REQUIRED);
    cr_assert_eq(show(&w.good), GN_OK);
    client = &p.server->tls->client;
    check_text(client->subject_dn, "CN=Ada\\, \xc3\x89,O=Gust & S\xc3\xb6hne");
    check_text(client->subject_cn, "Ada, \xc3\x89");
    check_text(client->issuer_dn, "CN=Our CA,O=Gust & S\xc3\xb6hne");
    cr_assert_gt(client->serial.len, 0);
    cr_assert(gn_slice_starts_with(client->cert_pem, GN_LIT("-----BEGIN CERTIFICATE-----\n")));
    cr_assert(gn_slice_ends_with(client->cert_pem, GN_LIT("-----END CERTIFICATE-----\n")));
    cr_assert(gn_slice_ends_with(client->not_before, GN_LIT(" GMT")));
    cr_assert(gn_slice_ends_with(client->not_after, GN_LIT(" GMT")));
    free_world(&w);
}

Test(stream_tls_certs, the_client_is_told_whom_we_trust)
{
    struct world w;
    const STACK_OF(X509_NAME) * names;

    make_world(&w);
    ask_clients(&w, GN_TLS_CLIENT_CERTS_OPTIONAL);
    tls_peers_establish(&p, NULL);
    names = SSL_get0_peer_CA_list(p.client);
    cr_assert_eq(sk_X509_NAME_num(names), 1);
    cr_assert_eq(X509_NAME_cmp(sk_X509_NAME_value(names, 0), X509_get_subject_name(w.ca.cert)), 0);
    free_world(&w);
}
