/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_HOST_H
#define GN_BRIDGE_PY_HOST_H

/*
 * Hosting CPython: configure, initialise, import, finalise. The only file that
 * may assume this process started the interpreter; everything else in
 * bridge/py also works as a guest of one that runs already.
 *
 * Thread: the process's main thread, before the loop runs and after it ended.
 */

#include "server/base/clock.h"
#include "server/base/err.h"

struct gn_py_host;

struct gn_py_host_options {
    const char *const *argv; /* sys.argv of the application; argv[0] is the program */
    int argc;
    const char *chdir;             /* made current and put first in sys.path; NULL: "." */
    const char *const *pythonpath; /* put behind it */
    unsigned n_pythonpath;
    const char *venv; /* NULL: $VIRTUAL_ENV, else .venv beside chdir, else none */
};

/**
 * Initialises the interpreter: UTF-8, unbuffered stdio, no signal handlers of
 * its own, sys.executable a real interpreter, __main__ a real module. The
 * calling thread holds the GIL afterwards.
 *
 * Returns: GN_OK, GN_ERR_NOT_FOUND (no such environment), GN_ERR_UNSUPPORTED
 *          (the environment is for another Python version: err says both),
 *          GN_ERR_PYTHON (initialisation failed)
 */
GN_MUST_CHECK enum gn_err gn_py_host_start(const struct gn_py_host_options *options,
        struct gn_py_host **host_out, struct gn_error *err);

/** "3.11.2"; static. */
const char *gn_py_version(void);
/** The environment in use, or NULL. */
const char *gn_py_host_venv(const struct gn_py_host *host);

/** Gives the GIL up for good: workers take over. Called once, before the loop runs. */
void gn_py_host_release_gil(struct gn_py_host *host);

/**
 * Takes the GIL back, runs threading's shutdown and atexit hooks, finalises.
 * What is not finished at `deadline` (a non-daemon thread that does not end) is
 * left: the function logs it and returns.
 *
 * Returns: GN_OK, GN_ERR_TIMEOUT (the caller should _exit: Python code may still run)
 */
GN_MUST_CHECK enum gn_err gn_py_host_stop(struct gn_py_host **host, gn_deadline deadline);

#endif
