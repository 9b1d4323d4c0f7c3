/* SPDX-License-Identifier: MIT */
#include "server/proto/forwarded.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "server/proto/headers.h"
#include "server/proto/media_type.h"
#include "server/proto/uri.h"

/*
 * Both families are first brought to the same shape, a walk from the last
 * element of all fields of one name to the first. The client is the first hop
 * met that is not itself a trusted proxy, or the farthest one if all are. A
 * hop that names no address ends the walk: beyond it nothing can be checked.
 */

/* Splits off the last element of a list, trimmed; quotes are honoured. */
static struct gn_slice previous_element(struct gn_slice *rest)
{
    struct gn_slice element = *rest;
    bool quoted = false;

    for (size_t i = rest->len; i > 0; i--) {
        char c = rest->ptr[i - 1];

        quoted ^= c == '"';
        if (c == ',' && !quoted) {
            element = gn_slice_skip(*rest, i);
            rest->len = i - 1;
            return gn_slice_trim_ows(element);
        }
    }
    rest->len = 0;
    return gn_slice_trim_ows(element);
}

/* A walk over all fields with one id, backwards. */
struct walk {
    const struct gn_http1_head *head;
    enum gn_header_id id;
    unsigned i; /* fields still to be looked at */
    struct gn_slice rest;
};

/* The element before; empty ones are skipped. False at the end. */
static bool walk_back(struct walk *w, struct gn_slice *element_out)
{
    for (;;) {
        while (w->rest.len > 0) {
            *element_out = previous_element(&w->rest);
            if (element_out->len > 0) {
                return true;
            }
        }
        while (w->i > 0 && w->head->headers[w->i - 1].id != w->id) {
            w->i--;
        }
        if (w->i == 0) {
            return false;
        }
        w->rest = w->head->headers[--w->i].value;
    }
}

static bool is_address(struct gn_slice text, int family)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (text.len == 0 || text.len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return strlen(copy) == text.len && inet_pton(family, copy, &address) == 1;
}

static bool parse_node_port(struct gn_slice text, uint16_t *port_out)
{
    uint64_t port;

    if (text.len == 0 || text.ptr[0] != ':') {
        return text.len == 0;
    }
    if (gn_slice_to_u64(gn_slice_skip(text, 1), UINT16_MAX, &port) != GN_OK) {
        /* An obfuscated port (RFC 7239 6.3) is a port not said. */
        return text.len > 1 && text.ptr[1] == '_';
    }
    *port_out = (uint16_t)port;
    return true;
}

enum gn_err gn_forwarded_parse_node(
        struct gn_slice node, struct gn_slice *address_out, uint16_t *port_out)
{
    struct gn_slice rest;
    size_t end;

    *port_out = 0;
    *address_out = node;
    if (is_address(node, AF_INET6)) {
        return GN_OK;
    }
    if (node.len > 0 && node.ptr[0] == '[') {
        end = gn_slice_find(node, ']');
        *address_out = gn_slice_of(node.ptr + 1, end - 1);
        rest = gn_slice_skip(node, end + 1);
        return end < node.len && is_address(*address_out, AF_INET6) &&
                        parse_node_port(rest, port_out)
                ? GN_OK
                : GN_ERR_INVALID;
    }
    end = gn_slice_find(node, ':');
    *address_out = gn_slice_of(node.ptr, end);
    rest = gn_slice_skip(node, end);
    return is_address(*address_out, AF_INET) && parse_node_port(rest, port_out) ? GN_OK
                                                                                : GN_ERR_INVALID;
}

bool gn_forwarded_parse_hop(struct gn_slice element, struct gn_forwarded_hop *out)
{
    struct gn_parameter p;

    *out = (struct gn_forwarded_hop){.for_node = {NULL, 0}};
    while (gn_parameter_next(&element, &p)) {
        /* Nothing that a node, host or scheme may hold needs a backslash. */
        if (gn_slice_find(p.value, '\\') < p.value.len) {
            return false;
        }
        if (gn_slice_eq_nocase(p.name, GN_LIT("for"))) {
            out->for_node = p.value;
        } else if (gn_slice_eq_nocase(p.name, GN_LIT("by"))) {
            out->by = p.value;
        } else if (gn_slice_eq_nocase(p.name, GN_LIT("host"))) {
            out->host = p.value;
        } else if (gn_slice_eq_nocase(p.name, GN_LIT("proto"))) {
            out->proto = p.value;
        }
    }
    return element.len == 0;
}

/* Some proxies call a WebSocket's handshake ws or wss. */
static void take_scheme(struct gn_slice text, struct gn_forwarded *out)
{
    bool is_https =
            gn_slice_eq_nocase(text, GN_LIT("https")) || gn_slice_eq_nocase(text, GN_LIT("wss"));

    if (is_https || gn_slice_eq_nocase(text, GN_LIT("http")) ||
            gn_slice_eq_nocase(text, GN_LIT("ws"))) {
        out->has_scheme = true;
        out->is_https = is_https;
    }
}

static void take_host(struct gn_slice text, struct gn_forwarded *out)
{
    struct gn_authority authority;

    if (gn_authority_parse(text, &authority) == GN_OK) {
        out->host = text;
    }
}

/* True when the walk may go on beyond this hop. */
static bool take_node(
        struct gn_slice node, gn_forwarded_trust_fn is_trusted, void *arg, struct gn_forwarded *out)
{
    struct gn_slice address;
    uint16_t port;

