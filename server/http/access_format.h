/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_ACCESS_FORMAT_H
#define GN_SERVER_HTTP_ACCESS_FORMAT_H

/*
 * gunicorn's access-log format language, compiled once and then run per
 * exchange; or "json". Both are described in server/http/access_log.h.
 */

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/http/exchange.h"

struct gn_access_format;

/** What an exchange does not know itself. */
struct gn_access_facts {
    gn_deadline now;                       /* the exchange has ended */
    struct gn_slice time;                  /* "[21/Nov/2026:05:24:29 +0000]" */
    struct gn_slice utc;                   /* the same, "2026-11-21T05:24:29" */
    unsigned ms;                           /* and the milliseconds behind it */
    const struct gn_slice *response_notes; /* n_response_headers values, or NULL: no head seen */
};

/** Returns: GN_OK, GN_ERR_INVALID (err names the atom that is not known) */
GN_MUST_CHECK enum gn_err gn_access_format_create(
        struct gn_slice text, struct gn_access_format **format_out, struct gn_error *err);
void gn_access_format_destroy(struct gn_access_format **format);
/** How many `%({name}o)s` there are. */
unsigned gn_access_format_n_response_headers(const struct gn_access_format *format);
/** Finds the values of those headers in a serialised head; `notes_out` has room for all. */
void gn_access_format_scan_head(
        const struct gn_access_format *format, struct gn_slice head, struct gn_slice *notes_out);
/** Appends the line and its newline; errors as gn_buf_reserve (the line may be there in part). */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_access_format_write(
        const struct gn_access_format *format, const struct gn_exchange *ex,
        const struct gn_access_facts *facts, struct gn_buf *out);

#endif
