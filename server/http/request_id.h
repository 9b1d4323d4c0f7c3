/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_REQUEST_ID_H
#define GN_SERVER_HTTP_REQUEST_ID_H

/*
 * Names for requests, by which lines of different logs are found to speak of
 * one request. They are unique, not secret: 16 hex digits that a server keeps
 * as long as it lives, then 16 that tell its requests apart.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/attr.h"
#include "server/base/slice.h"

enum {
    GN_REQUEST_ID_BYTES = 32,      /* of one we make */
    GN_REQUEST_ID_MAX_BYTES = 128, /* of one a proxy sends */
};

struct gn_request_ids {
    uint64_t server; /* what all ids begin with */
    uint64_t start;
};

/** Draws both numbers from the system's randomness. */
void gn_request_ids_init(struct gn_request_ids *ids);
/** The id of the `serial`-th request; no two serials share one. No system call. */
GN_ANY_THREAD void gn_request_id_make(
        const struct gn_request_ids *ids, uint64_t serial, char into[GN_REQUEST_ID_BYTES]);
/**
 * Whether an id somebody sends may be taken over: 1 to GN_REQUEST_ID_MAX_BYTES
 * letters, digits and bytes of "-._~+/=:@", which need no escaping in any log.
 */
GN_ANY_THREAD bool gn_request_id_is_good(struct gn_slice id);

#endif
