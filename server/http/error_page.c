/* SPDX-License-Identifier: MIT */
#include "server/http/error_page.h"

#include <stdio.h>

#include "server/base/alloc.h"
#include "server/proto/http_status.h"

#define DETAIL_BYTES                                                                               \
    300 /* at most 8 bytes each when escaped; the rest of a page is under 2 KiB                    \
         */

/** Copies with `escape` for each byte; stops where room ends. */
typedef const char *(*escape_fn)(char c, char buffer[8]);

static const char *escape_html(char c, char buffer[8])
{
    switch (c) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        buffer[0] = c;
        buffer[1] = '\0';
        return buffer;
    }
}

static const char *escape_json(char c, char buffer[8])
{
    if (c == '"' || c == '\\') {
        (void)snprintf(buffer, 8, "\\%c", c);
    } else if ((unsigned char)c < 0x20) {
        (void)snprintf(buffer, 8, "\\u%04x", (unsigned)(unsigned char)c);
    } else {
        buffer[0] = c;
        buffer[1] = '\0';
    }
    return buffer;
}

static void append_text(struct gn_buf *page, const char *text)
{
    /* The page has room for everything that can be said here; see GN_ERROR_PAGE_BYTES. */
    enum gn_err rc = gn_buf_append(page, gn_slice_str(text));

    gn_assert(rc == GN_OK);
}

static void append_escaped(struct gn_buf *page, struct gn_slice text, escape_fn escape)
{
    char buffer[8];

    for (size_t i = 0; i < GN_MIN(text.len, (size_t)DETAIL_BYTES); i++) {
        append_text(page, escape(text.ptr[i], buffer));
    }
}

static void write_html(struct gn_buf *page, const char *title, struct gn_slice detail)
{
    append_text(page, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
    append_text(page, title);
    append_text(page,
            "</title><meta name=\"viewport\" "
            "content=\"width=device-width\"><style>body{font:16px/1.5 "
            "system-ui,sans-serif;max-width:36em;margin:12vh auto;padding:0 1em;color:#222}"
            "h1{font-size:1.4em}@media(prefers-color-scheme:dark){body{background:#16181b;"
            "color:#ddd}}</style></head><body><h1>");
    append_text(page, title);
    append_text(page, "</h1>");
    if (detail.len > 0) {
        append_text(page, "<p>");
        append_escaped(page, detail, escape_html);
        append_text(page, "</p>");
    }
    append_text(page, "</body></html>\n");
}

static void write_json(struct gn_buf *page, int status, struct gn_slice detail)
{
    char start[64];

    (void)snprintf(start, sizeof(start), "{\"status\":%d,\"error\":\"", status);
    append_text(page, start);
    append_escaped(page, gn_http_status_reason(status), escape_json);
    append_text(page, "\"");
    if (detail.len > 0) {
        append_text(page, ",\"detail\":\"");
        append_escaped(page, detail, escape_json);
        append_text(page, "\"");
    }
    append_text(page, "}\n");
}

static bool mentions(struct gn_slice list, struct gn_slice type)
{
    struct gn_slice element;

    while (gn_list_next(&list, &element)) {
        struct gn_slice name = gn_slice_of(element.ptr, gn_slice_find(element, ';'));

        if (gn_slice_eq_nocase(gn_slice_trim_ows(name), type)) {
            return true;
        }
    }
    return false;
}

static bool prefers_json(const struct gn_http1_head *head)
{
    struct gn_slice accept;

    if (head == NULL) {
        return false;
    }
    accept = gn_http1_head_value(head, GN_HDR_ACCEPT);
    return mentions(accept, GN_LIT("application/json")) && !mentions(accept, GN_LIT("text/html"));
}

struct gn_slice gn_error_page_make(
        const struct gn_http1_head *head, int status, struct gn_slice detail, struct gn_buf *page)
{
    struct gn_slice reason = gn_http_status_reason(status);
    char title[80];

    if (prefers_json(head)) {
        write_json(page, status, detail);
        return GN_LIT("application/json");
    }
    (void)snprintf(title, sizeof(title), "%d " GN_SLICE_FMT, status, GN_SLICE_ARG(reason));
    write_html(page, title, detail);
    return GN_LIT("text/html; charset=utf-8");
}

void gn_error_page_write(struct gn_http1_writer *writer, const struct gn_http1_head *head,
        int status, struct gn_slice detail, struct gn_slice date, struct gn_buf *out)
{
    struct gn_buf page;
    struct gn_header type;
    struct gn_http1_response response = {
            .status = status, .headers = &type, .n_headers = 1, .date = date};
    enum gn_err rc;

    gn_buf_init(&page, GN_ERROR_PAGE_BYTES);
    type = GN_HEADER(CONTENT_TYPE, "Content-Type", gn_error_page_make(head, status, detail, &page));
    rc = gn_http1_writer_reply(writer, &response, gn_buf_slice(&page), out);
    gn_assert(rc == GN_OK);
    gn_buf_fini(&page);
}
