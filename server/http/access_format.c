/* SPDX-License-Identifier: MIT */
#include "server/http/access_format.h"

#include <inttypes.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/ascii.h"

/*
 * A format is a list of steps: literal text, or a function with an optional
 * name. Whatever a client chose is escaped byte by byte, so that no line can
 * be forged and no terminal be driven.
 */

#define VALUE_BYTES 8190u /* of one value; the rest is cut */
#define USER_BYTES 128u

struct context {
    const struct gn_exchange *ex;
    const struct gn_access_facts *facts;
    struct gn_buf *out;
};

struct format_step;
typedef enum gn_err (*step_fn)(const struct context *c, const struct format_step *step);

struct format_step {
    step_fn fn;
    struct gn_slice text; /* of a literal, or the name in braces */
    unsigned note;        /* index of a response header */
};

struct gn_access_format {
    char *source;
    struct format_step *steps;
    unsigned n_steps;
    unsigned n_notes;
};

/* ---- output --------------------------------------------------------------------- */

static enum gn_err put(const struct context *c, struct gn_slice text)
{
    return gn_buf_append(c->out, text);
}

static enum gn_err put_dash(const struct context *c)
{
    return put(c, GN_LIT("-"));
}

/** What a client chose, escaped; a dash when it is empty. */
static enum gn_err put_foreign(const struct context *c, struct gn_slice text)
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

/* ---- atoms ---------------------------------------------------------------------- */

static enum gn_err put_literal(const struct context *c, const struct format_step *step)
{
    return put(c, step->text);
}

static enum gn_err put_client(const struct context *c, const struct format_step *step)
{
    char text[GN_ADDR_TEXT_BYTES];
    size_t len = gn_addr_format_host(&c->ex->peer, text);

    (void)step;
    return len > 0 ? put(c, gn_slice_of(text, len)) : put_dash(c);
}

static enum gn_err put_nothing(const struct context *c, const struct format_step *step)
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

static enum gn_err put_user(const struct context *c, const struct format_step *step)
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

static enum gn_err put_time(const struct context *c, const struct format_step *step)
{
    (void)step;
    return put(c, c->facts->time);
}

static struct gn_slice protocol_of(const struct gn_exchange *ex)
{
    return ex->head->minor_version == 0 ? GN_LIT("HTTP/1.0") : GN_LIT("HTTP/1.1");
}

static enum gn_err put_request_line(const struct context *c, const struct format_step *step)
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

static enum gn_err put_method(const struct context *c, const struct format_step *step)
{
    (void)step;
    return put_foreign(c, c->ex->head->method_name);
}

static enum gn_err put_path(const struct context *c, const struct format_step *step)
{
    (void)step;
    return put_foreign(c, c->ex->head->path);
}

static enum gn_err put_query(const struct context *c, const struct format_step *step)
{
    (void)step;
    return c->ex->head->query.len > 0 ? put_foreign(c, c->ex->head->query) : GN_OK;
}

static enum gn_err put_protocol(const struct context *c, const struct format_step *step)
{
    (void)step;
    return put(c, protocol_of(c->ex));
}

static enum gn_err put_status(const struct context *c, const struct format_step *step)
{
    (void)step;
    return gn_buf_printf(
            c->out, "%d", c->ex->status > 0 ? c->ex->status : gn_err_http_status(GN_ERR_GONE));
}

static enum gn_err put_bytes(const struct context *c, const struct format_step *step)
{
    (void)step;
    return gn_buf_printf(c->out, "%" PRIu64, c->ex->response_bytes);
}

static enum gn_err put_bytes_or_dash(const struct context *c, const struct format_step *step)
{
    return c->ex->response_bytes > 0 ? put_bytes(c, step) : put_dash(c);
}

static enum gn_err put_referer(const struct context *c, const struct format_step *step)
{
    (void)step;
    return put_foreign(c, gn_http1_head_value(c->ex->head, GN_HDR_REFERER));
}

static enum gn_err put_user_agent(const struct context *c, const struct format_step *step)
{
    (void)step;
    return put_foreign(c, gn_http1_head_value(c->ex->head, GN_HDR_USER_AGENT));
}

static int64_t duration_ns(const struct context *c)
{
    return GN_MAX(c->facts->now - c->ex->times.first_byte, INT64_C(0));
}

static enum gn_err put_seconds(const struct context *c, const struct format_step *step)
{
    (void)step;
    return gn_buf_printf(c->out, "%" PRId64, duration_ns(c) / GN_NS_PER_S);
}

static enum gn_err put_millis(const struct context *c, const struct format_step *step)
{
    (void)step;
    return gn_buf_printf(c->out, "%" PRId64, duration_ns(c) / GN_NS_PER_MS);
}

static enum gn_err put_micros(const struct context *c, const struct format_step *step)
{
    (void)step;
    return gn_buf_printf(c->out, "%" PRId64, duration_ns(c) / 1000);
}

static enum gn_err put_fraction(const struct context *c, const struct format_step *step)
{
    int64_t micros = duration_ns(c) / 1000;

    (void)step;
    return gn_buf_printf(
            c->out, "%" PRId64 ".%06" PRId64, micros / 1000000, micros % INT64_C(1000000));
}

static enum gn_err put_process(const struct context *c, const struct format_step *step)
{
    (void)step;
    return gn_buf_printf(c->out, "<%d>", (int)getpid());
}

static enum gn_err put_request_header(const struct context *c, const struct format_step *step)
{
    const struct gn_http1_head *head = c->ex->head;
    const struct gn_header *field =
            gn_headers_find_name(head->headers, head->n_headers, step->text);

    return field != NULL ? put_foreign(c, field->value) : put_dash(c);
}

