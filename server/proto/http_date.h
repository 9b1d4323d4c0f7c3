/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_HTTP_DATE_H
#define GN_SERVER_PROTO_HTTP_DATE_H

/*
 * HTTP dates (RFC 9110 5.6.7): written as IMF-fixdate, read in that form and
 * the two obsolete ones. No locale, no time zone, no C library calendar.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/slice.h"

enum { GN_HTTP_DATE_BYTES = 29 };

/**
 * Writes "Sun, 06 Nov 1994 08:49:37 GMT" (29 bytes, no NUL) to `text_out`.
 *
 * Units: unix_s seconds since 1970, clipped to the years 1 to 9999.
 */
GN_ANY_THREAD void gn_http_date_format(int64_t unix_s, char text_out[GN_HTTP_DATE_BYTES]);

/**
 * Reads an IMF-fixdate, an RFC 850 date or an asctime date. The name of the
 * weekday is checked for being one, not for being the right one. A two-digit
 * year lies at most 50 years after `now_unix_s` (RFC 9110 5.6.7).
 *
 * Returns: GN_OK            `*unix_s_out` is set
 *          GN_ERR_INVALID   not a date
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_http_date_parse(
        struct gn_slice text, int64_t now_unix_s, int64_t *unix_s_out);

/** The date line of one owner (the loop, one worker): formatted once a second. Zeroed is ready. */
struct gn_http_date_cache {
    int64_t unix_s; /* what `text` says, when is_set */
    bool is_set;
    char text[GN_HTTP_DATE_BYTES];
};

/** The 29 bytes for that second; valid until the next call on this cache. */
static inline struct gn_slice gn_http_date_cached(struct gn_http_date_cache *cache, int64_t unix_s)
{
    if (GN_UNLIKELY(!cache->is_set || cache->unix_s != unix_s)) {
        gn_http_date_format(unix_s, cache->text);
        cache->unix_s = unix_s;
        cache->is_set = true;
    }
    return gn_slice_of(cache->text, GN_HTTP_DATE_BYTES);
}

#endif
