/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_HEADERS_H
#define GN_SERVER_PROTO_HEADERS_H

/*
 * Header fields: a flat array of name and value slices, each with a small
 * number for the names we know, so that code asks for GN_HDR_HOST instead of
 * comparing text. The array and what it points at belong to the caller.
 * Everything here is pure and safe on every thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/slice.h"

/** The order is that of the names in headers.c; a test compares them. */
enum gn_header_id {
    GN_HDR_UNSET = 0, /* nobody looked it up yet; what a zeroed gn_header says */
    GN_HDR_OTHER,     /* looked up, not one of these */
    GN_HDR_ACCEPT,
    GN_HDR_ACCEPT_CHARSET,
    GN_HDR_ACCEPT_ENCODING,
    GN_HDR_ACCEPT_LANGUAGE,
    GN_HDR_ACCEPT_RANGES,
    GN_HDR_ACCESS_CONTROL_ALLOW_ORIGIN,
    GN_HDR_AGE,
    GN_HDR_ALLOW,
    GN_HDR_AUTHORIZATION,
    GN_HDR_CACHE_CONTROL,
    GN_HDR_CONNECTION,
    GN_HDR_CONTENT_DISPOSITION,
    GN_HDR_CONTENT_ENCODING,
    GN_HDR_CONTENT_LANGUAGE,
    GN_HDR_CONTENT_LENGTH,
    GN_HDR_CONTENT_LOCATION,
    GN_HDR_CONTENT_RANGE,
    GN_HDR_CONTENT_SECURITY_POLICY,
    GN_HDR_CONTENT_TYPE,
    GN_HDR_COOKIE,
    GN_HDR_DATE,
    GN_HDR_DNT,
    GN_HDR_ETAG,
    GN_HDR_EXPECT,
    GN_HDR_EXPIRES,
    GN_HDR_FORWARDED,
    GN_HDR_FROM,
    GN_HDR_HOST,
    GN_HDR_HTTP2_SETTINGS,
    GN_HDR_IF_MATCH,
    GN_HDR_IF_MODIFIED_SINCE,
    GN_HDR_IF_NONE_MATCH,
    GN_HDR_IF_RANGE,
    GN_HDR_IF_UNMODIFIED_SINCE,
    GN_HDR_KEEP_ALIVE,
    GN_HDR_LAST_MODIFIED,
    GN_HDR_LINK,
    GN_HDR_LOCATION,
    GN_HDR_MAX_FORWARDS,
    GN_HDR_ORIGIN,
    GN_HDR_PRAGMA,
    GN_HDR_PRIORITY,
    GN_HDR_PROXY,
    GN_HDR_PROXY_AUTHENTICATE,
    GN_HDR_PROXY_AUTHORIZATION,
    GN_HDR_PROXY_CONNECTION,
    GN_HDR_RANGE,
    GN_HDR_REFERER,
    GN_HDR_RETRY_AFTER,
    GN_HDR_SEC_FETCH_DEST,
    GN_HDR_SEC_FETCH_MODE,
    GN_HDR_SEC_FETCH_SITE,
    GN_HDR_SEC_FETCH_USER,
    GN_HDR_SEC_WEBSOCKET_ACCEPT,
    GN_HDR_SEC_WEBSOCKET_EXTENSIONS,
    GN_HDR_SEC_WEBSOCKET_KEY,
    GN_HDR_SEC_WEBSOCKET_PROTOCOL,
    GN_HDR_SEC_WEBSOCKET_VERSION,
    GN_HDR_SERVER,
    GN_HDR_SET_COOKIE,
    GN_HDR_STRICT_TRANSPORT_SECURITY,
    GN_HDR_TE,
    GN_HDR_TRAILER,
    GN_HDR_TRANSFER_ENCODING,
    GN_HDR_UPGRADE,
    GN_HDR_UPGRADE_INSECURE_REQUESTS,
    GN_HDR_USER_AGENT,
    GN_HDR_VARY,
    GN_HDR_VIA,
    GN_HDR_WWW_AUTHENTICATE,
    GN_HDR_X_CONTENT_TYPE_OPTIONS,
    GN_HDR_X_FORWARDED_FOR,
    GN_HDR_X_FORWARDED_HOST,
    GN_HDR_X_FORWARDED_PORT,
    GN_HDR_X_FORWARDED_PREFIX,
    GN_HDR_X_FORWARDED_PROTO,
    GN_HDR_X_FRAME_OPTIONS,
    GN_HDR_X_REAL_IP,
    GN_HDR_X_REQUEST_ID,
    GN_HDR_X_REQUESTED_WITH,
    GN_HDR_N
};

