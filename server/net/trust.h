/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_NET_TRUST_H
#define GN_SERVER_NET_TRUST_H

/*
 * A list of peers that are believed what they say of others: proxies. Made at
 * start-up, never changed after, so any thread may ask it.
 */

#include <stdbool.h>

#include "server/base/err.h"
#include "server/base/slice.h"
#include "server/net/addr.h"

struct gn_trust;

/**
 * Reads a list separated by commas or spaces:
 *
 *   192.0.2.1  2001:db8::1     an address
 *   10.0.0.0/8  fd00::/8       a network; bits beyond the prefix must be 0
 *   unix                       whoever connects to a Unix socket
 *   *                          every peer
 *
 * The empty list trusts nobody. An IPv4 address also matches when it comes
 * mapped into IPv6 (::ffff:192.0.2.1).
 *
 * Returns: GN_OK            `*trust_out` is the caller's to destroy
 *          GN_ERR_INVALID   err names the word and says what was expected
 */
GN_MUST_CHECK enum gn_err gn_trust_create(
        struct gn_slice list, struct gn_trust **trust_out, struct gn_error *err);
void gn_trust_destroy(struct gn_trust **trust);

/** Whether a peer of that address is trusted; NULL trusts nobody. */
GN_ANY_THREAD bool gn_trust_has_peer(const struct gn_trust *trust, const struct gn_addr *peer);
/**
 * Whether a proxy of that address, which a trusted peer named, is trusted in
 * turn. `*` does not count: it says that every peer is a proxy, not that every
 * client is one.
 */
GN_ANY_THREAD bool gn_trust_has_hop(const struct gn_trust *trust, const struct gn_addr *hop);

#endif
