/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_ERRORS_PRIV_H
#define GN_WSGI_ERRORS_PRIV_H

/*
 * wsgi.errors: a text stream into the server's log, level error. One object
 * serves every call: an unfinished line is kept per thread until its newline,
 * a flush or its growth beyond a bound, so that lines of two workers never mix.
 *
 * Thread: any that holds the GIL.
 */

#include <Python.h>

#include "server/base/attr.h"

/** The heap type; a new reference, or NULL with an exception. */
GN_NEEDS_GIL PyTypeObject *gn_wsgi_errors_type_create(void);

/** A stream; a new reference, or NULL with an exception. */
GN_NEEDS_GIL PyObject *gn_wsgi_errors_new(PyTypeObject *type);

/** Logs what the calling thread has left unfinished: at the end of a request. */
GN_NEEDS_GIL void gn_wsgi_errors_flush(PyObject *errors);

#endif
