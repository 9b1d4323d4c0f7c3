/* SPDX-License-Identifier: MIT */
#include "web/route_pattern.h"

#include "server/base/ascii.h"
#include "server/proto/uri.h"

/* Segments between slashes, each checked on its own and then against those before it. */

static bool is_name(struct gn_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!gn_ascii_is(s.ptr[i], GN_ASCII_ALPHA | GN_ASCII_DIGIT) && s.ptr[i] != '_') {
            return false;
        }
    }
    return s.len > 0;
}

/** `{name}`, `{name:int}` or `{name:path}`. */
static enum gn_err parse_parameter(struct gn_slice text, struct gn_route_segment *out,
        struct gn_slice pattern, struct gn_error *err)
{
    struct gn_slice inside = gn_slice_of(text.ptr + 1, text.len - 2);
    size_t colon = gn_slice_find(inside, ':');
    struct gn_slice type = gn_slice_skip(inside, colon + 1);

    *out = (struct gn_route_segment){
            .kind = GN_SEGMENT_ANY, .text = gn_slice_of(inside.ptr, colon)};
    if (colon < inside.len) {
        if (gn_slice_eq(type, GN_LIT("int"))) {
            out->kind = GN_SEGMENT_INT;
        } else if (gn_slice_eq(type, GN_LIT("path"))) {
            out->kind = GN_SEGMENT_TAIL;
        } else {
            return gn_error_set(err, GN_ERR_INVALID, 0,
                    "pattern '" GN_SLICE_FMT "': '" GN_SLICE_FMT "' is neither int nor path",
                    GN_SLICE_ARG(pattern), GN_SLICE_ARG(type));
        }
    }
    if (!is_name(out->text)) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "pattern '" GN_SLICE_FMT "': a parameter's name is letters, digits and _",
                GN_SLICE_ARG(pattern));
    }
    return GN_OK;
}

static enum gn_err parse_segment(struct gn_arena *arena, struct gn_slice text,
        struct gn_route_segment *out, struct gn_slice pattern, struct gn_error *err)
{
    if (text.len >= 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}') {
        return parse_parameter(text, out, pattern, err);
    }
    if (gn_slice_find(text, '{') < text.len || gn_slice_find(text, '}') < text.len) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "pattern '" GN_SLICE_FMT "': a parameter must be a whole segment",
                GN_SLICE_ARG(pattern));
    }
    out->kind = GN_SEGMENT_LITERAL;
    if (gn_uri_decode(arena, text, GN_URI_PATH, &out->text) != GN_OK) {
        return gn_error_set(err, GN_ERR_INVALID, 0, "pattern '" GN_SLICE_FMT "' holds %%00",
                GN_SLICE_ARG(pattern));
    }
    return GN_OK;
}

static enum gn_err check_parameter(const struct gn_route_segment *segments, unsigned n,
        struct gn_slice pattern, struct gn_error *err)
{
    const struct gn_route_segment *last = &segments[n];
    unsigned n_params = 0;

    for (unsigned i = 0; i < n; i++) {
        n_params += segments[i].kind != GN_SEGMENT_LITERAL;
        if (segments[i].kind == GN_SEGMENT_TAIL) {
            return gn_error_set(err, GN_ERR_INVALID, 0,
                    "pattern '" GN_SLICE_FMT "': a path parameter must stand last",
                    GN_SLICE_ARG(pattern));
        }
        if (segments[i].kind != GN_SEGMENT_LITERAL && last->kind != GN_SEGMENT_LITERAL &&
                gn_slice_eq(segments[i].text, last->text)) {
            return gn_error_set(err, GN_ERR_INVALID, 0,
                    "pattern '" GN_SLICE_FMT "': two parameters have the same name",
                    GN_SLICE_ARG(pattern));
        }
    }
    if (n_params >= GN_ROUTE_PARAMS && last->kind != GN_SEGMENT_LITERAL) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "pattern '" GN_SLICE_FMT "' has more than %d parameters", GN_SLICE_ARG(pattern),
                (int)GN_ROUTE_PARAMS);
    }
    return GN_OK;
}

enum gn_err gn_route_pattern_parse(struct gn_arena *arena, struct gn_slice pattern,
        struct gn_route_segment *segments, unsigned *n_out, struct gn_error *err)
{
    struct gn_slice rest = gn_slice_skip(pattern, 1);
    struct gn_slice text;
    unsigned n = 0;

    if (pattern.len == 0 || pattern.ptr[0] != '/') {
        return gn_error_set(err, GN_ERR_INVALID, 0, "pattern '" GN_SLICE_FMT "' must start with /",
                GN_SLICE_ARG(pattern));
    }
    while (gn_slice_split(&rest, '/', &text)) {
        if (n == GN_ROUTE_DEPTH) {
            return gn_error_set(err, GN_ERR_INVALID, 0,
                    "pattern '" GN_SLICE_FMT "' has more than %d segments", GN_SLICE_ARG(pattern),
                    (int)GN_ROUTE_DEPTH);
        }
        GN_TRY(parse_segment(arena, text, &segments[n], pattern, err));
        GN_TRY(check_parameter(segments, n, pattern, err));
        n++;
    }
    *n_out = n;
    return GN_OK;
}
