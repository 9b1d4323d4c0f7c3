/* SPDX-License-Identifier: MIT */
#include "server/proto/http1_parser.h"

#include "server/proto/http1_fields.h"
#include "server/proto/http1_target.h"
#include "server/proto/scan.h"

/*
 * The parser works in lines. For each it first looks for the end, with one
 * vector search for a control byte: that byte must be the CR of an exact CRLF,
 * anything else (a bare CR or LF, a NUL, another control) is an error on the
 * spot. So whatever handles a line afterwards knows it to be complete and free
 * of controls but HTAB. A line that is not complete leaves behind how far it
 * was searched, and the next call goes on from there.
 *
 * Offsets, not pointers, are kept between calls; slices already handed to the
 * head are moved when the buffer has.
 */

enum state {
    START,        /* nothing but an empty line or two */
    REQUEST_LINE, /* in the request line */
    FIELDS,       /* the request line is done */
    DONE,
    FAILED,           /* in the request line or before it */
    FAILED_IN_FIELDS, /* behind it: the head is what was read so far */
};

enum { LEADING_BLANK_LINES = 1 };

void gn_http1_parser_init(struct gn_http1_parser *p, const struct gn_http1_limits *limits)
{
    *p = (struct gn_http1_parser){.limits = *limits, .scan = gn_scan_best(), .state = DONE};
}

void gn_http1_parser_begin(struct gn_http1_parser *p, struct gn_http1_head *head,
        struct gn_header *headers, unsigned capacity)
{
    *head = (struct gn_http1_head){.headers = headers};
    p->error = (struct gn_http1_error){.status = 0};
    p->head = head;
    p->capacity = GN_MIN(capacity, p->limits.fields);
    p->line_at = 0;
    p->scan_at = 0;
    p->state = START;
    p->blank_lines = 0;
    p->seen = 0;
}

bool gn_http1_parser_has_begun(const struct gn_http1_parser *p)
{
    return p->state != START;
}

static enum gn_http1_result fail(
        struct gn_http1_parser *p, size_t offset, int status, const char *reason)
{
    p->error.status = status;
    p->error.reason = reason;
    p->error.offset = offset;
    p->state = p->state == FIELDS ? FAILED_IN_FIELDS : FAILED;
    return GN_HTTP1_ERROR;
}

/* The limits, for a line that reaches to `line_end` so far. */
static enum gn_http1_result check_line_limit(struct gn_http1_parser *p, size_t line_end)
{
    size_t n = line_end - p->line_at;

    if (p->state != FIELDS && n > p->limits.request_line_bytes) {
        return fail(p, p->line_at + p->limits.request_line_bytes, 414, "request line too long");
    }
    if (p->state == FIELDS && n > p->limits.field_bytes) {
        return fail(p, p->line_at + p->limits.field_bytes, 431, "header field too long");
    }
    if (line_end > p->limits.head_bytes) {
        return fail(p, p->limits.head_bytes, 431, "request head too long");
    }
    return GN_HTTP1_DONE;
}

static const char *reason_of_control(char c)
{
    switch (c) {
    case '\n':
        return "bare LF";
    case '\r':
        return "bare CR";
    case '\0':
        return "NUL byte";
    default:
        return "control byte";
    }
}

/*
 * Finds the end of the current line. GN_HTTP1_DONE: `*line_out` is the line
 * without its CRLF.
 */
static inline enum gn_http1_result find_line(
        struct gn_http1_parser *p, struct gn_slice bytes, struct gn_slice *line_out)
{
    const char *end = bytes.ptr + bytes.len;
    const char *at = p->scan->find_ctl(bytes.ptr + p->scan_at, end);
    size_t offset = (size_t)(at - bytes.ptr);
    enum gn_http1_result r = check_line_limit(p, offset);

    if (GN_UNLIKELY(r != GN_HTTP1_DONE)) {
        return r;
    }
    if (GN_UNLIKELY(at == end || (*at == '\r' && at + 1 == end))) {
        p->scan_at = offset;
        return GN_HTTP1_MORE;
    }
    if (GN_UNLIKELY(at[0] != '\r' || at[1] != '\n')) {
        return fail(p, offset, 400, reason_of_control(*at));
    }
    *line_out = gn_slice_of(bytes.ptr + p->line_at, offset - p->line_at);
    return GN_HTTP1_DONE;
}

static void next_line(struct gn_http1_parser *p, struct gn_slice line)
{
    p->line_at += line.len + 2;
    p->scan_at = p->line_at;
}

static const char *reason_of_name(struct gn_slice line, size_t name_len)
{
    char c = name_len < line.len ? line.ptr[name_len] : '\0';

    if (name_len == 0) {
        return c == ' ' || c == '\t' ? "line folding, or white space before a field name"
                                     : "empty or invalid field name";
    }
    if (name_len == line.len) {
        return "header field without a colon";
    }
    return c == ' ' || c == '\t' ? "white space before the colon" : "invalid byte in a field name";
}

static bool is_ows(char c)
{
    return c == ' ' || c == '\t';
}

/* The value behind a colon, without the white space around it (RFC 9112 5.1). */
static struct gn_slice value_between(const char *p, const char *end)
{
    while (p < end && is_ows(*p)) {
        p++;
    }
    while (p < end && is_ows(end[-1])) {
        end--;
    }
    return gn_slice_of(p, (size_t)(end - p));
}

