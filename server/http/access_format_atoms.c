/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <unistd.h>

#include "server/base/ascii.h"

#include "server/http/access_format_priv.h"

/*
 * What each atom writes. Whatever a client chose is escaped byte by byte, so
 * that no line can be forged and no terminal be driven.
 */

#define VALUE_BYTES 8190u /* of one value; the rest is cut */
#define USER_BYTES 128u

/* ---- output ------------------------------------------------------------- */

static enum gn_err put(const struct gn_access_context *c, struct gn_slice text)
{
    return gn_buf_append(c->out, text);
}

static enum gn_err put_dash(const struct gn_access_context *c)
{
    return put(c, GN_LIT("-"));
}

/** What a client chose, escaped; a dash when it is empty. */
static enum gn_err put_foreign(const struct gn_access_context *c, struct gn_slice text)
{
    static const char hex[] = "0123456789abcdef";
    size_t len = GN_MIN(text.len, (size_t)VALUE_BYTES);
    char *at;

    if (len == 0) {
        return put_dash(c);
    }
    GN_TRY(gn_buf_reserve(c->out, 4 * len));
    at = c->out->ptr + c->out->len;
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];

        if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
            *at++ = (char)byte;
        } else {
            *at++ = '\\';
            *at++ = 'x';
            *at++ = hex[byte >> 4];
            *at++ = hex[byte & 15];
        }
    }
    c->out->len = (size_t)(at - c->out->ptr);
    return GN_OK;
}

/* ---- atoms -------------------------------------------------------------- */

enum gn_err gn_access_literal(const struct gn_access_context *c, const struct gn_access_step *step)
{
    return put(c, step->text);
}

static enum gn_err put_client(const struct gn_access_context *c, const struct gn_access_step *step)
{
    char text[GN_ADDR_TEXT_BYTES];
    size_t len = gn_addr_format_host(&c->ex->peer, text);

    (void)step;
    return len > 0 ? put(c, gn_slice_of(text, len)) : put_dash(c);
}

