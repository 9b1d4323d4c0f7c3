/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_CLIENTS_H
#define GN_SERVER_HTTP_CLIENTS_H

/*
 * How many connections each client address has open. The table holds an
 * address as long as it has at least one, so it is never larger than the
 * number of connections.
 *
 * An IPv6 client is counted by the first 64 bits of its address: a single
 * machine has all the rest to itself (RFC 4291 2.5.1, RFC 6177).
 *
 * Thread: the loop thread.
 */

#include "server/base/err.h"
#include "server/base/strmap.h"
#include "server/net/addr.h"

struct gn_client; /* one connection of somebody who is counted */

/** Zeroed is empty. */
struct gn_clients {
    struct gn_strmap counts; /* struct gn_client by address */
};

/**
 * Counts one more connection of `addr`.
 *
 * Returns: GN_OK        `*client_out` is to be given back; NULL when the address is not
 *                       counted: a Unix socket, or unknown
 *          GN_ERR_FULL  it has `max` already; `*client_out` is NULL
 */
GN_MUST_CHECK enum gn_err gn_clients_take(struct gn_clients *clients, const struct gn_addr *addr,
        unsigned max, struct gn_client **client_out);
/** The connection is over; accepts NULL inside and sets it to NULL. */
void gn_clients_give_back(struct gn_clients *clients, struct gn_client **client);
/** All connections are over. */
void gn_clients_fini(struct gn_clients *clients);

#endif
