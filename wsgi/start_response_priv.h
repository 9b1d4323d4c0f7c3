/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_START_RESPONSE_PRIV_H
#define GN_WSGI_START_RESPONSE_PRIV_H

/*
 * The callables of PEP 3333 that act on a response: start_response, the
 * write() it returns, and wsgi.early_hints.
 *
 * Thread: the worker that owns the call, holding the GIL.
 */

#include <Python.h>

#include "server/base/attr.h"

#include "wsgi/response_priv.h"

/** A response with its three callables. Lives in the call; zeroed, fini accepts it. */
struct gn_wsgi_start {
    struct gn_wsgi_response *response;
    PyObject *start_response;
    PyObject *write;
    PyObject *early_hints;
    PyObject *guard; /* of the response where there is no GIL (compat_priv.h); NULL with one */
};

/**
 * Makes the callables that are missing and binds them for one request.
 *
 * Returns: GN_OK, GN_ERR_PYTHON (MemoryError is set)
 */
GN_NEEDS_GIL GN_MUST_CHECK enum gn_err gn_wsgi_start_bind(
        struct gn_wsgi_start *start, PyTypeObject *bound_type);

/** The request is over: cuts them off, and drops those the application has kept. */
GN_NEEDS_GIL void gn_wsgi_start_unbind(struct gn_wsgi_start *start);
GN_NEEDS_GIL void gn_wsgi_start_fini(struct gn_wsgi_start *start);

#endif
