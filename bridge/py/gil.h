/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_GIL_H
#define GN_BRIDGE_PY_GIL_H

/*
 * Free-threaded Python: whether threads run it at the same time, and what that
 * means for an executor.
 */

#include "server/base/attr.h"

struct gn_pyexec;

/** What people are told about the interpreter behind its version: "" with a GIL, else
 *  " free-threaded". Static. */
GN_ANY_THREAD const char *gn_gil_kind(void);
/** The same, and whether the GIL is on now. */
GN_ANY_THREAD const char *gn_pyexec_gil_kind(const struct gn_pyexec *exec);

#ifdef Py_GIL_DISABLED
/** Has the executor run one call per core while the GIL is off, and one while it is on. */
GN_NEEDS_GIL void gn_gil_follow(struct gn_pyexec *exec);
#endif

#endif
