/* SPDX-License-Identifier: MIT */
#include "server/net/tls_ctx.h"

#include <openssl/err.h>

#include "server/base/alloc.h"
#include "server/base/ascii.h"
#include "server/base/log.h"

#include "server/net/tls_ctx_priv.h"

/*
 * One SSL_CTX with everything that connections share. With one pair its
 * certificate is in the SSL_CTX; with several each handshake picks, once the
 * client's hello has been read, those that fit the name it asked for.
 */

/* Mozilla's intermediate ciphers without DHE, whose cost a client can impose (CVE-2002-20001). */
static const char ciphers_1_2[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                  "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                  "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char ciphers_1_3[] =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const unsigned char session_context[] = "gustnado";

static enum gn_err openssl_failure(const char *what, struct gn_error *err)
{
    return gn_error_set(
            err, GN_ERR_SYSTEM, 0, "cannot set up TLS (%s): %s", what, gn_tls_last_reason());
}

/* ---- callbacks of OpenSSL, all on the loop thread ------------------------------ */

static struct gn_tls_ctx *ctx_of(SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    (void)ssl;
    (void)alert;
    (void)arg;
    return SSL_TLSEXT_ERR_OK; /* kept with the session, and acknowledged */
}

static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_len,
        const unsigned char *offered, unsigned offered_len, void *arg)
{
    const struct gn_tls_ctx *ctx = arg;
    const unsigned char *ours = (const unsigned char *)(const void *)ctx->alpn.ptr;

    (void)ssl;
    for (size_t i = 0; i < ctx->alpn.len; i += 1u + ours[i]) {
        for (unsigned k = 0; k < offered_len; k += 1u + offered[k]) {
            if (ours[i] == offered[k] && k + 1u + offered[k] <= offered_len &&
                    memcmp(ours + i + 1, offered + k + 1, ours[i]) == 0) {
                *chosen = ours + i + 1;
                *chosen_len = ours[i];
                return SSL_TLSEXT_ERR_OK;
            }
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* no_application_protocol, RFC 7301 3.2 */
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
        EVP_MAC_CTX *mac, int is_sealing)
{
    struct gn_tls_ctx *ctx = ctx_of(ssl);
    int rc;

    gn_tls_tickets_advance(&ctx->tickets, gn_clock_now());
    rc = gn_tls_tickets_use(&ctx->tickets, name, iv, cipher, mac, is_sealing);
    if (rc == 1 && !is_sealing && SSL_version(ssl) == TLS1_3_VERSION) {
        return 2; /* a client uses each ticket once (RFC 8446 C.4): give it the next */
    }
    return rc;
}

/** The host asked for in lower case and without a final dot, in `into`; "" when none. */
static struct gn_slice asked_host(SSL *ssl, char into[256])
{
    struct gn_slice name = gn_slice_str(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));

    if (name.len > 0 && name.ptr[name.len - 1] == '.') {
        name.len--;
    }
    name.len = GN_MIN(name.len, (size_t)255);
    for (size_t i = 0; i < name.len; i++) {
        into[i] = gn_ascii_lower(name.ptr[i]);
    }
    return gn_slice_of(into, name.len);
}

static enum gn_tls_match best_match(const struct gn_tls_ctx *ctx, struct gn_slice host)
{
    enum gn_tls_match best = GN_TLS_MATCH_NONE;

    for (unsigned i = 0; i < ctx->n_identities; i++) {
        best = GN_MAX(best, gn_tls_identity_match(&ctx->identities[i], host));
    }
    return best;
}

/** Picks certificates: OpenSSL chooses among those of different kinds, the first pair wins of one.
 */
static int on_certificate(SSL *ssl, void *arg)
{
    const struct gn_tls_ctx *ctx = arg;
    char text[256];
    struct gn_slice host = asked_host(ssl, text);
    enum gn_tls_match best = best_match(ctx, host);

    if (best == GN_TLS_MATCH_NONE && ctx->identities[0].n_names > 0) {
        host = gn_slice_str(ctx->identities[0].names[0]);
        best = gn_tls_identity_match(&ctx->identities[0], host);
    }
    SSL_certs_clear(ssl);
    for (unsigned i = ctx->n_identities; i-- > 0;) {
        const struct gn_tls_identity *id = &ctx->identities[i];

        if ((i == 0 && best == GN_TLS_MATCH_NONE) ||
                (best != GN_TLS_MATCH_NONE && gn_tls_identity_match(id, host) == best)) {
            if (SSL_use_cert_and_key(ssl, id->cert, id->key, id->chain, 1) != 1) {
                return 0;
            }
        }
    }
    return 1;
}

/* ---- building -------------------------------------------------------------------- */

static enum gn_err set_groups(SSL_CTX *ssl, struct gn_error *err)
{
    /* The first that this OpenSSL knows; its macro wants them writable. */
    char lists[][64] = {
            "X25519MLKEM768:X25519:prime256v1:secp384r1", "X25519:prime256v1:secp384r1"};

    for (size_t i = 0; i < GN_ARRAY_LEN(lists); i++) {
        if (SSL_CTX_set1_groups_list(ssl, lists[i]) == 1) {
            ERR_clear_error();
            return GN_OK;
        }
    }
    return openssl_failure("key exchange groups", err);
}

static enum gn_err set_policy(struct gn_tls_ctx *ctx, struct gn_error *err)
{
    SSL_CTX *ssl = ctx->ssl;

    (void)SSL_CTX_set_options(ssl,
            SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                    SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(ssl,
            SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                    SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_security_level(ssl, 2);
    if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 ||
            SSL_CTX_set_max_proto_version(ssl, 0) != 1) {
        return openssl_failure("versions", err);
    }
    if (SSL_CTX_set_cipher_list(ssl, ciphers_1_2) != 1 ||
            SSL_CTX_set_ciphersuites(ssl, ciphers_1_3) != 1) {
        return openssl_failure("ciphers", err);
    }
    return set_groups(ssl, err);
}

static enum gn_err set_sessions(struct gn_tls_ctx *ctx, struct gn_error *err)
{
    if (!gn_tls_tickets_init(&ctx->tickets, gn_clock_now())) {
        return openssl_failure("random numbers", err);
    }
    (void)SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_OFF); /* tickets need none */
    (void)SSL_CTX_set_timeout(ctx->ssl, GN_TLS_TICKET_EPOCH_S);
    if (SSL_CTX_set_session_id_context(ctx->ssl, session_context, sizeof(session_context) - 1) !=
                    1 ||
            SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx->ssl, on_ticket) != 1) {
        return openssl_failure("sessions", err);
    }
    return GN_OK;
}

