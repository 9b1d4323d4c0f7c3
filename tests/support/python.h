/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_SUPPORT_PYTHON_H
#define GN_TESTS_SUPPORT_PYTHON_H

/*
 * An interpreter for one test. Each test runs in a process of its own, so each
 * may start one.
 *
 * Thread: the test's, which holds the GIL unless it says otherwise.
 */

#include <stdbool.h>

#include "bridge/py/host.h"

/** Starts Python, without any environment, in the current directory, and runs `source` in
 *  __main__. */
void gn_test_python_start(const char *source);
struct gn_py_host *gn_test_python_host(void);

/** Runs statements in __main__; an exception fails the test. */
void gn_test_python_run(const char *source);
/** The value of an expression in __main__: a new reference to a PyObject. */
void *gn_test_python_value(const char *expression);
/** The same as a number, or as a truth. */
long gn_test_python_long(const char *expression);
bool gn_test_python_is(const char *expression);

/** Stops it, within 5 s. Takes the GIL if it was released. */
void gn_test_python_stop(void);

#endif
