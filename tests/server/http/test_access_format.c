/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

#include "server/http/access_format.h"
#include "tests/support/test.h"

static const char request[] = "POST /a/b%20c?q=1&r HTTP/1.1\r\nHost: example.org\r\n"
                              "User-Agent: agent/1 (\"x\")\r\nReferer: http://r/\r\n"
                              "Authorization: Basic YWxpY2U6c2VjcmV0\r\n"
                              "X-Odd: a\tb\xc3\xa9\\\r\nContent_Length: 7\r\n\r\n";

struct fixture {
    struct gn_exchange ex;
    struct gn_http1_head head;
    struct gn_http1_parser parser;
    struct gn_header headers[16];
    struct gn_access_facts facts;
    char text[1024];
};

static void setup(struct fixture *f)
{
    size_t consumed;

    *f = (struct fixture){.text = ""};
    gn_http1_parser_init(&f->parser, &GN_HTTP1_LIMITS_DEFAULT);
    gn_http1_parser_begin(&f->parser, &f->head, f->headers, GN_ARRAY_LEN(f->headers));
    cr_assert_eq(
            gn_http1_parser_feed(&f->parser, gn_slice_of(request, sizeof(request) - 1), &consumed),
            GN_HTTP1_DONE, "%s", f->parser.error.reason);
    f->ex.head = &f->head;
    f->ex.status = 201;
    f->ex.response_bytes = 1234;
    f->ex.bytes_in = 345;
    f->ex.bytes_out = 6789;
    f->ex.times = (struct gn_exchange_times){.first_byte = 5 * GN_NS_PER_S,
            .ready = 5 * GN_NS_PER_S + 250000,
            .started = 5 * GN_NS_PER_S + 500000,
            .ended = 6 * GN_NS_PER_S + 500000,
            .replied = 6 * GN_NS_PER_S + 500000000};
    f->ex.peer = (struct gn_addr){.len = sizeof(f->ex.peer.u.in)};
    f->ex.peer.u.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(4321)};
    f->ex.peer.u.in.sin_addr.s_addr = htonl(0xc0000207u);
    f->facts.now = 7 * GN_NS_PER_S + 34567890;
    f->facts.time = GN_LIT("[21/Nov/2026:05:24:29 +0000]");
}

static const char *line(struct fixture *f, const char *format)
{
    struct gn_access_format *compiled = NULL;
    struct gn_error err = {0};
    struct gn_buf out;

    cr_assert_eq(gn_access_format_create(gn_slice_str(format), &compiled, &err), GN_OK, "%s: %s",
            format, err.message);
    gn_buf_init(&out, sizeof(f->text) - 1);
    cr_assert_eq(gn_access_format_write(compiled, &f->ex, &f->facts, &out), GN_OK);
    cr_assert(out.len > 0 && out.ptr[out.len - 1] == '\n');
    memcpy(f->text, out.ptr, out.len - 1);
    f->text[out.len - 1] = '\0';
    gn_buf_fini(&out);
    gn_access_format_destroy(&compiled);
    return f->text;
}

Test(access_format, writes_every_atom)
{
    static const struct {
        const char *format;
        const char *text;
    } cases[] = {
            {"%(h)s", "192.0.2.7"},
            {"%(l)s", "-"},
            {"%(u)s", "alice"},
            {"%(t)s", "[21/Nov/2026:05:24:29 +0000]"},
            {"%(r)s", "POST /a/b%20c?q=1&r HTTP/1.1"},
            {"%(m)s", "POST"},
            {"%(U)s", "/a/b%20c"},
            {"%(q)s", "q=1&r"},
            {"%(H)s", "HTTP/1.1"},
            {"%(s)s", "201"},
            {"%(B)s", "1234"},
            {"%(b)s", "1234"},
            {"%(f)s", "http://r/"},
            {"%(a)s", "agent/1 (\\x22x\\x22)"},
            {"%(T)s", "2"},
            {"%(M)s", "2034"},
            {"%(D)s", "2034567"},
            {"%(L)s", "2.034567"},
            {"%({first_byte_us}x)s", "1500000"},
            {"%({queue_us}x)s", "250"},
            {"%({python_us}x)s", "1000000"},
            {"%({bytes_in}x)s", "345"},
            {"%({bytes_out}x)s", "6789"},
            {"%({host}i)s", "example.org"},
            {"%({HOST}i)s", "example.org"},
            {"%({x-odd}i)s", "a\\x09b\\xc3\\xa9\\x5c"},
            {"%({nothing}i)s", "-"},
            {"%({content-type}o)s", "-"},
            {"%({REMOTE_ADDR}e)s", "192.0.2.7"},
            {"%({REMOTE_PORT}e)s", "4321"},
            {"%({REQUEST_METHOD}e)s", "POST"},
            {"%({RAW_URI}e)s", "/a/b%20c?q=1&r"},
            {"%({HTTP_USER_AGENT}e)s", "agent/1 (\\x22x\\x22)"},
            {"%({HTTP_CONTENT_LENGTH}e)s", "-"},
            {"%({wsgi.url_scheme}e)s", "http"},
            {"%({unknown}e)s", "-"},
            {"100%% %(s)s!", "100% 201!"},
            {"plain", "plain"},
            {"", ""},
    };
    struct fixture f;

    setup(&f);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert_str_eq(line(&f, cases[i].format), cases[i].text);
    }
}

