/* SPDX-License-Identifier: MIT */
#include "server/proto/uri.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "server/base/ascii.h"
#include "server/proto/scan.h"

/*
 * Everything here walks its input once. A file path is built segment by
 * segment: what has been written so far is always a clean relative path, and
 * ".." cuts its last segment, so no order of segments can leave the root.
 */

static bool is_escape(struct gn_slice s, size_t i)
{
    return s.len - i >= 3 && gn_ascii_hex(s.ptr[i + 1]) >= 0 && gn_ascii_hex(s.ptr[i + 2]) >= 0;
}

static bool needs_decoding(struct gn_slice in, enum gn_uri_part part)
{
    return gn_slice_find(in, '%') < in.len ||
            (part == GN_URI_QUERY && gn_slice_find(in, '+') < in.len);
}

enum gn_err gn_uri_decode(
        struct gn_arena *arena, struct gn_slice in, enum gn_uri_part part, struct gn_slice *out)
{
    char *text;
    size_t n = 0;

    if (!needs_decoding(in, part)) {
        *out = in;
        return GN_OK;
    }
    text = gn_arena_alloc(arena, in.len);
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];

        if (c == '%' && is_escape(in, i)) {
            c = (char)(gn_ascii_hex(in.ptr[i + 1]) * 16 + gn_ascii_hex(in.ptr[i + 2]));
            i += 2;
            if (c == '\0' && part == GN_URI_PATH) {
                return GN_ERR_INVALID;
            }
        } else if (c == '+' && part == GN_URI_QUERY) {
            c = ' ';
        }
        text[n++] = c;
    }
    *out = gn_slice_of(text, n);
    return GN_OK;
}

static bool is_unreserved(char c)
{
    return gn_ascii_is(c, GN_ASCII_ALPHA) || gn_ascii_is_digit(c) || c == '-' || c == '.' ||
            c == '_' || c == '~';
}

struct gn_slice gn_uri_encode_path(struct gn_arena *arena, struct gn_slice in)
{
    static const char hex[] = "0123456789ABCDEF";
    char *text = gn_arena_alloc(arena, in.len * 3 + 1);
    size_t n = 0;

    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = (unsigned char)in.ptr[i];

        if (is_unreserved((char)c) || c == '/') {
            text[n++] = (char)c;
            continue;
        }
        text[n++] = '%';
        text[n++] = hex[c >> 4];
        text[n++] = hex[c & 15];
    }
    return gn_slice_of(text, n);
}

static bool is_bad_in_file_path(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f || c == '\\';
}

/* Length of `path` without its last segment and the '/' before it. */
static size_t without_last(const char *path, size_t n)
{
    while (n > 0 && path[n - 1] != '/') {
        n--;
    }
    return n > 0 ? n - 1 : 0;
}

enum gn_err gn_uri_to_file_path(
        struct gn_arena *arena, struct gn_slice decoded, struct gn_slice *out)
{
    struct gn_slice rest = decoded;
    struct gn_slice segment = {NULL, 0};
    char *path = gn_arena_alloc(arena, decoded.len + 1);
    size_t n = 0;

    if (decoded.len == 0 || decoded.ptr[0] != '/') {
        return GN_ERR_INVALID;
    }
    for (size_t i = 0; i < decoded.len; i++) {
        if (is_bad_in_file_path(decoded.ptr[i])) {
            return GN_ERR_INVALID;
        }
    }
    while (gn_slice_split(&rest, '/', &segment)) {
        if (segment.len == 0 || gn_slice_eq(segment, GN_LIT("."))) {
            continue;
        }
        if (gn_slice_eq(segment, GN_LIT(".."))) {
            if (n == 0) {
                return GN_ERR_REFUSED;
            }
            n = without_last(path, n);
            continue;
        }
        if (n > 0) {
            path[n++] = '/';
        }
        memcpy(path + n, segment.ptr, segment.len);
        n += segment.len;
    }
    /* The last segment says whether a directory was meant: "a/", "a/." and "a/b/..". */
    if (n > 0 &&
            (segment.len == 0 || gn_slice_eq(segment, GN_LIT(".")) ||
                    gn_slice_eq(segment, GN_LIT("..")))) {
        path[n++] = '/';
    }
    *out = gn_slice_of(path, n);
    return GN_OK;
}

bool gn_query_next(struct gn_slice *rest, struct gn_slice *name_out, struct gn_slice *value_out)
{
    struct gn_slice pair;

    while (gn_slice_split(rest, '&', &pair)) {
        size_t at = gn_slice_find(pair, '=');

        if (pair.len == 0) {
            continue;
        }
        *name_out = gn_slice_of(pair.ptr, at);
        *value_out = at < pair.len ? gn_slice_skip(pair, at + 1) : gn_slice_of(NULL, 0);
        return true;
    }
    return false;
}

/* reg-name (RFC 3986 3.2.2); a comma is legal there, but no real name has one, and lists
 * that were folded together do. */
static bool is_reg_name(struct gn_slice s)
{
    size_t i = gn_scan_skip(s, &gn_scan_host);

    while (i < s.len && s.ptr[i] == '%' && is_escape(s, i)) {
        i += 3;
        i += gn_scan_skip(gn_slice_skip(s, i), &gn_scan_host);
    }
    return s.len > 0 && i == s.len;
}

static bool is_ipv6(struct gn_slice s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (s.len == 0 || s.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return strlen(text) == s.len && inet_pton(AF_INET6, text, &address) == 1;
}

static enum gn_err parse_port(struct gn_slice text, struct gn_authority *out)
{
    uint64_t port;

    if (text.len == 0) {
        return GN_OK;
    }
    if (gn_slice_to_u64(text, UINT16_MAX, &port) != GN_OK) {
        return GN_ERR_INVALID;
    }
    out->port = (uint16_t)port;
    out->has_port = true;
    return GN_OK;
}

enum gn_err gn_authority_parse(struct gn_slice text, struct gn_authority *out)
{
    size_t end;

    *out = (struct gn_authority){.host = {NULL, 0}};
    if (text.len > 0 && text.ptr[0] == '[') {
        end = gn_slice_find(text, ']');
        if (end == text.len) {
            return GN_ERR_INVALID;
        }
        out->host = gn_slice_of(text.ptr + 1, end - 1);
        out->is_ipv6 = true;
        end++;
    } else {
        end = gn_slice_find(text, ':');
        out->host = gn_slice_of(text.ptr, end);
    }
    if (out->is_ipv6 ? !is_ipv6(out->host) : !is_reg_name(out->host)) {
        return GN_ERR_INVALID;
    }
    if (end == text.len) {
        return GN_OK;
    }
    if (text.ptr[end] != ':') {
        return GN_ERR_INVALID;
    }
    return parse_port(gn_slice_skip(text, end + 1), out);
}

bool gn_authority_eq(
        const struct gn_authority *a, const struct gn_authority *b, uint16_t default_port)
{
    return (a->has_port ? a->port : default_port) == (b->has_port ? b->port : default_port) &&
            a->is_ipv6 == b->is_ipv6 && gn_slice_eq_nocase(a->host, b->host);
}
