/* SPDX-License-Identifier: MIT */
#include "server/http/error_page.h"
#include "tests/support/test.h"

static const char *request_id = "";
static bool shows_id;

/** A whole response; `t` NULL: the built-in page, `request` NULL: no head was read. */
static const char *page_by(
        const struct gn_error_template *t, const char *request, int status, const char *detail)
{
    static struct gn_buf out;
    struct gn_http1_writer writer;
    struct gn_http1_parser parser;
    struct gn_http1_head head;
    struct gn_header headers[8];
    struct gn_error_facts facts = {.status = status,
            .detail = gn_slice_str(detail),
            .request_id = gn_slice_str(request_id),
            .shows_id = shows_id};
    size_t consumed;

    gn_buf_fini(&out);
    gn_buf_init(&out, 1u << 20);
    if (request != NULL) {
        gn_http1_parser_init(&parser, &GN_HTTP1_LIMITS_DEFAULT);
        gn_http1_parser_begin(&parser, &head, headers, GN_ARRAY_LEN(headers));
        cr_assert_eq(
                gn_http1_parser_feed(&parser, gn_slice_str(request), &consumed), GN_HTTP1_DONE);
        gn_http1_writer_init(&writer, &head, true);
        facts.head = &head;
    } else {
        gn_http1_writer_init_closing(&writer);
    }
    gn_error_page_write(t, &facts, GN_LIT("Sun, 06 Nov 1994 08:49:37 GMT"), &writer, &out);
    cr_assert_eq(gn_buf_append(&out, gn_slice_of("", 1)), GN_OK);
    return out.ptr;
}

static const char *page(const char *request, int status, const char *detail)
{
    return page_by(NULL, request, status, detail);
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

Test(error_page, head_gets_the_length_and_no_page)
{
    const char *text = page("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 404, "");

    cr_assert(has(text, "Content-Length: "), "%s", text);
    cr_assert_not(has(text, "Content-Length: 0"), "%s", text);
    cr_assert_str_eq(strstr(text, "\r\n\r\n"), "\r\n\r\n", "%s", text);
}

Test(error_page, shows_the_id_where_it_is_to_be_shown)
{
    static const char json[] = "GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n";

    request_id = "an-id";
    cr_assert_not(has(page(json, 404, ""), "an-id"));
    cr_assert_not(has(page(NULL, 404, ""), "an-id"));
    shows_id = true;
    cr_assert(has(page(json, 404, ""), "X-Request-ID: an-id\r\n"));
    cr_assert(has(page(json, 404, ""), ",\"request_id\":\"an-id\"}"));
    cr_assert(has(page(NULL, 404, ""), "<p><small>an-id</small></p></body>"));
}

/* ---- templates ---------------------------------------------------------- */

static struct gn_error_template *template_of(const char *text)
{
    struct gn_error_template *t = NULL;
    struct gn_error err = {0};

    cr_assert_eq(gn_error_template_create(gn_slice_str(text), &t, &err), GN_OK, "%s: %s", text,
            err.message);
    return t;
}

Test(error_page, a_template_stands_in_for_the_built_in_page)
{
    static const struct {
        const char *text;
        const char *page;
    } cases[] = {
            {"<p>{{status}}</p>\n", "<p>404</p>\n"},
            {"{{reason}}, {{ status }}: {{detail}}!", "Not Found, 404: a &lt;b&gt;!"},
            {"{{status}}{{status}}", "404404"},
            {"nothing is put in: {status} }} {", "nothing is put in: {status} }} {"},
            {"", ""},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_error_template *t = template_of(cases[i].text);
        const char *text = page_by(t, NULL, 404, "a <b>");

        cr_assert(has(text, "Content-Type: text/html; charset=utf-8\r\n"));
        cr_assert_str_eq(strstr(text, "\r\n\r\n") + 4, cases[i].page);
        gn_error_template_destroy(&t);
        cr_assert_null(t);
        gn_error_template_destroy(&t);
    }
}

Test(error_page, a_template_may_name_the_id)
{
    struct gn_error_template *t = template_of("<p>{{request_id}}</p>");

    cr_assert(gn_error_template_names_id(t));
    request_id = "a<b";
    cr_assert(has(page_by(t, NULL, 400, ""), "\r\n\r\n<p>a&lt;b</p>"));
    gn_error_template_destroy(&t);
}

Test(error_page, json_stays_json_beside_a_template)
{
    struct gn_error_template *t = template_of("<p>{{status}}</p>");

    cr_assert_not(gn_error_template_names_id(t));
    cr_assert_not(gn_error_template_names_id(NULL));
    cr_assert(has(
            page_by(t, "GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n", 503, ""),
            "\r\n\r\n{\"status\":503,\"error\":\"Service Unavailable\"}\n"));
    gn_error_template_destroy(&t);
}

Test(error_page, names_what_is_wrong_in_a_template)
{
    static const struct {
        const char *text;
        const char *named;
    } cases[] = {
            {"a {{version}} b", "{{version"},
            {"a {{status", "{{status"},
            {"a {{", "{{"},
            {"{{}}", "{{"},
            {"{{status}", "{{status}"},
            {"{{a name that is much longer than that}}", "{{a name that is much"},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_error_template *t = NULL;
        struct gn_error err = {0};

        cr_assert_eq(gn_error_template_create(gn_slice_str(cases[i].text), &t, &err),
                GN_ERR_INVALID, "%s", cases[i].text);
        cr_assert_null(t);
        cr_assert(has(err.message, cases[i].named), "%s", err.message);
    }
}

Test(error_page, bounds_a_template_just_under_and_just_over)
{
    static char text[GN_ERROR_TEMPLATE_BYTES + 1];
    static char names[64 * sizeof("{{detail}}") + sizeof("{{status}}")];
    struct gn_error_template *t = NULL;
    struct gn_error err = {0};
    char detail[512];

    memset(text, 'x', sizeof(text));
    cr_assert_eq(
            gn_error_template_create(gn_slice_of(text, sizeof(text)), &t, &err), GN_ERR_TOO_BIG);
    cr_assert_eq(gn_error_template_create(gn_slice_of(text, sizeof(text) - 1), &t, &err), GN_OK);
    gn_error_template_destroy(&t);
    for (int i = 0; i < 64; i++) {
        memcpy(names + strlen(names), "{{detail}}", sizeof("{{detail}}"));
    }
    t = template_of(names); /* the longest page there can be, nearly */
    memset(detail, '"', sizeof(detail) - 1);
    detail[sizeof(detail) - 1] = '\0';
    cr_assert_gt(strlen(page_by(t, NULL, 400, detail)), 64u * 300 * strlen("&quot;"));
    gn_error_template_destroy(&t);
    memcpy(names + strlen(names), "{{status}}", sizeof("{{status}}"));
    cr_assert_eq(gn_error_template_create(gn_slice_str(names), &t, &err), GN_ERR_TOO_BIG);
    cr_assert_null(t);
}
