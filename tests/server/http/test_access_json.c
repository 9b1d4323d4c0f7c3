/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

#include "server/http/access_format.h"
#include "server/http/request_id.h"
#include "tests/support/test.h"

#include "server/http/exchange_priv.h"

/* The line as a whole; that it is JSON for arbitrary bytes is also tested end to end. */

static struct gn_exchange_private p;
static struct gn_header headers[16];
static char text[131072];

static void given(struct gn_slice request)
{
    size_t consumed;

    p = (struct gn_exchange_private){.request_id = GN_LIT("an-id")};
    gn_http1_parser_init(&p.parser, &GN_HTTP1_LIMITS_DEFAULT);
    gn_http1_parser_begin(&p.parser, &p.head, headers, GN_ARRAY_LEN(headers));
    cr_assert_eq(gn_http1_parser_feed(&p.parser, request, &consumed), GN_HTTP1_DONE, "%s",
            p.parser.error.reason);
    p.ex.priv = &p;
    p.ex.head = &p.head;
    p.ex.peer = (struct gn_addr){.len = sizeof(p.ex.peer.u.in)};
    p.ex.peer.u.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(4321)};
    p.ex.peer.u.in.sin_addr.s_addr = htonl(0xc0000207u);
}

static const char *line(void)
{
    const struct gn_access_facts facts = {
            .now = 7 * GN_NS_PER_S, .utc = GN_LIT("2026-11-21T05:24:29"), .ms = 7};
    struct gn_access_format *format = NULL;
    struct gn_buf out;

    cr_assert_eq(gn_access_format_create(GN_LIT("json"), &format, NULL), GN_OK);
    cr_assert_eq(gn_access_format_n_response_headers(format), 0);
    gn_buf_init(&out, sizeof(text) - 1);
    cr_assert_eq(gn_access_format_write(format, &p.ex, &facts, &out), GN_OK);
    memcpy(text, out.ptr, out.len);
    text[out.len] = '\0';
    gn_buf_fini(&out);
    gn_access_format_destroy(&format);
    return text;
}

Test(access_json, writes_every_key)
{
    char expected[1024];

    given(GN_LIT("POST /a/b%20c?q=1&r HTTP/1.1\r\nHost: example.org:81\r\nUser-Agent: agent/1\r\n"
                 "Referer: http://r/\r\nAuthorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n"));
    p.ex.status = 201;
    p.ex.is_tls = true;
    p.ex.response_bytes = 1234;
    p.ex.bytes_in = 200;
    p.ex.bytes_out = 1500;
    p.ex.times = (struct gn_exchange_times){.first_byte = 5 * GN_NS_PER_S,
            .ready = 5 * GN_NS_PER_S + 1000,
            .started = 5 * GN_NS_PER_S + 3000,
            .ended = 6 * GN_NS_PER_S + 3999,
            .replied = 6 * GN_NS_PER_S};
    (void)snprintf(expected, sizeof(expected),
            "{\"time\":\"2026-11-21T05:24:29.007Z\",\"request_id\":\"an-id\","
            "\"client\":\"192.0.2.7\",\"user\":\"alice\",\"scheme\":\"https\",\"method\":\"POST\","
            "\"host\":\"example.org:81\",\"path\":\"/a/b%%20c\",\"query\":\"q=1&r\","
            "\"protocol\":\"HTTP/1.1\",\"referer\":\"http://r/\",\"user_agent\":\"agent/1\","
            "\"status\":201,\"body_bytes\":1234,\"bytes_in\":200,\"bytes_out\":1500,"
            "\"duration_us\":2000000,\"first_byte_us\":1000000,\"queue_us\":2,"
            "\"python_us\":1000000,\"pid\":%d}\n",
            (int)getpid());
    cr_assert_str_eq(line(), expected);
}

Test(access_json, says_null_where_there_is_nothing)
{
    static const char *const parts[] = {"\"user\":null", "\"host\":null", "\"query\":null",
            "\"referer\":null", "\"user_agent\":null", "\"first_byte_us\":null",
            "\"queue_us\":null", "\"python_us\":null", "\"status\":499", "\"bytes_out\":0",
            "\"client\":null"};

    given(GN_LIT("GET / HTTP/1.0\r\n\r\n"));
    p.ex.peer = (struct gn_addr){.len = 2};
    p.ex.peer.u.sa.sa_family = AF_UNIX;
    for (size_t i = 0; i < GN_ARRAY_LEN(parts); i++) {
        cr_assert_not_null(strstr(line(), parts[i]), "%s in %s", parts[i], text);
    }
}

Test(access_json, speaks_of_a_request_that_could_not_be_read)
{
    given(GN_LIT("GET / HTTP/1.0\r\n\r\n"));
    p.head = (struct gn_http1_head){.minor_version = 1};
    p.ex.status = 400;
    cr_assert_not_null(strstr(line(),
            "\"method\":null,\"host\":null,\"path\":null,\"query\":null,"
            "\"protocol\":\"HTTP/1.1\""));
}

Test(access_json, escapes_every_byte_that_is_not_plain)
{
    static const char hex[] = "0123456789abcdef";
    char agent[256];
    char expected[256 * 6 + 32] = "\"user_agent\":\"";
    size_t at = strlen(expected);

    given(GN_LIT("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\n\r\n"));
    for (unsigned i = 0; i < 256; i++) {
        agent[i] = (char)i;
        if (i == '"' || i == '\\') {
            expected[at++] = '\\';
            expected[at++] = (char)i;
        } else if (i >= 0x20 && i < 0x7f) {
            expected[at++] = (char)i;
        } else {
            memcpy(expected + at, "\\u00", 4);
            expected[at + 4] = hex[i >> 4];
            expected[at + 5] = hex[i & 15];
            at += 6;
        }
    }
    expected[at++] = '"';
    expected[at] = '\0';
    p.head.headers[1].value = gn_slice_of(agent, sizeof(agent));
    cr_assert_not_null(strstr(line(), expected), "%s", text);
    for (const char *c = text; *c != '\0'; c++) {
        cr_assert((*c >= 0x20 && *c < 0x7f) || (*c == '\n' && c[1] == '\0'));
    }
}

Test(access_json, cuts_a_value_that_is_too_long)
{
    static char agent[9000];

    given(GN_LIT("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\n\r\n"));
    memset(agent, '\x80', sizeof(agent));
    p.head.headers[1].value = gn_slice_of(agent, sizeof(agent));
    cr_assert_eq(strstr(line(), "\",\"status\"") - strstr(text, "\\u0080"), 6 * 8190);
}
