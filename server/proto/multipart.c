/* SPDX-License-Identifier: MIT */
#include "server/proto/multipart.h"

#include "server/base/ascii.h"
#include "server/proto/headers.h"
#include "server/proto/media_type.h"
#include "server/proto/multipart_head.h"

/*
 * Content ends at CRLF "--" boundary, which may arrive in any pieces. `matched`
 * says how much of that delimiter stands at the end of what has been seen;
 * those bytes are held back, and when the next byte does not fit, they were
 * content after all and are handed out from the decoder's own copy of the
 * delimiter, which is the same bytes. CR stands only at its start, so after a
 * mismatch at most the current byte can begin a new match.
 *
 * The preamble is read as if it were content of a part nobody asked for. It and
 * the content of each part start with the delimiter's CRLF matched: the first
 * delimiter may stand at the very beginning, and that of a part without
 * content shares the CRLF that ends the part's head.
 */

enum state {
    PREAMBLE,    /* before the first delimiter */
    CONTENT,     /* of a part */
    AFTER_DELIM, /* behind a delimiter: "--", or white space and CRLF */
    LAST_DASH,   /* behind the first '-' of "--" */
    PADDING,     /* white space behind a delimiter */
    DELIM_LF,    /* behind the CR of its line */
    HEAD,        /* of a part, being collected */
    DONE,
    FAILED,
};

enum { VIRTUAL = 2 }; /* a CRLF that stands before the content */

static bool is_boundary(struct gn_slice s)
{
    if (s.len == 0 || s.len > GN_MULTIPART_BOUNDARY_BYTES || s.ptr[s.len - 1] == ' ') {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (!gn_ascii_is(c, GN_ASCII_ALPHA) && !gn_ascii_is_digit(c) &&
                (c == '\0' || strchr("'()+_,-./:=? ", c) == NULL)) {
            return false;
        }
    }
    return true;
}

enum gn_err gn_multipart_init(struct gn_multipart *m, struct gn_slice content_type,
        const struct gn_multipart_limits *limits)
{
    struct gn_arena arena = {0};
    struct gn_media_type type;
    struct gn_slice boundary;
    enum gn_err rc = GN_ERR_INVALID;

    *m = (struct gn_multipart){
            .limits = *limits, .state = PREAMBLE, .matched = VIRTUAL, .n_virtual = VIRTUAL};
    if (gn_media_type_parse(content_type, &type) != GN_OK ||
            !gn_media_type_is(&type, GN_LIT("multipart"), GN_LIT("form-data"))) {
        return GN_ERR_UNSUPPORTED;
    }
    boundary = gn_parameter_find(&arena, type.parameters, GN_LIT("boundary"));
    if (is_boundary(boundary)) {
        memcpy(m->delim, "\r\n--", 4);
        memcpy(m->delim + 4, boundary.ptr, boundary.len);
        m->delim_len = (uint8_t)(4 + boundary.len);
        gn_buf_init(&m->head, limits->head_bytes);
        rc = GN_OK;
    }
    gn_arena_fini(&arena);
    return rc;
}

void gn_multipart_fini(struct gn_multipart *m)
{
    gn_buf_fini(&m->head);
    gn_arena_fini(&m->arena);
}

bool gn_multipart_is_done(const struct gn_multipart *m)
{
    return m->state == DONE;
}

static void fail(
        struct gn_multipart *m, struct gn_multipart_event *ev, enum gn_err code, const char *error)
{
    m->state = FAILED;
    m->error = error;
    m->error_code = code;
    ev->kind = GN_MULTIPART_ERROR;
}

static void report_data(
        const struct gn_multipart *m, struct gn_slice data, struct gn_multipart_event *ev)
{
    if (m->state == CONTENT && data.len > 0) {
        ev->kind = GN_MULTIPART_DATA;
        ev->data = data;
    }
}

/* The delimiter is complete: a part ends, if there was one. */
static void end_content(struct gn_multipart *m, struct gn_multipart_event *ev)
{
    if (m->state == CONTENT) {
        ev->kind = GN_MULTIPART_END;
    }
    m->state = AFTER_DELIM;
    m->matched = 0;
}

/* Goes on with a delimiter that was begun. Returns how many bytes were taken. */
static size_t step_match(struct gn_multipart *m, struct gn_slice in, struct gn_multipart_event *ev)
{
    size_t n = 0;
    struct gn_slice held;

    while (n < in.len && m->matched < m->delim_len && in.ptr[n] == m->delim[m->matched]) {
        n++;
        m->matched++;
    }
    if (m->matched == m->delim_len) {
        end_content(m, ev);
        return n;
    }
    if (n < in.len) {
        held = gn_slice_of(m->delim + m->n_virtual, m->matched - m->n_virtual);
        m->matched = 0;
        m->n_virtual = 0;
        report_data(m, held, ev);
    }
    return n;
}

