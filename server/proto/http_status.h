/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_HTTP_STATUS_H
#define GN_SERVER_PROTO_HTTP_STATUS_H

/* Status codes (RFC 9110 15 and the IANA registry) and what follows from their class. */

#include <stdbool.h>

#include "server/base/slice.h"

/** The standard reason phrase, "Not Found"; "Unknown" for a code without one. Static storage. */
GN_ANY_THREAD struct gn_slice gn_http_status_reason(int status);

/** A code that may stand in a status line: 100..599. */
static inline bool gn_http_status_is_valid(int status)
{
    return status >= 100 && status <= 599;
}

static inline bool gn_http_status_is_interim(int status)
{
    return status >= 100 && status <= 199;
}

static inline bool gn_http_status_is_error(int status)
{
    return status >= 400 && status <= 599;
}

/** Whether a response of this status can have content at all (RFC 9110 6.4.1). */
static inline bool gn_http_status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

#endif
