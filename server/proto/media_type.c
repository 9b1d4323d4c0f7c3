/* SPDX-License-Identifier: MIT */
#include "server/proto/media_type.h"

#include "server/base/ascii.h"
#include "server/proto/headers.h"
#include "server/proto/scan.h"

/* Everything is read from left to right once; what does not fit ends the walk. */

enum { QUALITY_MAX = 1000 };

/* Splits a token off the front; empty when there is none. */
static struct gn_slice take_token(struct gn_slice *rest)
{
    size_t n = gn_scan_skip(*rest, &gn_scan_token);
    struct gn_slice token = gn_slice_of(rest->ptr, n);

    *rest = gn_slice_skip(*rest, n);
    return token;
}

static void skip_ows(struct gn_slice *rest)
{
    while (rest->len > 0 && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t')) {
        *rest = gn_slice_skip(*rest, 1);
    }
}

static bool take_byte(struct gn_slice *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c) {
        return false;
    }
    *rest = gn_slice_skip(*rest, 1);
    return true;
}

enum gn_err gn_media_type_parse(struct gn_slice value, struct gn_media_type *out)
{
    struct gn_slice rest = gn_slice_trim_ows(value);

    *out = (struct gn_media_type){.type = take_token(&rest)};
    if (out->type.len == 0 || !take_byte(&rest, '/')) {
        return GN_ERR_INVALID;
    }
    out->subtype = take_token(&rest);
    skip_ows(&rest);
    if (out->subtype.len == 0 || (rest.len > 0 && !take_byte(&rest, ';'))) {
        return GN_ERR_INVALID;
    }
    out->parameters = rest;
    return GN_OK;
}

bool gn_media_type_is(const struct gn_media_type *m, struct gn_slice type, struct gn_slice subtype)
{
    return gn_slice_eq_nocase(m->type, type) && gn_slice_eq_nocase(m->subtype, subtype);
}

/* Splits the inside of a quoted string off the front, behind its opening quote. */
static bool take_quoted(struct gn_slice *rest, struct gn_slice *inside_out)
{
    for (size_t i = 0; i < rest->len; i++) {
        if (rest->ptr[i] == '"') {
            *inside_out = gn_slice_of(rest->ptr, i);
            *rest = gn_slice_skip(*rest, i + 1);
            return true;
        }
        i += rest->ptr[i] == '\\';
    }
    return false;
}

static bool take_value(struct gn_slice *rest, struct gn_parameter *out)
{
    out->is_quoted = take_byte(rest, '"');
    if (out->is_quoted) {
        return take_quoted(rest, &out->value);
    }
    out->value = take_token(rest);
    return out->value.len > 0;
}

bool gn_parameter_next(struct gn_slice *rest, struct gn_parameter *out)
{
    struct gn_slice at = *rest;

    do {
        skip_ows(&at);
    } while (take_byte(&at, ';'));
    if (at.len == 0) {
        *rest = at;
        return false;
    }
    out->name = take_token(&at);
    skip_ows(&at);
    if (out->name.len == 0 || !take_byte(&at, '=')) {
        return false;
    }
    skip_ows(&at);
    if (!take_value(&at, out)) {
        return false;
    }
    skip_ows(&at);
    if (at.len > 0 && !take_byte(&at, ';')) {
        return false;
    }
    *rest = at;
    return true;
}

struct gn_slice gn_unquote(struct gn_arena *arena, struct gn_slice inside)
{
    char *text;
    size_t n = 0;

    if (gn_slice_find(inside, '\\') == inside.len) {
        return inside;
    }
    text = gn_arena_alloc(arena, inside.len);
    for (size_t i = 0; i < inside.len; i++) {
        i += inside.ptr[i] == '\\' && i + 1 < inside.len;
        text[n++] = inside.ptr[i];
    }
    return gn_slice_of(text, n);
}

struct gn_slice gn_parameter_find(
        struct gn_arena *arena, struct gn_slice parameters, struct gn_slice name)
{
    struct gn_parameter p;

    while (gn_parameter_next(&parameters, &p)) {
        if (gn_slice_eq_nocase(p.name, name)) {
            return p.is_quoted ? gn_unquote(arena, p.value) : p.value;
        }
    }
    return gn_slice_of(NULL, 0);
}

/* qvalue (RFC 9110 12.4.2) in thousandths; what is malformed counts as 1. */
static unsigned parse_quality(struct gn_slice text)
{
    unsigned value;
    unsigned scale = QUALITY_MAX / 10;

    if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1') ||
            (text.len > 1 && text.ptr[1] != '.')) {
        return QUALITY_MAX;
    }
    value = text.ptr[0] == '1' ? QUALITY_MAX : 0;
    for (size_t i = 2; i < text.len; i++, scale /= 10) {
        if (!gn_ascii_is_digit(text.ptr[i])) {
            return QUALITY_MAX;
        }
        value += (unsigned)(text.ptr[i] - '0') * scale;
    }
    return GN_MIN(value, QUALITY_MAX);
}

static unsigned quality_of(struct gn_slice parameters)
{
    struct gn_parameter p;

    while (gn_parameter_next(&parameters, &p)) {
        if (gn_slice_eq_nocase(p.name, GN_LIT("q"))) {
            return parse_quality(p.value);
        }
    }
    return QUALITY_MAX;
}

/* 3: the type itself, 2: type / *, 1: anything, 0: another one. */
static unsigned fit_of(
        const struct gn_media_type *range, struct gn_slice type, struct gn_slice subtype)
{
    if (gn_media_type_is(range, type, subtype)) {
        return 3;
    }
    if (!gn_slice_eq(range->subtype, GN_LIT("*"))) {
        return 0;
    }
    if (gn_slice_eq_nocase(range->type, type)) {
        return 2;
    }
    return gn_slice_eq(range->type, GN_LIT("*")) ? 1 : 0;
}

unsigned gn_accept_quality(struct gn_slice accept, struct gn_slice type, struct gn_slice subtype)
{
    struct gn_slice rest = accept;
    struct gn_slice element;
    unsigned best_fit = 0;
    unsigned quality = 0;

    if (gn_slice_trim_ows(accept).len == 0) {
        return QUALITY_MAX;
    }
    while (gn_list_next(&rest, &element)) {
        struct gn_media_type range;
        unsigned fit;

        if (gn_media_type_parse(element, &range) != GN_OK) {
            continue;
        }
        fit = fit_of(&range, type, subtype);
        if (fit > best_fit) {
            best_fit = fit;
            quality = quality_of(range.parameters);
        }
    }
    return quality;
}

unsigned gn_token_quality(struct gn_slice list, struct gn_slice token)
{
    struct gn_slice rest = list;
    struct gn_slice element;
    unsigned any = 0;

    while (gn_list_next(&rest, &element)) {
        struct gn_slice name = take_token(&element);

        skip_ows(&element);
        if (element.len > 0 && !take_byte(&element, ';')) {
            continue;
        }
        if (gn_slice_eq_nocase(name, token)) {
            return quality_of(element);
        }
        if (gn_slice_eq(name, GN_LIT("*"))) {
            any = quality_of(element);
        }
    }
    return any;
}
