/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_HTTP_METHOD_H
#define GN_SERVER_PROTO_HTTP_METHOD_H

/*
 * Request methods (RFC 9110 9, RFC 5789). Any token is a valid method: what
 * is not in the list is GN_METHOD_OTHER, and its name is in the request.
 * Methods are case-sensitive: "get" is OTHER.
 */

#include <stdbool.h>

#include "server/base/slice.h"

enum gn_http_method {
    GN_METHOD_OTHER = 0,
    GN_METHOD_GET,
    GN_METHOD_HEAD,
    GN_METHOD_POST,
    GN_METHOD_PUT,
    GN_METHOD_DELETE,
    GN_METHOD_CONNECT,
    GN_METHOD_OPTIONS,
    GN_METHOD_TRACE,
    GN_METHOD_PATCH,
    GN_METHOD_N
};

/** The method of that exact name, or GN_METHOD_OTHER. */
GN_ANY_THREAD enum gn_http_method gn_http_method_from(struct gn_slice name);
/** "GET"; the empty slice for GN_METHOD_OTHER. Static storage. */
GN_ANY_THREAD struct gn_slice gn_http_method_name(enum gn_http_method method);
/** Safe methods ask for no change of state (RFC 9110 9.2.1): GET HEAD OPTIONS TRACE. */
GN_ANY_THREAD bool gn_http_method_is_safe(enum gn_http_method method);
/** Idempotent methods may be repeated (RFC 9110 9.2.2): the safe ones, PUT and DELETE. */
GN_ANY_THREAD bool gn_http_method_is_idempotent(enum gn_http_method method);

#endif
