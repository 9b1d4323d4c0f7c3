/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_ACCESS_VALUES_H
#define GN_SERVER_HTTP_ACCESS_VALUES_H

/*
 * What a line of the access log says about an exchange, whatever the line's
 * form is: atoms (access_format_atoms.c) or JSON (access_json.c). Slices live
 * as long as the exchange.
 *
 * Thread: the loop thread.
 */

#include <stdint.h>

#include "server/base/buf.h"
#include "server/http/exchange.h"

enum {
    GN_ACCESS_VALUE_BYTES = 8190, /* of one value; the rest is cut */
    GN_ACCESS_USER_BYTES = 128,
};

/** Nanoseconds; -1: there was no such time. */
struct gn_access_times {
    int64_t total;      /* from the first byte of the request to the end of the exchange */
    int64_t first_byte; /* from there to the first byte of the response */
    int64_t queue;      /* from the complete request until a worker took it */
    int64_t worker;     /* that worker's: Python's, for a WSGI application */
};

/** `now` is the end of the exchange. */
struct gn_access_times gn_access_times(const struct gn_exchange *ex, gn_deadline now);
/** The status, or 499: the client left before the answer. */
int gn_access_status(const struct gn_exchange *ex);
struct gn_slice gn_access_protocol(const struct gn_exchange *ex);
/** The user of Basic authentication as sent, in `into`; empty when there is none. */
struct gn_slice gn_access_user(const struct gn_exchange *ex, char into[GN_ACCESS_USER_BYTES]);

/** Appends decimal digits; errors as gn_buf_reserve. */
GN_MUST_CHECK enum gn_err gn_access_put_number(struct gn_buf *out, uint64_t number);

#endif