    if (gn_forwarded_parse_node(node, &address, &port) != GN_OK) {
        return false;
    }
    out->address = address;
    out->port = port;
    return is_trusted(arg, address);
}

static void resolve_rfc7239(const struct gn_http1_head *head, gn_forwarded_trust_fn is_trusted,
        void *arg, struct gn_forwarded *out)
{
    struct walk w = {.head = head, .id = GN_HDR_FORWARDED, .i = head->n_headers};
    struct gn_slice element;

    while (walk_back(&w, &element)) {
        struct gn_forwarded_hop hop;

        if (!gn_forwarded_parse_hop(element, &hop)) {
            return;
        }
        take_scheme(hop.proto, out);
        take_host(hop.host, out);
        if (!take_node(hop.for_node, is_trusted, arg, out)) {
            return;
        }
    }
}

/* What the nearest proxy wrote in a field of that id; ptr NULL for nothing. */
static struct gn_slice nearest(const struct gn_http1_head *head, enum gn_header_id id)
{
    struct walk w = {.head = head, .id = id, .i = head->n_headers};
    struct gn_slice element = {NULL, 0};

    return walk_back(&w, &element) ? element : gn_slice_of(NULL, 0);
}

static void take_port(struct gn_slice text, struct gn_forwarded *out)
{
    uint64_t port;

    if (gn_slice_to_u64(text, UINT16_MAX, &port) == GN_OK) {
        out->host_port = (uint16_t)port;
    }
}

/* A path that can stand before every path of the application. */
static void take_prefix(struct gn_slice text, struct gn_forwarded *out)
{
    while (text.len > 0 && text.ptr[text.len - 1] == '/') {
        text.len--;
    }
    if (text.len == 0 || text.ptr[0] != '/' || gn_slice_starts_with(text, GN_LIT("//"))) {
        return;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c <= 0x20 || c >= 0x7f || strchr("?#\"<>\\", c) != NULL) {
            return;
        }
    }
    out->prefix = text;
}

static void resolve_x_client(const struct gn_http1_head *head, unsigned fields,
        gn_forwarded_trust_fn is_trusted, void *arg, struct gn_forwarded *out)
{
    struct walk w = {.head = head, .id = GN_HDR_X_FORWARDED_FOR, .i = head->n_headers};
    struct gn_slice element;

    if ((fields & GN_FORWARDED_FOR) != 0 &&
            gn_http1_head_find(head, GN_HDR_X_FORWARDED_FOR) != NULL) {
        while (walk_back(&w, &element) && take_node(element, is_trusted, arg, out)) {
        }
    } else if ((fields & GN_FORWARDED_REAL_IP) != 0) {
        (void)take_node(nearest(head, GN_HDR_X_REAL_IP), is_trusted, arg, out);
    }
}

static void resolve_x_server(
        const struct gn_http1_head *head, unsigned fields, struct gn_forwarded *out)
{
    if ((fields & GN_FORWARDED_PROTO) != 0) {
        take_scheme(nearest(head, GN_HDR_X_FORWARDED_PROTO), out);
    }
    if ((fields & GN_FORWARDED_HOST) != 0) {
        take_host(nearest(head, GN_HDR_X_FORWARDED_HOST), out);
    }
    if ((fields & GN_FORWARDED_PORT) != 0) {
        take_port(nearest(head, GN_HDR_X_FORWARDED_PORT), out);
    }
}

void gn_forwarded_resolve(const struct gn_http1_head *head, unsigned fields,
        gn_forwarded_trust_fn is_trusted, void *arg, struct gn_forwarded *out)
{
    *out = (struct gn_forwarded){.port = 0};
    if ((fields & GN_FORWARDED_RFC7239) != 0 &&
            gn_http1_head_find(head, GN_HDR_FORWARDED) != NULL) {
        out->is_rfc7239 = true;
        resolve_rfc7239(head, is_trusted, arg, out);
    } else {
        resolve_x_client(head, fields, is_trusted, arg, out);
        resolve_x_server(head, fields, out);
    }
    if ((fields & GN_FORWARDED_PREFIX) != 0) {
        take_prefix(nearest(head, GN_HDR_X_FORWARDED_PREFIX), out);
    }
}

/* "X-Forwarded", or that and a '-'. */
static bool is_x_forwarded(struct gn_slice name)
{
    const struct gn_slice stem = GN_LIT("X-Forwarded");

    return name.len >= stem.len && gn_slice_eq_nocase(gn_slice_of(name.ptr, stem.len), stem) &&
            (name.len == stem.len || name.ptr[stem.len] == '-');
}

bool gn_forwarded_is_field(const struct gn_header *header)
{
    if (header->id != GN_HDR_OTHER) {
        return gn_forwarded_is_known(header->id);
    }
    return is_x_forwarded(header->name) ||
            gn_slice_eq_nocase(header->name, GN_LIT("X-Client-IP")) ||
            gn_slice_eq_nocase(header->name, GN_LIT("X-Cluster-Client-IP")) ||
            gn_slice_eq_nocase(header->name, GN_LIT("X-Scheme")) ||
            gn_slice_eq_nocase(header->name, GN_LIT("X-Url-Scheme"));
}

bool gn_forwarded_is_rival(const struct gn_header *header)
{
    return header->id != GN_HDR_FORWARDED && header->id != GN_HDR_X_FORWARDED_PREFIX &&
            gn_forwarded_is_field(header);
}
