/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/proto/ws_deflate.h"
#include "tests/server/proto/head_run.h"
#include "tests/support/feed.h"
#include "tests/support/test.h"

#define OFFER(value)                                                                               \
    GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Extensions: " value "\r\n\r\n")

static void check_offer(struct gn_slice request, const struct gn_ws_deflate_options *options,
        const char *want, struct gn_ws_deflate_params *params)
{
    char text[GN_WS_DEFLATE_ANSWER_BYTES];
    struct gn_slice answer = {NULL, 0};
    struct head_run run;
    enum gn_err rc;

    head_run_text(&run, request);
    cr_assert_eq(run.result, GN_HTTP1_DONE);
    rc = gn_ws_deflate_negotiate(&run.head, options, params, text, &answer);
    cr_assert_eq(rc, want != NULL ? GN_OK : GN_ERR_NOT_FOUND, GN_SLICE_FMT, GN_SLICE_ARG(request));
    cr_assert(gn_slice_eq(answer, gn_slice_str(want)), GN_SLICE_FMT " -> " GN_SLICE_FMT,
            GN_SLICE_ARG(request), GN_SLICE_ARG(answer));
    head_run_fini(&run);
}

#define NONE_KEPT "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

Test(ws_deflate, agrees_by_default_on_small_contexts)
{
    static const struct {
        struct gn_slice request;
        const char *want;
    } cases[] = {
            {OFFER("permessage-deflate"), NONE_KEPT},
            {OFFER("permessage-deflate; client_max_window_bits"), NONE_KEPT},
            {OFFER("x-other, permessage-deflate"), NONE_KEPT},
            {OFFER("Permessage-Deflate ; server_max_window_bits = 10"),
                    NONE_KEPT "; server_max_window_bits=10"},
            {OFFER("permessage-deflate; server_max_window_bits=\"10\""),
                    NONE_KEPT "; server_max_window_bits=10"},
            {OFFER("permessage-deflate; client_max_window_bits=12"),
                    NONE_KEPT "; client_max_window_bits=12"},
            {OFFER("permessage-deflate; client_max_window_bits=8"), NONE_KEPT},
            {OFFER("permessage-deflate; server_max_window_bits=8"), NULL},
            {OFFER("permessage-deflate; server_max_window_bits=8, permessage-deflate"), NONE_KEPT},
            {OFFER("permessage-deflate; server_max_window_bits"), NULL},
            {OFFER("permessage-deflate; server_max_window_bits=16"), NULL},
            {OFFER("permessage-deflate; server_max_window_bits=09"), NULL},
            {OFFER("permessage-deflate; client_max_window_bits=7"), NULL},
            {OFFER("permessage-deflate; client_max_window_bits=x"), NULL},
            {OFFER("permessage-deflate; server_no_context_takeover=1"), NULL},
            {OFFER("permessage-deflate; client_no_context_takeover; client_no_context_takeover"),
                    NULL},
            {OFFER("permessage-deflate; unknown"), NULL},
            {OFFER("permessage-deflate;"), NULL},
            {OFFER("deflate"), NULL},
            {OFFER(""), NULL},
            {GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), NULL},
    };
    struct gn_ws_deflate_options options = gn_ws_deflate_options_default();
    struct gn_ws_deflate_params params;

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        check_offer(cases[i].request, &options, cases[i].want, &params);
    }
}

