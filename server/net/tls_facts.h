/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_NET_TLS_FACTS_H
#define GN_SERVER_NET_TLS_FACTS_H

/*
 * What a finished TLS handshake settled: who may be told is whoever serves a
 * request of that connection. The facts never change and outlive the
 * connection as long as somebody holds them.
 *
 * Thread: made, held and dropped on the loop thread; whoever is served an
 * exchange may read them on its own thread while the exchange lives.
 * Ownership: references. Texts are NUL-terminated too; absent ones are empty.
 */

#include <stdbool.h>

#include "server/base/attr.h"
#include "server/base/slice.h"

/** The certificate a client proved to own; it was verified, or the handshake had failed. */
struct gn_tls_client {
    struct gn_slice cert_pem;   /* "-----BEGIN CERTIFICATE-----\n…" */
    struct gn_slice subject_dn; /* RFC 2253, UTF-8: "CN=ada,O=Example" */
    struct gn_slice subject_cn; /* the last CN of it */
    struct gn_slice issuer_dn;
    struct gn_slice serial;     /* hexadecimal */
    struct gn_slice not_before; /* "Nov 21 05:24:29 2026 GMT" */
    struct gn_slice not_after;
};

struct gn_tls_facts {
    unsigned refs;               /* private */
    struct gn_slice protocol;    /* "TLSv1.3" */
    struct gn_slice cipher;      /* "TLS_AES_128_GCM_SHA256" */
    unsigned cipher_bits;        /* of its key */
    struct gn_slice server_name; /* what the client asked for (SNI); letters in lower case */
    struct gn_slice alpn;        /* the protocol agreed on: "http/1.1" */
    bool is_resumed;
    bool has_client; /* the client showed a certificate */
    struct gn_tls_client client;
};

GN_LOOP_THREAD struct gn_tls_facts *gn_tls_facts_ref(struct gn_tls_facts *facts);
/** Accepts NULL; sets `*facts` to NULL. */
GN_LOOP_THREAD void gn_tls_facts_unref(struct gn_tls_facts **facts);

#endif
