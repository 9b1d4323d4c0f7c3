/* SPDX-License-Identifier: MIT */
#ifndef GN_WEB_REQUEST_H
#define GN_WEB_REQUEST_H

/*
 * A request as a C handler sees it.
 *
 * Lifetime: the request, every slice it hands out and everything in its arena
 * are valid until the handler returns. A slice whose ptr is NULL means "not
 * there"; one that is there and empty has a ptr.
 * Names are NUL-terminated text, compared exactly but for header names.
 * Thread: the loop thread. A function given to gn_run_await may read slices
 * taken before, not call functions of the request.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bridge/exec/run.h"
#include "server/base/arena.h"
#include "server/base/bufq.h"
#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/base/slice.h"
#include "server/net/addr.h"
#include "server/net/tls_facts.h"
#include "server/proto/headers.h"
#include "server/proto/http_method.h"

struct gn_application;
struct gn_exchange;
struct gn_request;

/* ---- request line ------------------------------------------------------------ */

GN_EXPORT GN_LOOP_THREAD enum gn_http_method gn_request_method(const struct gn_request *r);
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_request_method_name(const struct gn_request *r);
/** Undecoded, without the query; what mounts consumed is not in it. */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_request_path(const struct gn_request *r);
/** Undecoded, without the '?'. */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_request_query(const struct gn_request *r);
/** What proxies and mounts took off the path, undecoded: links begin with it. "" at the root. */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_request_prefix(const struct gn_request *r);
/** host [":" port] as the client wrote it, or a trusted proxy says it did; may be empty. */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_request_host(const struct gn_request *r);
/** Whether the client speaks https: to us, or to a trusted proxy. */
GN_EXPORT GN_LOOP_THREAD bool gn_request_is_tls(const struct gn_request *r);
/** Protocol, cipher and the client's certificate; NULL when the connection itself has no TLS. */
GN_EXPORT GN_LOOP_THREAD const struct gn_tls_facts *gn_request_tls(const struct gn_request *r);

/* ---- arguments, decoded -------------------------------------------------------- */

struct gn_arg {
    struct gn_slice name;
    struct gn_slice value;
};

/** What `{name}` of the pattern matched. */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_path_arg(const struct gn_request *r, const char *name);
/** The last query argument of that name. */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_query_arg(struct gn_request *r, const char *name);
/** All of them, in order; `*n_out` of them. */
GN_EXPORT GN_LOOP_THREAD const struct gn_arg *gn_query_args(struct gn_request *r, unsigned *n_out);
/** The last field of that name in an application/x-www-form-urlencoded body. */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_form_arg(struct gn_request *r, const char *name);
/**
 * All fields of such a body, in order.
 *
 * Returns: GN_OK                `*args_out`, `*n_out`
 *          GN_ERR_UNSUPPORTED   another content type
 *          GN_ERR_TOO_BIG       more than 1000 fields
 */
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_form_args(
        struct gn_request *r, const struct gn_arg **args_out, unsigned *n_out);

/* ---- headers ------------------------------------------------------------------ */

/** The first field of that name, letters compared without case. */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_request_header(
        const struct gn_request *r, const char *name);
/** The same by id, without comparing text. */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_request_header_id(
        const struct gn_request *r, enum gn_header_id id);
/** The first cookie of that name, without the quotes around its value. */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_request_cookie(
        const struct gn_request *r, const char *name);

/* ---- body ---------------------------------------------------------------------- */

/**
 * The whole body; a large one lies in a file and is mapped. ptr NULL only when
 * the file cannot be mapped. Not on a route with stream_body.
 */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_request_body(struct gn_request *r);
/**
 * On a route with stream_body: waits for more of the body and moves it to
 * `into`; `*ended_out` with the last part, which may be empty.
 *
 * Returns: GN_OK, GN_ERR_TIMEOUT, GN_ERR_CANCELLED
 */
GN_EXPORT GN_LOOP_THREAD GN_AWAITS GN_MUST_CHECK enum gn_err gn_request_read_await(
        struct gn_request *r, struct gn_bufq *into, bool *ended_out, gn_deadline deadline);
/**
 * Reads a JSON body by a format of Jansson's json_unpack
 * ("{s:s, s:i}"). Strings are valid as long as the request; nesting is at most 32 deep.
 *
 * Returns: GN_OK
 *          GN_ERR_REFUSED   it is not JSON, or not of that form: the 400 that says so is set,
 *                           return it
 */
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_request_json_unpack(
        struct gn_request *r, const char *fmt, ...);

/* ---- around the request ---------------------------------------------------------- */

/** The client: the connection's peer, or whom a trusted proxy names. */
GN_EXPORT GN_LOOP_THREAD const struct gn_addr *gn_request_peer(const struct gn_request *r);
/** The proxy that named the client; NULL when the client is connected itself. */
GN_EXPORT GN_LOOP_THREAD const struct gn_addr *gn_request_proxy(const struct gn_request *r);
/** The client's address without its port, "127.0.0.1"; "" on a Unix socket. */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_request_client(struct gn_request *r);
/** The id that the access log names it by; made now unless a trusted proxy sent one. */
GN_EXPORT GN_LOOP_THREAD struct gn_slice gn_request_id(const struct gn_request *r);
/** Memory until the handler returns. */
GN_EXPORT GN_LOOP_THREAD struct gn_arena *gn_request_arena(struct gn_request *r);
/** The `data` of the route. */
GN_EXPORT GN_LOOP_THREAD void *gn_request_data(const struct gn_request *r);
GN_EXPORT GN_LOOP_THREAD struct gn_application *gn_request_app(const struct gn_request *r);
GN_EXPORT struct gn_loop *gn_request_loop(const struct gn_request *r);
GN_EXPORT GN_LOOP_THREAD struct gn_exchange *gn_request_exchange(const struct gn_request *r);
/** False once the client has gone. */
GN_EXPORT GN_LOOP_THREAD bool gn_request_is_connected(const struct gn_request *r);

/* ---- waiting ------------------------------------------------------------------- */

/** A deadline `ms` from now. For other waits see server/loop/task.h and cond.h. */
GN_EXPORT GN_LOOP_THREAD gn_deadline gn_after_ms(const struct gn_request *r, int64_t ms);
/** Runs `fn(arg)` on a worker thread; as gn_executor_run_await on the application's executor. */
GN_EXPORT GN_LOOP_THREAD GN_AWAITS GN_MUST_CHECK enum gn_err gn_run_await(
        struct gn_request *r, gn_run_fn fn, void *arg, gn_deadline deadline);

#endif
