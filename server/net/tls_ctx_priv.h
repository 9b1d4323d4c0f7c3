/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_NET_TLS_CTX_PRIV_H
#define GN_SERVER_NET_TLS_CTX_PRIV_H

/* What the files of this folder share: the inside of a TLS context. */

#include <openssl/ssl.h>

#include "server/base/buf.h"
#include "server/net/tls_ctx.h"

#include "server/net/tls_pem_priv.h"
#include "server/net/tls_ticket_priv.h"

enum { GN_TLS_RECORD_BYTES = 16384 }; /* the most that one record carries */

struct gn_tls_ctx {
    unsigned refs;
    SSL_CTX *ssl;
    BIO_METHOD *bio; /* how an SSL reaches its descriptor; stream_tls.c */
    struct gn_tls_identity *identities;
    unsigned n_identities;
    struct gn_buf alpn; /* as on the wire: length, name, length, name … */
    struct gn_tls_tickets tickets;
    char *scratch; /* one record's worth, gathered before it is sealed; nothing between calls */
};

/** stream_tls.c's, made once per context. */
BIO_METHOD *gn_tls_bio_method(void);

/** The facts of a finished handshake, with one reference. */
struct gn_tls_facts *gn_tls_facts_of(SSL *ssl);

#endif
