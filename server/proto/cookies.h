/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_COOKIES_H
#define GN_SERVER_PROTO_COOKIES_H

/*
 * Cookies (RFC 6265): what browsers send is read as leniently as they write
 * it, what we set is checked strictly. Pure; safe on every thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/arena.h"
#include "server/base/slice.h"
#include "server/proto/headers.h"

/**
 * Walks the pairs of a Cookie field: split at ';', white space trimmed, empty
 * parts skipped. A part without '=' has an empty name, as browsers mean it.
 *
 * Returns: true   name and value are set (still as sent), `*rest` is what follows
 *          false  no more
 */
GN_ANY_THREAD bool gn_cookie_next(
        struct gn_slice *rest, struct gn_slice *name_out, struct gn_slice *value_out);

/** The value of the first cookie of that name in any Cookie field; ptr NULL when there is none. */
GN_ANY_THREAD struct gn_slice gn_cookie_find(
        const struct gn_header *headers, unsigned n, struct gn_slice name);

/**
 * A value without the quotes around it, and with the backslash and octal
 * escapes that Python's http.cookies writes resolved. Linear in its length. A
 * value without quotes is returned as it is.
 */
GN_ANY_THREAD struct gn_slice gn_cookie_unquote(struct gn_arena *arena, struct gn_slice value);

enum gn_same_site {
    GN_SAME_SITE_UNSET,
    GN_SAME_SITE_LAX,
    GN_SAME_SITE_STRICT,
    GN_SAME_SITE_NONE, /* browsers want is_secure with it */
};

struct gn_set_cookie {
    struct gn_slice name;  /* a token */
    struct gn_slice value; /* cookie-octets; quote or encode anything else first */
    struct gn_slice path;  /* empty: no attribute; so below */
    struct gn_slice domain;
    bool has_max_age;
    int64_t max_age_s; /* 0 or less: delete it */
    bool has_expires;
    int64_t expires_unix_s;
    bool is_secure;
    bool is_http_only;
    bool is_partitioned;
    enum gn_same_site same_site;
};

/**
 * The value of a Set-Cookie field, in the arena.
 *
 * Returns: GN_OK            `*out` is set
 *          GN_ERR_INVALID   the name is not a token, or value, path or domain hold a byte
 *                           that could end them (';', controls, and for the value also
 *                           white space, quotes, commas, backslashes and non-ASCII)
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_set_cookie_format(
        struct gn_arena *arena, const struct gn_set_cookie *cookie, struct gn_slice *out);

#endif