static enum gn_err set_alpn(
        struct gn_tls_ctx *ctx, const struct gn_tls_options *options, struct gn_error *err)
{
    static const struct gn_slice http1 = GN_LIT_INIT("http/1.1");
    const struct gn_slice *names = options->alpn != NULL ? options->alpn : &http1;
    unsigned n = options->alpn != NULL ? options->n_alpn : 1;

    gn_buf_init(&ctx->alpn, 1024);
    for (unsigned i = 0; i < n; i++) {
        const char len = (char)names[i].len;

        if (names[i].len == 0 || names[i].len > 127 ||
                gn_buf_append(&ctx->alpn, gn_slice_of(&len, 1)) != GN_OK ||
                gn_buf_append(&ctx->alpn, names[i]) != GN_OK) {
            return gn_error_set(err, GN_ERR_INVALID, 0, "\"" GN_SLICE_FMT "\" is no name for ALPN",
                    GN_SLICE_ARG(names[i]));
        }
    }
    SSL_CTX_set_alpn_select_cb(ctx->ssl, on_alpn, ctx);
    return GN_OK;
}

static enum gn_err load_client_cas(struct gn_tls_ctx *ctx, const char *path, struct gn_error *err)
{
    STACK_OF(X509) *certs = NULL;
    enum gn_err rc = gn_tls_certs_load(path, &certs, err);

    for (int i = 0; rc == GN_OK && i < sk_X509_num(certs); i++) {
        X509 *cert = sk_X509_value(certs, i);

        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx->ssl), cert) != 1 ||
                SSL_CTX_add_client_CA(ctx->ssl, cert) != 1) {
            rc = openssl_failure("client certificates", err);
        }
    }
    sk_X509_pop_free(certs, X509_free);
    return rc;
}

static enum gn_err set_client_certs(
        struct gn_tls_ctx *ctx, const struct gn_tls_options *options, struct gn_error *err)
{
    const bool is_asking = options->client_certs != GN_TLS_CLIENT_CERTS_NONE;

