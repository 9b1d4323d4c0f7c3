/* SPDX-License-Identifier: MIT */
#include "tests/server/net/tls_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

#define DAY_S 86400L

static char dir[64];
static char paths[4][96];
static unsigned next_path;
static long next_serial = 1;

/* ---- files ------------------------------------------------------------------ */

const char *tls_dir_make(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/gn-tls-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    return dir;
}

void tls_dir_remove(void)
{
    DIR *open_dir = opendir(dir);
    struct dirent *entry;

    cr_assert_not_null(open_dir);
    while ((entry = readdir(open_dir)) != NULL) {
        (void)unlinkat(dirfd(open_dir), entry->d_name, 0);
    }
    (void)closedir(open_dir);
    cr_assert_eq(rmdir(dir), 0);
}

static const char *path_of(const char *name)
{
    char *path = paths[next_path++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

const char *tls_write_file(const char *name, const char *text, size_t len)
{
    const char *path = path_of(name);
    FILE *file = fopen(path, "we");

    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, len, file), len);
    cr_assert_eq(fclose(file), 0);
    return path;
}

void tls_append_cert(const char *path, const X509 *cert)
{
    FILE *file = fopen(path, "ae");

    cr_assert_not_null(file);
    cr_assert_eq(PEM_write_X509(file, cert), 1);
    cr_assert_eq(fclose(file), 0);
}

/* ---- certificates -------------------------------------------------------------- */

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX ctx;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    cr_assert_not_null(extension, "%s", value);
    cr_assert_eq(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void set_name(X509 *cert, const char *cn)
{
    X509_NAME *name = X509_get_subject_name(cert);
    const unsigned char org[] = "Gust & Söhne";

    cr_assert_eq(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, org, -1, -1, 0), 1);
    cr_assert_eq(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                         (const unsigned char *)(const void *)cn, -1, -1, 0),
            1);
}

static X509 *make_cert(const struct tls_spec *spec, EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509 *issuer = spec->issuer != NULL ? spec->issuer->cert : cert;

    cr_assert_eq(X509_set_version(cert, X509_VERSION_3), 1);
    cr_assert_eq(ASN1_INTEGER_set(X509_get_serialNumber(cert), next_serial++), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), spec->starts_in_s);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), spec->ends_in_s != 0 ? spec->ends_in_s : DAY_S);
    cr_assert_eq(X509_set_pubkey(cert, key), 1);
    set_name(cert, spec->cn);
    cr_assert_eq(X509_set_issuer_name(cert, X509_get_subject_name(issuer)), 1);
    add_extension(cert, issuer, NID_basic_constraints,
            spec->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (spec->san != NULL) {
        add_extension(cert, issuer, NID_subject_alt_name, spec->san);
    }
    cr_assert_gt(X509_sign(cert, spec->issuer != NULL ? spec->issuer->key : key, EVP_sha256()), 0);
    return cert;
}

struct tls_made tls_make(const char *name, const struct tls_spec *spec)
{
    struct tls_made made = {0};
    FILE *file;

    made.key = spec->rsa_bits != 0 ? EVP_RSA_gen(spec->rsa_bits) : EVP_EC_gen("P-256");
    cr_assert_not_null(made.key);
    made.cert = make_cert(spec, made.key);
    (void)snprintf(made.cert_path, sizeof(made.cert_path), "%s/%s.crt", dir, name);
    (void)snprintf(made.key_path, sizeof(made.key_path), "%s/%s.key", dir, name);
    (void)unlink(made.cert_path);
    tls_append_cert(made.cert_path, made.cert);
    file = fopen(made.key_path, "we");
    cr_assert_not_null(file);
    cr_assert_eq(PEM_write_PrivateKey(file, made.key, NULL, NULL, 0, NULL, NULL), 1);
    cr_assert_eq(fclose(file), 0);
    return made;
}

void tls_made_free(struct tls_made *made)
{
    X509_free(made->cert);
    EVP_PKEY_free(made->key);
    *made = (struct tls_made){0};
}

/* ---- peers ------------------------------------------------------------------------ */

void tls_peers_init(struct tls_peers *p)
{
    *p = (struct tls_peers){.client_fd = -1};
    cr_assert_eq(gn_loop_create(&p->loop, NULL), GN_OK);
    p->client_ctx = SSL_CTX_new(TLS_client_method());
    cr_assert_not_null(p->client_ctx);
    SSL_CTX_set_verify(p->client_ctx, SSL_VERIFY_NONE, NULL);
}

