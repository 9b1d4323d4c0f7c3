/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/proto/http1_parser.h"
#include "tests/server/proto/head_run.h"
#include "tests/support/test.h"

static const struct gn_slice browser = GN_LIT_INIT(
        "GET /articles/7?page=2 HTTP/1.1\r\n"
        "Host: www.example.com\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
        "Accept-Language: en-GB,en;q=0.5\r\n"
        "Cookie: a=b; c=\xe9\r\n"
        "x-empty:\r\n"
        "X-Spaces: \t two words \t\r\n"
        "Connection: keep-alive\r\n"
        "\r\n");

static void check_browser(const struct gn_feed *feed, void *arg)
{
    struct head_run run = {.limits = GN_HTTP1_LIMITS_DEFAULT};
    const struct gn_http1_head *head = &run.head;

    (void)arg;
    head_run_feed(&run, feed);
    cr_assert_eq(run.result, GN_HTTP1_DONE, "%s", feed->way);
    cr_assert_eq(run.consumed, browser.len, "%s", feed->way);
    cr_assert_eq(head->head_bytes, browser.len);
    cr_assert_eq(head->method, GN_METHOD_GET);
    cr_assert(gn_slice_eq(head->method_name, GN_LIT("GET")), "%s", feed->way);
    cr_assert(gn_slice_eq(head->target, GN_LIT("/articles/7?page=2")), "%s", feed->way);
    cr_assert(gn_slice_eq(head->path, GN_LIT("/articles/7")), "%s", feed->way);
    cr_assert(gn_slice_eq(head->query, GN_LIT("page=2")), "%s", feed->way);
    cr_assert(gn_slice_eq(head->host, GN_LIT("www.example.com")), "%s", feed->way);
    cr_assert_eq(head->n_headers, 8, "%s", feed->way);
    cr_assert(gn_slice_eq(head->headers[1].name, GN_LIT("User-Agent")), "%s", feed->way);
    cr_assert(gn_slice_eq(gn_http1_head_value(head, GN_HDR_COOKIE), GN_LIT("a=b; c=\xe9")));
    cr_assert_eq(head->headers[5].value.len, 0, "%s", feed->way);
    cr_assert_not_null(head->headers[5].value.ptr);
    cr_assert(gn_slice_eq(head->headers[6].value, GN_LIT("two words")), "%s", feed->way);
    cr_assert_eq(head->headers[6].id, GN_HDR_OTHER);
    cr_assert(head->keep_alive);
    head_run_fini(&run);
}

Test(http1_parser, reads_a_browsers_request)
{
    gn_feed_all_ways(browser, check_browser, NULL);
}

