/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/ascii.h"
#include "server/base/buf.h"

#include "server/net/tls_pem_priv.h"

/*
 * Files are read by us, not by OpenSSL, so that "no such file" and "that is no
 * PEM" are told apart; what is wrong inside a PEM block is OpenSSL's to say.
 * It never asks for a passphrase: a server starts without anybody watching.
 */

#define MAX_FILE_BYTES (1u << 20)
#define READ_BYTES 16384u
#define MAX_NAME_BYTES 253

const char *gn_tls_last_reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return reason != NULL ? reason : "unknown reason";
}

/* ---- files --------------------------------------------------------------- */

/** Reads to the end; GN_ERR_SYSTEM with *sys_errno_out, or GN_ERR_TOO_BIG. */
static enum gn_err read_all(int fd, struct gn_buf *into, int *sys_errno_out)
{
    for (;;) {
        ssize_t n;

        GN_TRY(gn_buf_reserve(into, READ_BYTES));
        n = read(fd, into->ptr + into->len, READ_BYTES);
        if (n == 0) {
            return GN_OK;
        }
        if (n > 0) {
            into->len += (size_t)n;
        } else if (errno != EINTR) {
            *sys_errno_out = errno;
            return GN_ERR_SYSTEM;
        }
    }
}

static enum gn_err read_file(
        const char *path, const char *what, struct gn_buf *into, struct gn_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int sys_errno = errno;
    enum gn_err rc = GN_ERR_SYSTEM;

    if (fd >= 0) {
        rc = read_all(fd, into, &sys_errno);
        (void)close(fd);
    }
    if (rc == GN_ERR_SYSTEM) {
        return gn_error_set(err, rc, sys_errno, "cannot read the %s %s", what, path);
    }
    if (rc != GN_OK) {
        return gn_error_set(
                err, GN_ERR_INVALID, 0, "%s is too large for a %s: more than 1 MiB", path, what);
    }
    return GN_OK;
}

/** Key material must not stay behind in freed memory. */
static void wipe(struct gn_buf *b)
{
    if (b->ptr != NULL) {
        OPENSSL_cleanse(b->ptr, b->cap);
    }
    gn_buf_fini(b);
}

static BIO *bio_of(const struct gn_buf *text)
{
    BIO *bio = BIO_new_mem_buf(text->ptr != NULL ? text->ptr : "", (int)text->len);

    gn_assert(bio != NULL);
    return bio;
}

static bool has_text(const struct gn_buf *text, const char *needle)
{
    return text->len > 0 && memmem(text->ptr, text->len, needle, strlen(needle)) != NULL;
}

/* ---- certificates ------------------------------------------------------------ */

/** Appends to `certs` until the text ends. */
static enum gn_err parse_certs(
        const char *path, const struct gn_buf *text, STACK_OF(X509) * certs, struct gn_error *err)
{
    BIO *bio = bio_of(text);
    enum gn_err rc = GN_OK;
    X509 *cert;

    ERR_clear_error();
    while ((cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
        (void)sk_X509_push(certs, cert);
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        rc = gn_error_set(err, GN_ERR_INVALID, 0, "certificate number %d in %s cannot be read: %s",
                sk_X509_num(certs) + 1, path, gn_tls_last_reason());
    } else if (sk_X509_num(certs) == 0) {
        rc = gn_error_set(err, GN_ERR_INVALID, 0,
                "%s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", path);
    }
    ERR_clear_error();
    BIO_free(bio);
    return rc;
}

static void free_certs(STACK_OF(X509) * certs)
{
    sk_X509_pop_free(certs, X509_free);
}

enum gn_err gn_tls_certs_load(const char *path, STACK_OF(X509) * *certs_out, struct gn_error *err)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    struct gn_buf text;
    enum gn_err rc;

    gn_assert(certs != NULL);
    gn_buf_init(&text, MAX_FILE_BYTES);
    rc = read_file(path, "certificate file", &text, err);
    if (rc == GN_OK) {
        rc = parse_certs(path, &text, certs, err);
    }
    wipe(&text); /* the key may be in it */
    if (rc == GN_OK) {
        *certs_out = certs;
    } else {
        free_certs(certs);
    }
    return rc;
}

/* ---- keys ------------------------------------------------------------------------ */

static int refuse_passphrase(char *into, int size, int is_writing, void *arg)
{
    (void)into;
    (void)size;
    (void)is_writing;
    *(bool *)arg = true;
    return -1;
}

static enum gn_err parse_key(
        const char *path, const struct gn_buf *text, EVP_PKEY **key_out, struct gn_error *err)
{
    bool is_encrypted = false;
    BIO *bio;
    EVP_PKEY *key;

    if (!has_text(text, "PRIVATE KEY-----")) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "%s holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)", path);
    }
    bio = bio_of(text);
    ERR_clear_error();
    key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &is_encrypted);
    BIO_free(bio);
    if (key != NULL) {
        ERR_clear_error();
        *key_out = key;
        return GN_OK;
    }
    if (is_encrypted || has_text(text, "ENCRYPTED")) {
        ERR_clear_error();
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "the private key in %s is locked by a passphrase; "
                "save it without one: openssl pkey -in %s -out KEYFILE",
                path, path);
    }
    return gn_error_set(err, GN_ERR_INVALID, 0, "the private key in %s cannot be read: %s", path,
            gn_tls_last_reason());
}

