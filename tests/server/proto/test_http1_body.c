/* SPDX-License-Identifier: MIT */
#include "server/base/buf.h"
#include "server/proto/http1_body.h"
#include "tests/support/feed.h"
#include "tests/support/test.h"

/* A body as framed, and what must come of it. */
struct body_case {
    const char *name;
    struct gn_slice framed;
    struct gn_slice content;
    size_t n_rest;        /* bytes behind the body that must be left */
    int status;           /* 0: complete; -1: wants more */
    uint64_t length;      /* declared; only with is_length */
    uint64_t limit_bytes; /* 0: plenty */
    bool is_length;
};

struct run {
    struct gn_http1_body body;
    struct gn_buf content;
    size_t n_consumed;
    bool failed;
};

static void decode_piece(struct run *run, struct gn_slice in)
{
    while (in.len > 0 && !gn_http1_body_is_done(&run->body) && !run->failed) {
        struct gn_slice data = {NULL, 0};
        size_t consumed = 0;
        enum gn_body_result r = gn_http1_body_decode(&run->body, in, &consumed, &data);

        run->n_consumed += consumed;
        in = gn_slice_skip(in, consumed);
        run->failed = r == GN_BODY_ERROR;
        if (r == GN_BODY_DATA) {
            cr_assert_gt(data.len, 0);
            cr_assert_eq(gn_buf_append(&run->content, data), GN_OK);
        }
        cr_assert(r != GN_BODY_MORE || in.len == 0);
        cr_assert_eq(r == GN_BODY_DONE, gn_http1_body_is_done(&run->body) && r != GN_BODY_DATA);
    }
}

static void check(const struct gn_feed *feed, void *arg)
{
    const struct body_case *c = arg;
    struct gn_http1_head head = {
            .framing = c->is_length ? GN_FRAMING_LENGTH : GN_FRAMING_CHUNKED,
            .content_length = c->length,
    };
    struct run run = {.failed = false};

    gn_buf_init(&run.content, 1 << 20);
    gn_http1_body_init(&run.body, &head, c->limit_bytes > 0 ? c->limit_bytes : UINT64_MAX);
    run.failed = run.body.error.status != 0;
    for (size_t i = 0; i < feed->n_pieces; i++) {
        decode_piece(&run, feed->pieces[i]);
    }
    cr_assert_eq(run.failed, c->status > 0, "%s, %s: %s", c->name, feed->way,
            run.body.error.reason != NULL ? run.body.error.reason : "no error");
    cr_assert_eq(gn_http1_body_is_done(&run.body), c->status == 0, "%s, %s", c->name, feed->way);
    if (c->status > 0) {
        cr_assert_eq(run.body.error.status, c->status, "%s, %s: %s", c->name, feed->way,
                run.body.error.reason);
        cr_assert_eq(run.body.error.offset, run.n_consumed, "%s, %s", c->name, feed->way);
    } else {
        cr_assert(
                gn_slice_eq(gn_buf_slice(&run.content), c->content), "%s, %s", c->name, feed->way);
        cr_assert_eq(run.body.n_bytes, c->content.len);
        cr_assert_eq(run.n_consumed, c->framed.len - c->n_rest, "%s, %s", c->name, feed->way);
    }
    gn_buf_fini(&run.content);
}

static void check_all(const struct body_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct body_case c = cases[i];

        gn_feed_all_ways(c.framed, check, &c);
    }
}

#define T(text) GN_LIT_INIT(text)

Test(http1_body, reads_a_declared_length)
{
    static const struct body_case cases[] = {
            {"exact", T("hello"), T("hello"), 0, 0, 5, 0, true},
            {"with the next request", T("helloGET /"), T("hello"), 5, 0, 5, 0, true},
            {"short", T("hell"), T("hell"), 0, -1, 5, 0, true},
            {"at the limit", T("hello"), T("hello"), 0, 0, 5, 5, true},
            {"beyond the limit", T("hello"), T(""), 0, 413, 5, 4, true},
            {"empty", T("GET /"), T(""), 5, 0, 0, 0, true},
    };

    check_all(cases, GN_ARRAY_LEN(cases));
}

Test(http1_body, a_message_without_content_is_done)
{
    struct gn_http1_head head = {.framing = GN_FRAMING_NONE};
    struct gn_http1_body body;
    struct gn_slice data;
    size_t consumed;

    gn_http1_body_init(&body, &head, 0);
    cr_assert(gn_http1_body_is_done(&body));
    cr_assert_eq(gn_http1_body_decode(&body, GN_LIT("GET"), &consumed, &data), GN_BODY_DONE);
    cr_assert_eq(consumed, 0);
}

