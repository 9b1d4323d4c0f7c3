/* SPDX-License-Identifier: MIT */
#include "server/http/error_page.h"

#include <stdio.h>

#include "server/base/alloc.h"
#include "server/proto/http_status.h"

/*
 * A template is cut once into pieces: text, or text and the name behind it.
 * Every page has a bound that is known before it is made: what is put in is
 * cut at DETAIL_BYTES, and escaping makes at most ESCAPED_BYTES of one byte.
 */

#define DETAIL_BYTES 300u
#define ESCAPED_BYTES 8u
#define BUILT_IN_BYTES 1024u /* both built-in pages without what is put in */
#define VALUE_BYTES ((size_t)DETAIL_BYTES * ESCAPED_BYTES)
#define MAX_NAMES 64u

/** What a piece ends with. */
enum field {
    FIELD_NONE,
    FIELD_STATUS,
    FIELD_REASON,
    FIELD_DETAIL,
    FIELD_ID,
    FIELD_N,
};

struct piece {
    struct gn_slice text;
    enum field field;
};

struct gn_error_template {
    char *text;
    unsigned n_pieces;
    struct piece pieces[MAX_NAMES + 1];
};

/* ---- templates ---------------------------------------------------------- */

static enum field field_of(struct gn_slice name)
{
    static const struct gn_slice names[FIELD_N] = {
            [FIELD_STATUS] = GN_LIT_INIT("status"),
            [FIELD_REASON] = GN_LIT_INIT("reason"),
            [FIELD_DETAIL] = GN_LIT_INIT("detail"),
            [FIELD_ID] = GN_LIT_INIT("request_id"),
    };

    for (unsigned f = FIELD_NONE + 1; f < FIELD_N; f++) {
        if (gn_slice_eq(names[f], name)) {
            return (enum field)f;
        }
    }
    return FIELD_NONE;
}

/** Where `two` begins, or the length. */
static size_t find_two(struct gn_slice text, const char two[2])
{
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.ptr[i] == two[0] && text.ptr[i + 1] == two[1]) {
            return i;
        }
    }
    return text.len;
}

/** "{{name}}" at the start of `rest`, which is advanced behind it. */
static enum gn_err read_name(struct gn_slice *rest, enum field *field_out, struct gn_error *err)
{
    struct gn_slice inside = gn_slice_skip(*rest, 2);
    size_t end = find_two(inside, "}}");
    struct gn_slice name = gn_slice_trim_ows(gn_slice_of(inside.ptr, end));

    *field_out = field_of(name);
    if (end == inside.len || *field_out == FIELD_NONE) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "\"{{" GN_SLICE_FMT
                "\": there are {{status}}, {{reason}}, {{detail}} and {{request_id}}",
                (int)GN_MIN(name.len, (size_t)20), name.ptr);
    }
    *rest = gn_slice_skip(inside, end + 2);
    return GN_OK;
}

static enum gn_err cut(struct gn_error_template *t, struct gn_slice rest, struct gn_error *err)
{
    do {
        struct piece *piece = &t->pieces[t->n_pieces++];

        piece->text = gn_slice_of(rest.ptr, find_two(rest, "{{"));
        rest = gn_slice_skip(rest, piece->text.len);
        if (rest.len > 0) {
            if (t->n_pieces > MAX_NAMES) {
                return gn_error_set(
                        err, GN_ERR_TOO_BIG, 0, "more than %u names in double braces", MAX_NAMES);
            }
            GN_TRY(read_name(&rest, &piece->field, err));
        }
    } while (rest.len > 0);
    return GN_OK;
}

enum gn_err gn_error_template_create(
        struct gn_slice text, struct gn_error_template **template_out, struct gn_error *err)
{
    struct gn_error_template *t;
    enum gn_err rc;

    if (text.len > GN_ERROR_TEMPLATE_BYTES) {
        return gn_error_set(
                err, GN_ERR_TOO_BIG, 0, "more than %d bytes", (int)GN_ERROR_TEMPLATE_BYTES);
    }
    t = gn_xcalloc(sizeof(*t));
    t->text = gn_xstrndup(text.ptr, text.len);
    rc = cut(t, gn_slice_of(t->text, text.len), err);
    if (rc == GN_OK) {
        *template_out = t;
        t = NULL;
    }
    gn_error_template_destroy(&t);
    return rc;
}

bool gn_error_template_names_id(const struct gn_error_template *t)
{
    for (unsigned i = 0; t != NULL && i < t->n_pieces; i++) {
        if (t->pieces[i].field == FIELD_ID) {
            return true;
        }
    }
    return false;
}

void gn_error_template_destroy(struct gn_error_template **t)
{
    if (*t == NULL) {
        return;
    }
    gn_free((*t)->text);
    gn_free(*t);
    *t = NULL;
}

static size_t page_bytes(const struct gn_error_template *t)
{
    size_t names = t != NULL ? t->n_pieces : 3;
    size_t text = t != NULL ? (size_t)GN_ERROR_TEMPLATE_BYTES : (size_t)BUILT_IN_BYTES;

    return text + names * VALUE_BYTES + BUILT_IN_BYTES;
}