/** What is known about a field; a request's are noted by the parser. */
enum gn_header_flag {
    /* '_' in the name, or `Proxy` (httpoxy): never shown to CGI-like readers, where
     * X_A and X-A, or Proxy and HTTP_PROXY, would fall together. */
    GN_HEADER_HIDDEN = 1,
    /* Of a response: name, value and id are known to be right (gn_is_token,
     * gn_is_field_value, gn_header_lookup), so the writer need not look again. */
    GN_HEADER_CHECKED = 2,
};

struct gn_header {
    struct gn_slice name;  /* as sent */
    struct gn_slice value; /* without surrounding white space */
    uint16_t id;           /* enum gn_header_id */
    uint16_t flags;        /* enum gn_header_flag */
};

/** One response field in an initialiser: `GN_HEADER(CONTENT_TYPE, "Content-Type", value)`. */
#define GN_HEADER(ID, name_literal, value_slice)                                                   \
    ((struct gn_header){.name = GN_LIT(name_literal), .value = (value_slice), .id = GN_HDR_##ID})

/** The id of a name, letters compared without case; GN_HDR_OTHER when it is not in the list. */
GN_ANY_THREAD GN_HOT enum gn_header_id gn_header_lookup(struct gn_slice name);
/** "content-length"; the empty slice for UNSET and OTHER. Static storage. */
GN_ANY_THREAD struct gn_slice gn_header_name(enum gn_header_id id);

/** The first field with that id (never UNSET or OTHER), or NULL. */
GN_ANY_THREAD const struct gn_header *gn_headers_find(
        const struct gn_header *headers, unsigned n, enum gn_header_id id);
/** The first field of that name, letters compared without case, or NULL. */
GN_ANY_THREAD const struct gn_header *gn_headers_find_name(
        const struct gn_header *headers, unsigned n, struct gn_slice name);
/** The value of the first field with that id; the empty slice (ptr NULL) when there is none. */
GN_ANY_THREAD struct gn_slice gn_headers_value(
        const struct gn_header *headers, unsigned n, enum gn_header_id id);
/** How many fields have that id. */
GN_ANY_THREAD unsigned gn_headers_count(
        const struct gn_header *headers, unsigned n, enum gn_header_id id);

/**
 * Walks a comma-separated list (RFC 9110 5.6.1): elements trimmed, empty ones
 * skipped, commas inside quoted strings not taken for separators.
 *
 * Returns: true   `*element_out` is the next element, `*rest` what follows
 *          false  no more elements
 */
GN_ANY_THREAD bool gn_list_next(struct gn_slice *rest, struct gn_slice *element_out);
/** Whether a list holds `token`, letters compared without case. */
GN_ANY_THREAD bool gn_list_has_token(struct gn_slice list, struct gn_slice token);
/** The same over every field with that id. */
GN_ANY_THREAD bool gn_headers_has_token(
        const struct gn_header *headers, unsigned n, enum gn_header_id id, struct gn_slice token);

/** 1*tchar (RFC 9110 5.6.2). */
GN_ANY_THREAD bool gn_is_token(struct gn_slice s);
/** Only HTAB, SP, VCHAR and obs-text (RFC 9110 5.5); the empty value is valid. */
GN_ANY_THREAD bool gn_is_field_value(struct gn_slice s);

#endif
