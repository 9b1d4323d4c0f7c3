/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <unistd.h>

#include "server/base/ascii.h"
#include "server/http/access_values.h"

#include "server/http/access_format_priv.h"

/*
 * What each atom writes. Whatever a client chose is escaped byte by byte, so
 * that no line can be forged and no terminal be driven.
 */

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
    size_t len = GN_MIN(text.len, (size_t)GN_ACCESS_VALUE_BYTES);
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

static enum gn_err put_user(const struct gn_access_context *c, const struct gn_access_step *step)
{
    char user[GN_ACCESS_USER_BYTES];

    (void)step;
    return put_foreign(c, gn_access_user(c->ex, user));
}

static enum gn_err put_time(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return put(c, c->facts->time);
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
    return put(c, gn_access_protocol(c->ex));
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
    return put(c, gn_access_protocol(c->ex));
}

static enum gn_err put_status(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return gn_access_put_number(c->out, (uint64_t)gn_access_status(c->ex));
}

static enum gn_err put_bytes(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return gn_access_put_number(c->out, c->ex->response_bytes);
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

/** A time in `unit_ns`, rounded down; a dash when there was none. */
static enum gn_err put_duration(const struct gn_access_context *c, int64_t ns, int64_t unit_ns)
{
    return ns < 0 ? put_dash(c) : gn_access_put_number(c->out, (uint64_t)(ns / unit_ns));
}

static enum gn_err put_seconds(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return put_duration(c, gn_access_times(c->ex, c->facts->now).total, GN_NS_PER_S);
}

static enum gn_err put_millis(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return put_duration(c, gn_access_times(c->ex, c->facts->now).total, GN_NS_PER_MS);
}

static enum gn_err put_micros(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return put_duration(c, gn_access_times(c->ex, c->facts->now).total, 1000);
}

static enum gn_err put_fraction(
        const struct gn_access_context *c, const struct gn_access_step *step)
{
    int64_t micros = gn_access_times(c->ex, c->facts->now).total / 1000;

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

enum gn_err gn_access_response_header(
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

/* ---- what gunicorn has no atoms for ---------------------------------------- */

static enum gn_err put_request_id(
        const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    gn_assert_loop_thread(gn_exchange_loop(c->ex));
    return put(c, gn_exchange_request_id(c->ex));
}

static enum gn_err put_first_byte(
        const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return put_duration(c, gn_access_times(c->ex, c->facts->now).first_byte, 1000);
}

static enum gn_err put_queue(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return put_duration(c, gn_access_times(c->ex, c->facts->now).queue, 1000);
}

static enum gn_err put_python(const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return put_duration(c, gn_access_times(c->ex, c->facts->now).worker, 1000);
}

static enum gn_err put_bytes_in(
        const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return gn_access_put_number(c->out, c->ex->bytes_in);
}

static enum gn_err put_bytes_out(
        const struct gn_access_context *c, const struct gn_access_step *step)
{
    (void)step;
    return gn_access_put_number(c->out, c->ex->bytes_out);
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

/** The `name` of "%({name}x)s". */
static gn_access_fn extra_atom(struct gn_slice name)
{
    static const struct {
        struct gn_slice name;
        gn_access_fn fn;
    } atoms[] = {
            {GN_LIT_INIT("request_id"), put_request_id},
            {GN_LIT_INIT("first_byte_us"), put_first_byte},
            {GN_LIT_INIT("queue_us"), put_queue},
            {GN_LIT_INIT("python_us"), put_python},
            {GN_LIT_INIT("bytes_in"), put_bytes_in},
            {GN_LIT_INIT("bytes_out"), put_bytes_out},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(atoms); i++) {
        if (gn_slice_eq(atoms[i].name, name)) {
            return atoms[i].fn;
        }
    }
    return NULL;
}

gn_access_fn gn_access_named_atom(char letter, struct gn_slice name)
{
    switch (letter) {
    case 'x':
        return extra_atom(name);
    case 'i':
        return put_request_header;
    case 'o':
        return gn_access_response_header;
    case 'e':
        return put_variable;
    default:
        return NULL;
    }
}
