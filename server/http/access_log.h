/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_ACCESS_LOG_H
#define GN_SERVER_HTTP_ACCESS_LOG_H

/*
 * One line per exchange, in gunicorn's format language or as JSON. Lines are gathered in
 * memory and written a few times a second, or sooner when many gather. A
 * reader that stands still never stops the server: what does not fit is
 * dropped, counted, and the count is logged once the reader goes on.
 *
 * Atoms: %(h)s client · %(l)s "-" · %(u)s user of Basic authentication ·
 * %(t)s time · %(r)s request line · %(m)s method · %(U)s path · %(q)s query ·
 * %(H)s protocol · %(s)s status · %(B)s body bytes · %(b)s the same, "-" for 0 ·
 * %(f)s Referer · %(a)s User-Agent · %(T)s seconds · %(M)s milliseconds ·
 * %(D)s microseconds · %(L)s seconds with fraction · %(p)s process ·
 * %({name}i)s request header · %({name}o)s response header ·
 * %({name}e)s REMOTE_ADDR, REQUEST_METHOD and the like · %% a percent sign.
 * And ours: %({request_id}x)s · %({first_byte_us}x)s from the request's first
 * byte to the response's · %({queue_us}x)s waiting for a worker ·
 * %({python_us}x)s in Python, until the end of its answer · %({bytes_in}x)s and
 * %({bytes_out}x)s on the wire, heads and framing included, as far as they came
 * or the connection took them. "-" for a time there was none of.
 * Status 499: the client left before the answer. Body bytes of a response that
 * was cut short may include its framing. Control bytes, quotes and
 * bytes beyond ASCII in what a client sent are escaped as \xHH; a value is cut
 * after 8190 bytes.
 *
 * The format "json" writes one object a line, always with these keys in this
 * order, null where there is nothing:
 *
 *   time           RFC 3339 in UTC, when the exchange ended
 *   request_id     text
 *   client         the client's address, without its port
 *   user           of Basic authentication
 *   scheme, method, host, path, query, protocol
 *                  path and query as sent, undecoded
 *   referer, user_agent
 *   status         number; 499 as above
 *   body_bytes     of the response, without framing
 *   bytes_in, bytes_out, duration_us, first_byte_us, queue_us, python_us
 *   pid
 *
 * Bytes a client sent appear as the characters of the same number (ISO 8859-1),
 * so that nothing is lost; all but printable ASCII is written \u00HH.
 *
 * Thread: the loop thread.
 */

#include "server/base/err.h"
#include "server/base/slice.h"
#include "server/http/exchange.h"
#include "server/loop/loop.h"

struct gn_access_log;

#define GN_ACCESS_LOG_COMBINED "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\""

struct gn_access_log_options {
    struct gn_slice path;   /* "-": standard output */
    struct gn_slice format; /* empty: GN_ACCESS_LOG_COMBINED */
};

/**
 * Opens the file for appending.
 *
 * Returns: GN_OK, GN_ERR_INVALID (the format; err names the atom), GN_ERR_SYSTEM (the file)
 */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_access_log_create(struct gn_loop *loop,
        const struct gn_access_log_options *options, struct gn_access_log **log_out,
        struct gn_error *err);
/** Writes what is waiting and opens the path anew, after it was moved away. */
GN_LOOP_THREAD void gn_access_log_reopen(struct gn_access_log *log);
/** Writes what can be written at once. */
GN_LOOP_THREAD void gn_access_log_flush(struct gn_access_log *log);
/** Flushes and closes; accepts NULL. */
GN_LOOP_THREAD void gn_access_log_destroy(struct gn_access_log **log);

/* Between server/http and its log. */

/** The exchange is over: adds its line. */
GN_LOOP_THREAD void gn_access_log_write(struct gn_access_log *log, const struct gn_exchange *ex);
/** Whether the format names response headers; `log` may be NULL. */
GN_LOOP_THREAD bool gn_access_log_wants_head(const struct gn_access_log *log);
/** The serialised response head: keeps in the exchange's arena what the format names. */
GN_LOOP_THREAD void gn_access_log_note_head(
        struct gn_access_log *log, struct gn_exchange *ex, struct gn_slice head);

#endif
