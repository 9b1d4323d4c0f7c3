/* SPDX-License-Identifier: MIT */
#include "server/http/clients.h"

#include "server/base/alloc.h"

#define KEY_BYTES 16
#define NETWORK_BYTES 8 /* of an IPv6 address */

struct gn_client {
    char key[KEY_BYTES];
    unsigned n; /* connections */
};

/** The byte behind an IPv6 network says which family it is. */
static bool key_of(const struct gn_addr *addr, char key[KEY_BYTES])
{
    memset(key, 0, KEY_BYTES);
    if (addr->len == 0) {
        return false;
    }
    if (addr->u.sa.sa_family == AF_INET) {
        memcpy(key + KEY_BYTES - 4, &addr->u.in.sin_addr, 4);
        key[NETWORK_BYTES] = 4;
        return true;
    }
    if (addr->u.sa.sa_family == AF_INET6) {
        memcpy(key, addr->u.in6.sin6_addr.s6_addr, NETWORK_BYTES);
        key[NETWORK_BYTES] = 6;
        return true;
    }
    return false;
}

enum gn_err gn_clients_take(struct gn_clients *clients, const struct gn_addr *addr, unsigned max,
        struct gn_client **client_out)
{
    struct gn_client *client;
    char key[KEY_BYTES];

    *client_out = NULL;
    if (!key_of(addr, key)) {
        return GN_OK;
    }
    client = gn_strmap_get(&clients->counts, gn_slice_of(key, KEY_BYTES));
    if (client == NULL) {
        client = gn_xcalloc(sizeof(*client));
        memcpy(client->key, key, KEY_BYTES);
        (void)gn_strmap_set(&clients->counts, gn_slice_of(key, KEY_BYTES), client);
    } else if (client->n >= max) {
        return GN_ERR_FULL;
    }
    client->n++;
    *client_out = client;
    return GN_OK;
}

void gn_clients_give_back(struct gn_clients *clients, struct gn_client **client)
{
    struct gn_client *of = *client;

    *client = NULL;
    if (of == NULL || --of->n > 0) {
        return;
    }
    (void)gn_strmap_remove(&clients->counts, gn_slice_of(of->key, KEY_BYTES));
    gn_free(of);
}

void gn_clients_fini(struct gn_clients *clients)
{
    gn_assert(gn_strmap_n(&clients->counts) == 0);
    gn_strmap_fini(&clients->counts, NULL);
}
