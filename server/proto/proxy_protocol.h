/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_PROXY_PROTOCOL_H
#define GN_SERVER_PROTO_PROXY_PROTOCOL_H

/*
 * The PROXY protocol, versions 1 (text) and 2 (binary): what a load balancer
 * says of a connection before its first byte. Only for listeners that were
 * told to expect it, and only from trusted peers. Stateless: hand in
 * everything that has arrived so far. Pure; safe on every thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/slice.h"

enum {
    GN_PROXY_V1_BYTES = 107,  /* the longest header of version 1, CRLF included */
    GN_PROXY_V2_BYTES = 4096, /* the longest header of version 2 that we read */
};

enum gn_proxy_family {
    GN_PROXY_UNKNOWN, /* LOCAL, UNKNOWN or an address family we do not use: keep the peer's */
    GN_PROXY_IPV4,
    GN_PROXY_IPV6,
};

struct gn_proxy_header {
    unsigned version; /* 1 or 2 */
    enum gn_proxy_family family;
    uint8_t source[16]; /* network byte order; the first 4 for IPv4 */
    uint8_t destination[16];
    uint16_t source_port;
    uint16_t destination_port;
    bool is_tls;               /* version 2: the client spoke TLS to the proxy (PP2_TYPE_SSL) */
    struct gn_slice authority; /* version 2: its SNI; in the input, empty when not said */
    struct gn_slice unique_id; /* version 2: in the input, empty when not said */
};

enum gn_proxy_result {
    GN_PROXY_MORE,  /* not complete yet */
    GN_PROXY_DONE,  /* `*out` is filled; `*consumed_out` bytes belong to it */
    GN_PROXY_ERROR, /* not a PROXY header: close */
};

/** Reads a header of either version at the start of `bytes`. */
GN_ANY_THREAD GN_MUST_CHECK enum gn_proxy_result gn_proxy_header_parse(
        struct gn_slice bytes, struct gn_proxy_header *out, size_t *consumed_out);

#endif