Test(http1_parser, refuses_what_is_not_exactly_a_line)
{
    static const struct head_case cases[] = {
            {"bare LF in request line", GN_LIT_INIT("GET / HTTP/1.1\nHost: h\r\n\r\n"), 400,
                    "bare LF"},
            {"bare CR in request line", GN_LIT_INIT("GET / HTTP/1.1\rHost: h\r\n\r\n"), 400,
                    "bare CR"},
            {"bare LF in fields", GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n"), 400,
                    "bare LF"},
            {"bare CR in fields", GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\rA: b\r\n\r\n"), 400,
                    "bare CR"},
            {"bare LF at the end", GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\n\n"), 400, "bare LF"},
            {"CR CR LF", GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\r\n\r\n"), 400, "bare CR"},
            {"CR at the end", GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\n\rX"), 400, "bare CR"},
            {"NUL in the method", GN_LIT_INIT("G\0T / HTTP/1.1\r\nHost: h\r\n\r\n"), 400,
                    "NUL byte"},
            {"NUL in a value", GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nA: \0\r\n\r\n"), 400,
                    "NUL byte"},
            {"NUL in a name", GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nA\0: b\r\n\r\n"), 400,
                    "NUL byte"},
            {"BEL in a value", GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nA: \a\r\n\r\n"), 400,
                    "control byte"},
            {"DEL in a value", GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nA: \x7f\r\n\r\n"), 400,
                    "control byte"},
            {"ESC in the target", GN_LIT_INIT("GET /\x1b HTTP/1.1\r\nHost: h\r\n\r\n"), 400,
                    "control byte"},
            {"TLS on the plain port", GN_LIT_INIT("\x16\x03\x01\x02\x00\x01\x00"), 400,
                    "control byte"},
    };

    head_cases_check(cases, GN_ARRAY_LEN(cases));
}

#define FIELD(line) GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\n" line "\r\n\r\n")

Test(http1_parser, refuses_malformed_fields)
{
    static const struct head_case cases[] = {
            {"space before colon", FIELD("A : b"), 400, "white space before the colon"},
            {"tab before colon", FIELD("A\t: b"), 400, "white space before the colon"},
            {"no colon", FIELD("Abc"), 400, "header field without a colon"},
            {"empty name", FIELD(": b"), 400, "empty or invalid field name"},
            {"only a colon", FIELD(":"), 400, "empty or invalid field name"},
            {"folded with a space", FIELD("A: b\r\n c"), 400,
                    "line folding, or white space before a field name"},
            {"folded with a tab", FIELD("A: b\r\n\tc: d"), 400,
                    "line folding, or white space before a field name"},
            {"space before the first field",
                    GN_LIT_INIT("GET / HTTP/1.1\r\n Host: h\r\nA: b\r\n\r\n"), 400, NULL},
            {"a line of white space", FIELD(" "), 400, NULL},
            {"space in the name", FIELD("A b: c"), 400, "white space before the colon"},
            {"quote in the name", FIELD("A\"b: c"), 400, "invalid byte in a field name"},
            {"non-ASCII name", FIELD("\xc3\xa9: c"), 400, "empty or invalid field name"},
            {"slash in the name", FIELD("A/b: c"), 400, "invalid byte in a field name"},
            {"empty value", FIELD("A:"), 0, NULL},
            {"colons in the value", FIELD("A: :b:"), 0, NULL},
            {"tab in the value", FIELD("A: b\tc"), 0, NULL},
            {"obs-text in the value", FIELD("A: \x80\xff"), 0, NULL},
            {"every token byte", FIELD("!#$%&'*+-.^_`|~09azAZ: c"), 0, NULL},
    };

    head_cases_check(cases, GN_ARRAY_LEN(cases));
}

Test(http1_parser, tolerates_one_empty_line_first)
{
    static const struct head_case cases[] = {
            {"one", GN_LIT_INIT("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), 0, NULL},
            {"two", GN_LIT_INIT("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), 400,
                    "empty line instead of a request line"},
            {"a bare LF", GN_LIT_INIT("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), 400, "bare LF"},
    };
    struct head_run run;

    head_cases_check(cases, GN_ARRAY_LEN(cases));
    head_run_text(&run, cases[0].request);
    cr_assert_eq(run.consumed, cases[0].request.len);
    head_run_fini(&run);
}

Test(http1_parser, leaves_what_follows)
{
    struct head_run run;

    head_run_text(&run, GN_LIT("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\n"));
    cr_assert_eq(run.result, GN_HTTP1_DONE);
    cr_assert_eq(run.consumed, sizeof("GET / HTTP/1.1\r\nHost: h\r\n\r\n") - 1);
    head_run_fini(&run);
}

Test(http1_parser, wants_more_until_the_end)
{
    for (size_t n = 0; n < browser.len; n++) {
        struct head_run run;

        head_run_text(&run, gn_slice_of(browser.ptr, n));
        cr_assert_eq(run.result, GN_HTTP1_MORE, "%zu bytes", n);
        cr_assert_eq(run.consumed, 0);
        cr_assert_eq(gn_http1_parser_has_begun(&run.parser), n > 0, "%zu bytes", n);
        head_run_fini(&run);
    }
}

Test(http1_parser, an_empty_line_is_not_a_beginning)
{
    struct head_run run;

    head_run_text(&run, GN_LIT("\r"));
    cr_assert_not(gn_http1_parser_has_begun(&run.parser));
    head_run_fini(&run);
    head_run_text(&run, GN_LIT("\r\n"));
    cr_assert_not(gn_http1_parser_has_begun(&run.parser));
    head_run_fini(&run);
}

Test(http1_parser, stays_failed)
{
    struct head_run run;
    size_t consumed;

    head_run_text(&run, GN_LIT("\n"));
    cr_assert_eq(run.result, GN_HTTP1_ERROR);
    cr_assert_eq(gn_http1_parser_feed(&run.parser, browser, &consumed), GN_HTTP1_ERROR);
    cr_assert_eq(run.parser.error.status, 400);
    head_run_fini(&run);
}

static void check_peek(const struct gn_feed *feed, void *arg)
{
    struct gn_slice accept = GN_LIT("x/y");
    struct head_run run = {.limits = GN_HTTP1_LIMITS_DEFAULT};
    const struct gn_http1_head *head;
    struct gn_slice all;
    char *moved;

    head_run_feed(&run, feed);
    moved = gn_xalloc(run.n_bytes);
    memcpy(moved, run.bytes, run.n_bytes);
    all = gn_slice_of(moved, run.n_bytes);
    memset(run.bytes, '#', run.n_bytes);
    head = gn_http1_parser_peek(&run.parser, all);
    if (arg == NULL) {
        cr_assert_null(head, "%s", feed->way);
    } else {
        cr_assert_not_null(head, "%s", feed->way);
        cr_assert_eq(head->method, GN_METHOD_HEAD);
        cr_assert(gn_slice_eq(gn_http1_head_value(head, GN_HDR_ACCEPT), accept), "%s", feed->way);
    }
    gn_free(moved);
    head_run_fini(&run);
}

Test(http1_parser, shows_what_it_has_read_of_a_head)
{
    static const struct gn_slice some[] = {
            GN_LIT_INIT("HEAD / HTTP/1.1\r\nAccept: x/y\r\n"),
            GN_LIT_INIT("HEAD / HTTP/1.1\r\nAccept: x/y\r\nHost"),
            GN_LIT_INIT("HEAD / HTTP/1.1\r\nAccept: x/y\r\nno colon\r\n"),
            GN_LIT_INIT("HEAD / HTTP/1.1\r\nAccept: x/y\r\nHost: a b\r\n"),
            GN_LIT_INIT("HEAD / HTTP/1.1\r\nAccept: x/y\r\n\r\n"),
    };
    static const struct gn_slice none[] = {
            GN_LIT_INIT("HEAD / HTT"),
            GN_LIT_INIT("HEAD / HTTP/1.1\r"),
            GN_LIT_INIT("HEAD / HTTP/2.0\r\nAccept: x/y\r\n"),
            GN_LIT_INIT("\r\n"),
    };

    bool wants_some = true;

    for (size_t i = 0; i < GN_ARRAY_LEN(some); i++) {
        gn_feed_all_ways(some[i], check_peek, &wants_some);
    }
    for (size_t i = 0; i < GN_ARRAY_LEN(none); i++) {
        gn_feed_all_ways(none[i], check_peek, NULL);
    }
}

Test(http1_parser, says_where_it_failed)
{
    struct head_run run;

    head_run_text(&run, GN_LIT("GET / HTTP/1.1\r\nHost: h\r\nA: b\x01\r\n\r\n"));
    cr_assert_eq(run.parser.error.offset, 29);
    head_run_fini(&run);
    head_run_text(&run, GN_LIT("GET /\x80 HTTP/1.1\r\nHost: h\r\n\r\n"));
    cr_assert_eq(run.parser.error.offset, 5);
    head_run_fini(&run);
    head_run_text(&run, GN_LIT("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n"));
    cr_assert_eq(run.parser.error.offset, 41);
    head_run_fini(&run);
}

/* One limit and a request that just fits; one byte or field more does not. */
struct limit_case {
    const char *name;
    struct gn_http1_limits limits;
    struct gn_slice request;
    int status; /* 0: fits */
};

static void check_limit(const struct gn_feed *feed, void *arg)
{
    const struct limit_case *c = arg;
    struct head_run run = {.limits = c->limits};

    head_run_feed(&run, feed);
    cr_assert_eq(run.result, c->status == 0 ? GN_HTTP1_DONE : GN_HTTP1_ERROR, "%s, %s", c->name,
            feed->way);
    cr_assert_eq(run.parser.error.status, c->status, "%s, %s", c->name, feed->way);
    head_run_fini(&run);
}

Test(http1_parser, keeps_to_its_limits)
{
    static const struct limit_case cases[] = {
            {"request line fits", {16, 99, 9, 999},
                    GN_LIT_INIT("GET /23 HTTP/1.1\r\nHost: h\r\n\r\n"), 0},
            {"request line too long", {16, 99, 9, 999},
                    GN_LIT_INIT("GET /234 HTTP/1.1\r\nHost: h\r\n\r\n"), 414},
            {"request line without end", {16, 99, 9, 999}, GN_LIT_INIT("GET /234 HTTP/1.1"), 414},
            {"field fits", {99, 8, 9, 999}, GN_LIT_INIT("GET / HTTP/1.1\r\nHost: hh\r\n\r\n"), 0},
            {"field too long", {99, 8, 9, 999}, GN_LIT_INIT("GET / HTTP/1.1\r\nHost: hhh\r\n\r\n"),
                    431},
            {"field without end", {99, 8, 9, 999}, GN_LIT_INIT("GET / HTTP/1.1\r\nHost: hhh"), 431},
            {"fields fit", {99, 99, 2, 999},
                    GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n"), 0},
            {"one field too many", {99, 99, 2, 999},
                    GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nC: d\r\n\r\n"), 431},
            {"head fits", {99, 99, 9, 25}, GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), 0},
            {"head too long", {99, 99, 9, 24}, GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
                    431},
            {"head without end", {99, 99, 9, 24}, GN_LIT_INIT("GET / HTTP/1.1\r\nHost: hhhhhhh"),
                    431},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct limit_case c = cases[i];

        gn_feed_all_ways(c.request, check_limit, &c);
    }
}

static void fill(struct gn_buf *b, const char *start, char c, size_t n, const char *end)
{
    gn_buf_clear(b);
    cr_assert_eq(gn_buf_append(b, gn_slice_str(start)), GN_OK);
    cr_assert_eq(gn_buf_reserve(b, n), GN_OK);
    memset(b->ptr + b->len, c, n);
    b->len += n;
    cr_assert_eq(gn_buf_append(b, gn_slice_str(end)), GN_OK);
}

static int status_of(const struct gn_buf *b)
{
    struct head_run run;
    int status;

    head_run_text(&run, gn_buf_slice(b));
    status = run.result == GN_HTTP1_DONE ? 0 : run.parser.error.status;
    head_run_fini(&run);
    return status;
}

Test(http1_parser, default_limits_are_those_documented)
{
    static const char line_end[] = " HTTP/1.1\r\nHost: h\r\n\r\n";
    static const char start[] = "GET / HTTP/1.1\r\nHost: h\r\n";
    struct gn_buf b;

    gn_buf_init(&b, 1 << 20);
    fill(&b, "GET /", 'a', 8190 - 14, line_end);
    cr_assert_eq(status_of(&b), 0);
    fill(&b, "GET /", 'a', 8190 - 13, line_end);
    cr_assert_eq(status_of(&b), 414);
    fill(&b, "GET / HTTP/1.1\r\nHost: h\r\nA: ", 'a', 8190 - 3, "\r\n\r\n");
    cr_assert_eq(status_of(&b), 0);
    fill(&b, "GET / HTTP/1.1\r\nHost: h\r\nA: ", 'a', 8190 - 2, "\r\n\r\n");
    cr_assert_eq(status_of(&b), 431);

    fill(&b, start, 'a', 0, "");
    for (int i = 0; i < 99; i++) {
        cr_assert_eq(gn_buf_append(&b, GN_LIT("A: b\r\n")), GN_OK);
    }
    cr_assert_eq(gn_buf_append(&b, GN_LIT("\r\n")), GN_OK);
    cr_assert_eq(status_of(&b), 0, "100 fields");
    b.len -= 2;
    cr_assert_eq(gn_buf_append(&b, GN_LIT("A: b\r\n\r\n")), GN_OK);
    cr_assert_eq(status_of(&b), 431, "101 fields");
    gn_buf_fini(&b);
}

Test(http1_parser, a_small_array_limits_the_fields)
{
    struct gn_http1_limits limits = GN_HTTP1_LIMITS_DEFAULT;
    struct gn_http1_parser p;
    struct gn_http1_head head;
    struct gn_header fields[2];
    size_t consumed;

    gn_http1_parser_init(&p, &limits);
    gn_http1_parser_begin(&p, &head, fields, 2);
    cr_assert_eq(gn_http1_parser_feed(&p, browser, &consumed), GN_HTTP1_ERROR);
    cr_assert_eq(p.error.status, 431);
}

Test(http1_parser, begins_again_after_a_head)
{
    struct gn_slice two = GN_LIT("GET /1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
                                 "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    struct gn_http1_limits limits = GN_HTTP1_LIMITS_DEFAULT;
    struct gn_http1_parser p;
    struct gn_http1_head head;
    struct gn_header fields[8];
    size_t consumed;

    gn_http1_parser_init(&p, &limits);
    gn_http1_parser_begin(&p, &head, fields, 8);
    cr_assert_eq(gn_http1_parser_feed(&p, two, &consumed), GN_HTTP1_DONE);
    cr_assert_not(head.keep_alive);
    gn_http1_parser_begin(&p, &head, fields, 8);
    cr_assert_eq(gn_http1_parser_feed(&p, gn_slice_skip(two, consumed), &consumed), GN_HTTP1_DONE);
    cr_assert(head.keep_alive);
    cr_assert(gn_slice_eq(head.path, GN_LIT("/2")));
    cr_assert_eq(head.n_headers, 1);
}

Test(http1_parser, moves_a_head_to_its_copy)
{
    struct head_run run;
    char *copy;

    head_run_text(&run, GN_LIT("GET http://h?q HTTP/1.1\r\nHost: h\r\nA:\r\n\r\n"));
    cr_assert_eq(run.result, GN_HTTP1_DONE);
    copy = gn_xstrndup(run.bytes, run.consumed);
    gn_http1_head_move(&run.head, (uintptr_t)run.bytes, run.consumed, copy);
    memset(run.bytes, '#', run.consumed);
    cr_assert(gn_slice_eq(run.head.method_name, GN_LIT("GET")));
    cr_assert(gn_slice_eq(run.head.target, GN_LIT("http://h?q")));
    cr_assert(gn_slice_eq(run.head.scheme, GN_LIT("http")));
    cr_assert(gn_slice_eq(run.head.path, GN_LIT("/")), "static text stays where it is");
    cr_assert(gn_slice_eq(run.head.query, GN_LIT("q")));
    cr_assert(gn_slice_eq(run.head.host, GN_LIT("h")));
    cr_assert(gn_slice_eq(run.head.headers[0].name, GN_LIT("Host")));
    cr_assert(run.head.headers[1].value.ptr > copy &&
            run.head.headers[1].value.ptr < copy + run.consumed);
    head_run_fini(&run);
    gn_free(copy);
}