/* One field line; `readable_end` is the end of what has arrived. */
static enum gn_http1_result parse_field(
        struct gn_http1_parser *p, struct gn_slice line, const char *readable_end)
{
    struct gn_http1_head *head = p->head;
    const char *end = line.ptr + line.len;
    const char *colon = p->scan->skip(line.ptr, readable_end, &gn_scan_token);
    size_t name_len = (size_t)(colon - line.ptr);
    struct gn_header *field;
    const char *reason;

    if (GN_UNLIKELY(name_len == 0 || colon == end || *colon != ':')) {
        return fail(p, p->line_at + name_len, 400, reason_of_name(line, name_len));
    }
    if (GN_UNLIKELY(head->n_headers == p->capacity)) {
        return fail(p, p->line_at, 431, "too many header fields");
    }
    field = &head->headers[head->n_headers++];
    field->name = gn_slice_of(line.ptr, name_len);
    field->value = value_between(colon + 1, end);
    field->id = (uint16_t)gn_header_lookup(field->name);
    field->flags = 0;
    reason = gn_http1_note_field(head, &p->seen, field);
    if (GN_UNLIKELY(reason != NULL)) {
        return fail(p, (size_t)(field->value.ptr - line.ptr) + p->line_at, 400, reason);
    }
    return GN_HTTP1_DONE;
}

/* One empty line before the request line is tolerated (RFC 9112 2.2). */
static enum gn_http1_result skip_blank_line(struct gn_http1_parser *p, struct gn_slice line)
{
    if (p->blank_lines == LEADING_BLANK_LINES) {
        return fail(p, p->line_at, 400, "empty line instead of a request line");
    }
    p->blank_lines++;
    next_line(p, line);
    return GN_HTTP1_DONE;
}

static enum gn_http1_result parse_request_line(struct gn_http1_parser *p, struct gn_slice bytes)
{
    struct gn_slice line;
    enum gn_http1_result r = find_line(p, bytes, &line);

    if (r != GN_HTTP1_DONE) {
        if (r == GN_HTTP1_MORE && p->scan_at > p->line_at) {
            p->state = REQUEST_LINE;
        }
        return r;
    }
    if (line.len == 0) {
        return skip_blank_line(p, line);
    }
    if (!gn_http1_parse_request_line(p->scan, line, p->head, &p->error)) {
        return fail(p, p->line_at + p->error.offset, p->error.status, p->error.reason);
    }
    next_line(p, line);
    p->state = FIELDS;
    return GN_HTTP1_DONE;
}

static enum gn_http1_result parse_fields(struct gn_http1_parser *p, struct gn_slice bytes)
{
    struct gn_slice line;
    enum gn_http1_result r;

    for (;;) {
        r = find_line(p, bytes, &line);
        if (GN_UNLIKELY(r != GN_HTTP1_DONE)) {
            return r;
        }
        if (line.len == 0) {
            break;
        }
        r = parse_field(p, line, bytes.ptr + bytes.len);
        if (r != GN_HTTP1_DONE) {
            return r;
        }
        next_line(p, line);
    }
    if (!gn_http1_conclude_fields(p->head, p->seen, &p->error)) {
        return fail(p, p->line_at, p->error.status, p->error.reason);
    }
    next_line(p, line);
    p->head->head_bytes = p->line_at;
    p->state = DONE;
    return GN_HTTP1_DONE;
}

enum gn_http1_result gn_http1_parser_feed(
        struct gn_http1_parser *p, struct gn_slice bytes, size_t *consumed_out)
{
    enum gn_http1_result r = GN_HTTP1_DONE;

    *consumed_out = 0;
    if (p->state == FAILED || p->state == FAILED_IN_FIELDS) {
        return GN_HTTP1_ERROR;
    }
    if (bytes.len == 0) {
        return GN_HTTP1_MORE;
    }
    if (p->state == FIELDS && p->base != (uintptr_t)bytes.ptr) {
        gn_http1_head_move(p->head, p->base, p->line_at, bytes.ptr);
    }
    p->base = (uintptr_t)bytes.ptr;
    while (r == GN_HTTP1_DONE && p->state != DONE) {
        r = p->state == FIELDS ? parse_fields(p, bytes) : parse_request_line(p, bytes);
    }
    if (r == GN_HTTP1_DONE) {
        *consumed_out = p->line_at;
    }
    return r;
}

const struct gn_http1_head *gn_http1_parser_peek(struct gn_http1_parser *p, struct gn_slice bytes)
{
    if (p->state != FIELDS && p->state != FAILED_IN_FIELDS) {
        return NULL;
    }
    if (p->base != (uintptr_t)bytes.ptr) {
        gn_http1_head_move(p->head, p->base, bytes.len, bytes.ptr);
        p->base = (uintptr_t)bytes.ptr;
    }
    return p->head;
}

static void move_slice(struct gn_slice *s, uintptr_t from, size_t len, const char *to)
{
    uintptr_t at = (uintptr_t)s->ptr - from;

    if (s->ptr != NULL && at <= len) {
        s->ptr = to + at;
    }
}

void gn_http1_head_move(struct gn_http1_head *head, uintptr_t from, size_t len, const char *to)
{
    struct gn_slice *slices[] = {&head->method_name, &head->target, &head->scheme, &head->path,
            &head->query, &head->host};

    for (size_t i = 0; i < GN_ARRAY_LEN(slices); i++) {
        move_slice(slices[i], from, len, to);
    }
    for (unsigned i = 0; i < head->n_headers; i++) {
        move_slice(&head->headers[i].name, from, len, to);
        move_slice(&head->headers[i].value, from, len, to);
    }
}
