/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_SERVER_HTTP_HTTP_FIXTURE_H
#define GN_TESTS_SERVER_HTTP_HTTP_FIXTURE_H

/*
 * A server with one connection over a memory stream, and a handler whose
 * events a test fills in and counts.
 */

#include "server/http/exchange.h"
#include "server/http/http_server.h"
#include "tests/support/mem_stream.h"

struct http_fixture;
typedef void (*http_fixture_fn)(struct http_fixture *f, struct gn_exchange *ex);

#define HTTP_FIXTURE_MAX_HELD 64

struct http_fixture {
    struct gn_handler handler; /* first */
    struct gn_loop *loop;
    struct gn_http_server *server;
    struct gn_http_limits limits; /* set before http_fixture_start; so is the next */
    struct gn_http_proxies proxies;
    bool shows_request_ids;
    struct gn_access_log *access_log;

    struct gn_mem_stream *stream; /* dead once record.is_destroyed */
    struct gn_mem_record record;

    /* what the handler does; NULL: nothing, and serve answers "ok" */
    http_fixture_fn begin;
    http_fixture_fn serve;
    http_fixture_fn body;
    http_fixture_fn drained;
    http_fixture_fn cancel;

    /* what it saw */
    unsigned n_begin;
    unsigned n_serve;
    unsigned n_body;
    unsigned n_drained;
    unsigned n_cancel;
    unsigned n_release;
    enum gn_err why;                                 /* of the last cancel */
    struct gn_exchange *held[HTTP_FIXTURE_MAX_HELD]; /* by http_fixture_hold, in order */
    unsigned n_held;
    void *data; /* the test's own */
};

/** Default limits and the loop; then a test may change fields. */
void http_fixture_init(struct http_fixture *f);
/** Makes the server and its connection. */
void http_fixture_start(struct http_fixture *f);
/** Another connection in the place of `stream`; the old one must be gone. */
void http_fixture_connect(struct http_fixture *f);
/** A few turns: whatever can happen without waiting has happened. */
void http_fixture_turn(struct http_fixture *f);
/** Feeds and turns. */
void http_fixture_feed(struct http_fixture *f, const char *text);
/** Ends everything; asserts that nothing is left. */
void http_fixture_fini(struct http_fixture *f);

/** What was written, Date removed; as a NUL-terminated text, valid until the next call. */
const char *http_fixture_output(struct http_fixture *f);
void http_fixture_clear_output(struct http_fixture *f);

/** For `serve`: keeps the exchange for later. */
void http_fixture_hold(struct http_fixture *f, struct gn_exchange *ex);
/** A plain 200. */
void http_fixture_reply(struct gn_exchange *ex, const char *text);

#endif
