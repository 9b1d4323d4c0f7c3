/* SPDX-License-Identifier: MIT */
#include "tests/server/proto/head_run.h"

#include "server/base/alloc.h"
#include "tests/support/test.h"

enum { CAPACITY = 128 };

void head_run_feed(struct head_run *run, const struct gn_feed *feed)
{
    size_t n = 0;

    gn_http1_parser_init(&run->parser, &run->limits);
    run->headers = gn_xalloc(CAPACITY * sizeof(*run->headers));
    gn_http1_parser_begin(&run->parser, &run->head, run->headers, CAPACITY);
    run->result = GN_HTTP1_MORE;
    run->consumed = 0;
    run->bytes = NULL;
    for (size_t i = 0; i < feed->n_pieces && run->result == GN_HTTP1_MORE; i++) {
        struct gn_slice piece = feed->pieces[i];
        char *grown = gn_xalloc(n + piece.len);

        if (n > 0) {
            memcpy(grown, run->bytes, n);
            memset(run->bytes, '#', n);
        }
        memcpy(grown + n, piece.ptr, piece.len);
        n += piece.len;
        gn_free(run->bytes);
        run->bytes = grown;
        run->result =
                gn_http1_parser_feed(&run->parser, gn_slice_of(run->bytes, n), &run->consumed);
        run->n_bytes = n;
    }
}

void head_run_text(struct head_run *run, struct gn_slice text)
{
    struct gn_feed whole = {.way = "whole", .pieces = &text, .n_pieces = 1};

    run->limits = GN_HTTP1_LIMITS_DEFAULT;
    head_run_feed(run, &whole);
}

void head_run_fini(struct head_run *run)
{
    gn_free(run->bytes);
    gn_free(run->headers);
    run->bytes = NULL;
    run->headers = NULL;
}

static void check_case(const struct gn_feed *feed, void *arg)
{
    const struct head_case *c = arg;
    struct head_run run = {.limits = GN_HTTP1_LIMITS_DEFAULT};

    head_run_feed(&run, feed);
    if (c->status == 0) {
        cr_assert_eq(run.result, GN_HTTP1_DONE, "%s, %s: result %d, %d %s at %d", c->name,
                feed->way, (int)run.result, run.parser.error.status,
                run.parser.error.reason != NULL ? run.parser.error.reason : "",
                (int)run.parser.error.offset);
    } else {
        cr_assert_eq(run.result, GN_HTTP1_ERROR, "%s, %s: result %d", c->name, feed->way,
                (int)run.result);
        cr_assert_eq(run.parser.error.status, c->status, "%s, %s: %d %s", c->name, feed->way,
                run.parser.error.status, run.parser.error.reason);
        cr_assert(c->reason == NULL || strcmp(c->reason, run.parser.error.reason) == 0,
                "%s, %s: %s", c->name, feed->way, run.parser.error.reason);
        cr_assert_lt(run.parser.error.offset, c->request.len, "%s", c->name);
    }
    head_run_fini(&run);
}

void head_cases_check(const struct head_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct head_case c = cases[i];

        gn_feed_all_ways(c.request, check_case, &c);
    }
}
