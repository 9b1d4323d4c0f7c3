/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_NET_TLS_PEM_PRIV_H
#define GN_SERVER_NET_TLS_PEM_PRIV_H

/*
 * Certificates and keys from PEM files, with one sentence for everything that
 * can be wrong with them, and the host names a certificate is for.
 *
 * Thread: start-up; matching on the loop thread.
 */

#include <openssl/ssl.h>
#include <stdbool.h>

#include "server/base/err.h"
#include "server/base/slice.h"
#include "server/net/tls_ctx.h"

/** How well a certificate names a host; a greater one is better. */
enum gn_tls_match {
    GN_TLS_MATCH_NONE,
    GN_TLS_MATCH_WILDCARD, /* "*.example.com": exactly one more label */
    GN_TLS_MATCH_EXACT,
};

/** A zeroed one is accepted by gn_tls_identity_fini. */
struct gn_tls_identity {
    X509 *cert;
    EVP_PKEY *key;
    STACK_OF(X509) * chain; /* what leads from cert to a root; may be empty */
    char **names;           /* in lower case; the DNS names of the SAN, else the CN */
    unsigned n_names;
};

/**
 * Loads a pair and checks that the key is the certificate's.
 *
 * Returns: GN_OK, GN_ERR_INVALID, GN_ERR_SYSTEM (err says which file and why)
 */
GN_MUST_CHECK enum gn_err gn_tls_identity_load(
        const struct gn_tls_pair *pair, struct gn_tls_identity *identity, struct gn_error *err);
void gn_tls_identity_fini(struct gn_tls_identity *identity);

/** `host` in lower case, without a final dot. */
enum gn_tls_match gn_tls_identity_match(
        const struct gn_tls_identity *identity, struct gn_slice host);

/**
 * All certificates of a file; the caller frees the stack with its elements.
 *
 * Returns: as gn_tls_identity_load
 */
GN_MUST_CHECK enum gn_err gn_tls_certs_load(
        const char *path, STACK_OF(X509) * *certs_out, struct gn_error *err);

/** Why OpenSSL's last call failed, in its words; empties its queue of errors. */
const char *gn_tls_last_reason(void);

#endif
