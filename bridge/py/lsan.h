/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_LSAN_H
#define GN_BRIDGE_PY_LSAN_H

/*
 * CPython keeps some memory past its finalisation. A leak check would report
 * it, and a suppression by library would also hide our own leaks in functions
 * that Python calls. So, in builds with AddressSanitizer, what Python's
 * allocators take is marked as not ours; in other builds this does nothing.
 */

/** Between Py_PreInitialize, which chooses the allocators, and Py_InitializeFromConfig. */
void gn_lsan_ignore_python(void);

#endif
