/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_ACCESS_JSON_H
#define GN_SERVER_HTTP_ACCESS_JSON_H

/* The access log's JSON; its keys are listed in server/http/access_log.h. */

#include "server/http/access_format.h"

/** Appends the line and its newline; errors as gn_buf_reserve (the line may be there in part). */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_access_json_write(
        const struct gn_exchange *ex, const struct gn_access_facts *facts, struct gn_buf *out);

#endif
