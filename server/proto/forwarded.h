/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_FORWARDED_H
#define GN_SERVER_PROTO_FORWARDED_H

/*
 * What a trusted proxy says of the client: Forwarded (RFC 7239), or the
 * X-Forwarded-* family and X-Real-IP. Call it only when the peer itself is
 * trusted; when it is not, drop the fields instead (gn_forwarded_is_field).
 *
 * Proxies pass on what they do not know, so a field that the proxy does not
 * write itself is the client's word. Which ones it writes has to be said.
 *
 * Lists are read from the end, where the nearest proxy wrote, and only as far
 * as each hop is trusted: what stands further left may be the client's own
 * invention. Pure; safe on every thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/slice.h"
#include "server/proto/http1_parser.h"

/** Whether the proxy at that IP address (text, no port, no brackets) is trusted. */
typedef bool (*gn_forwarded_trust_fn)(void *arg, struct gn_slice address);

/** The fields that the proxy writes, as bits; the others are not looked at. */
enum gn_forwarded_field {
    GN_FORWARDED_RFC7239 = 1, /* Forwarded */
    GN_FORWARDED_FOR = 2,     /* X-Forwarded-For */
    GN_FORWARDED_REAL_IP = 4, /* X-Real-IP, where there is no X-Forwarded-For */
    GN_FORWARDED_PROTO = 8,   /* X-Forwarded-Proto */
    GN_FORWARDED_HOST = 16,   /* X-Forwarded-Host */
    GN_FORWARDED_PORT = 32,   /* X-Forwarded-Port */
    GN_FORWARDED_PREFIX = 64, /* X-Forwarded-Prefix */
    GN_FORWARDED_ALL = 127,
};

/** What every guide has proxies write; the rest has to be asked for. */
#define GN_FORWARDED_DEFAULT (GN_FORWARDED_FOR | GN_FORWARDED_REAL_IP | GN_FORWARDED_PROTO)

/** Everything empty or 0 that nobody said, or said in a way that makes no sense. */
struct gn_forwarded {
    struct gn_slice address; /* of the client: IPv4 or IPv6, no port, no brackets */
    uint16_t port;           /* of the client; 0: not said */
    bool is_rfc7239;         /* Forwarded decided: rivals (see below) are to be dropped */
    bool has_scheme;         /* is_https was said */
    bool is_https;
    struct gn_slice host;   /* valid host [":" port] that the client asked for */
    uint16_t host_port;     /* X-Forwarded-Port; 0: not said */
    struct gn_slice prefix; /* X-Forwarded-Prefix: starts with '/', does not end with one */
};

/**
 * Reads those of `fields` (enum gn_forwarded_field) in a request that came from
 * a trusted peer. Where Forwarded is among them and there is one, it is used
 * alone, but for the prefix, of which it does not speak. What makes no sense is
 * as good as not said; a hop without an address ends the walk.
 */
GN_ANY_THREAD void gn_forwarded_resolve(const struct gn_http1_head *head, unsigned fields,
        gn_forwarded_trust_fn is_trusted, void *arg, struct gn_forwarded *out);

/** Whether a field that has a number is one of those that gn_forwarded_resolve reads. */
static inline bool gn_forwarded_is_known(enum gn_header_id id)
{
    switch (id) {
    case GN_HDR_FORWARDED:
    case GN_HDR_X_FORWARDED_FOR:
    case GN_HDR_X_FORWARDED_HOST:
    case GN_HDR_X_FORWARDED_PORT:
    case GN_HDR_X_FORWARDED_PREFIX:
    case GN_HDR_X_FORWARDED_PROTO:
    case GN_HDR_X_REAL_IP:
        return true;
    default:
        return false;
    }
}

/**
 * Whether a field speaks for the client: drop it when the peer is not trusted.
 * Besides those above all others of the names X-Forwarded-*, and X-Client-IP,
 * X-Cluster-Client-IP, X-Scheme, X-Url-Scheme: applications read them.
 */
GN_ANY_THREAD bool gn_forwarded_is_field(const struct gn_header *header);
/** Whether it says in another way what Forwarded says. */
GN_ANY_THREAD bool gn_forwarded_is_rival(const struct gn_header *header);

/** One element of a Forwarded list, as sent (unquoted). */
struct gn_forwarded_hop {
    struct gn_slice for_node; /* RFC 7239 6; so below */
    struct gn_slice by;
    struct gn_slice host;
    struct gn_slice proto;
};

/** Reads one element; false when it is malformed. */
GN_ANY_THREAD bool gn_forwarded_parse_hop(struct gn_slice element, struct gn_forwarded_hop *out);

/**
 * An IP address with or without a port: "1.2.3.4", "1.2.3.4:80", "::1",
 * "[::1]", "[::1]:80".
 *
 * Returns: GN_OK            address and port (0: none) are set
 *          GN_ERR_INVALID   "unknown", "_hidden", a name, or nonsense
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_forwarded_parse_node(
        struct gn_slice node, struct gn_slice *address_out, uint16_t *port_out);

#endif
