/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_VENV_H
#define GN_BRIDGE_PY_VENV_H

/*
 * Which Python installation the embedded interpreter stands for: a virtual
 * environment that was named or found, or the plain interpreter of our
 * version. Reads files only; Python need not be initialised.
 *
 * Thread: start-up.
 */

#include <stdbool.h>

#include "server/base/err.h"

struct gn_py_venv {
    char *path;    /* the environment; NULL: none */
    char *python;  /* the interpreter to stand for; NULL: none of our version was found */
    char *home;    /* "home" of its pyvenv.cfg: where its base interpreter lives; NULL: none */
    bool is_alien; /* its base is another build of our version: only its packages are used */
};

/**
 * Looks at `option`, else $VIRTUAL_ENV, else .venv in the current directory.
 * An empty `option` means: no environment, whatever surrounds us.
 *
 * Returns: GN_OK               `*venv_out` is filled; the caller's to fini
 *          GN_ERR_NOT_FOUND    what was named is no environment
 *          GN_ERR_UNSUPPORTED  it is for another version of Python
 */
GN_MUST_CHECK enum gn_err gn_py_venv_find(
        const char *option, struct gn_py_venv *venv_out, struct gn_error *err);
/** Accepts a zeroed one. */
void gn_py_venv_fini(struct gn_py_venv *venv);

#endif
