/* SPDX-License-Identifier: MIT */
#include "server/http/forwarding.h"

#include <stdio.h>

#include "server/base/log.h"
#include "server/net/trust.h"
#include "server/proto/forwarded.h"
#include "server/proto/uri.h"

#include "server/http/exchange_priv.h"

/*
 * One place decides, so that environ, C handlers, the check of a WebSocket's
 * origin and the access log agree: they all read the exchange.
 *
 * A proxy's fields stay in the head when the proxy is trusted, for the
 * applications that read them by themselves; but where Forwarded has decided,
 * those that could contradict it go.
 */

#define PORT_TEXT_BYTES 8

/* ---- removing ------------------------------------------------------------------ */

static void remove_fields(
        struct gn_http1_head *head, bool (*is_unwanted)(const struct gn_header *header))
{
    unsigned n = 0;

    for (unsigned i = 0; i < head->n_headers; i++) {
        if (!is_unwanted(&head->headers[i])) {
            head->headers[n++] = head->headers[i];
        }
    }
    head->n_headers = n;
}

/** Said once: whoever forgot to list a proxy learns it, and clients cannot fill the log. */
GN_LOOP_THREAD static void tell_removed(struct gn_exchange_private *p)
{
    char peer[GN_ADDR_TEXT_BYTES];

    if (p->server->has_told_forwarded) {
        return;
    }
    p->server->has_told_forwarded = true;
    gn_log_info("removed X-Forwarded-For or the like from a request of %s, which is not in "
                "--forwarded-allow-ips; add it if it is a proxy of yours (said once)",
            gn_addr_format_host(&p->conn->origin.peer, peer) > 0 ? peer
                                                                 : "a Unix socket (\"unix\")");
}

/* ---- applying ------------------------------------------------------------------ */

static bool is_trusted_hop(void *arg, struct gn_slice address)
{
    const struct gn_http_server *server = arg;
    struct gn_addr hop;

    return gn_addr_parse_ip(address, 0, &hop) && gn_trust_has_hop(server->proxies.forwarded, &hop);
}

/** Keeps the connection's own peer beside what it said. */
GN_LOOP_THREAD static void take_client(struct gn_exchange_private *p, const struct gn_forwarded *f)
{
    struct gn_addr client;
    struct gn_addr *proxy;

    if (!gn_addr_parse_ip(f->address, f->port, &client)) {
        return;
    }
    if (p->ex.proxy == NULL) {
        proxy = gn_arena_alloc(&p->ex.arena, sizeof(*proxy));
        *proxy = p->ex.peer;
        p->ex.proxy = proxy;
    }
    p->ex.peer = client;
}

static unsigned default_port(bool is_tls)
{
    return is_tls ? 443 : 80;
}

/** The Host field says what head->host says, as after an absolute-form target. */
static void set_host(struct gn_http1_head *head, struct gn_slice host)
{
    head->host = host;
    for (unsigned i = 0; i < head->n_headers; i++) {
        if (head->headers[i].id == GN_HDR_HOST) {
            head->headers[i].value = host;
        }
    }
}

/** A port that the proxy cut off the host and sent apart comes back, where it matters. */
GN_LOOP_THREAD static void add_port(struct gn_exchange_private *p, uint16_t port)
{
    char text[PORT_TEXT_BYTES];
    size_t n = (size_t)snprintf(text, sizeof(text), ":%u", port);
    size_t len = p->head.host.len;
    char *joined = gn_arena_alloc(&p->ex.arena, len + n);

    memcpy(joined, p->head.host.ptr, len);
    memcpy(joined + len, text, n);
    set_host(&p->head, gn_slice_of(joined, len + n));
}

/** Where the client believes to be connected: by its Host, by X-Forwarded-Port, by the scheme. */
GN_LOOP_THREAD static void take_server(struct gn_exchange_private *p, const struct gn_forwarded *f)
{
    struct gn_authority authority = {.has_port = false};
    bool has_host;

    if (!f->has_scheme && f->host.len == 0 && f->host_port == 0) {
        return;
    }
    if (f->has_scheme) {
        p->ex.is_tls = f->is_https;
    }
    if (f->host.len > 0) {
        set_host(&p->head, f->host);
    }
    has_host = gn_authority_parse(p->head.host, &authority) == GN_OK;
    if (authority.has_port) {
        p->ex.server_port = authority.port;
    } else if (f->host_port != 0) {
        p->ex.server_port = f->host_port;
        if (has_host && f->host_port != default_port(p->ex.is_tls)) {
            add_port(p, f->host_port);
        }
    } else {
        p->ex.server_port = (uint16_t)default_port(p->ex.is_tls);
    }
}

void gn_forwarding_apply(struct gn_exchange_private *p)
{
    struct gn_forwarded said;

    if (!p->ex.peer_is_trusted) {
        tell_removed(p);
        remove_fields(&p->head, gn_forwarded_is_field);
        return;
    }
    gn_forwarded_resolve(
            &p->head, p->server->proxies.forwarded_fields, is_trusted_hop, p->server, &said);
    take_client(p, &said);
    take_server(p, &said);
    if (said.prefix.len > 0) {
        p->ex.script_name = said.prefix;
    }
    if (said.is_rfc7239) {
        remove_fields(&p->head, gn_forwarded_is_rival);
    }
}
