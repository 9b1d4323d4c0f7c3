/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_UTF8_H
#define GN_SERVER_PROTO_UTF8_H

/*
 * Incremental UTF-8 validation (RFC 3629): no overlong forms, no surrogates,
 * nothing above U+10FFFF. A zeroed object is at the start of a text.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/slice.h"

struct gn_utf8 {
    uint8_t state; /* enum in utf8.c; 0: between characters */
};

/** False as soon as `bytes` cannot continue a valid text; the object is then dead. */
GN_ANY_THREAD GN_MUST_CHECK bool gn_utf8_feed(struct gn_utf8 *u, struct gn_slice bytes);
/** Whether the text may end here, not inside a character. */
GN_ANY_THREAD bool gn_utf8_is_complete(const struct gn_utf8 *u);
/** The whole text at once. */
GN_ANY_THREAD bool gn_utf8_is_valid(struct gn_slice text);

#endif
