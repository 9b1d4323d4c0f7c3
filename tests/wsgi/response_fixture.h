/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_WSGI_RESPONSE_FIXTURE_H
#define GN_TESTS_WSGI_RESPONSE_FIXTURE_H

/* A response whose sink is memory. */

#include "tests/wsgi/wsgi_fixture.h"

#include "wsgi/response_priv.h"

struct sunk {
    struct wsgi_request request;
    struct gn_wsgi_response response;
    struct gn_wsgi_sink sink;
    struct gn_buf wire; /* what went through the sink; after sunk_end all of it */
    int n_sends;
    int n_lent;
    bool is_gone;
};

/** Starts the response to a request; start_response has not been called. */
void sunk_begin(struct sunk *s, const char *request);
/** As start_response would: "200 OK" and [('Content-Type', 'text/plain')] and the like. */
void sunk_start(struct sunk *s, const char *status, const char *headers);
/** The response's remaining bytes go to `wire`, NUL behind them; returns them. */
const char *sunk_end(struct sunk *s);
/** Lets go of everything: no lent object may be left. */
void sunk_fini(struct sunk *s);
/** The bytes after the head. */
const char *sunk_body(const struct sunk *s);

#endif
