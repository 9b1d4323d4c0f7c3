/* SPDX-License-Identifier: MIT */
#include "server/proto/http1_writer.h"

#include "server/base/alloc.h"
#include "server/proto/http_status.h"
#include "server/proto/scan.h"

/*
 * A head is written in one pass over the headers into space reserved for the
 * longest it can become, checking each field as it is copied; when a check
 * fails, the buffer's length is put back and nothing has happened. The framing
 * is settled between the application's fields and ours.
 *
 * Invariant: what goes on the wire after a head is exactly what the head
 * promised, or the end (gn_http1_writer_end) says that the connection must be
 * closed before anybody takes the response for complete.
 */

enum state {
    READY, /* no final head yet */
    BODY,  /* the head is out */
    ENDED,
};

enum framing {
    NO_BODY,   /* HEAD, 204, 205, 304: body bytes are swallowed */
    BY_LENGTH, /* `declared` bytes */
    CHUNKED,
    UNTIL_CLOSE,
};

enum {
    /* Status line, Date, Server, the name X-Request-ID, Content-Length or Transfer-Encoding,
     * Connection and the empty line, each with room to spare; the reason is counted apart. */
    FIXED_BYTES = 256,
    DECIMAL_BYTES = 20,
    CHUNK_SIZE_DIGITS = 16,
};

/* What was found among the headers of one response. */
struct fields {
    bool has_date;
    bool has_server;
    bool has_request_id;
    bool has_upgrade;
    bool has_length;
    bool wants_close;
    uint64_t length;
};

void gn_http1_writer_init(
        struct gn_http1_writer *w, const struct gn_http1_head *head, bool keep_alive)
{
    *w = (struct gn_http1_writer){
            .minor_version = head->minor_version,
            .is_head = head->method == GN_METHOD_HEAD,
            .keep_alive = keep_alive && head->keep_alive,
            .declared = GN_LENGTH_UNKNOWN,
    };
}

void gn_http1_writer_init_closing(struct gn_http1_writer *w)
{
    *w = (struct gn_http1_writer){.minor_version = 1, .declared = GN_LENGTH_UNKNOWN};
}

bool gn_http1_writer_has_body(const struct gn_http1_writer *w)
{
    return w->state != READY && w->framing != NO_BODY;
}

static char *put(char *at, struct gn_slice text)
{
    if (text.len > 0) {
        memcpy(at, text.ptr, text.len);
    }
    return at + text.len;
}

static char *put_field(char *at, struct gn_slice name, struct gn_slice value)
{
    at = put(at, name);
    at = put(at, GN_LIT(": "));
    at = put(at, value);
    return put(at, GN_LIT("\r\n"));
}

