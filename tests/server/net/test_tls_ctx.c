/* SPDX-License-Identifier: MIT */
#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/net/tls_ctx.h"
#include "tests/server/net/tls_fixture.h"
#include "tests/support/test.h"

static struct tls_made good;

static void setup(void)
{
    (void)tls_dir_make();
    good = tls_make("good", &(struct tls_spec){.cn = "a.example", .san = "DNS:a.example"});
}

static void teardown(void)
{
    tls_made_free(&good);
    tls_dir_remove();
}

TestSuite(tls_ctx, .init = setup, .fini = teardown);

static enum gn_err create(const struct gn_tls_options *options, struct gn_error *err)
{
    struct gn_tls_ctx *ctx = NULL;
    enum gn_err rc = gn_tls_ctx_create(options, &ctx, err);

    cr_assert_eq(ctx != NULL, rc == GN_OK);
    gn_tls_ctx_unref(&ctx);
    cr_assert_null(ctx);
    return rc;
}

static void check_refused(const struct gn_tls_options *options, enum gn_err code, const char *says)
{
    struct gn_error err = {0};

    cr_assert_eq(create(options, &err), code, "%s", err.message);
    cr_assert_eq(err.code, code);
    cr_assert_not_null(strstr(err.message, says), "\"%s\" does not say \"%s\"", err.message, says);
    cr_assert_null(strchr(err.message, '\n'));
}

/** One pair that must be refused. */
static void check_pair(const char *cert, const char *key, enum gn_err code, const char *says)
{
    const struct gn_tls_pair pair = {.cert_file = cert, .key_file = key};

    check_refused(&(struct gn_tls_options){.pairs = &pair, .n_pairs = 1}, code, says);
}

Test(tls_ctx, takes_a_pair_and_a_combined_file)
{
    struct gn_tls_pair pair = {.cert_file = good.cert_path, .key_file = good.key_path};
    const struct gn_tls_options options = {.pairs = &pair, .n_pairs = 1};
    struct gn_error err = {0};
    FILE *file;

    cr_assert_eq(create(&options, &err), GN_OK, "%s", err.message);
    file = fopen(good.key_path, "ae");
    cr_assert_eq(PEM_write_X509(file, good.cert), 1);
    cr_assert_eq(fclose(file), 0);
    pair = (struct gn_tls_pair){.cert_file = good.key_path};
    cr_assert_eq(create(&options, &err), GN_OK, "%s", err.message);
}

Test(tls_ctx, a_reference_keeps_it)
{
    const struct gn_tls_pair pair = {.cert_file = good.cert_path, .key_file = good.key_path};
    const struct gn_tls_options options = {.pairs = &pair, .n_pairs = 1};
    struct gn_tls_ctx *ctx = NULL;
    struct gn_tls_ctx *other;

    cr_assert_eq(gn_tls_ctx_create(&options, &ctx, NULL), GN_OK);
    other = gn_tls_ctx_ref(ctx);
    gn_tls_ctx_unref(&ctx);
    cr_assert_null(ctx);
    gn_tls_ctx_unref(&other);
    gn_tls_ctx_unref(&other);
}

