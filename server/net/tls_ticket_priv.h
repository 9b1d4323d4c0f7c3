/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_NET_TLS_TICKET_PRIV_H
#define GN_SERVER_NET_TLS_TICKET_PRIV_H

/*
 * The keys that seal session tickets. They change with every epoch; those of
 * the epoch before still open tickets, which are then replaced.
 *
 * Thread: the loop thread. Ownership: by value.
 */

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/base/clock.h"

enum {
    GN_TLS_TICKET_EPOCH_S = 7200, /* also how long a ticket may be used */
    GN_TLS_TICKET_NAME_BYTES = 16,
    GN_TLS_TICKET_KEY_BYTES = 32,
};

struct gn_tls_ticket_key {
    unsigned char name[GN_TLS_TICKET_KEY_BYTES]; /* the first 16 bytes are on the wire */
    unsigned char cipher[GN_TLS_TICKET_KEY_BYTES];
    unsigned char mac[GN_TLS_TICKET_KEY_BYTES];
};

struct gn_tls_tickets {
    gn_deadline born;
    uint64_t epoch;
    unsigned char secret[GN_TLS_TICKET_KEY_BYTES]; /* of this epoch; those before are forgotten */
    struct gn_tls_ticket_key current;
    struct gn_tls_ticket_key previous; /* equals current in the first epoch */
};

/** False when the system has no random bytes. */
bool gn_tls_tickets_init(struct gn_tls_tickets *tickets, gn_deadline now);
void gn_tls_tickets_fini(struct gn_tls_tickets *tickets);
/** Moves on to the epoch of `now`. */
void gn_tls_tickets_advance(struct gn_tls_tickets *tickets, gn_deadline now);

/** For SSL_CTX_set_tlsext_ticket_key_evp_cb, whose contract it keeps. */
int gn_tls_tickets_use(const struct gn_tls_tickets *tickets, unsigned char *name, unsigned char *iv,
        EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_sealing);

#endif