static enum gn_err put_nothing(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return put_dash(c);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (gn_ascii_is_digit(c)) {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/** Decodes until `size` bytes, the end, or the first byte that is not base64. */
static size_t decode_base64(struct gn_slice text, char *into, size_t size)
{
    unsigned bits = 0;
    unsigned n_bits = 0;
    size_t n = 0;

    for (size_t i = 0; i < text.len && n < size; i++) {
        int value = base64_value(text.ptr[i]);

        if (value < 0) {
            break;
        }
        bits = (bits << 6 | (unsigned)value) & 0xfffu;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            into[n++] = (char)(bits >> n_bits & 0xffu);
        }
    }
    return n;
}

static enum gn_err put_user(const struct gn_access_context *c, const struct gn_access_step *step)
{
    struct gn_slice value = gn_http1_head_value(c->ex->head, GN_HDR_AUTHORIZATION);
    struct gn_slice scheme = gn_slice_of(value.ptr, GN_MIN(value.len, (size_t)6));
    char decoded[USER_BYTES];
    size_t len;

    (void)step;
    if (!gn_slice_eq_nocase(scheme, GN_LIT("Basic "))) {
        return put_dash(c);
    }
    len = decode_base64(gn_slice_trim_ows(gn_slice_skip(value, 6)), decoded, sizeof(decoded));
    len = gn_slice_find(gn_slice_of(decoded, len), ':');
    return put_foreign(c, gn_slice_of(decoded, len));
}

static enum gn_err put_time(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return put(c, c->facts->time);
}

static struct gn_slice protocol_of(const struct gn_exchange *ex)
{
    return ex->head->minor_version == 0 ? GN_LIT("HTTP/1.0") : GN_LIT("HTTP/1.1");
}

static enum gn_err put_request_line(
        const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    if (c->ex->head->method_name.len == 0) {
        return put_dash(c); /* it could not be read */
    }
    GN_TRY(put_foreign(c, c->ex->head->method_name));
    GN_TRY(put(c, GN_LIT(" ")));
    GN_TRY(put_foreign(c, c->ex->head->target));
    GN_TRY(put(c, GN_LIT(" ")));
    return put(c, protocol_of(c->ex));
}

static enum gn_err put_method(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return put_foreign(c, c->ex->head->method_name);
}

static enum gn_err put_path(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return put_foreign(c, c->ex->head->path);
}

static enum gn_err put_query(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return c->ex->head->query.len > 0 ? put_foreign(c, c->ex->head->query) : GN_OK;
}

static enum gn_err put_protocol(
        const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return put(c, protocol_of(c->ex));
}

static enum gn_err put_status(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return gn_buf_printf(
            c->out, "%d", c->ex->status > 0 ? c->ex->status : gn_err_http_status(GN_ERR_GONE));
}

static enum gn_err put_bytes(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return gn_buf_printf(c->out, "%" PRIu64, c->ex->response_bytes);
}

static enum gn_err put_bytes_or_dash(
        const struct gn_access_context *c, const struct gn_access_step *step)
{
    return c->ex->response_bytes > 0 ? put_bytes(c, step) : put_dash(c);
}

static enum gn_err put_referer(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return put_foreign(c, gn_http1_head_value(c->ex->head, GN_HDR_REFERER));
}

static enum gn_err put_user_agent(
        const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return put_foreign(c, gn_http1_head_value(c->ex->head, GN_HDR_USER_AGENT));
}

static int64_t duration_ns(const struct gn_access_context *c)
{
    return GN_MAX(c->facts->now - c->ex->times.first_byte, INT64_C(0));
}

static enum gn_err put_seconds(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return gn_buf_printf(c->out, "%" PRId64, duration_ns(c) / GN_NS_PER_S);
}

static enum gn_err put_millis(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return gn_buf_printf(c->out, "%" PRId64, duration_ns(c) / GN_NS_PER_MS);
}

static enum gn_err put_micros(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return gn_buf_printf(c->out, "%" PRId64, duration_ns(c) / 1000);
}

static enum gn_err put_fraction(
        const struct gn_access_context *c, const struct gn_access_step *step)
{
    int64_t micros = duration_ns(c) / 1000;

    (void)step;
    return gn_buf_printf(
            c->out, "%" PRId64 ".%06" PRId64, micros / 1000000, micros % INT64_C(1000000));
}

static enum gn_err put_process(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return gn_buf_printf(c->out, "<%d>", (int)getpid());
}

static enum gn_err put_request_header(
        const struct gn_access_context *c, const struct gn_access_step *step)
{
    const struct gn_http1_head *head = c->ex->head;
    const struct gn_header *field =
            gn_headers_find_name(head->headers, head->n_headers, step->text);

    return field != NULL ? put_foreign(c, field->value) : put_dash(c);
}

static enum gn_err put_response_header(
        const struct gn_access_context *c, const struct gn_access_step *step)
{
    const struct gn_slice *notes = c->facts->response_notes;

    return notes != NULL ? put_foreign(c, notes[step->note]) : put_dash(c);
}

/** "HTTP_USER_AGENT" names User-Agent. */
static bool is_http_key_of(struct gn_slice key, struct gn_slice name)
{
    if (key.len != name.len) {
        return false;
    }
    for (size_t i = 0; i < key.len; i++) {
        char c = name.ptr[i] == '-' ? '_' : gn_ascii_upper(name.ptr[i]);

        if (key.ptr[i] != c) {
            return false;
        }
    }
    return true;
}

static enum gn_err put_http_key(const struct gn_access_context *c, struct gn_slice key)
{
    const struct gn_http1_head *head = c->ex->head;

    for (unsigned i = 0; i < head->n_headers; i++) {
        if ((head->headers[i].flags & GN_HEADER_HIDDEN) == 0 &&
                is_http_key_of(key, head->headers[i].name)) {
            return put_foreign(c, head->headers[i].value);
        }
    }
    return put_dash(c);
}

/** The CGI variables that a server knows without an application. */
static enum gn_err put_variable(
        const struct gn_access_context *c, const struct gn_access_step *step)
{
    static const struct {
        struct gn_slice name;
        gn_access_fn fn;
    } variables[] = {
            {GN_LIT_INIT("REMOTE_ADDR"), put_client},
            {GN_LIT_INIT("REMOTE_USER"), put_user},
            {GN_LIT_INIT("REQUEST_METHOD"), put_method},
            {GN_LIT_INIT("PATH_INFO"), put_path},
            {GN_LIT_INIT("QUERY_STRING"), put_query},
            {GN_LIT_INIT("SERVER_PROTOCOL"), put_protocol},
    };

    if (gn_slice_starts_with(step->text, GN_LIT("HTTP_"))) {
        return put_http_key(c, gn_slice_skip(step->text, 5));
    }
    if (gn_slice_eq(step->text, GN_LIT("REMOTE_PORT"))) {
        return gn_buf_printf(c->out, "%u", gn_addr_port(&c->ex->peer));
    }
    if (gn_slice_eq(step->text, GN_LIT("RAW_URI"))) {
        return put_foreign(c, c->ex->head->target);
    }
    if (gn_slice_eq(step->text, GN_LIT("wsgi.url_scheme"))) {
        return put(c, c->ex->is_tls ? GN_LIT("https") : GN_LIT("http"));
    }
    for (size_t i = 0; i < GN_ARRAY_LEN(variables); i++) {
        if (gn_slice_eq(variables[i].name, step->text)) {
            return variables[i].fn(c, step);
        }
    }
    return put_dash(c);
}

/* ---- names ---------------------------------------------------------------- */

gn_access_fn gn_access_atom(struct gn_slice name)
{
    static const struct {
        char letter;
        gn_access_fn fn;
    } atoms[] = {
            {'h', put_client},
            {'l', put_nothing},
            {'u', put_user},
            {'t', put_time},
            {'r', put_request_line},
            {'m', put_method},
            {'U', put_path},
            {'q', put_query},
            {'H', put_protocol},
            {'s', put_status},
            {'B', put_bytes},
            {'b', put_bytes_or_dash},
            {'f', put_referer},
            {'a', put_user_agent},
            {'T', put_seconds},
            {'M', put_millis},
            {'D', put_micros},
            {'L', put_fraction},
            {'p', put_process},
    };

    for (size_t i = 0; name.len == 1 && i < GN_ARRAY_LEN(atoms); i++) {
        if (atoms[i].letter == name.ptr[0]) {
            return atoms[i].fn;
        }
    }
    return NULL;
}

gn_access_fn gn_access_named_atom(char letter)
{
    switch (letter) {
    case 'i':
        return put_request_header;
    case 'o':
        return put_response_header;
    case 'e':
        return put_variable;
    default:
        return NULL;
    }
}