Test(tls_ctx, says_what_is_wrong_with_a_file)
{
    const char *text = tls_write_file("text", "hello\n", 6);
    const char *empty = tls_write_file("empty", "", 0);
    const char *broken = tls_write_file(
            "broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 59);

    check_pair("/no/such.crt", good.key_path, GN_ERR_SYSTEM, "/no/such.crt: No such file");
    check_pair(good.cert_path, "/no/such.key", GN_ERR_SYSTEM, "/no/such.key: No such file");
    check_pair("/tmp", good.key_path, GN_ERR_SYSTEM, "/tmp: Is a directory");
    check_pair(text, good.key_path, GN_ERR_INVALID, "holds no certificate in PEM form");
    check_pair(empty, good.key_path, GN_ERR_INVALID, "holds no certificate in PEM form");
    check_pair(broken, good.key_path, GN_ERR_INVALID, "certificate number 1 in ");
    check_pair(good.cert_path, text, GN_ERR_INVALID, "holds no private key in PEM form");
    check_pair(good.cert_path, good.cert_path, GN_ERR_INVALID, "holds no private key in PEM form");
    check_pair(good.cert_path, NULL, GN_ERR_INVALID, "holds no private key in PEM form");
}

Test(tls_ctx, says_which_key_is_broken_or_locked)
{
    const char *broken = tls_write_file(
            "broken", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 59);
    const unsigned char secret[] = "secret";
    char locked[96];
    char old_style[96];
    FILE *file;
    BIO *bio;

    (void)snprintf(locked, sizeof(locked), "%s", tls_write_file("locked", "", 0));
    file = fopen(locked, "we");
    cr_assert_eq(
            PEM_write_PKCS8PrivateKey(file, good.key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL),
            1);
    cr_assert_eq(fclose(file), 0);
    (void)snprintf(old_style, sizeof(old_style), "%s", tls_write_file("old", "", 0));
    bio = BIO_new_file(old_style, "w");
    cr_assert_eq(PEM_write_bio_PrivateKey_traditional(
                         bio, good.key, EVP_aes_128_cbc(), secret, 6, NULL, NULL),
            1);
    BIO_free(bio);
    check_pair(good.cert_path, broken, GN_ERR_INVALID, "the private key in ");
    check_pair(good.cert_path, locked, GN_ERR_INVALID, "is locked by a passphrase");
    check_pair(good.cert_path, old_style, GN_ERR_INVALID, "is locked by a passphrase");
}

Test(tls_ctx, a_file_of_any_size_is_not_swallowed)
{
    static char big[(1 << 20) + 10];

    memset(big, '\n', sizeof(big));
    check_pair(tls_write_file("big", big, sizeof(big)), good.key_path, GN_ERR_INVALID,
            "is too large for a certificate file");
}

Test(tls_ctx, a_key_must_be_its_certificates)
{
    struct tls_made other = tls_make("other", &(struct tls_spec){.cn = "b.example"});
    struct tls_made rsa = tls_make("rsa", &(struct tls_spec){.cn = "c.example", .rsa_bits = 2048});

    check_pair(
            good.cert_path, other.key_path, GN_ERR_INVALID, "does not belong to the certificate");
    check_pair(good.cert_path, rsa.key_path, GN_ERR_INVALID, "does not belong to the certificate");
    tls_append_cert(other.cert_path, good.cert);
    check_pair(other.cert_path, good.key_path, GN_ERR_INVALID, "must come first");
    tls_made_free(&other);
    tls_made_free(&rsa);
}

Test(tls_ctx, a_weak_key_is_refused_at_the_start)
{
    struct tls_made weak =
            tls_make("weak", &(struct tls_spec){.cn = "a.example", .rsa_bits = 1024});

    check_pair(weak.cert_path, weak.key_path, GN_ERR_INVALID, "cannot be used: ");
    tls_made_free(&weak);
}

Test(tls_ctx, a_bad_pair_behind_a_good_one_is_found)
{
    const struct gn_tls_pair pairs[] = {
            {.cert_file = good.cert_path, .key_file = good.key_path},
            {.cert_file = "/no/such.crt", .key_file = good.key_path},
    };

    check_refused(
            &(struct gn_tls_options){.pairs = pairs, .n_pairs = 2}, GN_ERR_SYSTEM, "/no/such.crt");
}

Test(tls_ctx, client_certificates_need_both_options)
{
    const struct gn_tls_pair pair = {.cert_file = good.cert_path, .key_file = good.key_path};
    struct gn_tls_options options = {.pairs = &pair, .n_pairs = 1};
    struct gn_error err = {0};

    options.client_certs = GN_TLS_CLIENT_CERTS_REQUIRED;
    check_refused(&options, GN_ERR_INVALID, "--cert-reqs needs --ca-certs");
    options.client_certs = GN_TLS_CLIENT_CERTS_NONE;
    options.ca_certs = good.cert_path;
    check_refused(&options, GN_ERR_INVALID, "--ca-certs has no effect");
    options.client_certs = GN_TLS_CLIENT_CERTS_OPTIONAL;
    cr_assert_eq(create(&options, &err), GN_OK, "%s", err.message);
    options.ca_certs = "/no/such.ca";
    check_refused(&options, GN_ERR_SYSTEM, "/no/such.ca: No such file");
    options.ca_certs = good.key_path;
    check_refused(&options, GN_ERR_INVALID, "holds no certificate in PEM form");
}

Test(tls_ctx, names_for_alpn_are_checked)
{
    const struct gn_tls_pair pair = {.cert_file = good.cert_path, .key_file = good.key_path};
    const struct gn_slice names[] = {GN_LIT_INIT("h2"), GN_LIT_INIT("")};
    const struct gn_tls_options options = {
            .pairs = &pair, .n_pairs = 1, .alpn = names, .n_alpn = 2};

    check_refused(&options, GN_ERR_INVALID, "is no name for ALPN");
}

static void keep_line(void *arg, enum gn_log_level level, struct gn_slice line)
{
    if (level == GN_LOG_WARNING) {
        (void)snprintf(arg, 256, GN_SLICE_FMT, GN_SLICE_ARG(line));
    }
}

Test(tls_ctx, dates_that_clients_will_refuse_are_warned_of)
{
    static const struct {
        long starts;
        long ends;
        const char *says;
    } cases[] = {
            {-200, -100, "has expired"},
            {100, 200, "is not valid yet"},
            {-100, 100, ""},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct tls_made made = tls_make("dated",
                &(struct tls_spec){.cn = "a.example",
                        .starts_in_s = cases[i].starts,
                        .ends_in_s = cases[i].ends});
        const struct gn_tls_pair pair = {.cert_file = made.cert_path, .key_file = made.key_path};
        char line[256] = "";

        gn_log_set_sink(keep_line, line);
        cr_assert_eq(create(&(struct gn_tls_options){.pairs = &pair, .n_pairs = 1}, NULL), GN_OK);
        gn_log_set_sink(NULL, NULL);
        cr_assert_not_null(strstr(line, cases[i].says), "%s", line);
        cr_assert_eq(line[0] == '\0', cases[i].says[0] == '\0', "%s", line);
        tls_made_free(&made);
    }
}