    if (is_asking != (options->ca_certs != NULL)) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                is_asking ? "--cert-reqs needs --ca-certs: the file of certificates that vouch for "
                            "clients"
                          : "--ca-certs has no effect without --cert-reqs optional or --cert-reqs "
                            "required");
    }
    if (!is_asking) {
        return GN_OK;
    }
    SSL_CTX_set_verify(ctx->ssl,
            SSL_VERIFY_PEER |
                    (options->client_certs == GN_TLS_CLIENT_CERTS_REQUIRED
                                    ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                    : 0),
            NULL);
    return load_client_cas(ctx, options->ca_certs, err);
}

static void warn_of_dates(const struct gn_tls_identity *id, const char *path)
{
    if (X509_cmp_current_time(X509_get0_notAfter(id->cert)) < 0) {
        gn_log_warning("the certificate in %s has expired: clients will refuse it", path);
    } else if (X509_cmp_current_time(X509_get0_notBefore(id->cert)) > 0) {
        gn_log_warning("the certificate in %s is not valid yet: clients will refuse it", path);
    }
}

/** SSL_CTX_use_cert_and_key also says whether the key is strong enough. */
static enum gn_err load_pairs(
        struct gn_tls_ctx *ctx, const struct gn_tls_options *options, struct gn_error *err)
{
    ctx->identities = gn_xcalloc(options->n_pairs * sizeof(*ctx->identities));
    for (unsigned i = options->n_pairs; i-- > 0;) {
        struct gn_tls_identity *id = &ctx->identities[i];

        GN_TRY(gn_tls_identity_load(&options->pairs[i], id, err));
        ctx->n_identities = options->n_pairs;
        if (SSL_CTX_use_cert_and_key(ctx->ssl, id->cert, id->key, id->chain, 1) != 1) {
            return gn_error_set(err, GN_ERR_INVALID, 0, "the certificate in %s cannot be used: %s",
                    options->pairs[i].cert_file, gn_tls_last_reason());
        }
        warn_of_dates(id, options->pairs[i].cert_file);
    }
    if (options->n_pairs > 1) {
        SSL_CTX_set_cert_cb(ctx->ssl, on_certificate, ctx);
    }
    return GN_OK;
}

static enum gn_err build(
        struct gn_tls_ctx *ctx, const struct gn_tls_options *options, struct gn_error *err)
{
    ERR_clear_error();
    ctx->ssl = SSL_CTX_new(TLS_server_method());
    if (ctx->ssl == NULL) {
        return openssl_failure("context", err);
    }
    SSL_CTX_set_app_data(ctx->ssl, ctx);
    (void)SSL_CTX_set_tlsext_servername_callback(ctx->ssl, on_server_name);
    GN_TRY(set_policy(ctx, err));
    GN_TRY(set_sessions(ctx, err));
    GN_TRY(set_alpn(ctx, options, err));
    GN_TRY(load_pairs(ctx, options, err));
    return set_client_certs(ctx, options, err);
}

enum gn_err gn_tls_ctx_create(
        const struct gn_tls_options *options, struct gn_tls_ctx **ctx_out, struct gn_error *err)
{
    struct gn_tls_ctx *ctx;
    enum gn_err rc;

    gn_assert(options->n_pairs > 0);
    ctx = gn_xcalloc(sizeof(*ctx));
    ctx->refs = 1;
    ctx->bio = gn_tls_bio_method();
    ctx->scratch = gn_xalloc(GN_TLS_RECORD_BYTES);
    rc = build(ctx, options, err);
    if (rc == GN_OK) {
        *ctx_out = ctx;
    } else {
        gn_tls_ctx_unref(&ctx);
    }
    return rc;
}

struct gn_tls_ctx *gn_tls_ctx_ref(struct gn_tls_ctx *ctx)
{
    gn_assert(ctx->refs > 0);
    ctx->refs++;
    return ctx;
}

void gn_tls_ctx_unref(struct gn_tls_ctx **ctx_ptr)
{
    struct gn_tls_ctx *ctx = *ctx_ptr;

    *ctx_ptr = NULL;
    if (ctx == NULL || --ctx->refs > 0) {
        return;
    }
    SSL_CTX_free(ctx->ssl);
    for (unsigned i = 0; i < ctx->n_identities; i++) {
        gn_tls_identity_fini(&ctx->identities[i]);
    }
    gn_free(ctx->identities);
    BIO_meth_free(ctx->bio);
    gn_buf_fini(&ctx->alpn);
    gn_tls_tickets_fini(&ctx->tickets);
    gn_free(ctx->scratch);
    gn_free(ctx);
}
