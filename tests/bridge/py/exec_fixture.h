/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_BRIDGE_PY_EXEC_FIXTURE_H
#define GN_TESTS_BRIDGE_PY_EXEC_FIXTURE_H

/*
 * An executor on a loop, calls that call Python functions, and the log kept.
 * The test's thread is the loop's; it holds the GIL before exec_begin returns
 * and not after.
 */

#include <Python.h>

#include "bridge/py/pyexec.h"
#include "server/loop/loop.h"

struct exec_call {
    struct gn_pycall base;
    const char *name; /* of a function in __main__ */
    PyObject *function;
    long result; /* -1: it raised */
    bool is_done;
    bool is_refused;
};

extern struct gn_loop *exec_loop;
extern struct gn_pyexec *exec_under_test;

/** __main__ also has hold_gil(ms): C code that keeps the GIL, whatever signals come. */
void exec_begin(const struct gn_pyexec_options *options, const char *source);
/** Submits a call of `name`; described as "call of NAME". */
void exec_submit(struct exec_call *call, const char *name);
/** Runs the loop until *flag. */
void exec_await(const bool *flag);
/** Runs the loop until the expression in __main__ is true; the GIL must be free. */
void exec_await_python(const char *expression);
/** Runs the loop for so long. */
void exec_run_for(int64_t ms);
/** Runs the loop until the log holds the text. */
void exec_await_log(const char *text);
bool exec_log_has(const char *text);
/** Runs statements in __main__. */
void exec_python(const char *source);
/** Stops the executor and Python; every call must have been done or refused. */
void exec_end(struct exec_call *calls, unsigned n);

#endif
