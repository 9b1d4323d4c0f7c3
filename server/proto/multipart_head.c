/* SPDX-License-Identifier: MIT */
#include "server/proto/multipart_head.h"

#include "server/proto/headers.h"
#include "server/proto/media_type.h"
#include "server/proto/uri.h"
#include "server/proto/utf8.h"

/*
 * Browsers do not write quoted strings as RFC 9110 reads them: they escape a
 * quote as %22 (and CR, LF as %0D, %0A) and leave backslashes alone, so that
 * `C:\dir\file` arrives as it is. A backslash is therefore an escape only
 * before a quote or another backslash, and percent escapes are left to those
 * three.
 */

/* Resolves \" and \\ and leaves other backslashes. */
static struct gn_slice unescape_quotes(struct gn_arena *arena, struct gn_slice in)
{
    char *text;
    size_t n = 0;

    if (gn_slice_find(in, '\\') == in.len) {
        return in;
    }
    text = gn_arena_alloc(arena, in.len);
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] == '\\' && i + 1 < in.len &&
                (in.ptr[i + 1] == '"' || in.ptr[i + 1] == '\\')) {
            i++;
        }
        text[n++] = in.ptr[i];
    }
    return gn_slice_of(text, n);
}

static char three_escapes(const char *p)
{
    static const struct {
        char escape[4];
        char c;
    } known[] = {{"%22", '"'}, {"%0D", '\r'}, {"%0A", '\n'}};

    for (size_t i = 0; i < GN_ARRAY_LEN(known); i++) {
        if (memcmp(p, known[i].escape, 3) == 0) {
            return known[i].c;
        }
    }
    return '\0';
}

/* Resolves %22, %0D and %0A (WHATWG HTML, multipart/form-data encoding algorithm). */
static struct gn_slice unescape_percent(struct gn_arena *arena, struct gn_slice in)
{
    char *text;
    size_t n = 0;

    if (gn_slice_find(in, '%') == in.len) {
        return in;
    }
    text = gn_arena_alloc(arena, in.len);
    for (size_t i = 0; i < in.len; i++) {
        char c = in.len - i >= 3 ? three_escapes(in.ptr + i) : '\0';

        i += c != '\0' ? 2 : 0;
        text[n++] = c != '\0' ? c : in.ptr[i];
    }
    return gn_slice_of(text, n);
}

/* The last segment: some clients send whole paths, and nobody should trust them. */
static struct gn_slice base_name(struct gn_slice path)
{
    size_t at = path.len;

    while (at > 0 && path.ptr[at - 1] != '/' && path.ptr[at - 1] != '\\') {
        at--;
    }
    return gn_slice_skip(path, at);
}

/* UTF-8'language'percent-encoded (RFC 5987 3.2); RFC 7578 4.2 forbids it, some send it, and
 * then it goes before the plain one wherever it stands (RFC 6266 4.3). */
static bool decode_extended(struct gn_arena *arena, struct gn_slice in, struct gn_slice *out)
{
    struct gn_slice rest = in;
    struct gn_slice charset, language;

    return gn_slice_split(&rest, '\'', &charset) && gn_slice_split(&rest, '\'', &language) &&
            rest.ptr != NULL && gn_slice_eq_nocase(charset, GN_LIT("utf-8")) &&
            gn_uri_decode(arena, rest, GN_URI_PATH, out) == GN_OK && gn_utf8_is_valid(*out);
}

static struct gn_slice text_of(struct gn_arena *arena, const struct gn_parameter *p)
{
    return p->is_quoted ? unescape_percent(arena, unescape_quotes(arena, p->value)) : p->value;
}

/* `*extended` receives the file name of filename*, which goes before that of filename. */
static const char *note_parameter(struct gn_arena *arena, const struct gn_parameter *p,
        struct gn_multipart_head *out, struct gn_slice *extended)
{
    if (gn_slice_eq_nocase(p->name, GN_LIT("name"))) {
        if (out->name.ptr != NULL) {
            return "part with two names";
        }
        out->name = text_of(arena, p);
    } else if (gn_slice_eq_nocase(p->name, GN_LIT("filename"))) {
        if (out->filename.ptr != NULL) {
            return "part with two file names";
        }
        out->filename = base_name(text_of(arena, p));
    } else if (gn_slice_eq_nocase(p->name, GN_LIT("filename*"))) {
        if (extended->ptr != NULL) {
            return "part with two file names";
        }
        if (!decode_extended(arena, p->value, extended)) {
            return "malformed filename*";
        }
    }
    return NULL;
}

static const char *parse_disposition(
        struct gn_arena *arena, struct gn_slice value, struct gn_multipart_head *out)
{
    size_t semicolon = gn_slice_find(value, ';');
    struct gn_slice kind = gn_slice_trim_ows(gn_slice_of(value.ptr, semicolon));
    struct gn_slice rest = gn_slice_skip(value, semicolon + 1);
    struct gn_slice extended = {NULL, 0};
    struct gn_parameter p;

    if (!gn_slice_eq_nocase(kind, GN_LIT("form-data"))) {
        return "part that is not form-data";
    }
    while (gn_parameter_next(&rest, &p)) {
        const char *error = note_parameter(arena, &p, out, &extended);

        if (error != NULL) {
            return error;
        }
    }
    if (extended.ptr != NULL) {
        out->filename = base_name(extended);
    }
    return rest.len > 0 ? "malformed Content-Disposition" : NULL;
}

/* One line without its CRLF. */
static const char *parse_line(struct gn_arena *arena, struct gn_slice line,
        struct gn_multipart_head *out, bool *has_disposition)
{
    size_t colon = gn_slice_find(line, ':');
    struct gn_slice name = gn_slice_of(line.ptr, colon);
    struct gn_slice value = gn_slice_trim_ows(gn_slice_skip(line, colon + 1));
    enum gn_header_id id;

    if (colon == line.len || !gn_is_token(name) || !gn_is_field_value(value)) {
        return "malformed header of a part";
    }
    id = gn_header_lookup(name);
    if (id == GN_HDR_CONTENT_TYPE) {
        out->content_type = value;
    }
    if (id != GN_HDR_CONTENT_DISPOSITION) {
        return NULL;
    }
    if (*has_disposition) {
        return "part with two Content-Disposition fields";
    }
    *has_disposition = true;
    return parse_disposition(arena, value, out);
}

const char *gn_multipart_parse_head(
        struct gn_arena *arena, struct gn_slice text, struct gn_multipart_head *out)
{
    struct gn_slice rest = text;
    struct gn_slice line;
    bool has_disposition = false;

    *out = (struct gn_multipart_head){.name = {NULL, 0}};
    while (gn_slice_split(&rest, '\n', &line) && rest.ptr != NULL) {
        const char *error;

        if (!gn_slice_ends_with(line, GN_LIT("\r"))) {
            return "bare LF in the head of a part";
        }
        line.len--;
        if (line.len == 0) {
            break;
        }
        error = parse_line(arena, line, out, &has_disposition);
        if (error != NULL) {
            return error;
        }
    }
    return out->name.ptr != NULL ? NULL : "part without a name";
}
