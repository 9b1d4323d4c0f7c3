/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_MEDIA_TYPE_H
#define GN_SERVER_PROTO_MEDIA_TYPE_H

/*
 * Media types, parameters and preferences: Content-Type (RFC 9110 8.3),
 * Content-Disposition and everything else made of `value; name=value`, and
 * the quality lists of Accept and its relatives (RFC 9110 12). Pure; safe on
 * every thread.
 */

#include <stdbool.h>

#include "server/base/arena.h"
#include "server/base/slice.h"

struct gn_media_type {
    struct gn_slice type;       /* "text" */
    struct gn_slice subtype;    /* "html" */
    struct gn_slice parameters; /* behind the first ';', for gn_parameter_next; may be empty */
};

/**
 * Reads type "/" subtype [";" parameters]. The parameters are not looked at.
 *
 * Returns: GN_OK, GN_ERR_INVALID
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_media_type_parse(
        struct gn_slice value, struct gn_media_type *out);

/** Whether it is that type, letters compared without case. */
GN_ANY_THREAD bool gn_media_type_is(
        const struct gn_media_type *m, struct gn_slice type, struct gn_slice subtype);

struct gn_parameter {
    struct gn_slice name;
    struct gn_slice value; /* without the quotes, escapes still in it */
    bool is_quoted;        /* it stood in quotes: gn_unquote resolves its escapes */
};

/**
 * Walks `name=value; name="value"`. White space around ';' and '=' is allowed,
 * empty parameters are skipped.
 *
 * Returns: true   `*out` is set, `*rest` is what follows
 *          false  the end, or something malformed: then rest->len is not 0
 */
GN_ANY_THREAD bool gn_parameter_next(struct gn_slice *rest, struct gn_parameter *out);

/** The value of the first parameter of that name (no case), unquoted; ptr NULL for none. */
GN_ANY_THREAD struct gn_slice gn_parameter_find(
        struct gn_arena *arena, struct gn_slice parameters, struct gn_slice name);

/** Resolves the backslashes of a quoted string's inside (RFC 9110 5.6.4). */
GN_ANY_THREAD struct gn_slice gn_unquote(struct gn_arena *arena, struct gn_slice inside);

/**
 * How welcome a media type is to an Accept field: 0 (not at all) to 1000. The
 * most specific range that fits decides. An empty Accept welcomes everything.
 */
GN_ANY_THREAD unsigned gn_accept_quality(
        struct gn_slice accept, struct gn_slice type, struct gn_slice subtype);

/**
 * The same for lists of tokens: Accept-Encoding, Accept-Language, Accept-Charset.
 * A token not listed gets the quality of "*", or 0.
 */
GN_ANY_THREAD unsigned gn_token_quality(struct gn_slice list, struct gn_slice token);

#endif
