/* SPDX-License-Identifier: MIT */
#include "server/http/error_page.h"
#include "tests/support/test.h"

static const char *page(const char *request, int status, const char *detail)
{
    static struct gn_buf out;
    struct gn_http1_writer writer;
    struct gn_http1_parser parser;
    struct gn_http1_head head;
    struct gn_header headers[8];
    size_t consumed;

    gn_buf_fini(&out);
    gn_buf_init(&out, 65536);
    if (request != NULL) {
        gn_http1_parser_init(&parser, &GN_HTTP1_LIMITS_DEFAULT);
        gn_http1_parser_begin(&parser, &head, headers, GN_ARRAY_LEN(headers));
        cr_assert_eq(
                gn_http1_parser_feed(&parser, gn_slice_str(request), &consumed), GN_HTTP1_DONE);
        gn_http1_writer_init(&writer, &head, true);
    } else {
        gn_http1_writer_init_closing(&writer);
    }
    gn_error_page_write(&writer, request != NULL ? &head : NULL, status, gn_slice_str(detail),
            GN_LIT("Sun, 06 Nov 1994 08:49:37 GMT"), &out);
    cr_assert_eq(gn_buf_append(&out, gn_slice_of("", 1)), GN_OK);
    return out.ptr;
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

Test(error_page, is_a_complete_response_without_a_head)
{
    const char *text = page(NULL, 400, "");

    cr_assert(has(text, "HTTP/1.1 400 Bad Request\r\n"), "%s", text);
    cr_assert(has(text, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    cr_assert(has(text, "Connection: close\r\n"));
    cr_assert(has(text, "Content-Length: "));
    cr_assert(has(text, "Content-Type: text/html; charset=utf-8\r\n"));
    cr_assert(has(text, "<h1>400 Bad Request</h1>"));
}

Test(error_page, is_json_for_who_asks_for_json_alone)
{
    static const struct {
        const char *accept;
        bool as_json;
    } cases[] = {
            {"application/json", true},
            {"application/json; charset=utf-8, */*", true},
            {"APPLICATION/JSON", true},
            {"text/plain, application/json;q=0.5", true},
            {"text/html, application/json", false},
            {"*/*", false},
            {"application/jsonp", false},
            {"", false},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char request[256] = "GET / HTTP/1.1\r\nHost: a\r\nAccept: ";
        const char *text;

        memcpy(request + strlen(request), cases[i].accept, strlen(cases[i].accept) + 1);
        memcpy(request + strlen(request), "\r\n\r\n", 5);
        text = page(request, 404, "");
        cr_assert_eq(has(text, "\r\n\r\n{\"status\":404,\"error\":\"Not Found\"}\n"),
                cases[i].as_json, "%s: %s", cases[i].accept, text);
        cr_assert_not(has(text, "Connection: close"));
    }
}

Test(error_page, escapes_what_it_quotes)
{
    const char *html = page(NULL, 400, "<script>\"'&");
    const char *json;

    cr_assert(has(html, "<p>&lt;script&gt;&quot;&#39;&amp;</p>"), "%s", html);
    json = page("GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n", 400,
            "a \"quote\"\n\\ and \x01");
    cr_assert(has(json, "\"detail\":\"a \\\"quote\\\"\\u000a\\\\ and \\u0001\""), "%s", json);
}

Test(error_page, cuts_a_detail_that_is_too_long)
{
    char detail[2048];

    memset(detail, '\'', sizeof(detail) - 1);
    detail[sizeof(detail) - 1] = '\0';
    cr_assert(has(page(NULL, 400, detail), "&#39;</p></body>"));
}

Test(error_page, an_unknown_status_still_has_a_phrase)
{
    cr_assert(has(page(NULL, 499, ""), "HTTP/1.1 499 "));
}