/* ---- escaping ----------------------------------------------------------- */

/** What stands for a byte in a page. */
typedef const char *(*escape_fn)(char c, char buffer[ESCAPED_BYTES]);

static const char *escape_html(char c, char buffer[ESCAPED_BYTES])
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

static const char *escape_json(char c, char buffer[ESCAPED_BYTES])
{
    if (c == '"' || c == '\\') {
        (void)snprintf(buffer, ESCAPED_BYTES, "\\%c", c);
    } else if ((unsigned char)c < 0x20) {
        (void)snprintf(buffer, ESCAPED_BYTES, "\\u%04x", (unsigned)(unsigned char)c);
    } else {
        buffer[0] = c;
        buffer[1] = '\0';
    }
    return buffer;
}

static void append(struct gn_buf *page, struct gn_slice text)
{
    /* The page has room for everything that can be said here; see page_bytes. */
    enum gn_err rc = gn_buf_append(page, text);

    gn_assert(rc == GN_OK);
}

static void append_text(struct gn_buf *page, const char *text)
{
    append(page, gn_slice_str(text));
}

static void append_escaped(struct gn_buf *page, struct gn_slice text, escape_fn escape)
{
    char buffer[ESCAPED_BYTES];

    for (size_t i = 0; i < GN_MIN(text.len, (size_t)DETAIL_BYTES); i++) {
        append_text(page, escape(text.ptr[i], buffer));
    }
}

/* ---- pages -------------------------------------------------------------- */

static void write_html(struct gn_buf *page, const struct gn_error_facts *facts)
{
    char title[80];

    (void)snprintf(title, sizeof(title), "%d " GN_SLICE_FMT, facts->status,
            GN_SLICE_ARG(gn_http_status_reason(facts->status)));
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
    if (facts->detail.len > 0) {
        append_text(page, "<p>");
        append_escaped(page, facts->detail, escape_html);
        append_text(page, "</p>");
    }
    if (facts->shows_id && facts->request_id.len > 0) {
        append_text(page, "<p><small>");
        append_escaped(page, facts->request_id, escape_html);
        append_text(page, "</small></p>");
    }
    append_text(page, "</body></html>\n");
}

static void write_template(
        const struct gn_error_template *t, struct gn_buf *page, const struct gn_error_facts *facts)
{
    char number[12];

    (void)snprintf(number, sizeof(number), "%d", facts->status);
    for (unsigned i = 0; i < t->n_pieces; i++) {
        append(page, t->pieces[i].text);
        switch (t->pieces[i].field) {
        case FIELD_STATUS:
            append_text(page, number);
            break;
        case FIELD_REASON:
            append_escaped(page, gn_http_status_reason(facts->status), escape_html);
            break;
        case FIELD_DETAIL:
            append_escaped(page, facts->detail, escape_html);
            break;
        case FIELD_ID:
            append_escaped(page, facts->request_id, escape_html);
            break;
        case FIELD_NONE:
        case FIELD_N:
            break;
        }
    }
}

static void write_json(struct gn_buf *page, const struct gn_error_facts *facts)
{
    char start[64];

    (void)snprintf(start, sizeof(start), "{\"status\":%d,\"error\":\"", facts->status);
    append_text(page, start);
    append_escaped(page, gn_http_status_reason(facts->status), escape_json);
    append_text(page, "\"");
    if (facts->detail.len > 0) {
        append_text(page, ",\"detail\":\"");
        append_escaped(page, facts->detail, escape_json);
        append_text(page, "\"");
    }
    if (facts->shows_id && facts->request_id.len > 0) {
        append_text(page, ",\"request_id\":\"");
        append_escaped(page, facts->request_id, escape_json);
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
        const struct gn_error_template *t, const struct gn_error_facts *facts, struct gn_buf *page)
{
    gn_buf_init(page, page_bytes(t));
    if (prefers_json(facts->head)) {
        write_json(page, facts);
        return GN_LIT("application/json");
    }
    if (t != NULL) {
        write_template(t, page, facts);
    } else {
        write_html(page, facts);
    }
    return GN_LIT("text/html; charset=utf-8");
}

void gn_error_page_write(const struct gn_error_template *t, const struct gn_error_facts *facts,
        struct gn_slice date, struct gn_http1_writer *writer, struct gn_buf *out)
{
    struct gn_buf page;
    const struct gn_header type =
            GN_HEADER(CONTENT_TYPE, "Content-Type", gn_error_page_make(t, facts, &page));
    const struct gn_http1_response response = {
            .status = facts->status,
            .headers = &type,
            .n_headers = 1,
            .date = date,
            .request_id = facts->shows_id ? facts->request_id : gn_slice_of("", 0),
    };
    enum gn_err rc = gn_http1_writer_reply(writer, &response, gn_buf_slice(&page), out);

    gn_assert(rc == GN_OK);
    gn_buf_fini(&page);
}
