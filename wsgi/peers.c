/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "server/http/exchange.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/peers_priv.h"
#include "wsgi/text_priv.h"

static struct gn_wsgi_peer_key key_of(const struct gn_addr *addr)
{
    struct gn_wsgi_peer_key key = {0};

    if (addr->u.sa.sa_family == AF_INET) {
        key.family = AF_INET;
        key.port = addr->u.in.sin_port;
        memcpy(key.host, &addr->u.in.sin_addr, 4);
    } else if (addr->u.sa.sa_family == AF_INET6) {
        key.family = AF_INET6;
        key.port = addr->u.in6.sin6_port;
        key.scope = addr->u.in6.sin6_scope_id;
        memcpy(key.host, &addr->u.in6.sin6_addr, 16);
    }
    return key;
}

static struct gn_slice key_bytes(const struct gn_wsgi_peer_key *key)
{
    return gn_slice_of((const char *)(const void *)key, sizeof(*key));
}

static void clear(struct gn_wsgi_peer *peer)
{
    Py_CLEAR(peer->host);
    Py_CLEAR(peer->port);
    Py_CLEAR(peer->text);
    peer->key = (struct gn_wsgi_peer_key){0};
}

GN_NEEDS_GIL static PyObject *host_text(const struct gn_addr *addr)
{
    char text[GN_ADDR_TEXT_BYTES];
    size_t len = gn_addr_format_host(addr, text);

    return gn_wsgi_text(gn_slice_of(text, len));
}

/** A client whose port its proxy did not tell has none, as on a Unix socket. */
static PyObject *port_text(const struct gn_addr *addr)
{
    uint16_t port = gn_addr_port(addr);

    return port == 0 ? PyUnicode_FromString("") : PyUnicode_FromFormat("%d", (int)port);
}

GN_NEEDS_GIL static const struct gn_wsgi_peer *set(
        struct gn_wsgi_peer *peer, const struct gn_addr *addr)
{
    char text[GN_ADDR_TEXT_BYTES];

    gn_addr_format(addr, text);
    clear(peer);
    peer->host = host_text(addr);
    peer->port = port_text(addr);
    peer->text = gn_wsgi_text(gn_slice_str(text));
    if (peer->host == NULL || peer->port == NULL || peer->text == NULL) {
        return NULL;
    }
    peer->key = key_of(addr);
    return peer;
}

const struct gn_wsgi_peer *gn_wsgi_peers_find(
        struct gn_wsgi_peers *peers, const struct gn_addr *addr)
{
    struct gn_wsgi_peer_key key = key_of(addr);
    struct gn_wsgi_peer_set *of;

    if (key.family == 0) {
        return set(&peers->stranger, addr);
    }
    of = &peers->sets[gn_wsgi_text_hash(key_bytes(&key)) & (GN_WSGI_PEER_SETS - 1)];
    for (unsigned way = 0; way < GN_WSGI_PEER_WAYS; way++) {
        if (gn_slice_eq(key_bytes(&of->ways[way].key), key_bytes(&key))) {
            return &of->ways[way];
        }
    }
    return set(&of->ways[of->next++ % GN_WSGI_PEER_WAYS], addr);
}

void gn_wsgi_peers_fini(struct gn_wsgi_peers *peers)
{
    for (unsigned i = 0; i < GN_WSGI_PEER_SETS; i++) {
        for (unsigned way = 0; way < GN_WSGI_PEER_WAYS; way++) {
            clear(&peers->sets[i].ways[way]);
        }
    }
    clear(&peers->stranger);
}
