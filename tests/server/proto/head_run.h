/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_SERVER_PROTO_HEAD_RUN_H
#define GN_TESTS_SERVER_PROTO_HEAD_RUN_H

/*
 * Feeds a request head to a parser the way a connection does: everything so
 * far in one buffer that moves each time more arrives. Each buffer is exactly
 * as long as what has arrived, so AddressSanitizer sees any read beyond it.
 */

#include "server/proto/http1_parser.h"
#include "tests/support/feed.h"

struct head_run {
    struct gn_http1_limits limits; /* of the caller's choice */
    struct gn_http1_parser parser;
    struct gn_http1_head head;
    struct gn_header *headers;
    enum gn_http1_result result;
    size_t consumed;
    char *bytes;
    size_t n_bytes; /* fed so far */
};

/** Runs until the head is complete, refused, or the feed ends. */
void head_run_feed(struct head_run *run, const struct gn_feed *feed);
/** The same with one text and the default limits. */
void head_run_text(struct head_run *run, struct gn_slice text);
/** Frees the buffer. */
void head_run_fini(struct head_run *run);

/** A request and what must come of it; `status` 0 means that it is accepted. */
struct head_case {
    const char *name;
    struct gn_slice request;
    int status;
    const char *reason; /* NULL: any */
};

/** Checks each case whole, byte by byte and at every split. */
void head_cases_check(const struct head_case *cases, size_t n);

#endif
