/* SPDX-License-Identifier: MIT */
#include "tests/server/net/tls_fixture.h"
#include "tests/support/test.h"

#include "server/net/tls_pem_priv.h"

static void check(const struct gn_tls_identity *id, const char *host, enum gn_tls_match expected)
{
    cr_assert_eq(gn_tls_identity_match(id, gn_slice_str(host)), expected, "%s", host);
}

static struct gn_tls_identity load(const char *cn, const char *san)
{
    struct tls_made made = tls_make("pair", &(struct tls_spec){.cn = cn, .san = san});
    const struct gn_tls_pair pair = {.cert_file = made.cert_path, .key_file = made.key_path};
    struct gn_tls_identity id;

    cr_assert_eq(gn_tls_identity_load(&pair, &id, NULL), GN_OK);
    tls_made_free(&made);
    return id;
}

static void make_dir(void)
{
    (void)tls_dir_make();
}

TestSuite(tls_pem, .init = make_dir, .fini = tls_dir_remove);

Test(tls_pem, names_of_the_san_match)
{
    struct gn_tls_identity id = load("cn.example",
            "DNS:A.example,DNS:*.wild.example,DNS:*.,DNS:*,IP:127.0.0.1,DNS:a.b.c.example");

    check(&id, "a.example", GN_TLS_MATCH_EXACT);
    check(&id, "a.b.c.example", GN_TLS_MATCH_EXACT);
    check(&id, "x.wild.example", GN_TLS_MATCH_WILDCARD);
    check(&id, "*.wild.example", GN_TLS_MATCH_EXACT); /* no host is called that */
    check(&id, "x.y.wild.example", GN_TLS_MATCH_NONE);
    check(&id, "wild.example", GN_TLS_MATCH_NONE);
    check(&id, ".wild.example", GN_TLS_MATCH_NONE);
    check(&id, "xwild.example", GN_TLS_MATCH_NONE);
    check(&id, "cn.example", GN_TLS_MATCH_NONE); /* a SAN replaces the CN */
    check(&id, "127.0.0.1", GN_TLS_MATCH_NONE);
    check(&id, "x", GN_TLS_MATCH_NONE);
    check(&id, "x.", GN_TLS_MATCH_NONE);
    check(&id, "", GN_TLS_MATCH_NONE);
    gn_tls_identity_fini(&id);
}

Test(tls_pem, the_common_name_serves_without_a_san)
{
    struct gn_tls_identity id = load("CN.Example", NULL);

    check(&id, "cn.example", GN_TLS_MATCH_EXACT);
    check(&id, "a.example", GN_TLS_MATCH_NONE);
    gn_tls_identity_fini(&id);
}

Test(tls_pem, a_common_name_that_is_no_host_is_none)
{
    struct gn_tls_identity id = load("Ada Lovelace", "IP:127.0.0.1");

    cr_assert_eq(id.n_names, 0);
    check(&id, "ada lovelace", GN_TLS_MATCH_NONE);
    gn_tls_identity_fini(&id);
    gn_tls_identity_fini(&id); /* zeroed: nothing happens */
}

Test(tls_pem, the_chain_is_what_follows)
{
    struct tls_made ca = tls_make("ca", &(struct tls_spec){.cn = "ca", .is_ca = true});
    struct tls_made leaf = tls_make("leaf", &(struct tls_spec){.cn = "leaf", .issuer = &ca});
    const struct gn_tls_pair pair = {.cert_file = leaf.cert_path, .key_file = leaf.key_path};
    struct gn_tls_identity id;

    tls_append_cert(leaf.cert_path, ca.cert);
    cr_assert_eq(gn_tls_identity_load(&pair, &id, NULL), GN_OK);
    cr_assert_eq(X509_cmp(id.cert, leaf.cert), 0);
    cr_assert_eq(sk_X509_num(id.chain), 1);
    cr_assert_eq(X509_cmp(sk_X509_value(id.chain, 0), ca.cert), 0);
    gn_tls_identity_fini(&id);
    tls_made_free(&leaf);
    tls_made_free(&ca);
}