/* Content up to where a delimiter may begin. */
static size_t step_content(
        struct gn_multipart *m, struct gn_slice in, struct gn_multipart_event *ev)
{
    size_t n;

    if (m->matched > 0) {
        return step_match(m, in, ev);
    }
    for (n = 0; n < in.len; n++) {
        n += gn_slice_find(gn_slice_skip(in, n), '\r');
        /* The next byte settles most CRs at once; at the end of the input it is not known. */
        if (n >= in.len || n + 1 == in.len || in.ptr[n + 1] == '\n') {
            break;
        }
    }
    n = GN_MIN(n, in.len);
    if (n < in.len) {
        m->matched = 1;
    }
    report_data(m, gn_slice_of(in.ptr, n), ev);
    return n < in.len ? n + 1 : n;
}

static void begin_head(struct gn_multipart *m, struct gn_multipart_event *ev)
{
    if (m->n_parts == m->limits.parts) {
        fail(m, ev, GN_ERR_TOO_BIG, "too many parts");
        return;
    }
    m->n_parts++;
    gn_buf_clear(&m->head);
    gn_arena_reset(&m->arena);
    m->state = HEAD;
}

/* The line of a delimiter, one byte at a time. */
static void step_delim_line(struct gn_multipart *m, char c, struct gn_multipart_event *ev)
{
    bool is_space = c == ' ' || c == '\t';

    if (m->state == AFTER_DELIM && c == '-') {
        m->state = LAST_DASH;
    } else if (m->state == LAST_DASH && c == '-') {
        m->state = DONE;
        ev->kind = GN_MULTIPART_DONE;
    } else if ((m->state == AFTER_DELIM || m->state == PADDING) && is_space) {
        m->state = PADDING; /* RFC 2046 5.1.1: transport padding */
    } else if ((m->state == AFTER_DELIM || m->state == PADDING) && c == '\r') {
        m->state = DELIM_LF;
    } else if (m->state == DELIM_LF && c == '\n') {
        begin_head(m, ev);
    } else {
        fail(m, ev, GN_ERR_PROTOCOL, "junk behind a boundary");
    }
}

static void end_head(struct gn_multipart *m, struct gn_multipart_event *ev)
{
    struct gn_multipart_head head;
    const char *error = gn_multipart_parse_head(&m->arena, gn_buf_slice(&m->head), &head);

    if (error != NULL) {
        fail(m, ev, GN_ERR_PROTOCOL, error);
        return;
    }
    m->state = CONTENT;
    m->matched = VIRTUAL; /* an empty part may end at once: its CRLF is the head's last */
    m->n_virtual = VIRTUAL;
    ev->kind = GN_MULTIPART_PART;
    ev->name = head.name;
    ev->filename = head.filename;
    ev->content_type = head.content_type;
}

/* Collects the head of a part, a line at a time, until the empty line. */
static size_t step_head(struct gn_multipart *m, struct gn_slice in, struct gn_multipart_event *ev)
{
    size_t n = GN_MIN(gn_slice_find(in, '\n') + 1, in.len);
    struct gn_slice head;

    if (gn_buf_append(&m->head, gn_slice_of(in.ptr, n)) != GN_OK) {
        fail(m, ev, GN_ERR_TOO_BIG, "head of a part too long");
        return n;
    }
    head = gn_buf_slice(&m->head);
    if (gn_slice_eq(head, GN_LIT("\r\n")) || gn_slice_ends_with(head, GN_LIT("\r\n\r\n"))) {
        end_head(m, ev);
    }
    return n;
}

void gn_multipart_feed(struct gn_multipart *m, struct gn_slice in, size_t *consumed_out,
        struct gn_multipart_event *event_out)
{
    size_t at = 0;

    *event_out = (struct gn_multipart_event){.kind = GN_MULTIPART_MORE};
    while (at < in.len && event_out->kind == GN_MULTIPART_MORE) {
        struct gn_slice rest = gn_slice_skip(in, at);

        switch ((enum state)m->state) {
        case PREAMBLE:
        case CONTENT:
            at += step_content(m, rest, event_out);
            break;
        case AFTER_DELIM:
        case LAST_DASH:
        case PADDING:
        case DELIM_LF:
            step_delim_line(m, rest.ptr[0], event_out);
            at++;
            break;
        case HEAD:
            at += step_head(m, rest, event_out);
            break;
        case DONE:
            at = in.len;
            break;
        case FAILED:
            event_out->kind = GN_MULTIPART_ERROR;
            break;
        }
    }
    *consumed_out = at;
}
