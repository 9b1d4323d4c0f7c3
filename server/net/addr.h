/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_NET_ADDR_H
#define GN_SERVER_NET_ADDR_H

/*
 * Socket addresses as values: IPv4, IPv6, Unix (abstract too), and their
 * spelling on the command line: `HOST:PORT`, `[IPv6]:PORT`, `:PORT`,
 * `unix:PATH`. Names are resolved at start-up only, never on the loop.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "server/base/err.h"
#include "server/base/slice.h"

struct gn_addr {
    socklen_t len; /* 0: unknown */
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } u;
};

/** Room for any address as text, NUL included. */
#define GN_ADDR_TEXT_BYTES 128

/**
 * Parses a bind address; a host name is resolved (may block: start-up only).
 * An empty host means every address; a missing port means 8000.
 *
 * Returns: GN_OK, GN_ERR_INVALID (err says what is wrong with the spelling),
 *          GN_ERR_NOT_FOUND (the name does not resolve)
 */
GN_MUST_CHECK enum gn_err gn_addr_parse(
        struct gn_slice text, struct gn_addr *addr_out, struct gn_error *err);

/**
 * An IP address alone, without brackets or zone; one of IPv4 that is mapped
 * into IPv6 becomes IPv4. False when it is none; `*addr_out` is then unknown.
 */
GN_ANY_THREAD bool gn_addr_parse_ip(struct gn_slice text, uint16_t port, struct gn_addr *addr_out);
/** The same from its 4 or 16 bytes in network order; `family` is AF_INET or AF_INET6. */
GN_ANY_THREAD void gn_addr_set_ip(
        struct gn_addr *addr, int family, const void *bytes, uint16_t port);
/** Makes IPv4 of an IPv4 address that is mapped into IPv6; leaves others alone. */
GN_ANY_THREAD void gn_addr_unmap(struct gn_addr *addr);

/** "127.0.0.1:8000", "[::1]:8000", "unix:/run/x.sock", "unix" for one without a name, as most Unix
 * clients are; always NUL-terminated. */
GN_ANY_THREAD void gn_addr_format(const struct gn_addr *addr, char into[GN_ADDR_TEXT_BYTES]);
/** The host alone ("127.0.0.1", "::1", "" for Unix); returns its length. */
GN_ANY_THREAD size_t gn_addr_format_host(const struct gn_addr *addr, char into[GN_ADDR_TEXT_BYTES]);
/** 0 for Unix sockets. */
GN_ANY_THREAD uint16_t gn_addr_port(const struct gn_addr *addr);
GN_ANY_THREAD bool gn_addr_is_unix(const struct gn_addr *addr);

#endif
