/* SPDX-License-Identifier: MIT */
#include "server/net/tls_facts.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "server/base/alloc.h"
#include "server/base/ascii.h"

#include "server/net/tls_ctx_priv.h"

/*
 * Facts are one block: the struct, then all its texts. They are written to a
 * memory BIO first, each followed by a NUL, and slices are set when the block
 * stands and nothing moves any more.
 */

/** The texts in the order in which they are written. */
enum text {
    TEXT_PROTOCOL,
    TEXT_CIPHER,
    TEXT_SERVER_NAME,
    TEXT_ALPN,
    TEXT_CERT_PEM,
    TEXT_SUBJECT_DN,
    TEXT_SUBJECT_CN,
    TEXT_ISSUER_DN,
    TEXT_SERIAL,
    TEXT_NOT_BEFORE,
    TEXT_NOT_AFTER,
    TEXT_N,
};

static const size_t text_offsets[TEXT_N] = {
        [TEXT_PROTOCOL] = offsetof(struct gn_tls_facts, protocol),
        [TEXT_CIPHER] = offsetof(struct gn_tls_facts, cipher),
        [TEXT_SERVER_NAME] = offsetof(struct gn_tls_facts, server_name),
        [TEXT_ALPN] = offsetof(struct gn_tls_facts, alpn),
        [TEXT_CERT_PEM] = offsetof(struct gn_tls_facts, client.cert_pem),
        [TEXT_SUBJECT_DN] = offsetof(struct gn_tls_facts, client.subject_dn),
        [TEXT_SUBJECT_CN] = offsetof(struct gn_tls_facts, client.subject_cn),
        [TEXT_ISSUER_DN] = offsetof(struct gn_tls_facts, client.issuer_dn),
        [TEXT_SERIAL] = offsetof(struct gn_tls_facts, client.serial),
        [TEXT_NOT_BEFORE] = offsetof(struct gn_tls_facts, client.not_before),
        [TEXT_NOT_AFTER] = offsetof(struct gn_tls_facts, client.not_after),
};

struct texts {
    BIO *bio;
    size_t ends[TEXT_N]; /* offset of the NUL behind each */
};

static size_t n_written(BIO *bio)
{
    return (size_t)BIO_ctrl_pending(bio);
}

static void end_text(struct texts *texts, enum text text)
{
    texts->ends[text] = n_written(texts->bio);
    (void)BIO_write(texts->bio, "", 1);
}

static void put_text(struct texts *texts, enum text text, struct gn_slice value)
{
    if (value.len > 0) {
        (void)BIO_write(texts->bio, value.ptr, (int)value.len);
    }
    end_text(texts, text);
}

static void put_server_name(struct texts *texts, SSL *ssl)
{
    struct gn_slice name = gn_slice_str(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));

    for (size_t i = 0; i < name.len; i++) {
        const char c = gn_ascii_lower(name.ptr[i]);

        (void)BIO_write(texts->bio, &c, 1);
    }
    end_text(texts, TEXT_SERVER_NAME);
}

static void put_alpn(struct texts *texts, SSL *ssl)
{
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(ssl, &name, &len);
    put_text(texts, TEXT_ALPN, gn_slice_of((const char *)(const void *)name, len));
}

/* ---- the client's certificate ------------------------------------------------------ */

static void put_name(struct texts *texts, enum text text, const X509_NAME *name)
{
    (void)X509_NAME_print_ex(
            texts->bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    end_text(texts, text);
}

static void put_common_name(struct texts *texts, const X509_NAME *subject)
{
    int at = -1;
    int last = -1;

    while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0) {
        last = at;
    }
    if (last >= 0) {
        (void)ASN1_STRING_print_ex(texts->bio,
                X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)),
                ASN1_STRFLGS_UTF8_CONVERT | ASN1_STRFLGS_ESC_CTRL);
    }
    end_text(texts, TEXT_SUBJECT_CN);
}

static void put_client(struct texts *texts, X509 *cert)
{
    (void)PEM_write_bio_X509(texts->bio, cert);
    end_text(texts, TEXT_CERT_PEM);
    put_name(texts, TEXT_SUBJECT_DN, X509_get_subject_name(cert));
    put_common_name(texts, X509_get_subject_name(cert));
    put_name(texts, TEXT_ISSUER_DN, X509_get_issuer_name(cert));
    (void)i2a_ASN1_INTEGER(texts->bio, X509_get0_serialNumber(cert));
    end_text(texts, TEXT_SERIAL);
    (void)ASN1_TIME_print(texts->bio, X509_get0_notBefore(cert));
    end_text(texts, TEXT_NOT_BEFORE);
    (void)ASN1_TIME_print(texts->bio, X509_get0_notAfter(cert));
    end_text(texts, TEXT_NOT_AFTER);
}

static void put_no_client(struct texts *texts)
{
    for (int i = TEXT_CERT_PEM; i < TEXT_N; i++) {
        end_text(texts, (enum text)i);
    }
}

/* ---- the block ------------------------------------------------------------------------ */

static struct gn_tls_facts *facts_from(const struct texts *texts)
{
    size_t n_bytes = n_written(texts->bio);
    struct gn_tls_facts *facts = gn_xcalloc(sizeof(*facts) + n_bytes);
    char *bytes = (char *)(facts + 1);
    size_t start = 0;

    if (BIO_read(texts->bio, bytes, (int)n_bytes) != (int)n_bytes) {
        gn_panic(__FILE__, __LINE__, "a memory BIO lost bytes");
    }
    for (int i = 0; i < TEXT_N; i++) {
        struct gn_slice *slice = (struct gn_slice *)(void *)((char *)facts + text_offsets[i]);

        *slice = gn_slice_of(bytes + start, texts->ends[i] - start);
        start = texts->ends[i] + 1;
    }
    facts->refs = 1;
    return facts;
}

struct gn_tls_facts *gn_tls_facts_of(SSL *ssl)
{
    struct texts texts = {.bio = BIO_new(BIO_s_mem())};
    X509 *cert = SSL_get0_peer_certificate(ssl);
    struct gn_tls_facts *facts;

    gn_assert(texts.bio != NULL);
    put_text(&texts, TEXT_PROTOCOL, gn_slice_str(SSL_get_version(ssl)));
    put_text(&texts, TEXT_CIPHER, gn_slice_str(SSL_get_cipher_name(ssl)));
    put_server_name(&texts, ssl);
    put_alpn(&texts, ssl);
    if (cert != NULL) {
        put_client(&texts, cert);
    } else {
        put_no_client(&texts);
    }
    facts = facts_from(&texts);
    facts->cipher_bits = (unsigned)SSL_get_cipher_bits(ssl, NULL);
    facts->is_resumed = SSL_session_reused(ssl) == 1;
    facts->has_client = cert != NULL;
    BIO_free(texts.bio);
    ERR_clear_error();
    return facts;
}

struct gn_tls_facts *gn_tls_facts_ref(struct gn_tls_facts *facts)
{
    gn_assert(facts->refs > 0);
    facts->refs++;
    return facts;
}

void gn_tls_facts_unref(struct gn_tls_facts **facts)
{
    if (*facts != NULL && --(*facts)->refs == 0) {
        gn_free(*facts);
    }
    *facts = NULL;
}
