/* SPDX-License-Identifier: MIT */
#include "server/net/trust.h"

#include <arpa/inet.h>
#include <string.h>

#include "server/base/alloc.h"

/*
 * Everything is compared as IPv6; an IPv4 network is its mapped form, 96 bits
 * longer. The list is short and asked once per connection: it is walked.
 */

#define V4_IN_V6_BITS 96u
#define V6_BITS 128u

struct network {
    struct in6_addr address;
    unsigned n_bits; /* that count */
};

struct gn_trust {
    bool has_all;
    bool has_unix;
    unsigned n_networks;
    struct network *networks;
};

/* ---- comparing --------------------------------------------------------------- */

/** Returns false for what is no IP address. */
static bool to_v6(const struct gn_addr *addr, struct in6_addr *out)
{
    if (addr->len == 0) {
        return false;
    }
    if (addr->u.sa.sa_family == AF_INET6) {
        *out = addr->u.in6.sin6_addr;
        return true;
    }
    if (addr->u.sa.sa_family != AF_INET) {
        return false;
    }
    *out = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(out->s6_addr + 12, &addr->u.in.sin_addr, 4);
    return true;
}

static unsigned char mask_of(unsigned n_bits)
{
    return (unsigned char)(0xff00u >> n_bits);
}

static bool is_in(const struct network *network, const struct in6_addr *address)
{
    unsigned whole = network->n_bits / 8;
    unsigned char mask = mask_of(network->n_bits % 8);

    if (memcmp(network->address.s6_addr, address->s6_addr, whole) != 0) {
        return false;
    }
    return mask == 0 || ((network->address.s6_addr[whole] ^ address->s6_addr[whole]) & mask) == 0;
}

bool gn_trust_has_hop(const struct gn_trust *trust, const struct gn_addr *hop)
{
    struct in6_addr address;

    if (trust == NULL || !to_v6(hop, &address)) {
        return false;
    }
    for (unsigned i = 0; i < trust->n_networks; i++) {
        if (is_in(&trust->networks[i], &address)) {
            return true;
        }
    }
    return false;
}

bool gn_trust_has_peer(const struct gn_trust *trust, const struct gn_addr *peer)
{
    if (trust == NULL) {
        return false;
    }
    return trust->has_all || (trust->has_unix && gn_addr_is_unix(peer)) ||
            gn_trust_has_hop(trust, peer);
}

/* ---- reading ------------------------------------------------------------------- */

static enum gn_err refuse(struct gn_slice word, struct gn_error *err)
{
    return gn_error_set(err, GN_ERR_INVALID, 0,
            "'" GN_SLICE_FMT "' is no address or network: write it like 192.0.2.1, 10.0.0.0/8, "
            "fd00::/8, unix, or * for every peer",
            GN_SLICE_ARG(word));
}

/** Clears what the prefix leaves over; returns whether there was anything. */
static bool clear_rest(struct network *network)
{
    bool had_any = false;

    for (unsigned bit = network->n_bits; bit < V6_BITS; bit++) {
        unsigned char mask = (unsigned char)(0x80u >> (bit % 8));

        had_any = had_any || (network->address.s6_addr[bit / 8] & mask) != 0;
        network->address.s6_addr[bit / 8] &= (unsigned char)~mask;
    }
    return had_any;
}

static enum gn_err refuse_rest(struct gn_slice word, const struct network *cleared,
        unsigned max_bits, struct gn_error *err)
{
    bool is_v4 = max_bits < V6_BITS;
    char text[INET6_ADDRSTRLEN] = "";

    (void)inet_ntop(is_v4 ? AF_INET : AF_INET6,
            is_v4 ? (const void *)(cleared->address.s6_addr + 12) : &cleared->address, text,
            sizeof(text));
    return gn_error_set(err, GN_ERR_INVALID, 0,
            "'" GN_SLICE_FMT "' has bits set beyond its prefix: write %s/%u for the network, or "
            "the address alone",
            GN_SLICE_ARG(word), text, cleared->n_bits + max_bits - V6_BITS);
}

static enum gn_err read_network(struct gn_slice word, struct network *network, struct gn_error *err)
{
    struct gn_slice rest = word;
    struct gn_slice address;
    struct gn_addr addr;
    unsigned max_bits;
    uint64_t n_bits;

    (void)gn_slice_split(&rest, '/', &address);
    if (!gn_addr_parse_ip(address, 0, &addr)) {
        return refuse(word, err);
    }
    (void)to_v6(&addr, &network->address);
    max_bits = addr.u.sa.sa_family == AF_INET ? V6_BITS - V4_IN_V6_BITS : V6_BITS;
    n_bits = max_bits;
    if (rest.ptr != NULL && gn_slice_to_u64(rest, max_bits, &n_bits) != GN_OK) {
        return refuse(word, err);
    }
    network->n_bits = (unsigned)n_bits + V6_BITS - max_bits;
    return clear_rest(network) ? refuse_rest(word, network, max_bits, err) : GN_OK;
}

static enum gn_err read_word(struct gn_trust *trust, struct gn_slice word, struct gn_error *err)
{
    if (gn_slice_eq(word, GN_LIT("*"))) {
        trust->has_all = true;
        return GN_OK;
    }
    if (gn_slice_eq(word, GN_LIT("unix"))) {
        trust->has_unix = true;
        return GN_OK;
    }
    trust->networks =
            gn_xrealloc(trust->networks, (trust->n_networks + 1) * sizeof(*trust->networks));
    GN_TRY(read_network(word, &trust->networks[trust->n_networks], err));
    trust->n_networks++;
    return GN_OK;
}

/** The next word; separators are skipped. False at the end. */
static bool next_word(struct gn_slice *rest, struct gn_slice *word_out)
{
    size_t n = 0;

    while (rest->len > 0 && strchr(", \t", rest->ptr[0]) != NULL) {
        *rest = gn_slice_skip(*rest, 1);
    }
    while (n < rest->len && strchr(", \t", rest->ptr[n]) == NULL) {
        n++;
    }
    *word_out = gn_slice_of(rest->ptr, n);
    *rest = gn_slice_skip(*rest, n);
    return n > 0;
}

enum gn_err gn_trust_create(struct gn_slice list, struct gn_trust **trust_out, struct gn_error *err)
{
    struct gn_trust *trust = gn_xcalloc(sizeof(*trust));
    struct gn_slice word;

    while (next_word(&list, &word)) {
        enum gn_err rc = read_word(trust, word, err);

        if (rc != GN_OK) {
            gn_trust_destroy(&trust);
            return rc;
        }
    }
    *trust_out = trust;
    return GN_OK;
}

void gn_trust_destroy(struct gn_trust **trust)
{
    if (*trust == NULL) {
        return;
    }
    gn_free((*trust)->networks);
    gn_free(*trust);
    *trust = NULL;
}