static enum gn_err put_response_header(const struct context *c, const struct format_step *step)
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

static enum gn_err put_http_key(const struct context *c, struct gn_slice key)
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
static enum gn_err put_variable(const struct context *c, const struct format_step *step)
{
    static const struct {
        struct gn_slice name;
        step_fn fn;
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

/* ---- compiling -------------------------------------------------------------------- */

static step_fn atom_of(struct gn_slice name)
{
    static const struct {
        char letter;
        step_fn fn;
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

/** "{name}i", "{name}o" or "{name}e". */
static bool compile_named(
        struct gn_access_format *f, struct gn_slice atom, struct format_step *step_out)
{
    if (atom.len < 4 || atom.ptr[0] != '{' || atom.ptr[atom.len - 2] != '}') {
        return false;
    }
    step_out->text = gn_slice_of(atom.ptr + 1, atom.len - 3);
    switch (atom.ptr[atom.len - 1]) {
    case 'i':
        step_out->fn = put_request_header;
        return true;
    case 'o':
        step_out->fn = put_response_header;
        step_out->note = f->n_notes++;
        return true;
    case 'e':
        step_out->fn = put_variable;
        return true;
    default:
        return false;
    }
}

static void add_step(struct gn_access_format *f, struct format_step step)
{
    f->steps = gn_xrealloc(f->steps, (f->n_steps + 1) * sizeof(*f->steps));
    f->steps[f->n_steps++] = step;
}

/** One "%(...)s" or "%%" at the start of `rest`, which is advanced. */
static enum gn_err compile_atom(
        struct gn_access_format *f, struct gn_slice *rest, struct gn_error *err)
{
    struct format_step step = {0};
    struct gn_slice atom;
    size_t end;

    if (gn_slice_starts_with(*rest, GN_LIT("%%"))) {
        add_step(f, (struct format_step){.fn = put_literal, .text = GN_LIT("%")});
        *rest = gn_slice_skip(*rest, 2);
        return GN_OK;
    }
    end = gn_slice_find(*rest, ')');
    if (!gn_slice_starts_with(*rest, GN_LIT("%(")) || end + 1 >= rest->len ||
            rest->ptr[end + 1] != 's') {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "the access log format: '%.20s' is not of the form %%(x)s", rest->ptr);
    }
    atom = gn_slice_of(rest->ptr + 2, end - 2);
    step.fn = atom_of(atom);
    if (step.fn == NULL && !compile_named(f, atom, &step)) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "the access log format: there is no '%%(" GN_SLICE_FMT ")s'", GN_SLICE_ARG(atom));
    }
    add_step(f, step);
    *rest = gn_slice_skip(*rest, end + 2);
    return GN_OK;
}

enum gn_err gn_access_format_create(
        struct gn_slice text, struct gn_access_format **format_out, struct gn_error *err)
{
    struct gn_access_format *f = gn_xcalloc(sizeof(*f));
    struct gn_slice rest;
    enum gn_err rc = GN_OK;

    f->source = gn_xstrndup(text.ptr, text.len);
    rest = gn_slice_str(f->source);
    while (rest.len > 0 && rc == GN_OK) {
        size_t literal = gn_slice_find(rest, '%');

        if (literal > 0) {
            add_step(f,
                    (struct format_step){
                            .fn = put_literal, .text = gn_slice_of(rest.ptr, literal)});
            rest = gn_slice_skip(rest, literal);
        } else {
            rc = compile_atom(f, &rest, err);
        }
    }
    if (rc == GN_OK) {
        *format_out = f;
        f = NULL;
    }
    gn_access_format_destroy(&f);
    return rc;
}

void gn_access_format_destroy(struct gn_access_format **format)
{
    if (*format == NULL) {
        return;
    }
    gn_free((*format)->steps);
    gn_free((*format)->source);
    gn_free(*format);
    *format = NULL;
}

/* ---- running ------------------------------------------------------------------------ */

unsigned gn_access_format_n_response_headers(const struct gn_access_format *format)
{
    return format->n_notes;
}

static void note_field(const struct gn_access_format *f, struct gn_slice name,
        struct gn_slice value, struct gn_slice *notes)
{
    for (unsigned i = 0; i < f->n_steps; i++) {
        const struct format_step *step = &f->steps[i];

        if (step->fn == put_response_header && notes[step->note].ptr == NULL &&
                gn_slice_eq_nocase(step->text, name)) {
            notes[step->note] = value;
        }
    }
}

void gn_access_format_scan_head(
        const struct gn_access_format *format, struct gn_slice head, struct gn_slice *notes_out)
{
    struct gn_slice line;
    bool is_status_line = true;

    for (unsigned i = 0; i < format->n_notes; i++) {
        notes_out[i] = gn_slice_of(NULL, 0);
    }
    while (gn_slice_split(&head, '\n', &line) && line.len > 1) {
        size_t colon = gn_slice_find(line, ':');

        if (!is_status_line && colon < line.len) {
            struct gn_slice value = gn_slice_of(line.ptr + colon + 1, line.len - colon - 2);

            note_field(format, gn_slice_of(line.ptr, colon), gn_slice_trim_ows(value), notes_out);
        }
        is_status_line = false;
    }
}

enum gn_err gn_access_format_write(const struct gn_access_format *format,
        const struct gn_exchange *ex, const struct gn_access_facts *facts, struct gn_buf *out)
{
    const struct context c = {.ex = ex, .facts = facts, .out = out};

    for (unsigned i = 0; i < format->n_steps; i++) {
        GN_TRY(format->steps[i].fn(&c, &format->steps[i]));
    }
    return gn_buf_append(out, GN_LIT("\n"));
}
