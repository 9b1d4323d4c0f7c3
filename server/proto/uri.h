/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_URI_H
#define GN_SERVER_PROTO_URI_H

/*
 * Parts of request targets (RFC 3986, RFC 9110 4): percent-decoding, paths
 * made safe for a file tree, query strings, authorities. Pure; safe on every
 * thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/arena.h"
#include "server/base/slice.h"

enum gn_uri_part {
    GN_URI_PATH,  /* '+' is a plus; %00 is refused */
    GN_URI_QUERY, /* '+' is a space (application/x-www-form-urlencoded) */
};

/**
 * Decodes %XX. Malformed escapes stay as they are, as browsers and Python do.
 *
 * Returns: GN_OK            `*out` is the text; it is `in` itself when there was nothing to
 *                           decode, else it lies in the arena
 *          GN_ERR_INVALID   %00 in a path
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_uri_decode(
        struct gn_arena *arena, struct gn_slice in, enum gn_uri_part part, struct gn_slice *out);

/** Escapes everything but unreserved characters and '/' (RFC 3986 2.3). */
GN_ANY_THREAD struct gn_slice gn_uri_encode_path(struct gn_arena *arena, struct gn_slice in);

/**
 * A decoded path as a relative file path below some root: segments joined by
 * single '/', no leading '/', "." removed, ".." applied. Never leaves the root,
 * by any spelling. "" is the root; a trailing '/' is kept.
 *
 * Returns: GN_OK            `*out` lies in the arena
 *          GN_ERR_INVALID   no leading '/', a NUL, a control byte or a backslash
 *          GN_ERR_REFUSED   ".." would leave the root
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_uri_to_file_path(
        struct gn_arena *arena, struct gn_slice decoded, struct gn_slice *out);

/**
 * Walks the `name=value` pairs of a query string or form, undecoded, skipping
 * empty ones. A pair without '=' has an empty value with ptr NULL.
 *
 * Returns: true   name and value are set, `*rest` is what follows
 *          false  no more pairs
 */
GN_ANY_THREAD bool gn_query_next(
        struct gn_slice *rest, struct gn_slice *name_out, struct gn_slice *value_out);

/** host [":" port] (RFC 3986 3.2 without userinfo). */
struct gn_authority {
    struct gn_slice host; /* as written, without the brackets of an IPv6 literal */
    uint16_t port;        /* valid when has_port */
    bool has_port;        /* a port with digits; "host:" has none */
    bool is_ipv6;         /* it was in brackets */
};

/**
 * Splits and checks an authority: a reg-name or IPv4 of unreserved, sub-delims
 * without ',' and well-formed %XX, or an IPv6 literal in brackets; the port 0..65535.
 * An empty host is invalid here.
 *
 * Returns: GN_OK, GN_ERR_INVALID
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_authority_parse(
        struct gn_slice text, struct gn_authority *out);

/** Same host (letters without case) and same port, absent ports taken as `default_port`. */
GN_ANY_THREAD bool gn_authority_eq(
        const struct gn_authority *a, const struct gn_authority *b, uint16_t default_port);

#endif
