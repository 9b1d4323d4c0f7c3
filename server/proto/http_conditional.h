/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_HTTP_CONDITIONAL_H
#define GN_SERVER_PROTO_HTTP_CONDITIONAL_H

/*
 * Entity tags and conditional requests (RFC 9110 8.8 and 13). Whoever serves
 * something with an ETag or a date of last change asks gn_http_preconditions
 * before it sends, and gn_http_if_range before it obeys a Range. Pure; safe on
 * every thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/slice.h"
#include "server/proto/http1_parser.h"

/** What is known of the selected representation. */
struct gn_validators {
    bool exists;             /* there is one at all: what `If-Match: *` asks */
    struct gn_slice etag;    /* with its quotes and W/, or empty for none */
    bool has_last_modified;  /* else last_modified_s means nothing */
    int64_t last_modified_s; /* seconds since 1970 */
};

enum gn_precondition {
    GN_PRECONDITION_HOLDS,        /* go on */
    GN_PRECONDITION_NOT_MODIFIED, /* answer 304 */
    GN_PRECONDITION_FAILED,       /* answer 412 */
};

/**
 * Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since
 * in the order of RFC 9110 13.2.2. Dates that are malformed, or come twice, do not
 * count; nor does anything with OPTIONS, TRACE and CONNECT. Ask only where the
 * answer would be a success without (13.2.1).
 *
 * Units: now_unix_s seconds since 1970, to read dates with two-digit years.
 */
GN_ANY_THREAD enum gn_precondition gn_http_preconditions(
        const struct gn_http1_head *head, const struct gn_validators *v, int64_t now_unix_s);

/**
 * Whether Range is to be obeyed: there is no If-Range, or it holds (RFC 9110 13.1.5). To be
 * asked for a GET with a Range only, once the preconditions hold (14.2, 13.2.2).
 */
GN_ANY_THREAD bool gn_http_if_range(
        const struct gn_http1_head *head, const struct gn_validators *v, int64_t now_unix_s);

/** [W/] DQUOTE *etagc DQUOTE (RFC 9110 8.8.3). */
GN_ANY_THREAD bool gn_etag_is_valid(struct gn_slice etag);
/** Strong comparison: equal, and neither is weak (RFC 9110 8.8.3.2). */
GN_ANY_THREAD bool gn_etag_eq_strong(struct gn_slice a, struct gn_slice b);
/** Weak comparison: equal but for W/. */
GN_ANY_THREAD bool gn_etag_eq_weak(struct gn_slice a, struct gn_slice b);

#endif