static char *put_decimal(char *at, uint64_t value)
{
    char digits[DECIMAL_BYTES];
    size_t n = 0;

    do {
        digits[DECIMAL_BYTES - ++n] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return put(at, gn_slice_of(digits + DECIMAL_BYTES - n, n));
}

static enum gn_err refuse(struct gn_http1_writer *w, const char *error)
{
    w->error = error;
    return GN_ERR_INVALID;
}

/* Room for the head at its longest, or an error. */
static enum gn_err reserve(
        struct gn_buf *out, size_t reason_len, const struct gn_header *headers, unsigned n)
{
    size_t bytes = FIXED_BYTES + reason_len;

    for (unsigned i = 0; i < n; i++) {
        bytes += headers[i].name.len + headers[i].value.len + sizeof(": \r\n") - 1;
    }
    return gn_buf_reserve(out, bytes);
}

static char *put_status_line(char *at, int status, struct gn_slice reason)
{
    at = put(at, GN_LIT("HTTP/1.1 "));
    at[0] = (char)('0' + status / 100);
    at[1] = (char)('0' + status / 10 % 10);
    at[2] = (char)('0' + status % 10);
    at[3] = ' ';
    at = put(at + 4, reason);
    return put(at, GN_LIT("\r\n"));
}

static const char *error_of_value(struct gn_slice value)
{
    size_t at = gn_scan_find_ctl(value);

    if (at == value.len) {
        return NULL;
    }
    switch (value.ptr[at]) {
    case '\r':
        return "header value holds a CR";
    case '\n':
        return "header value holds a LF";
    case '\0':
        return "header value holds a NUL";
    default:
        return "header value holds a control byte";
    }
}

static const char *error_of_field(enum gn_header_id id, const struct gn_header *h)
{
    /* A known name is a token; its letters were compared. */
    if (id == GN_HDR_OTHER && !gn_is_token(h->name)) {
        return "header name is not a token";
    }
    return error_of_value(h->value);
}

static const char *note_length(struct fields *f, struct gn_slice value)
{
    if (f->has_length) {
        return "more than one Content-Length";
    }
    f->has_length = true;
    if (gn_slice_to_u64(value, INT64_MAX, &f->length) != GN_OK) {
        return "invalid Content-Length";
    }
    return NULL;
}

/* Fields that are ours to write: left out, their meaning noted (RFC 9110 7.6.1). */
static bool is_ours(struct gn_http1_writer *w, enum gn_header_id id, struct gn_slice value,
        struct fields *f, const char **error_out)
{
    switch (id) {
    case GN_HDR_CONTENT_LENGTH:
        *error_out = note_length(f, value);
        return true;
    case GN_HDR_CONNECTION:
        f->wants_close |= gn_list_has_token(value, GN_LIT("close"));
        break;
    case GN_HDR_UPGRADE:
        f->has_upgrade = true;
        break;
    case GN_HDR_KEEP_ALIVE:
    case GN_HDR_PROXY_CONNECTION:
    case GN_HDR_TE:
    case GN_HDR_TRAILER:
    case GN_HDR_TRANSFER_ENCODING:
        break;
    default:
        return false;
    }
    w->dropped_id = (uint16_t)id;
    return true;
}

/* Checks and copies one field; advances `*at`. */
static const char *put_checked_field(struct gn_http1_writer *w, const struct gn_header *h,
        bool keep_upgrade, struct fields *f, char **at)
{
    bool is_checked = (h->flags & GN_HEADER_CHECKED) != 0;
    enum gn_header_id id = is_checked ? (enum gn_header_id)h->id : gn_header_lookup(h->name);
    const char *error = is_checked ? NULL : error_of_field(id, h);

    if (error != NULL) {
        return error;
    }
    f->has_date |= id == GN_HDR_DATE;
    f->has_server |= id == GN_HDR_SERVER;
    f->has_request_id |= id == GN_HDR_X_REQUEST_ID;
    if (is_ours(w, id, h->value, f, &error)) {
        if (!(keep_upgrade && id == GN_HDR_UPGRADE)) {
            return error;
        }
        w->dropped_id = 0;
    }
    *at = put_field(*at, h->name, h->value);
    return NULL;
}

static enum gn_err put_headers(struct gn_http1_writer *w, const struct gn_header *headers,
        unsigned n, bool keep_upgrade, struct fields *f, char **at)
{
    for (unsigned i = 0; i < n; i++) {
        const char *error = put_checked_field(w, &headers[i], keep_upgrade, f, at);

        if (error != NULL) {
            w->error_index = i;
            return refuse(w, error);
        }
    }
    return GN_OK;
}

/* A response to HEAD, and a 304, speak of the length some other response would have. */
static bool must_agree(const struct gn_http1_writer *w, int status)
{
    return !w->is_head && gn_http_status_has_body(status);
}

/* RFC 9112 6.3 seen from the sender; sets framing and declared. */
static enum gn_err settle_framing(
        struct gn_http1_writer *w, int status, uint64_t body_length, const struct fields *f)
{
    if (f->has_length && body_length != GN_LENGTH_UNKNOWN && f->length != body_length &&
            must_agree(w, status)) {
        return refuse(w, "Content-Length does not match the body");
    }
    w->declared = f->has_length ? f->length : body_length;
    if (status == 205) {
        w->declared = 0; /* no content, and said so: RFC 9110 15.3.6 */
    } else if (status == 204 || (status == 304 && !f->has_length)) {
        w->declared = GN_LENGTH_UNKNOWN; /* RFC 9110 8.6 */
    }
    if (w->is_head || status == 205 || !gn_http_status_has_body(status)) {
        w->framing = NO_BODY;
    } else if (w->declared != GN_LENGTH_UNKNOWN) {
        w->framing = BY_LENGTH;
    } else if (w->minor_version >= 1) {
        w->framing = CHUNKED;
    } else {
        w->framing = UNTIL_CLOSE;
        w->keep_alive = false;
    }
    return GN_OK;
}

/* An Upgrade field is named there, too (RFC 9110 7.8); to be kept goes without saying since
 * HTTP/1.1. */
static char *put_connection(const struct gn_http1_writer *w, bool names_upgrade, char *at)
{
    const struct gn_slice fate = !w->keep_alive ? GN_LIT("close")
            : w->minor_version == 0             ? GN_LIT("keep-alive")
                                                : GN_LIT("");

    if (fate.len == 0 && !names_upgrade) {
        return at;
    }
    at = put(at, GN_LIT("Connection: "));
    at = put(at, fate);
    if (names_upgrade) {
        at = put(at, fate.len > 0 ? GN_LIT(", Upgrade") : GN_LIT("Upgrade"));
    }
    return put(at, GN_LIT("\r\n"));
}

/* The fields that follow from the framing and from what the application left out. */
static char *put_own_fields(const struct gn_http1_writer *w, const struct gn_http1_response *r,
        const struct fields *f, char *at)
{
    if (!f->has_date && r->date.len > 0) {
        at = put_field(at, GN_LIT("Date"), r->date);
    }
    if (GN_UNLIKELY(r->request_id.len > 0) && !f->has_request_id) {
        at = put_field(at, GN_LIT("X-Request-ID"), r->request_id);
    }
    if (!f->has_server) {
        at = put(at, GN_LIT("Server: gustnado\r\n"));
    }
    if (w->declared != GN_LENGTH_UNKNOWN) {
        at = put(at, GN_LIT("Content-Length: "));
        at = put_decimal(at, w->declared);
        at = put(at, GN_LIT("\r\n"));
    } else if (w->framing == CHUNKED) {
        at = put(at, GN_LIT("Transfer-Encoding: chunked\r\n"));
    }
    at = put_connection(w, f->has_upgrade && w->status == 426, at);
    return put(at, GN_LIT("\r\n"));
}

static enum gn_err check_status_line(
        struct gn_http1_writer *w, const struct gn_http1_response *r, struct gn_slice *reason_out)
{
    if (w->state != READY) {
        return refuse(w, "the response has a head already");
    }
    if (!gn_http_status_is_valid(r->status) || gn_http_status_is_interim(r->status)) {
        return refuse(w, "status is not between 200 and 599");
    }
    if (!gn_is_field_value(r->reason)) {
        return refuse(w, "reason phrase holds a control byte");
    }
    *reason_out = r->reason.len > 0 ? r->reason : gn_http_status_reason(r->status);
    return GN_OK;
}

enum gn_err gn_http1_writer_head(
        struct gn_http1_writer *w, const struct gn_http1_response *response, struct gn_buf *out)
{
    struct gn_http1_writer next = *w;
    struct fields f = {.length = 0};
    struct gn_slice reason;
    enum gn_err rc;
    char *at;

    GN_TRY(check_status_line(w, response, &reason));
    GN_TRY(reserve(
            out, reason.len + response->request_id.len, response->headers, response->n_headers));
    at = put_status_line(out->ptr + out->len, response->status, reason);
    rc = put_headers(
            &next, response->headers, response->n_headers, response->status == 426, &f, &at);
    if (rc == GN_OK) {
        next.keep_alive = next.keep_alive && !f.wants_close;
        rc = settle_framing(&next, response->status, response->body_length, &f);
    }
    if (rc != GN_OK) {
        w->error = next.error;
        w->error_index = next.error_index;
        return rc;
    }
    next.status = (uint16_t)response->status;
    at = put_own_fields(&next, response, &f, at);
    out->len = (size_t)(at - out->ptr);
    next.state = BODY;
    *w = next;
    return GN_OK;
}

enum gn_err gn_http1_writer_interim(struct gn_http1_writer *w, int status,
        const struct gn_header *headers, unsigned n_headers, struct gn_buf *out)
{
    struct fields f = {.length = 0};
    struct gn_slice reason = gn_http_status_reason(status);
    char *at;

    if (w->state != READY) {
        return refuse(w, "interim response after the head");
    }
    if (!gn_http_status_is_interim(status) || status == 101) {
        return refuse(w, "status is not that of an interim response");
    }
    GN_TRY(reserve(out, reason.len, headers, n_headers));
    at = put_status_line(out->ptr + out->len, status, reason);
    GN_TRY(put_headers(w, headers, n_headers, false, &f, &at));
    if (w->minor_version >= 1) {
        at = put(at, GN_LIT("\r\n"));
        out->len = (size_t)(at - out->ptr);
    }
    return GN_OK;
}

enum gn_err gn_http1_writer_upgrade(struct gn_http1_writer *w, const struct gn_header *headers,
        unsigned n_headers, struct gn_buf *out)
{
    struct fields f = {.length = 0};
    struct gn_slice reason = gn_http_status_reason(101);
    char *at;

    if (w->state != READY || w->minor_version == 0) {
        return refuse(w, "no upgrade after the head, nor on HTTP/1.0");
    }
    GN_TRY(reserve(out, reason.len, headers, n_headers));
    at = put_status_line(out->ptr + out->len, 101, reason);
    GN_TRY(put_headers(w, headers, n_headers, true, &f, &at));
    if (!f.has_upgrade) {
        return refuse(w, "101 without an Upgrade field");
    }
    at = put(at, GN_LIT("Connection: Upgrade\r\n\r\n"));
    out->len = (size_t)(at - out->ptr);
    w->status = 101;
    w->framing = NO_BODY;
    w->keep_alive = false;
    w->state = ENDED;
    return GN_OK;
}

/* Writes "1a2b\r\n" to the writer's own few bytes. */
static struct gn_slice chunk_prefix(struct gn_http1_writer *w, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    char *end = w->prefix + CHUNK_SIZE_DIGITS;
    char *at = end;

    do {
        *--at = hex[len & 15];
        len >>= 4;
    } while (len > 0);
    end[0] = '\r';
    end[1] = '\n';
    return gn_slice_of(at, (size_t)(end + 2 - at));
}

enum gn_err gn_http1_writer_body(
        struct gn_http1_writer *w, size_t len, struct gn_http1_piece *piece_out)
{
    *piece_out = (struct gn_http1_piece){.take = len};
    if (w->state != BODY) {
        piece_out->take = 0;
        return refuse(w, "body bytes outside of a response");
    }
    switch (w->framing) {
    case NO_BODY:
        piece_out->take = 0;
        return GN_OK;
    case CHUNKED:
        if (len > 0) {
            piece_out->prefix = chunk_prefix(w, len);
            piece_out->suffix = GN_LIT("\r\n");
        }
        break;
    case BY_LENGTH:
        piece_out->take = (size_t)GN_MIN((uint64_t)len, w->declared - w->n_body);
        break;
    default:
        break;
    }
    w->n_body += piece_out->take;
    return piece_out->take < len ? GN_ERR_TOO_BIG : GN_OK;
}

enum gn_err gn_http1_writer_end(struct gn_http1_writer *w, struct gn_slice *tail_out)
{
    *tail_out = GN_LIT("");
    if (w->state != BODY) {
        return refuse(w, "no response to end");
    }
    w->state = ENDED;
    if (w->framing == BY_LENGTH && w->n_body < w->declared) {
        w->keep_alive = false;
        return GN_ERR_EOF;
    }
    if (w->framing == CHUNKED) {
        *tail_out = GN_LIT("0\r\n\r\n");
    }
    return GN_OK;
}

enum gn_err gn_http1_writer_reply(struct gn_http1_writer *w,
        const struct gn_http1_response *response, struct gn_slice body, struct gn_buf *out)
{
    struct gn_http1_response whole = *response;
    struct gn_http1_writer before = *w;
    struct gn_http1_piece piece;
    struct gn_slice tail;
    size_t len_before = out->len;
    enum gn_err rc;

    whole.body_length = body.len;
    GN_TRY(gn_http1_writer_head(w, &whole, out));
    rc = gn_http1_writer_body(w, body.len, &piece);
    if (rc == GN_OK) {
        rc = gn_buf_append(out, gn_slice_of(body.ptr, piece.take));
    }
    if (rc == GN_OK) {
        rc = gn_http1_writer_end(w, &tail);
    }
    if (rc != GN_OK) {
        out->len = len_before;
        *w = before;
    }
    return rc;
}
