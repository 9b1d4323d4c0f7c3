/* SPDX-License-Identifier: MIT */
#include "server/net/addr.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/base/ascii.h"

/*
 * Spelling is decided by the first characters: "unix:" is a path, "[" an IPv6
 * address, everything else HOST:PORT with the last colon as separator. Numeric
 * hosts never reach the resolver.
 */

#define DEFAULT_PORT 8000
#define MAX_HOST_BYTES 255

static enum gn_err parse_unix(struct gn_slice path, struct gn_addr *addr, struct gn_error *err)
{
    struct sockaddr_un *un = &addr->u.un;
    bool is_abstract;

    if (gn_slice_starts_with(path, GN_LIT("//"))) {
        path = gn_slice_skip(path, 2); /* unix:///run/x.sock, as URLs spell it */
    }
    is_abstract = path.len > 0 && path.ptr[0] == '@';
    if (path.len < (is_abstract ? 2u : 1u)) {
        return gn_error_set(
                err, GN_ERR_INVALID, 0, "the Unix socket has no path: write unix:/run/app.sock");
    }
    if (path.len >= sizeof(un->sun_path)) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "the path of the Unix socket has %zu bytes, the system allows %zu", path.len,
                sizeof(un->sun_path) - 1);
    }
    if (memchr(path.ptr, '\0', path.len) != NULL) {
        return gn_error_set(err, GN_ERR_INVALID, 0, "the path of the Unix socket holds a NUL byte");
    }
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path.ptr, path.len);
    addr->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
    if (is_abstract) {
        un->sun_path[0] = '\0'; /* an abstract name is exactly as long as its address says */
    } else {
        addr->len += 1;
    }
    return GN_OK;
}

static enum gn_err parse_port(struct gn_slice text, uint16_t *port_out, struct gn_error *err)
{
    uint64_t port;

    if (gn_slice_to_u64(text, UINT16_MAX, &port) != GN_OK) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "'" GN_SLICE_FMT "' is not a port: it must be a number from 0 to 65535",
                GN_SLICE_ARG(text));
    }
    *port_out = (uint16_t)port;
    return GN_OK;
}

/** Splits "[host]:port" or "host:port"; a missing port stays the default. */
static enum gn_err split_host_port(struct gn_slice text, struct gn_slice *host_out,
        uint16_t *port_out, bool *bracketed_out, struct gn_error *err)
{
    struct gn_slice rest;
    size_t end;

    *bracketed_out = text.len > 0 && text.ptr[0] == '[';
    if (*bracketed_out) {
        end = gn_slice_find(text, ']');
        if (end == text.len) {
            return gn_error_set(err, GN_ERR_INVALID, 0, "'" GN_SLICE_FMT "' lacks a closing ']'",
                    GN_SLICE_ARG(text));
        }
        *host_out = gn_slice_of(text.ptr + 1, end - 1);
        rest = gn_slice_skip(text, end + 1);
    } else {
        end = gn_slice_find(text, ':');
        *host_out = gn_slice_of(text.ptr, end);
        rest = gn_slice_skip(text, end);
    }
    if (rest.len == 0) {
        return GN_OK;
    }
    if (rest.ptr[0] != ':') {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "'" GN_SLICE_FMT "': only ':PORT' may follow the ']'", GN_SLICE_ARG(text));
    }
    rest = gn_slice_skip(rest, 1);
    if (!*bracketed_out && gn_slice_find(rest, ':') < rest.len) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "'" GN_SLICE_FMT "': write an IPv6 address in brackets, [::1]:8000",
                GN_SLICE_ARG(text));
    }
    return parse_port(rest, port_out, err);
}

static bool is_number(struct gn_slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (!gn_ascii_is_digit(host.ptr[i])) {
            return false;
        }
    }
    return host.len > 0;
}

