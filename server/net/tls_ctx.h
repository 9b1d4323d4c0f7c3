/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_NET_TLS_CTX_H
#define GN_SERVER_NET_TLS_CTX_H

/*
 * How a server speaks TLS: its certificates, whose certificates it asks for,
 * and the policy, which is not for choosing: Mozilla's "intermediate" (TLS 1.2
 * and 1.3, ciphers with forward secrecy and authentication), less its
 * finite-field key exchange, which lets a client make a server compute.
 * No compression, no renegotiation, no early data. Sessions are resumed by
 * tickets, whose keys change every two hours.
 *
 * Thread: made at start-up, used on the loop thread. Ownership: references;
 * each stream holds one.
 */

#include "server/base/attr.h"
#include "server/base/err.h"
#include "server/base/slice.h"

struct gn_tls_ctx;

/** Files in PEM. */
struct gn_tls_pair {
    const char *cert_file; /* the certificate, then those that lead to a root */
    const char *key_file;  /* NULL: the key is in cert_file */
};

enum gn_tls_client_certs {
    GN_TLS_CLIENT_CERTS_NONE,     /* not asked for */
    GN_TLS_CLIENT_CERTS_OPTIONAL, /* asked for; who shows one must show a good one */
    GN_TLS_CLIENT_CERTS_REQUIRED,
};

struct gn_tls_options {
    /**
     * A client gets the pairs whose certificate names the host it asks for: an
     * exact name before a wildcard; of several with different kinds of key the
     * one it can use. Who asks for no name, or an unknown one, gets the first.
     */
    const struct gn_tls_pair *pairs;
    unsigned n_pairs;     /* at least 1 */
    const char *ca_certs; /* a file of certificates that vouch for clients; NULL: none */
    enum gn_tls_client_certs client_certs;
    const struct gn_slice *alpn; /* in order of preference; NULL: "http/1.1" alone */
    unsigned n_alpn;
};

/**
 * Reads every file. A certificate that has expired is warned of in the log.
 *
 * Returns: GN_OK
 *          GN_ERR_INVALID   a file is not what it should be, a key is not its
 *                           certificate's, or the options do not go together
 *          GN_ERR_SYSTEM    a file cannot be read
 *          (err says which file, and what to do, in one sentence)
 */
GN_MUST_CHECK enum gn_err gn_tls_ctx_create(
        const struct gn_tls_options *options, struct gn_tls_ctx **ctx_out, struct gn_error *err);
struct gn_tls_ctx *gn_tls_ctx_ref(struct gn_tls_ctx *ctx);
/** Accepts NULL; sets `*ctx` to NULL. */
void gn_tls_ctx_unref(struct gn_tls_ctx **ctx_ptr);

#endif
