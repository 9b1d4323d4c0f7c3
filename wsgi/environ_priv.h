/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_ENVIRON_PRIV_H
#define GN_WSGI_ENVIRON_PRIV_H

/*
 * environ, the dict an application is called with (PEP 3333, RFC 3875).
 *
 * Per mount there is a template that already holds every key; a request gets a
 * copy to which its headers are added. Nothing of the process's own
 * environment is in it.
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
#include "wsgi/peers_priv.h"
#include "wsgi/text_priv.h"

/**
 * The dict a mount's environs are copies of. It follows the traffic: whatever
 * key is in every environ is brought up to date in the template before it is
 * copied, which costs nothing for what equals the request before.
 * Zeroed, gn_wsgi_template_fini accepts it.
 */
struct gn_wsgi_template {
    PyObject *dict;
    PyObject *values[GN_WSGI_NAME_N]; /* what `dict` holds by name; borrowed from it */
    PyObject *script_name;            /* of the mount */
    struct gn_addr local;             /* the listener whose name and port are in it */
};

/** What all mounts of a container share. Zeroed, gn_wsgi_environ_fini accepts it. */
struct gn_wsgi_environ {
    struct gn_wsgi_names names;
    struct gn_wsgi_text_cache texts;
    struct gn_wsgi_peers peers;
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
    uint64_t body_bytes; /* or GN_LENGTH_UNKNOWN: chunks that are still arriving */
    struct gn_slice path_info;
    struct gn_slice outer_script_name; /* what routers before the container consumed; mostly "" */
    gn_deadline deadline;              /* GN_NEVER: none */
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

/**
 * Makes the template of a mount at `script_name` ("" or "/prefix").
 *
 * Returns: GN_OK, GN_ERR_PYTHON (an exception is set; call fini)
 */
GN_NEEDS_GIL GN_MUST_CHECK enum gn_err gn_wsgi_template_init(struct gn_wsgi_template *template,
        struct gn_wsgi_environ *env, struct gn_slice script_name,
        const struct gn_wsgi_environ_facts *facts);
GN_NEEDS_GIL void gn_wsgi_template_fini(struct gn_wsgi_template *template);

/**
 * The environ of one request: the template brought up to date, copied, and
 * what only this request has put in. `asked_out` gets new references, as far as it comes.
 *
 * Returns: a new reference, or NULL with an exception
 */
GN_NEEDS_GIL GN_HOT PyObject *gn_wsgi_environ_make(struct gn_wsgi_environ *env,
        struct gn_wsgi_template *template, const struct gn_wsgi_environ_request *request,
        struct gn_wsgi_asked *asked_out);

/** environ_tls.c: the SSL_* keys. Returns: GN_OK, GN_ERR_PYTHON (an exception is set) */
GN_NEEDS_GIL GN_MUST_CHECK enum gn_err gn_wsgi_environ_put_tls(
        struct gn_wsgi_environ *env, PyObject *dict, const struct gn_tls_facts *facts);

#endif
