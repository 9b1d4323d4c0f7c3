/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_GIL_PRIV_H
#define GN_BRIDGE_PY_GIL_PRIV_H

/*
 * The GIL as a capability that clang checks. For files that include Python.h;
 * they include that first.
 */

#include <Python.h>

#include <stdbool.h>

#include "server/base/alloc.h"
#include "server/base/attr.h"

#if defined(__clang__)
#define GN_ASSERTS_GIL GN_TSA(assert_capability(gn_role_gil))
#define GN_RELEASES_GIL GN_TSA(release_capability(gn_role_gil)) GN_TSA(no_thread_safety_analysis)
#define GN_ACQUIRES_GIL GN_TSA(acquire_capability(gn_role_gil)) GN_TSA(no_thread_safety_analysis)
#else
#define GN_ASSERTS_GIL
#define GN_RELEASES_GIL
#define GN_ACQUIRES_GIL
#endif

/** First line of every function that Python or a worker enters by pointer. Checked in debug
 *  builds. */
static inline void gn_assert_gil(void) GN_ASSERTS_GIL;
static inline void gn_assert_gil(void)
{
#ifndef NDEBUG
    gn_assert(PyGILState_Check());
#endif
}

#ifdef Py_GIL_DISABLED
/** gil.c: false while threads run Python at the same time. An extension module may switch the GIL
 *  on at any time, by being imported. */
GN_NEEDS_GIL bool gn_gil_is_on(void);
#else
static inline bool gn_gil_is_on(void)
{
    return true;
}
#endif

/** Gives the GIL up; the result goes to gn_gil_acquire on the same thread. */
static inline PyThreadState *gn_gil_release(void) GN_RELEASES_GIL;
static inline PyThreadState *gn_gil_release(void)
{
    return PyEval_SaveThread();
}

/** Waits for the GIL: never on the loop thread, never with a lock held. */
static inline void gn_gil_acquire(PyThreadState *state) GN_ACQUIRES_GIL;
static inline void gn_gil_acquire(PyThreadState *state)
{
    PyEval_RestoreThread(state);
}

#endif
