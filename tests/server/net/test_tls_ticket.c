/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "server/net/tls_ticket_priv.h"

#define EPOCH_NS (GN_TLS_TICKET_EPOCH_S * GN_NS_PER_S)

static bool is_same(const struct gn_tls_ticket_key *a, const struct gn_tls_ticket_key *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

Test(tls_ticket, keys_change_with_the_epoch_and_the_last_ones_stay)
{
    struct gn_tls_tickets t;
    struct gn_tls_ticket_key first;

    cr_assert(gn_tls_tickets_init(&t, 1000));
    first = t.current;
    gn_tls_tickets_advance(&t, 1000 + EPOCH_NS - 1);
    cr_assert(is_same(&t.current, &first));
    gn_tls_tickets_advance(&t, 1000 + EPOCH_NS);
    cr_assert_not(is_same(&t.current, &first));
    cr_assert(is_same(&t.previous, &first));
    gn_tls_tickets_advance(&t, 1000 + 2 * EPOCH_NS);
    cr_assert_not(is_same(&t.previous, &first));
    gn_tls_tickets_advance(&t, 1000); /* a clock never goes back; keys do not either */
    cr_assert_eq(t.epoch, 2);
    gn_tls_tickets_fini(&t);
    cr_assert_eq(t.epoch, 0);
}

Test(tls_ticket, copies_agree_however_they_get_there)
{
    struct gn_tls_tickets a;
    struct gn_tls_tickets b;

    cr_assert(gn_tls_tickets_init(&a, 0));
    b = a;
    gn_tls_tickets_advance(&a, EPOCH_NS);
    gn_tls_tickets_advance(&a, 5 * EPOCH_NS);
    gn_tls_tickets_advance(&b, 5 * EPOCH_NS + 7);
    cr_assert(is_same(&a.current, &b.current));
    cr_assert(is_same(&a.previous, &b.previous));
    cr_assert_arr_eq(a.secret, b.secret, sizeof(a.secret));
}

Test(tls_ticket, names_and_keys_of_one_epoch_differ)
{
    struct gn_tls_tickets t;

    cr_assert(gn_tls_tickets_init(&t, 0));
    cr_assert_arr_neq(t.current.name, t.current.cipher, GN_TLS_TICKET_KEY_BYTES);
    cr_assert_arr_neq(t.current.cipher, t.current.mac, GN_TLS_TICKET_KEY_BYTES);
    cr_assert_arr_neq(t.current.cipher, t.secret, GN_TLS_TICKET_KEY_BYTES);
}

static int use(const struct gn_tls_tickets *t, unsigned char *name, unsigned char *iv, int sealing)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = EVP_MAC_CTX_new(algorithm);
    int rc = gn_tls_tickets_use(t, name, iv, cipher, mac, sealing);

    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(algorithm);
    EVP_CIPHER_CTX_free(cipher);
    return rc;
}

Test(tls_ticket, opens_those_of_this_epoch_and_renews_those_of_the_last)
{
    struct gn_tls_tickets t;
    unsigned char name[GN_TLS_TICKET_NAME_BYTES];
    unsigned char iv[EVP_MAX_IV_LENGTH];

    cr_assert(gn_tls_tickets_init(&t, 0));
    cr_assert_eq(use(&t, name, iv, 1), 1);
    cr_assert_eq(use(&t, name, iv, 0), 1);
    gn_tls_tickets_advance(&t, EPOCH_NS);
    cr_assert_eq(use(&t, name, iv, 0), 2);
    gn_tls_tickets_advance(&t, 2 * EPOCH_NS);
    cr_assert_eq(use(&t, name, iv, 0), 0);
    memset(name, 0, sizeof(name));
    cr_assert_eq(use(&t, name, iv, 0), 0);
}
