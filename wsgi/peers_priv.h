/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_PEERS_PRIV_H
#define GN_WSGI_PEERS_PRIV_H

/*
 * Client addresses as the strings environ wants. A client sends many requests
 * over one connection, so the strings of recent connections are kept: in sets
 * of four, the oldest of a set going first. Bounded: clients can evict one
 * another, never make it grow.
 *
 * Thread: any that holds the GIL.
 */

#include <Python.h>

#include <stdint.h>

#include "server/base/attr.h"

struct gn_addr; /* as server/http/exchange.h hands it out */

enum {
    GN_WSGI_PEER_SETS = 256, /* a power of two */
    GN_WSGI_PEER_WAYS = 4,
};

/** An IP address and a port, compared as bytes; it has no padding. */
struct gn_wsgi_peer_key {
    uint16_t family; /* 0: none */
    uint16_t port;
    uint32_t scope;
    uint8_t host[16];
};

/** The strings of one client connection. */
struct gn_wsgi_peer {
    struct gn_wsgi_peer_key key;
    PyObject *host; /* REMOTE_ADDR; "" for a Unix socket */
    PyObject *port; /* REMOTE_PORT; "" for a Unix socket, and where a proxy did not say */
    PyObject *text; /* gustnado.peer_addr */
};

struct gn_wsgi_peer_set {
    struct gn_wsgi_peer ways[GN_WSGI_PEER_WAYS];
    unsigned next; /* the way to be given up next */
};

/** Zeroed is empty. */
struct gn_wsgi_peers {
    struct gn_wsgi_peer_set sets[GN_WSGI_PEER_SETS];
    struct gn_wsgi_peer stranger; /* the last peer that is not kept: a Unix socket */
};

/** The strings of an address, valid until the next call; NULL with MemoryError. */
GN_NEEDS_GIL GN_HOT const struct gn_wsgi_peer *gn_wsgi_peers_find(
        struct gn_wsgi_peers *peers, const struct gn_addr *addr);

/** Drops every entry. */
GN_NEEDS_GIL void gn_wsgi_peers_fini(struct gn_wsgi_peers *peers);

#endif