Test(ws_deflate, keeps_contexts_when_both_sides_want)
{
    static const struct gn_slice plain = OFFER("permessage-deflate");
    static const struct gn_slice none =
            OFFER("permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    static const struct gn_slice windows = OFFER("permessage-deflate; client_max_window_bits");
    struct gn_ws_deflate_options options = {.server_context_takeover = true,
            .client_context_takeover = true,
            .server_window_bits = 12,
            .client_window_bits = 10};
    struct gn_ws_deflate_params params;

    check_offer(plain, &options, "permessage-deflate; server_max_window_bits=12", &params);
    cr_assert(params.server_context_takeover && params.client_context_takeover);
    cr_assert_eq(params.client_window_bits, 15, "not told, so the client may use all");
    check_offer(none, &options, NONE_KEPT "; server_max_window_bits=12", &params);
    cr_assert_not(params.server_context_takeover);
    check_offer(windows, &options,
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=10", &params);
    cr_assert_eq(params.client_window_bits, 10);
}

struct message {
    struct gn_slice plain;
    bool keeps_context;
    struct gn_ws_inflater *inflater;
};

static void check_inflate(const struct gn_feed *feed, void *arg)
{
    struct message *m = arg;
    struct gn_buf out;

    gn_buf_init(&out, 1 << 20);
    for (size_t i = 0; i < feed->n_pieces; i++) {
        cr_assert_eq(gn_ws_inflate(m->inflater, feed->pieces[i], i + 1 == feed->n_pieces, &out),
                GN_OK, "%s", feed->way);
    }
    cr_assert(gn_slice_eq(gn_buf_slice(&out), m->plain), "%s", feed->way);
    gn_buf_fini(&out);
}

Test(ws_deflate, round_trips_without_context)
{
    static const struct gn_slice texts[] = {GN_LIT_INIT(""), GN_LIT_INIT("Hello"), GN_LIT_INIT("a"),
            GN_LIT_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")};
    struct gn_ws_deflater *d = gn_ws_deflater_create(15, false, 6);
    struct message m = {.inflater = gn_ws_inflater_create(15, false)};

    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < GN_ARRAY_LEN(texts); i++) {
            struct gn_buf out;

            gn_buf_init(&out, 1 << 20);
            cr_assert_eq(gn_ws_deflate(d, texts[i], &out), GN_OK);
            m.plain = texts[i];
            gn_feed_all_ways(gn_buf_slice(&out), check_inflate, &m);
            gn_buf_fini(&out);
        }
    }
    gn_ws_deflater_destroy(&d);
    gn_ws_inflater_destroy(&m.inflater);
    cr_assert_null(d);
    gn_ws_deflater_destroy(&d);
    gn_ws_inflater_destroy(&m.inflater);
}

Test(ws_deflate, keeps_its_context)
{
    struct gn_slice text = GN_LIT("the quick brown fox jumps over the lazy dog");
    struct gn_ws_deflater *d = gn_ws_deflater_create(9, true, 9);
    struct gn_ws_inflater *i = gn_ws_inflater_create(9, true);
    size_t first = 0;

    for (int round = 0; round < 3; round++) {
        struct gn_buf packed, plain;

        gn_buf_init(&packed, 1 << 20);
        gn_buf_init(&plain, 1 << 20);
        cr_assert_eq(gn_ws_deflate(d, text, &packed), GN_OK);
        cr_assert_eq(gn_ws_inflate(i, gn_buf_slice(&packed), true, &plain), GN_OK);
        cr_assert(gn_slice_eq(gn_buf_slice(&plain), text));
        cr_assert(round == 0 || packed.len < first / 2, "later messages are shorter");
        first = round == 0 ? packed.len : first;
        gn_buf_fini(&packed);
        gn_buf_fini(&plain);
    }
    gn_ws_deflater_destroy(&d);
    gn_ws_inflater_destroy(&i);
}

Test(ws_deflate, inflates_the_examples_of_the_rfc)
{
    static const struct gn_slice cases[] = {
            GN_LIT_INIT("\xf2\x48\xcd\xc9\xc9\x07\x00"),                 /* 7.2.3.1 */
            GN_LIT_INIT("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), /* 7.2.3.3 */
            GN_LIT_INIT("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),             /* 7.2.3.4, BFINAL */
            GN_LIT_INIT("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), /* 7.2.3.5 */
    };
    struct message m = {.plain = GN_LIT("Hello"), .inflater = gn_ws_inflater_create(15, false)};

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        gn_feed_all_ways(cases[i], check_inflate, &m);
    }
    gn_ws_inflater_destroy(&m.inflater);
}

/* A block marked as the last ends a stream of DEFLATE, not the window (RFC 7692 7.2.2). */
Test(ws_deflate, keeps_the_window_behind_a_last_block)
{
    const struct gn_slice last = GN_LIT("\xf3\x48\xcd\xc9\xc9\x07\x00\x00");
    const struct gn_slice reference = GN_LIT("\xf2\x00\x11\x00\x00"); /* 7.2.3.2 */
    struct message alone = {
            .plain = GN_LIT("HelloHello"), .inflater = gn_ws_inflater_create(15, false)};
    struct message kept = {.plain = GN_LIT("Hello"), .inflater = gn_ws_inflater_create(15, true)};
    struct gn_buf out;

    gn_feed_all_ways(
            GN_LIT("\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00"), check_inflate, &alone);
    gn_buf_init(&out, 1000);
    cr_assert_eq(gn_ws_inflate(alone.inflater, reference, true, &out), GN_ERR_PROTOCOL,
            "no window outlives a message");
    gn_feed_all_ways(last, check_inflate, &kept);
    gn_feed_all_ways(reference, check_inflate, &kept);
    gn_buf_fini(&out);
    gn_ws_inflater_destroy(&alone.inflater);
    gn_ws_inflater_destroy(&kept.inflater);
}

/* Without the start of the empty block that should follow, or with all of it: nothing is
 * missing all the same. */
Test(ws_deflate, takes_what_ends_with_a_block)
{
    static const struct gn_slice cases[] = {
            GN_LIT_INIT("\xf3\x48\xcd\xc9\xc9\x07\x00"),                 /* the last */
            GN_LIT_INIT("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff"), /* the empty one */
            GN_LIT_INIT("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f"),     /* a stored one */
            GN_LIT_INIT("\xf2\x48\xcd\xc9\xc9\x07\x00"),                 /* as it should be */
    };
    struct message m = {.plain = GN_LIT("Hello"), .inflater = gn_ws_inflater_create(15, true)};
    struct gn_buf out;

    gn_buf_init(&out, 5);
    for (size_t i = 0; i < 2 * GN_ARRAY_LEN(cases); i++) {
        gn_feed_all_ways(cases[i / 2], check_inflate, &m);
        cr_assert_eq(gn_ws_inflate(m.inflater, GN_LIT(""), true, &out), GN_OK, "empty message");
        cr_assert_eq(gn_ws_inflate(m.inflater, cases[i / 2], false, &out), GN_OK);
        cr_assert_eq(gn_ws_inflate(m.inflater, GN_LIT(""), true, &out), GN_OK, "at the limit");
        cr_assert_eq(out.len, 5);
        gn_buf_clear(&out);
    }
    gn_buf_fini(&out);
    gn_ws_inflater_destroy(&m.inflater);
}

static void check_refused(const struct gn_feed *feed, void *arg)
{
    struct gn_ws_inflater *i = arg;
    enum gn_err rc = GN_OK;
    struct gn_buf out;

    gn_buf_init(&out, 1000);
    for (size_t k = 0; rc == GN_OK && k < feed->n_pieces; k++) {
        rc = gn_ws_inflate(i, feed->pieces[k], k + 1 == feed->n_pieces, &out);
    }
    cr_assert_eq(
            rc, GN_ERR_PROTOCOL, "%s: " GN_SLICE_FMT, feed->way, GN_SLICE_ARG(gn_buf_slice(&out)));
    gn_buf_fini(&out);
}

Test(ws_deflate, refuses_a_message_that_breaks_off)
{
    static const struct gn_slice cases[] = {
            GN_LIT_INIT("\xf2"),                     /* in a header */
            GN_LIT_INIT("\xf2\x48\xcd\xc9"),         /* between letters */
            GN_LIT_INIT("\xf3\x48\xcd\xc9\xc9\x07"), /* before the end of a last block */
            GN_LIT_INIT("\x00\x05\x00\xfa"),         /* in a length */
            GN_LIT_INIT("\x00\x05\x00\xfa\xff\x48"), /* the tail would be letters */
            GN_LIT_INIT("\x00\x09\x00\xf6\xff\x48\x65\x6c\x6c"), /* five more were to come */
            GN_LIT_INIT("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x02"),
    };
    struct gn_ws_inflater *i = gn_ws_inflater_create(15, true);

    for (size_t k = 0; k < GN_ARRAY_LEN(cases); k++) {
        gn_feed_all_ways(cases[k], check_refused, i);
    }
    gn_ws_inflater_destroy(&i);
}

/* A small frame that expands without end. */
Test(ws_deflate, websockets_cve_2018_1000518_eventlet_cve_2021_21419_stops_at_the_limit)
{
    enum { N = 100000 };
    char *zeros = gn_xcalloc(N);
    struct gn_ws_deflater *d = gn_ws_deflater_create(15, false, 9);
    struct gn_ws_inflater *i = gn_ws_inflater_create(15, false);
    struct gn_buf packed, plain;

    gn_buf_init(&packed, 1 << 20);
    cr_assert_eq(gn_ws_deflate(d, gn_slice_of(zeros, N), &packed), GN_OK);
    cr_assert_lt(packed.len, 1000);
    for (size_t limit = N - 2; limit <= N + 2; limit++) {
        gn_buf_init(&plain, limit);
        cr_assert_eq(gn_ws_inflate(i, gn_buf_slice(&packed), true, &plain),
                limit < N ? GN_ERR_TOO_BIG : GN_OK, "%zu", limit);
        cr_assert_leq(plain.cap, limit);
        gn_buf_fini(&plain);
    }
    gn_buf_fini(&packed);
    gn_ws_deflater_destroy(&d);
    gn_ws_inflater_destroy(&i);
    gn_free(zeros);
}

Test(ws_deflate, refuses_what_is_not_deflate)
{
    static const struct gn_slice cases[] = {
            GN_LIT_INIT("\xff\xff\xff\xff"), GN_LIT_INIT("\x06"), GN_LIT_INIT("\x00\x01\x00\x01")};
    struct gn_ws_inflater *i = gn_ws_inflater_create(15, true);
    struct gn_buf out;

    gn_buf_init(&out, 1000);
    for (size_t k = 0; k < GN_ARRAY_LEN(cases); k++) {
        cr_assert_eq(gn_ws_inflate(i, cases[k], true, &out), GN_ERR_PROTOCOL, "%zu", k);
    }
    gn_buf_fini(&out);
    gn_ws_inflater_destroy(&i);
}

Test(ws_deflate, says_when_the_buffer_is_too_small)
{
    struct gn_ws_deflater *d = gn_ws_deflater_create(15, false, 1);
    struct gn_buf out;

    gn_buf_init(&out, 10);
    cr_assert_eq(gn_ws_deflate(d, GN_LIT("Hello"), &out), GN_ERR_TOO_BIG);
    cr_assert_eq(out.len, 0);
    gn_buf_fini(&out);
    gn_buf_init(&out, 1 << 20);
    cr_assert_eq(gn_ws_deflate(d, GN_LIT("Hello"), &out), GN_OK, "usable again");
    gn_buf_fini(&out);
    gn_ws_deflater_destroy(&d);
}