static void set_in(struct gn_addr *addr, const struct in_addr *ip, uint16_t port)
{
    addr->u.in.sin_family = AF_INET;
    addr->u.in.sin_addr = *ip;
    addr->u.in.sin_port = htons(port);
    addr->len = sizeof(addr->u.in);
}

static void set_in6(struct gn_addr *addr, const struct in6_addr *ip, uint16_t port)
{
    addr->u.in6.sin6_family = AF_INET6;
    addr->u.in6.sin6_addr = *ip;
    addr->u.in6.sin6_port = htons(port);
    addr->len = sizeof(addr->u.in6);
}

/** One IPv6 socket serves both families, where the kernel has IPv6 at all. */
static void set_any(struct gn_addr *addr, uint16_t port)
{
    const struct in_addr any = {.s_addr = htonl(INADDR_ANY)};
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (probe < 0) {
        set_in(addr, &any, port);
        return;
    }
    (void)close(probe);
    set_in6(addr, &in6addr_any, port);
}

static enum gn_err resolve(
        const char *host, uint16_t port, struct gn_addr *addr, struct gn_error *err)
{
    const struct addrinfo hints = {
            .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(host, NULL, &hints, &found);

    if (rc != 0) {
        return gn_error_set(
                err, GN_ERR_NOT_FOUND, 0, "cannot resolve '%s': %s", host, gai_strerror(rc));
    }
    memcpy(&addr->u, found->ai_addr, GN_MIN((size_t)found->ai_addrlen, sizeof(addr->u)));
    addr->len = found->ai_addrlen;
    freeaddrinfo(found);
    if (addr->u.sa.sa_family == AF_INET6) {
        addr->u.in6.sin6_port = htons(port);
    } else {
        addr->u.in.sin_port = htons(port);
    }
    return GN_OK;
}

enum gn_err gn_addr_parse(struct gn_slice text, struct gn_addr *addr_out, struct gn_error *err)
{
    struct gn_slice host = {0};
    struct in6_addr ip6;
    struct in_addr ip4;
    uint16_t port = DEFAULT_PORT;
    bool is_bracketed;
    char name[MAX_HOST_BYTES + 1];

    *addr_out = (struct gn_addr){0};
    if (gn_slice_starts_with(text, GN_LIT("unix:"))) {
        return parse_unix(gn_slice_skip(text, 5), addr_out, err);
    }
    GN_TRY(split_host_port(text, &host, &port, &is_bracketed, err));
    if (host.len > MAX_HOST_BYTES || (host.len > 0 && memchr(host.ptr, '\0', host.len) != NULL)) {
        return gn_error_set(err, GN_ERR_INVALID, 0, "the host of a bind address is not a name");
    }
    if (host.len > 0) {
        memcpy(name, host.ptr, host.len);
    }
    name[host.len] = '\0';
    if (is_bracketed) {
        if (inet_pton(AF_INET6, name, &ip6) != 1) {
            return gn_error_set(err, GN_ERR_INVALID, 0, "'%s' is not an IPv6 address", name);
        }
        set_in6(addr_out, &ip6, port);
        return GN_OK;
    }
    if (host.len == 0) {
        set_any(addr_out, port);
        return GN_OK;
    }
    if (inet_pton(AF_INET, name, &ip4) == 1) {
        set_in(addr_out, &ip4, port);
        return GN_OK;
    }
    if (is_number(host)) {
        return gn_error_set(err, GN_ERR_INVALID, 0, "'%s' is no host: for a port alone write ':%s'",
                name, name);
    }
    return resolve(name, port, addr_out, err);
}

void gn_addr_set_ip(struct gn_addr *addr, int family, const void *bytes, uint16_t port)
{
    struct in6_addr ip6;
    struct in_addr ip4;

    *addr = (struct gn_addr){0};
    if (family == AF_INET) {
        memcpy(&ip4, bytes, sizeof(ip4));
        set_in(addr, &ip4, port);
    } else {
        memcpy(&ip6, bytes, sizeof(ip6));
        set_in6(addr, &ip6, port);
        gn_addr_unmap(addr);
    }
}

bool gn_addr_parse_ip(struct gn_slice text, uint16_t port, struct gn_addr *addr_out)
{
    char copy[INET6_ADDRSTRLEN];
    char bytes[sizeof(struct in6_addr)];

    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, bytes) == 1) {
        gn_addr_set_ip(addr_out, AF_INET, bytes, port);
        return true;
    }
    if (inet_pton(AF_INET6, copy, bytes) != 1) {
        return false;
    }
    gn_addr_set_ip(addr_out, AF_INET6, bytes, port);
    return true;
}

