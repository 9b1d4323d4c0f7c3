/* SPDX-License-Identifier: MIT */
#include "server/proto/cookies.h"

#include <inttypes.h>

#include "server/proto/http_date.h"

/*
 * Reading never fails: whatever stands between two semicolons is a cookie.
 * Writing joins checked parts; each part is checked for the bytes that would
 * end it, so no part can smuggle in an attribute.
 */

bool gn_cookie_next(struct gn_slice *rest, struct gn_slice *name_out, struct gn_slice *value_out)
{
    struct gn_slice part;

    while (gn_slice_split(rest, ';', &part)) {
        size_t equals;

        part = gn_slice_trim_ows(part);
        if (part.len == 0) {
            continue;
        }
        equals = gn_slice_find(part, '=');
        if (equals == part.len) {
            *name_out = gn_slice_of(part.ptr, 0);
            *value_out = part;
        } else {
            *name_out = gn_slice_trim_ows(gn_slice_of(part.ptr, equals));
            *value_out = gn_slice_trim_ows(gn_slice_skip(part, equals + 1));
        }
        return true;
    }
    return false;
}

struct gn_slice gn_cookie_find(const struct gn_header *headers, unsigned n, struct gn_slice name)
{
    for (unsigned i = 0; i < n; i++) {
        struct gn_slice rest = headers[i].value;
        struct gn_slice found, value;

        if (headers[i].id != GN_HDR_COOKIE) {
            continue;
        }
        while (gn_cookie_next(&rest, &found, &value)) {
            if (gn_slice_eq(found, name)) {
                return value;
            }
        }
    }
    return gn_slice_of(NULL, 0);
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* The byte behind a backslash at text[i], written as such or as three octal digits; moves
 * `*i` to its last byte. */
static char unescape(struct gn_slice text, size_t *i)
{
    const char *p = text.ptr + *i;

    if (text.len - *i > 3 && p[1] >= '0' && p[1] <= '3' && is_octal(p[2]) && is_octal(p[3])) {
        *i += 3;
        return (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
    }
    *i += 1;
    return p[1];
}

struct gn_slice gn_cookie_unquote(struct gn_arena *arena, struct gn_slice value)
{
    struct gn_slice inner;
    char *text;
    size_t n = 0;

    if (value.len < 2 || value.ptr[0] != '"' || value.ptr[value.len - 1] != '"') {
        return value;
    }
    inner = gn_slice_of(value.ptr + 1, value.len - 2);
    if (gn_slice_find(inner, '\\') == inner.len) {
        return inner;
    }
    text = gn_arena_alloc(arena, inner.len);
    for (size_t i = 0; i < inner.len; i++) {
        bool is_escape = inner.ptr[i] == '\\' && i + 1 < inner.len;

        text[n++] = is_escape ? unescape(inner, &i) : inner.ptr[i];
    }
    return gn_slice_of(text, n);
}

/* cookie-octet (RFC 6265 4.1.1). */
static bool is_cookie_octet(unsigned char c)
{
    return c == 0x21 || (c >= 0x23 && c <= 0x2b) || (c >= 0x2d && c <= 0x3a) ||
            (c >= 0x3c && c <= 0x5b) || (c >= 0x5d && c <= 0x7e);
}

static bool is_cookie_value(struct gn_slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (!is_cookie_octet((unsigned char)value.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* av-octet (RFC 6265 4.1.1). */
static bool is_attribute_value(struct gn_slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        if (c < 0x20 || c > 0x7e || c == ';') {
            return false;
        }
    }
    return true;
}

static const char *text_of_same_site(enum gn_same_site same_site)
{
    switch (same_site) {
    case GN_SAME_SITE_LAX:
        return "; SameSite=Lax";
    case GN_SAME_SITE_STRICT:
        return "; SameSite=Strict";
    case GN_SAME_SITE_NONE:
        return "; SameSite=None";
    case GN_SAME_SITE_UNSET:
        break;
    }
    return "";
}

static struct gn_slice expires_of(struct gn_arena *arena, const struct gn_set_cookie *c)
{
    char date[GN_HTTP_DATE_BYTES];

    if (!c->has_expires) {
        return GN_LIT("");
    }
    gn_http_date_format(c->expires_unix_s, date);
    return gn_arena_printf(arena, "; Expires=%.*s", GN_HTTP_DATE_BYTES, date);
}

static struct gn_slice max_age_of(struct gn_arena *arena, const struct gn_set_cookie *c)
{
    if (!c->has_max_age) {
        return GN_LIT("");
    }
    return gn_arena_printf(arena, "; Max-Age=%" PRId64, GN_MAX(c->max_age_s, 0));
}

enum gn_err gn_set_cookie_format(
        struct gn_arena *arena, const struct gn_set_cookie *cookie, struct gn_slice *out)
{
    struct gn_slice expires, max_age;

    if (!gn_is_token(cookie->name) || !is_cookie_value(cookie->value) ||
            !is_attribute_value(cookie->path) || !is_attribute_value(cookie->domain)) {
        return GN_ERR_INVALID;
    }
    expires = expires_of(arena, cookie);
    max_age = max_age_of(arena, cookie);
    *out = gn_arena_printf(arena,
            GN_SLICE_FMT "=" GN_SLICE_FMT GN_SLICE_FMT GN_SLICE_FMT "%s" GN_SLICE_FMT
                         "%s" GN_SLICE_FMT "%s%s%s%s",
            GN_SLICE_ARG(cookie->name), GN_SLICE_ARG(cookie->value), GN_SLICE_ARG(expires),
            GN_SLICE_ARG(max_age), cookie->domain.len > 0 ? "; Domain=" : "",
            GN_SLICE_ARG(cookie->domain), cookie->path.len > 0 ? "; Path=" : "",
            GN_SLICE_ARG(cookie->path), cookie->is_secure ? "; Secure" : "",
            cookie->is_http_only ? "; HttpOnly" : "", text_of_same_site(cookie->same_site),
            cookie->is_partitioned ? "; Partitioned" : "");
    return GN_OK;
}
