/* SPDX-License-Identifier: MIT */
#ifndef GN_WEB_REPLY_H
#define GN_WEB_REPLY_H

/*
 * Answers. A whole reply (gn_reply_text and its siblings) leaves when the
 * handler returns; until then another call, or an error, replaces it. A
 * streamed one (gn_reply_start, gn_reply_write_await …) leaves as it is made.
 *
 * All return GN_OK but where said, so that a handler ends with
 * `return gn_reply_json(r, 200, text);`. Bodies are copied unless said otherwise.
 * Thread: the loop thread, inside the handler.
 */

#include <stdint.h>

#include "server/base/bufq.h"
#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/base/slice.h"
#include "server/proto/http1_writer.h"

struct gn_request;

/* ---- headers: before the reply leaves ------------------------------------------- */

/** Sets a field, replacing those of that name; name and value are copied. */
GN_EXPORT GN_LOOP_THREAD void gn_reply_header(
        struct gn_request *r, const char *name, struct gn_slice value);
/** Adds a field beside others of that name (Set-Cookie, Link, Vary). */
GN_EXPORT GN_LOOP_THREAD void gn_reply_header_add(
        struct gn_request *r, const char *name, struct gn_slice value);

/* ---- whole replies ---------------------------------------------------------------- */

/** text/plain; charset=utf-8 */
GN_EXPORT GN_LOOP_THREAD enum gn_err gn_reply_text(
        struct gn_request *r, int status, struct gn_slice text);
GN_EXPORT GN_LOOP_THREAD GN_PRINTF(3, 4) enum gn_err
        gn_reply_textf(struct gn_request *r, int status, const char *fmt, ...);
/** text/html; charset=utf-8 */
GN_EXPORT GN_LOOP_THREAD enum gn_err gn_reply_html(
        struct gn_request *r, int status, struct gn_slice html);
/** application/json, from text that is JSON already. */
GN_EXPORT GN_LOOP_THREAD enum gn_err gn_reply_json(
        struct gn_request *r, int status, struct gn_slice json);
/**
 * application/json, built by a format of Jansson's json_pack ("{s:s, s:i}").
 * Returns: GN_OK, GN_ERR_BUG (the format and its arguments do not fit, or a string is not UTF-8)
 */
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_reply_json_pack(
        struct gn_request *r, int status, const char *fmt, ...);
/** Any content type. */
GN_EXPORT GN_LOOP_THREAD enum gn_err gn_reply_bytes(
        struct gn_request *r, int status, const char *content_type, struct gn_slice bytes);
/** The same without a copy: `bytes` must last as long as the request (static, or its arena). */
GN_EXPORT GN_LOOP_THREAD enum gn_err gn_reply_borrowed(
        struct gn_request *r, int status, const char *content_type, struct gn_slice bytes);
/** No body and no content type. */
GN_EXPORT GN_LOOP_THREAD enum gn_err gn_reply_status(struct gn_request *r, int status);
/** Location; status 301, 302, 303, 307 or 308. */
GN_EXPORT GN_LOOP_THREAD enum gn_err gn_reply_redirect(
        struct gn_request *r, int status, struct gn_slice location);

/**
 * Gives up with an error answer (HTML or JSON as the client accepts, with the
 * headers set so far). Returns GN_ERR_REFUSED: return it, or pass it up with GN_TRY.
 */
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK GN_PRINTF(3, 4) enum gn_err
        gn_fail(struct gn_request *r, int status, const char *fmt, ...);

/* ---- streamed replies --------------------------------------------------------------- */

/**
 * Sends the head. `body_length` is GN_LENGTH_UNKNOWN when it is not known yet.
 * An error returned by the handler after it cuts the connection, so that
 * nobody takes the reply for complete.
 *
 * Returns: GN_OK, GN_ERR_BUG (a header or the status is not allowed: the log says
 *          what; passed up it becomes a 500), GN_ERR_GONE
 */
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_reply_start(
        struct gn_request *r, int status, const char *content_type, uint64_t body_length);
/**
 * Sends a part, then waits while too much of what was sent is still waiting
 * for the client.
 *
 * Returns: GN_OK, GN_ERR_TIMEOUT (taken, but the client is slow), GN_ERR_CANCELLED,
 *          GN_ERR_GONE, GN_ERR_TOO_BIG (beyond body_length)
 */
GN_EXPORT GN_LOOP_THREAD GN_AWAITS GN_MUST_CHECK enum gn_err gn_reply_write_await(
        struct gn_request *r, struct gn_slice bytes, gn_deadline deadline);
/** The same for a queue, whose content is taken whatever happens. */
GN_EXPORT GN_LOOP_THREAD GN_AWAITS GN_MUST_CHECK enum gn_err gn_reply_write_queue_await(
        struct gn_request *r, struct gn_bufq *take, gn_deadline deadline);
/** Ends the reply before the handler returns; else its return does. */
GN_EXPORT GN_LOOP_THREAD enum gn_err gn_reply_finish(struct gn_request *r);

#endif
