/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_HTTP1_TARGET_H
#define GN_SERVER_PROTO_HTTP1_TARGET_H

/*
 * The request line (RFC 9112 3): method, target and version of one complete
 * line. A part of the parser; others want http1_parser.h.
 */

#include "server/base/slice.h"
#include "server/proto/http1_parser.h"

/**
 * Reads a line that holds no control bytes but HTAB; fills method, form,
 * target, scheme, path, query, host (of an absolute-form) and minor_version.
 *
 * Returns: true    the line is well-formed and a request we can frame
 *          false   `*error_out` says what to answer; its offset counts from line.ptr
 */
GN_ANY_THREAD GN_HOT GN_MUST_CHECK bool gn_http1_parse_request_line(const struct gn_scan *scan,
        struct gn_slice line, struct gn_http1_head *head, struct gn_http1_error *error_out);

#endif
