/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_INPUT_PRIV_H
#define GN_WSGI_INPUT_PRIV_H

/*
 * wsgi.input: a request body as a binary file, in memory or in the spool file,
 * with everything io.BytesIO can do for a reader. The object owns the body, so
 * a view that outlives its client still reads what was sent.
 *
 * The end of a request is not the end of the object: applications keep
 * references. gn_wsgi_input_finish cuts the body off, and whoever uses the
 * object afterwards gets a ValueError. An object nobody else refers to may be
 * started again for another request.
 *
 * Thread: any that holds the GIL. Reads of a spool file give the GIL up; a
 * second thread that reads meanwhile gets a RuntimeError.
 */

#include <Python.h>

#include "server/base/attr.h"
#include "server/http/body.h"

/** The heap type; a new reference, or NULL with an exception. */
GN_NEEDS_GIL PyTypeObject *gn_wsgi_input_type_create(void);

/** An input without a body, as after finish; a new reference, or NULL with an exception. */
GN_NEEDS_GIL PyObject *gn_wsgi_input_new(PyTypeObject *type);

/** Starts at the beginning of `take`, which is moved; NULL stands for an empty body. */
GN_NEEDS_GIL void gn_wsgi_input_start(PyObject *input, struct gn_body *take);

/** The request is over: drops the body. */
GN_NEEDS_GIL void gn_wsgi_input_finish(PyObject *input);

#endif