void gn_addr_unmap(struct gn_addr *addr)
{
    struct sockaddr_in in = {.sin_family = AF_INET};

    if (addr->u.sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&addr->u.in6.sin6_addr)) {
        return;
    }
    in.sin_port = addr->u.in6.sin6_port;
    memcpy(&in.sin_addr, addr->u.in6.sin6_addr.s6_addr + 12, sizeof(in.sin_addr));
    *addr = (struct gn_addr){.len = sizeof(in), .u.in = in};
}

bool gn_addr_is_unix(const struct gn_addr *addr)
{
    return addr->len > 0 && addr->u.sa.sa_family == AF_UNIX;
}

uint16_t gn_addr_port(const struct gn_addr *addr)
{
    if (addr->len == 0) {
        return 0;
    }
    if (addr->u.sa.sa_family == AF_INET) {
        return ntohs(addr->u.in.sin_port);
    }
    return addr->u.sa.sa_family == AF_INET6 ? ntohs(addr->u.in6.sin6_port) : 0;
}

size_t gn_addr_format_host(const struct gn_addr *addr, char into[GN_ADDR_TEXT_BYTES])
{
    const char *done = NULL;

    into[0] = '\0';
    if (addr->len == 0) {
        return 0;
    }
    if (addr->u.sa.sa_family == AF_INET) {
        done = inet_ntop(AF_INET, &addr->u.in.sin_addr, into, GN_ADDR_TEXT_BYTES);
    } else if (addr->u.sa.sa_family == AF_INET6) {
        done = inet_ntop(AF_INET6, &addr->u.in6.sin6_addr, into, GN_ADDR_TEXT_BYTES);
    }
    return done != NULL ? strlen(done) : 0;
}

static void format_unix(const struct gn_addr *addr, char into[GN_ADDR_TEXT_BYTES])
{
    const struct sockaddr_un *un = &addr->u.un;
    size_t head = offsetof(struct sockaddr_un, sun_path);
    size_t len = addr->len > head ? addr->len - head : 0;

    if (len == 0) {
        (void)snprintf(into, GN_ADDR_TEXT_BYTES, "unix");
    } else if (un->sun_path[0] == '\0') {
        (void)snprintf(into, GN_ADDR_TEXT_BYTES, "unix:@%.*s", (int)(len - 1), un->sun_path + 1);
    } else {
        (void)snprintf(into, GN_ADDR_TEXT_BYTES, "unix:%.*s", (int)len, un->sun_path);
    }
}

void gn_addr_format(const struct gn_addr *addr, char into[GN_ADDR_TEXT_BYTES])
{
    char host[GN_ADDR_TEXT_BYTES];

    if (addr->len == 0) {
        (void)snprintf(into, GN_ADDR_TEXT_BYTES, "unknown");
    } else if (gn_addr_is_unix(addr)) {
        format_unix(addr, into);
    } else {
        bool is_in6 = addr->u.sa.sa_family == AF_INET6;

        (void)gn_addr_format_host(addr, host);
        (void)snprintf(into, GN_ADDR_TEXT_BYTES, is_in6 ? "[%.46s]:%u" : "%.46s:%u", host,
                gn_addr_port(addr));
    }
}