static enum gn_err load_key(const char *path, EVP_PKEY **key_out, struct gn_error *err)
{
    struct gn_buf text;
    enum gn_err rc;

    gn_buf_init(&text, MAX_FILE_BYTES);
    rc = read_file(path, "private key file", &text, err);
    if (rc == GN_OK) {
        rc = parse_key(path, &text, key_out, err);
    }
    wipe(&text);
    return rc;
}

/* ---- names ------------------------------------------------------------------------ */

/** What can be asked for by SNI: no NUL, no blank, nothing empty. */
static bool is_host_name(struct gn_slice name)
{
    if (name.len == 0 || name.len > MAX_NAME_BYTES) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~') {
            return false;
        }
    }
    return true;
}

static void add_name(struct gn_tls_identity *identity, const ASN1_STRING *text)
{
    struct gn_slice name = gn_slice_of((const char *)(const void *)ASN1_STRING_get0_data(text),
            (size_t)ASN1_STRING_length(text));
    char *copy;

    if (!is_host_name(name)) {
        return;
    }
    copy = gn_xstrndup(name.ptr, name.len);
    for (size_t i = 0; i < name.len; i++) {
        copy[i] = gn_ascii_lower(copy[i]);
    }
    identity->names =
            gn_xrealloc(identity->names, (identity->n_names + 1) * sizeof(*identity->names));
    identity->names[identity->n_names++] = copy;
}

static void add_common_name(struct gn_tls_identity *identity)
{
    const X509_NAME *subject = X509_get_subject_name(identity->cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at >= 0) {
        add_name(identity, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    }
}

static void read_names(struct gn_tls_identity *identity)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(identity->cert, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS) {
            add_name(identity, name->d.dNSName);
        }
    }
    GENERAL_NAMES_free(names);
    if (identity->n_names == 0) {
        add_common_name(identity);
    }
    ERR_clear_error();
}

static bool is_wildcard_for(struct gn_slice pattern, struct gn_slice host)
{
    size_t dot = gn_slice_find(host, '.');

    return gn_slice_starts_with(pattern, GN_LIT("*.")) && pattern.len > 2 && dot > 0 &&
            gn_slice_eq(gn_slice_skip(host, dot), gn_slice_skip(pattern, 1));
}

enum gn_tls_match gn_tls_identity_match(
        const struct gn_tls_identity *identity, struct gn_slice host)
{
    enum gn_tls_match best = GN_TLS_MATCH_NONE;

    for (unsigned i = 0; i < identity->n_names; i++) {
        struct gn_slice name = gn_slice_str(identity->names[i]);

        if (gn_slice_eq(name, host)) {
            return GN_TLS_MATCH_EXACT;
        }
        if (is_wildcard_for(name, host)) {
            best = GN_TLS_MATCH_WILDCARD;
        }
    }
    return best;
}

/* ---- pairs ------------------------------------------------------------------------- */

static enum gn_err check_pair(const struct gn_tls_identity *identity, const char *cert,
        const char *key, struct gn_error *err)
{
    bool is_of_chain = false;

    if (X509_check_private_key(identity->cert, identity->key) == 1) {
        return GN_OK;
    }
    for (int i = 0; i < sk_X509_num(identity->chain); i++) {
        is_of_chain = is_of_chain ||
                X509_check_private_key(sk_X509_value(identity->chain, i), identity->key) == 1;
    }
    ERR_clear_error();
    return gn_error_set(err, GN_ERR_INVALID, 0,
            is_of_chain ? "the private key in %s belongs to a later certificate in %s; "
                          "the server's own must come first"
                        : "the private key in %s does not belong to the certificate in %s",
            key, cert);
}

enum gn_err gn_tls_identity_load(
        const struct gn_tls_pair *pair, struct gn_tls_identity *identity, struct gn_error *err)
{
    const char *key_file = pair->key_file != NULL ? pair->key_file : pair->cert_file;
    enum gn_err rc;

    *identity = (struct gn_tls_identity){0};
    rc = gn_tls_certs_load(pair->cert_file, &identity->chain, err);
    if (rc != GN_OK) {
        goto out;
    }
    identity->cert = sk_X509_shift(identity->chain);
    rc = load_key(key_file, &identity->key, err);
    if (rc != GN_OK) {
        goto out;
    }
    rc = check_pair(identity, pair->cert_file, key_file, err);
    if (rc == GN_OK) {
        read_names(identity);
    }
out:
    if (rc != GN_OK) {
        gn_tls_identity_fini(identity);
    }
    return rc;
}

void gn_tls_identity_fini(struct gn_tls_identity *identity)
{
    for (unsigned i = 0; i < identity->n_names; i++) {
        gn_free(identity->names[i]);
    }
    gn_free(identity->names);
    X509_free(identity->cert);
    EVP_PKEY_free(identity->key);
    free_certs(identity->chain);
    *identity = (struct gn_tls_identity){0};
}
