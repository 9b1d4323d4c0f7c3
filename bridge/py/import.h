/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_IMPORT_H
#define GN_BRIDGE_PY_IMPORT_H

/*
 * Finding an application by its name: `package.module:callable`, dotted
 * attributes (`module:site.app`), factory calls (`module:create_app("x")` with
 * literal arguments), a missing callable meaning `application`, then `app`.
 *
 * Thread: the main thread, holding the GIL: frameworks expect to be imported there.
 */

#include "server/base/err.h"
#include "server/base/slice.h"

/**
 * Imports and resolves to something callable. `*object_out` is a new reference
 * to a PyObject, spelled without Python.h.
 *
 * Returns: GN_OK
 *          GN_ERR_INVALID     the name is misspelled, what it names cannot be called, or importing
 *                             it made greenlets of threads
 *          GN_ERR_NOT_FOUND   no such module or attribute
 *          GN_ERR_PYTHON      importing or calling the factory raised
 * In each case err says in one sentence what is wrong and what to do; the
 * traceback of an exception inside the application has been logged.
 */
GN_MUST_CHECK enum gn_err gn_py_import(
        struct gn_slice name, void **object_out, struct gn_error *err);

/** Drops a reference from gn_py_import; the GIL must be held. NULL is allowed. */
void gn_py_release(void *object);

#endif