Test(access_format, names_the_process)
{
    struct fixture f;
    char pid[32];

    setup(&f);
    (void)snprintf(pid, sizeof(pid), "<%d>", (int)getpid());
    cr_assert_str_eq(line(&f, "%(p)s"), pid);
}

Test(access_format, says_499_and_a_dash_when_nothing_was_answered)
{
    struct fixture f;

    setup(&f);
    f.ex.status = 0;
    f.ex.response_bytes = 0;
    cr_assert_str_eq(line(&f, "%(s)s %(b)s %(B)s"), "499 - 0");
}

Test(access_format, says_a_dash_for_a_time_there_was_none_of)
{
    struct fixture f;

    setup(&f);
    f.ex.times = (struct gn_exchange_times){.first_byte = 5 * GN_NS_PER_S};
    cr_assert_str_eq(line(&f, "%({first_byte_us}x)s %({queue_us}x)s %({python_us}x)s"), "- - -");
}

Test(access_format, a_unix_client_has_no_address)
{
    struct fixture f;

    setup(&f);
    f.ex.peer = (struct gn_addr){.len = 2};
    f.ex.peer.u.sa.sa_family = AF_UNIX;
    cr_assert_str_eq(line(&f, "%(h)s"), "-");
}

Test(access_format, finds_response_headers)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A:  b \r\n"
                               "X-A: second\r\n\r\nX-Body: no\r\n";
    struct gn_access_format *format = NULL;
    struct gn_slice notes[3];
    struct fixture f;
    struct gn_buf out;

    setup(&f);
    cr_assert_eq(gn_access_format_create(
                         GN_LIT("%({x-a}o)s %({Content-Type}o)s %({x-body}o)s"), &format, NULL),
            GN_OK);
    cr_assert_eq(gn_access_format_n_response_headers(format), 3);
    gn_access_format_scan_head(format, gn_slice_str(head), notes);
    f.facts.response_notes = notes;
    gn_buf_init(&out, 256);
    cr_assert_eq(gn_access_format_write(format, &f.ex, &f.facts, &out), GN_OK);
    cr_assert(gn_slice_eq(gn_buf_slice(&out), GN_LIT("b text/plain -\n")), GN_SLICE_FMT,
            GN_SLICE_ARG(gn_buf_slice(&out)));
    gn_buf_fini(&out);
    gn_access_format_destroy(&format);
}

Test(access_format, names_the_atom_it_does_not_know)
{
    static const char *const bad[] = {"%(z)s", "%(hh)s", "%(h)d", "%(h", "%h", "%", "%({}i)s",
            "%({x}z)s", "%({x)s", "a %()s", "%({unknown}x)s", "%({}x)s", "JSON %(json)s"};

    for (size_t i = 0; i < GN_ARRAY_LEN(bad); i++) {
        struct gn_access_format *format = NULL;
        struct gn_error err = {0};

        cr_assert_eq(gn_access_format_create(gn_slice_str(bad[i]), &format, &err), GN_ERR_INVALID,
                "%s", bad[i]);
        cr_assert_null(format);
        cr_assert_neq(err.message[0], '\0');
    }
}

Test(access_format, no_authorization_header_can_confuse_it)
{
    static const char *const values[] = {"Basic", "Basic ", "Basic ====", "Basic Og==", "Bearer x",
            "basic YTpi", "Basic YTpi extra"};
    static const char *const users[] = {"-", "-", "-", "-", "-", "a", "a"};

    for (size_t i = 0; i < GN_ARRAY_LEN(values); i++) {
        struct fixture f;

        setup(&f);
        for (unsigned k = 0; k < f.head.n_headers; k++) {
            if (f.headers[k].id == GN_HDR_AUTHORIZATION) {
                f.headers[k].value = gn_slice_str(values[i]);
            }
        }
        cr_assert_str_eq(line(&f, "%(u)s"), users[i]);
    }
}
