/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_FORK_H
#define GN_BRIDGE_PY_FORK_H

/*
 * What happens in a child that Python code forks (os.fork, multiprocessing's
 * "fork"): the application goes on there, the server does not.
 */

#include "server/base/attr.h"

struct gn_py_fork_hook;

/**
 * Has `fn(arg)` called in every such child, before its Python code goes on.
 *
 * Returns: a handle to cancel it by, or NULL with a Python exception set
 */
GN_NEEDS_GIL struct gn_py_fork_hook *gn_py_fork_hook_add(void (*fn)(void *arg), void *arg);
/** `fn` is not called any more. Accepts NULL. */
GN_NEEDS_GIL void gn_py_fork_hook_cancel(struct gn_py_fork_hook **hook);

#endif
