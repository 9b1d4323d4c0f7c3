/* SPDX-License-Identifier: MIT */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#include "server/base/alloc.h"

#include "server/net/tls_ticket_priv.h"

/*
 * A ratchet: the secret of an epoch is HMAC(secret before, "next"), so that
 * processes forked from one another agree on it without a word, and a secret
 * that leaks opens no session of an epoch that is over. The three keys of an
 * epoch are HMACs of its secret.
 */

static void derive(const unsigned char *secret, const char *label, unsigned char *out)
{
    unsigned char *done = HMAC(EVP_sha256(), secret, GN_TLS_TICKET_KEY_BYTES,
            (const unsigned char *)(const void *)label, strlen(label), out, NULL);

    gn_assert(done != NULL);
}

static void derive_keys(struct gn_tls_tickets *tickets)
{
    derive(tickets->secret, "name", tickets->current.name);
    derive(tickets->secret, "cipher", tickets->current.cipher);
    derive(tickets->secret, "mac", tickets->current.mac);
}

bool gn_tls_tickets_init(struct gn_tls_tickets *tickets, gn_deadline now)
{
    *tickets = (struct gn_tls_tickets){.born = now};
    if (RAND_bytes(tickets->secret, sizeof(tickets->secret)) != 1) {
        return false;
    }
    derive_keys(tickets);
    tickets->previous = tickets->current;
    return true;
}

void gn_tls_tickets_fini(struct gn_tls_tickets *tickets)
{
    OPENSSL_cleanse(tickets, sizeof(*tickets));
}

void gn_tls_tickets_advance(struct gn_tls_tickets *tickets, gn_deadline now)
{
    const int64_t epoch_ns = GN_TLS_TICKET_EPOCH_S * GN_NS_PER_S;
    uint64_t epoch = now > tickets->born ? (uint64_t)((now - tickets->born) / epoch_ns) : 0;
    unsigned char next[GN_TLS_TICKET_KEY_BYTES];

    while (tickets->epoch < epoch) {
        tickets->epoch++;
        tickets->previous = tickets->current;
        derive(tickets->secret, "next", next);
        memcpy(tickets->secret, next, sizeof(next));
        derive_keys(tickets);
    }
    OPENSSL_cleanse(next, sizeof(next));
}

static bool set_mac(EVP_MAC_CTX *mac, const struct gn_tls_ticket_key *key)
{
    char digest[] = "SHA256";
    unsigned char bytes[GN_TLS_TICKET_KEY_BYTES]; /* OSSL_PARAM has no const */
    OSSL_PARAM params[3];
    bool is_set;

    memcpy(bytes, key->mac, sizeof(bytes));
    params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, bytes, sizeof(bytes));
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
    params[2] = OSSL_PARAM_construct_end();
    is_set = EVP_MAC_CTX_set_params(mac, params) == 1;
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return is_set;
}

static int seal(const struct gn_tls_ticket_key *key, unsigned char *name, unsigned char *iv,
        EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    memcpy(name, key->name, GN_TLS_TICKET_NAME_BYTES);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1 ||
            EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1 ||
            !set_mac(mac, key)) {
        return -1;
    }
    return 1;
}

int gn_tls_tickets_use(const struct gn_tls_tickets *tickets, unsigned char *name, unsigned char *iv,
        EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_sealing)
{
    const struct gn_tls_ticket_key *key = &tickets->current;
    int is_open = 1;

    if (is_sealing) {
        return seal(key, name, iv, cipher, mac);
    }
    if (CRYPTO_memcmp(name, key->name, GN_TLS_TICKET_NAME_BYTES) != 0) {
        key = &tickets->previous;
        is_open = 2; /* good, and time for a new one */
    }
    if (CRYPTO_memcmp(name, key->name, GN_TLS_TICKET_NAME_BYTES) != 0) {
        return 0;
    }
    if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1 ||
            !set_mac(mac, key)) {
        return -1;
    }
    return is_open;
}