void tls_peers_serve(struct tls_peers *p, const struct tls_made *made)
{
    const struct gn_tls_pair pair = {.cert_file = made->cert_path, .key_file = made->key_path};
    const struct gn_tls_options options = {.pairs = &pair, .n_pairs = 1};
    struct gn_error err = {0};

    gn_tls_ctx_unref(&p->ctx);
    cr_assert_eq(gn_tls_ctx_create(&options, &p->ctx, &err), GN_OK, "%s", err.message);
}

void tls_peers_connect(struct tls_peers *p, const char *host)
{
    int fds[2];

    gn_assert_loop_thread(p->loop);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    p->client_fd = fds[1];
    p->server = gn_stream_tls_create(p->loop, &fds[0], p->ctx);
    p->client = SSL_new(p->client_ctx);
    SSL_set_bio(p->client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(p->client);
    if (host != NULL) {
        char copy[256]; /* for OpenSSL's macro */

        (void)snprintf(copy, sizeof(copy), "%s", host);
        cr_assert_eq(SSL_set_tlsext_host_name(p->client, copy), 1);
    }
    p->state = GN_ERR_WANT_READ;
    p->client_state = SSL_ERROR_WANT_READ;
}

void tls_client_step(struct tls_peers *p)
{
    int rc = SSL_do_handshake(p->client);

    p->client_state = rc == 1 ? 0 : SSL_get_error(p->client, rc);
}

size_t tls_client_n_out(const struct tls_peers *p)
{
    return (size_t)BIO_ctrl_pending(SSL_get_wbio(p->client));
}

size_t tls_client_send(struct tls_peers *p, size_t max)
{
    char bytes[2048];
    size_t moved = 0;

    while (moved < max && tls_client_n_out(p) > 0) {
        size_t want = max - moved < sizeof(bytes) ? max - moved : sizeof(bytes);
        int n = BIO_read(SSL_get_wbio(p->client), bytes, (int)want);

        cr_assert_gt(n, 0);
        if (send(p->client_fd, bytes, (size_t)n, MSG_NOSIGNAL) != n) {
            break; /* nobody there any more */
        }
        moved += (size_t)n;
    }
    return moved;
}

size_t tls_client_receive(struct tls_peers *p)
{
    char bytes[2048];
    size_t moved = 0;
    ssize_t n;

    while ((n = recv(p->client_fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        cr_assert_eq(BIO_write(SSL_get_rbio(p->client), bytes, (int)n), (int)n);
        moved += (size_t)n;
    }
    return moved;
}

void tls_server_step(struct tls_peers *p)
{
    gn_assert_loop_thread(p->loop);
    if (p->state == GN_ERR_WANT_READ || p->state == GN_ERR_WANT_WRITE) {
        p->state = gn_stream_tls_handshake(p->server);
    }
}

void tls_peers_handshake(struct tls_peers *p)
{
    for (int i = 0; i < 20; i++) {
        if (p->client_state != 0) {
            tls_client_step(p);
        }
        (void)tls_client_send(p, SIZE_MAX);
        tls_server_step(p);
        (void)tls_client_receive(p);
    }
}

void tls_peers_establish(struct tls_peers *p, const char *host)
{
    tls_peers_connect(p, host);
    tls_peers_handshake(p);
    gn_assert_loop_thread(p->loop);
    cr_assert_eq(p->state, GN_OK, "%s", gn_stream_tls_reason(p->server));
    cr_assert_eq(p->client_state, 0);
}

void tls_peers_hang_up(struct tls_peers *p)
{
    gn_assert_loop_thread(p->loop);
    gn_stream_destroy(&p->server);
    if (p->client != NULL) {
        SSL_set_shutdown(p->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* keeps sessions */
    }
    SSL_free(p->client);
    p->client = NULL;
    if (p->client_fd >= 0) {
        (void)close(p->client_fd);
        p->client_fd = -1;
    }
}

void tls_peers_fini(struct tls_peers *p)
{
    tls_peers_hang_up(p);
    gn_tls_ctx_unref(&p->ctx);
    SSL_CTX_free(p->client_ctx);
    gn_loop_destroy(&p->loop);
}
