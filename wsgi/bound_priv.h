/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_BOUND_PRIV_H
#define GN_WSGI_BOUND_PRIV_H

/*
 * C functions that applications are handed for the time of one request:
 * start_response, write, early_hints, client_disconnected. A bound object
 * carries a pointer to what it acts on. When the request ends the pointer is
 * cut; calling the object later raises RuntimeError instead of touching
 * memory that now serves somebody else. An object nobody else refers to may be
 * bound again.
 *
 * Thread: any that holds the GIL.
 */

#include <Python.h>

#include "server/base/attr.h"

/** The arguments are as for METH_FASTCALL with keywords (PEP 590); `target` is never NULL. */
typedef PyObject *(*gn_wsgi_bound_fn)(
        void *target, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames);

/** The heap type; a new reference, or NULL with an exception. */
GN_NEEDS_GIL PyTypeObject *gn_wsgi_bound_type_create(void);

/** `name` (static storage) is for messages. A new reference, or NULL with an exception. */
GN_NEEDS_GIL PyObject *gn_wsgi_bound_new(
        PyTypeObject *type, const char *name, gn_wsgi_bound_fn fn, void *target);

/**
 * Where there is no GIL, calls of all that share `guard` (any object; a reference
 * is taken) take turns, and with whoever is in its section (compat_priv.h).
 * Until then a bound object is its own guard.
 */
GN_NEEDS_GIL void gn_wsgi_bound_share(PyObject *bound, PyObject *guard);

/** Cuts the pointer (NULL) or renews it: when it returns no call goes on, but for one that has
 *  let go of Python. */
GN_NEEDS_GIL void gn_wsgi_bound_set(PyObject *bound, void *target);

#endif