Test(http1_body, reads_chunks)
{
    static const struct body_case cases[] = {
            {"one", T("5\r\nhello\r\n0\r\n\r\n"), T("hello"), 0, 0, 0, 0, false},
            {"two, in capitals", T("5\r\nhello\r\nB\r\n, big world\r\n0\r\n\r\n"),
                    T("hello, big world"), 0, 0, 0, 0, false},
            {"none", T("0\r\n\r\nGET /"), T(""), 5, 0, 0, 0, false},
            {"many zeros", T("000\r\n\r\n"), T(""), 0, 0, 0, 0, false},
            {"16 digits", T("0000000000000001\r\nx\r\n0000000000000000\r\n\r\n"), T("x"), 0, 0, 0,
                    0, false},
            {"CRLF as content", T("2\r\n\r\n\r\n0\r\n\r\n"), T("\r\n"), 0, 0, 0, 0, false},
            {"extensions", T("1;a\r\nx\r\n1;a=b;c=\"d;\\\"\xff\"; e = f\r\ny\r\n"), T(""), 0, 400,
                    0, 0, false},
            {"good extensions", T("1;a\r\nx\r\n1;a=b;c=\"d;\\\"\xff\"\r\ny\r\n0;last\r\n\r\n"),
                    T("xy"), 0, 0, 0, 0, false},
            {"white space inside extensions", T("1; a= b;\tc\r\nx\r\n0\r\n\r\n"), T("x"), 0, 0, 0,
                    0, false},
            {"trailers", T("1\r\nx\r\n0\r\nX-Sum: abc\r\nHost: evil\r\nEmpty:\r\n\r\nrest"), T("x"),
                    4, 0, 0, 0, false},
            {"at the limit", T("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), T("abcde"), 0, 0, 0, 5, false},
            {"beyond the limit", T("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), T(""), 0, 413, 0, 4, false},
            {"a huge chunk beyond the limit", T("7fffffffffffffff\r\n"), T(""), 0, 413, 0, 4,
                    false},
            {"not complete", T("5\r\nhello\r\n0\r\n"), T("hello"), 0, -1, 0, 0, false},
            {"not complete either", T("5\r\nhel"), T("hel"), 0, -1, 0, 0, false},
    };

    check_all(cases, GN_ARRAY_LEN(cases));
}

#define BAD(name, framed)                                                                          \
    {                                                                                              \
        name, GN_LIT_INIT(framed), T(""), 0, 400, 0, 0, false                                      \
    }

Test(http1_body, refuses_malformed_chunks)
{
    static const struct body_case cases[] = {
            BAD("no size", "\r\nx\r\n0\r\n\r\n"),
            BAD("not hex", "g\r\n"),
            BAD("0x", "0x5\r\nhello\r\n0\r\n\r\n"),
            BAD("plus", "+5\r\nhello\r\n0\r\n\r\n"),
            BAD("minus", "-5\r\nhello\r\n0\r\n\r\n"),
            BAD("underscore", "1_0\r\n"),
            BAD("space before", " 5\r\nhello\r\n"),
            BAD("space behind", "5 \r\nhello\r\n"),
            BAD("tab behind", "5\t\r\nhello\r\n"),
            BAD("space before the extension", "5 ;a\r\nhello\r\n"),
            BAD("junk behind", "5x\r\nhello\r\n"),
            BAD("17 digits", "00000000000000001\r\n"),
            BAD("2^63", "8000000000000000\r\n"),
            BAD("2^64", "10000000000000000\r\n"),
            BAD("bare LF", "5\nhello\r\n0\r\n\r\n"),
            BAD("bare CR", "5\rhello\r\n0\r\n\r\n"),
            BAD("CR CR LF", "5\r\r\nhello\r\n"),
            BAD("data too long", "5\r\nhello!\r\n0\r\n\r\n"),
            BAD("data without CRLF", "5\r\nhello0\r\n\r\n"),
            BAD("data with LF", "5\r\nhello\n0\r\n\r\n"),
            BAD("data with CR", "5\r\nhello\rX0\r\n\r\n"),
            BAD("two other bytes behind the data", "5\r\nhelloXX0\r\n\r\n"),
            BAD("empty extension", "5;\r\nhello\r\n"),
            BAD("extension without name", "5;=x\r\nhello\r\n"),
            BAD("extension without value", "5;a=\r\nhello\r\n"),
            BAD("extension with a space", "5;a b\r\nhello\r\n"),
            BAD("extension with an open quote", "5;a=\"b\r\nhello\r\n"),
            BAD("junk behind a quoted value", "5;a=\"b\"c\r\nhello\r\n"),
            BAD("control byte in a quoted value", "5;a=\"\x01\"\r\nhello\r\n"),
            BAD("control byte behind a backslash", "5;a=\"\\\r\"\r\nhello\r\n"),
            BAD("LF in an extension", "5;a\nb\r\nhello\r\n"),
            BAD("CR in an extension", "5;a\rb\r\nhello\r\n"),
            BAD("NUL in an extension", "5;a=\0\r\nhello\r\n"),
            BAD("trailer without colon", "0\r\nX\r\n\r\n"),
            BAD("trailer without name", "0\r\n: x\r\n\r\n"),
            BAD("trailer with a space before the colon", "0\r\nA : x\r\n\r\n"),
            BAD("folded trailer", "0\r\nA: x\r\n y\r\n\r\n"),
            BAD("trailer with a control byte", "0\r\nA: \x01\r\n\r\n"),
            BAD("trailer with a bare LF", "0\r\nA: x\n\r\n"),
            BAD("trailer with a bare CR", "0\r\nA: x\ry\r\n\r\n"),
            BAD("last line with a bare LF", "0\r\n\n"),
            BAD("last line with a bare CR", "0\r\n\rX"),
    };

    check_all(cases, GN_ARRAY_LEN(cases));
}

/* `n` times `unit` behind `start`, then `end`. */
static void repeat(struct gn_buf *b, const char *start, const char *unit, size_t n, const char *end)
{
    gn_buf_clear(b);
    cr_assert_eq(gn_buf_append(b, gn_slice_str(start)), GN_OK);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(gn_buf_append(b, gn_slice_str(unit)), GN_OK);
    }
    cr_assert_eq(gn_buf_append(b, gn_slice_str(end)), GN_OK);
}

static int status_of(const struct gn_buf *b)
{
    struct gn_http1_head head = {.framing = GN_FRAMING_CHUNKED};
    struct run run = {.failed = false};

    gn_buf_init(&run.content, 1 << 20);
    gn_http1_body_init(&run.body, &head, UINT64_MAX);
    decode_piece(&run, gn_buf_slice(b));
    cr_assert(run.failed || gn_http1_body_is_done(&run.body));
    gn_buf_fini(&run.content);
    return run.body.error.status;
}

Test(http1_body, bounds_extensions_and_trailers)
{
    struct gn_buf b;

    gn_buf_init(&b, 1 << 20);
    /* The name, its ';' aside, and the CR that ends it count. */
    repeat(&b, "1;", "a", GN_BODY_EXTENSION_BYTES - 1, "\r\nx\r\n0\r\n\r\n");
    cr_assert_eq(status_of(&b), 0);
    repeat(&b, "1;", "a", GN_BODY_EXTENSION_BYTES, "\r\nx\r\n0\r\n\r\n");
    cr_assert_eq(status_of(&b), 400);
    repeat(&b, "", "1;a\r\nx\r\n", GN_BODY_EXTENSION_BYTES / 2, "0\r\n\r\n");
    cr_assert_eq(status_of(&b), 0);
    repeat(&b, "", "1;a\r\nx\r\n", GN_BODY_EXTENSION_BYTES / 2 + 1, "0\r\n\r\n");
    cr_assert_eq(status_of(&b), 400);

    repeat(&b, "0\r\n", "a: b\r\n", GN_BODY_TRAILER_FIELDS, "\r\n");
    cr_assert_eq(status_of(&b), 0);
    repeat(&b, "0\r\n", "a: b\r\n", GN_BODY_TRAILER_FIELDS + 1, "\r\n");
    cr_assert_eq(status_of(&b), 431);
    repeat(&b, "0\r\na:", "b", GN_BODY_TRAILER_BYTES - 6, "\r\n\r\n");
    cr_assert_eq(status_of(&b), 0);
    repeat(&b, "0\r\na:", "b", GN_BODY_TRAILER_BYTES - 5, "\r\n\r\n");
    cr_assert_eq(status_of(&b), 431);
    gn_buf_fini(&b);
}

Test(http1_body, the_limit_may_be_raised_meanwhile)
{
    struct gn_http1_head head = {.framing = GN_FRAMING_CHUNKED};
    struct gn_http1_body body;
    struct gn_slice data;
    size_t consumed;

    gn_http1_body_init(&body, &head, 1);
    cr_assert_eq(gn_http1_body_decode(&body, GN_LIT("1\r\nx"), &consumed, &data), GN_BODY_DATA);
    body.limit_bytes = 2;
    cr_assert_eq(gn_http1_body_decode(&body, GN_LIT("\r\n1\r\ny"), &consumed, &data), GN_BODY_DATA);
    body.limit_bytes = 1;
    cr_assert_eq(gn_http1_body_decode(&body, GN_LIT("\r\n0\r\n"), &consumed, &data), GN_BODY_ERROR);
    cr_assert_eq(body.error.status, 413);
    cr_assert_eq(gn_http1_body_decode(&body, GN_LIT("x"), &consumed, &data), GN_BODY_ERROR);
}
