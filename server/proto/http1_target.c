/* SPDX-License-Identifier: MIT */
#include "server/proto/http1_target.h"

#include "server/base/ascii.h"
#include "server/proto/scan.h"
#include "server/proto/uri.h"

/*
 * A request line is method SP target SP version, with exactly those two
 * spaces. The version stands at fixed places from the end of the line, so it
 * is judged before the target: a request in another major version gets 505
 * whatever its target looks like. The usual target, a path with or without a
 * query, takes two scans; every other form goes its own slow way.
 */

enum {
    VERSION_BYTES = 8, /* HTTP/1.1 */
    METHOD_BYTES = 32, /* longer ones are not implemented by anybody */
};

struct line {
    const struct gn_scan *scan;
    struct gn_slice text;
    struct gn_http1_error *error;
};

static bool fail(const struct line *l, const char *at, int status, const char *reason)
{
    l->error->status = status;
    l->error->reason = reason;
    l->error->offset = (uint64_t)(at - l->text.ptr);
    return false;
}

/* Sets `*version_out` to where the version starts, behind the last space. */
static bool parse_version(
        const struct line *l, struct gn_http1_head *head, const char **version_out)
{
    const char *end = l->text.ptr + l->text.len;
    const char *v = end - VERSION_BYTES;

    if (l->text.len <= VERSION_BYTES || v[-1] != ' ' || memcmp(v, "HTTP/", 5) != 0 ||
            !gn_ascii_is_digit(v[5]) || v[6] != '.' || !gn_ascii_is_digit(v[7])) {
        return fail(l, l->text.len > VERSION_BYTES ? v : l->text.ptr, 400,
                "malformed or missing HTTP version");
    }
    if (v[5] != '1' || (v[7] != '0' && v[7] != '1')) {
        return fail(l, v, 505, "HTTP version other than 1.0 and 1.1");
    }
    head->minor_version = (uint8_t)(v[7] - '0');
    *version_out = v;
    return true;
}

static bool parse_method(const struct line *l, struct gn_http1_head *head, const char **target_out)
{
    const char *start = l->text.ptr;
    const char *end = start + l->text.len;
    const char *p = l->scan->skip(start, end, &gn_scan_token);

    if (p == start || p == end || *p != ' ') {
        return fail(l, p, 400, "method is not a token");
    }
    head->method_name = gn_slice_of(start, (size_t)(p - start));
    *target_out = p + 1;
    return true;
}

/* A path, if there is one, and a query from `p` to exactly `end`. */
static bool parse_path(
        const struct line *l, struct gn_http1_head *head, const char *p, const char *end)
{
    const char *path_end = l->scan->skip(p, end, &gn_scan_path);
    const char *query_end = path_end;

    head->path = path_end > p ? gn_slice_of(p, (size_t)(path_end - p)) : GN_LIT("/");
    if (path_end < end && *path_end == '?') {
        query_end = l->scan->skip(path_end + 1, end, &gn_scan_query);
        head->has_query = true;
        head->query = gn_slice_of(path_end + 1, (size_t)(query_end - path_end - 1));
    }
    if (query_end != end) {
        return fail(l, query_end, 400, "byte not allowed in a request target");
    }
    return true;
}

/* http://authority[/path][?query] (RFC 9112 3.2.2). */
static bool parse_absolute(const struct line *l, struct gn_http1_head *head)
{
    struct gn_slice target = head->target;
    const char *end = target.ptr + target.len;
    size_t colon = gn_slice_find(target, ':');
    struct gn_authority authority;
    const char *host;
    const char *p;

    head->scheme = gn_slice_of(target.ptr, colon);
    if ((!gn_slice_eq_nocase(head->scheme, GN_LIT("http")) &&
                !gn_slice_eq_nocase(head->scheme, GN_LIT("https"))) ||
            !gn_slice_starts_with(gn_slice_skip(target, colon), GN_LIT("://"))) {
        return fail(l, target.ptr, 400, "malformed request target");
    }
    host = target.ptr + colon + 3;
    for (p = host; p < end && *p != '/' && *p != '?' && *p != '#'; p++) {
    }
    head->host = gn_slice_of(host, (size_t)(p - host));
    if (gn_authority_parse(head->host, &authority) != GN_OK) {
        return fail(l, host, 400, "invalid authority in the request target");
    }
    head->form = GN_FORM_ABSOLUTE;
    return parse_path(l, head, p, end);
}

/* host ":" port (RFC 9112 3.2.3): understood, so that the answer can be 501 and not 400. */
static bool refuse_connect(const struct line *l, struct gn_http1_head *head)
{
    struct gn_authority authority;

    if (gn_authority_parse(head->target, &authority) != GN_OK || !authority.has_port) {
        return fail(l, head->target.ptr, 400, "malformed target of CONNECT");
    }
    return fail(l, l->text.ptr, 501, "CONNECT is not implemented");
}

static bool parse_target(const struct line *l, struct gn_http1_head *head)
{
    const char *p = head->target.ptr;

    if (head->target.len == 0) {
        return fail(l, p, 400, "empty request target");
    }
    if (head->method == GN_METHOD_CONNECT) {
        return refuse_connect(l, head);
    }
    if (*p == '/') {
        head->form = GN_FORM_ORIGIN;
        return parse_path(l, head, p, p + head->target.len);
    }
    if (head->target.len == 1 && *p == '*') {
        if (head->method != GN_METHOD_OPTIONS) {
            return fail(l, p, 400, "target * with a method other than OPTIONS");
        }
        head->form = GN_FORM_ASTERISK;
        head->path = head->target;
        return true;
    }
    return parse_absolute(l, head);
}

bool gn_http1_parse_request_line(const struct gn_scan *scan, struct gn_slice line,
        struct gn_http1_head *head, struct gn_http1_error *error_out)
{
    struct line l = {.scan = scan, .text = line, .error = error_out};
    const char *target;
    const char *version;

    if (!parse_method(&l, head, &target) || !parse_version(&l, head, &version)) {
        return false;
    }
    if (version <= target) {
        return fail(&l, target, 400, "malformed request line");
    }
    if (head->method_name.len > METHOD_BYTES) {
        return fail(&l, line.ptr, 501, "method name too long");
    }
    head->method = gn_http_method_from(head->method_name);
    head->target = gn_slice_of(target, (size_t)(version - 1 - target));
    return parse_target(&l, head);
}
