/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_ENVIRON_PRIV_H
#define GN_WSGI_ENVIRON_PRIV_H

/*
 * environ, the dict an application is called with (PEP 3333, RFC 3875).
 *
 * Per mount there is a template that already holds every key, with its usual
 * value; a request gets a copy in which what differs is replaced and its
 * headers are added. Nothing of the process's own environment is in it.
 *
 * Thread: any that holds the GIL; gn_wsgi_environ_build reads the exchange,
 * which the loop leaves alone meanwhile.
 */

#include <Python.h>

#include <stdbool.h>

#include "server/base/attr.h"
#include "server/base/err.h"
#include "server/http/exchange.h"

#include "wsgi/names_priv.h"
#include "wsgi/text_priv.h"

enum {
    GN_WSGI_PEER_SETS = 256, /* a power of two */
    GN_WSGI_PEER_WAYS = 4,
};

/** An IP address and a port, compared as bytes. */
struct gn_wsgi_peer_key {
    uint16_t family; /* 0: none */
    uint16_t port;
    uint32_t scope;
    uint8_t host[16];
};

/** The strings of one client connection. */
struct gn_wsgi_peer {
    struct gn_wsgi_peer_key key;
    PyObject *host; /* REMOTE_ADDR */
    PyObject *port; /* REMOTE_PORT */
    PyObject *text; /* gustnado.peer_addr */
};

/** Bounded: four connections to a set, the oldest entry goes. */
struct gn_wsgi_peer_set {
    struct gn_wsgi_peer ways[GN_WSGI_PEER_WAYS];
    unsigned next;
};

/** The dict a mount's environs are copies of. */
struct gn_wsgi_template {
    PyObject *dict;
    struct gn_addr local; /* the listener whose name and port are in it */
};

/** What all mounts of a container share. Zeroed, gn_wsgi_environ_fini accepts it. */
struct gn_wsgi_environ {
    struct gn_wsgi_names names;
    struct gn_wsgi_text_cache texts;
    struct gn_wsgi_peer_set peers[GN_WSGI_PEER_SETS];
    struct gn_wsgi_peer stranger; /* the last peer that is not kept: a Unix socket */
};

/** The values that are the same for every request of a container. Borrowed. */
struct gn_wsgi_environ_facts {
    PyObject *errors;
    PyObject *file_wrapper;
    struct gn_slice server_software;
    bool multithread;
    bool multiprocess;
};

/** What the exchange alone does not say. Objects are borrowed; slices are decoded. */
struct gn_wsgi_environ_request {
    const struct gn_exchange *exchange;
    uint64_t body_bytes;
    struct gn_slice path_info;
    struct gn_slice outer_script_name; /* what routers before the container consumed; mostly "" */
    PyObject *input;
    PyObject *early_hints;
    PyObject *client_disconnected;
};

/** Who asked for what, for the log: held strings, each of which may be NULL. */
struct gn_wsgi_asked {
    PyObject *method;
    PyObject *uri;
    PyObject *peer;
};

/** Returns: GN_OK, GN_ERR_PYTHON (an exception is set; call fini) */
GN_NEEDS_GIL GN_MUST_CHECK enum gn_err gn_wsgi_environ_init(struct gn_wsgi_environ *env);
GN_NEEDS_GIL void gn_wsgi_environ_fini(struct gn_wsgi_environ *env);

/** The template of a mount at `script_name` ("" or "/prefix"); a new reference, or NULL raised. */
GN_NEEDS_GIL PyObject *gn_wsgi_environ_template(struct gn_wsgi_environ *env,
        struct gn_slice script_name, const struct gn_wsgi_environ_facts *facts);

/**
 * The environ of one request: a copy of the template in which what differs is
 * replaced. `asked_out` gets new references, as far as it comes.
 *
 * Returns: a new reference, or NULL with an exception
 */
GN_NEEDS_GIL GN_HOT PyObject *gn_wsgi_environ_make(struct gn_wsgi_environ *env,
        struct gn_wsgi_template *template, const struct gn_wsgi_environ_request *request,
        struct gn_wsgi_asked *asked_out);

#endif
