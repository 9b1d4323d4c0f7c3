/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_HOST_H
#define GN_BRIDGE_PY_HOST_H

/*
 * Hosting CPython: configure, initialise (host.c), finalise (host_end.c). The
 * only files that may assume this process started the interpreter; everything
 * else in bridge/py also works as a guest of one that runs already.
 *
 * Thread: the process's main thread, before the loop runs and after it ended.
 *
 * The life of a server, in order:
 *
 *     gn_py_host_start            the main thread holds the GIL
 *     gn_py_import …              applications are imported
 *     gn_py_host_release_gil      for good, as long as the loop runs
 *     gn_loop_run
 *     gn_pyexec_stop              workers end
 *     gn_py_host_take_gil         to drop what holds Python objects
 *     gn_pyexec_destroy
 *     gn_py_host_stop
 */

#include "server/base/attr.h"
#include "server/base/clock.h"
#include "server/base/err.h"

struct gn_py_host;

struct gn_py_host_options {
    const char *const *argv; /* sys.argv of the application; argv[0] is the program */
    int argc;
    const char *chdir;             /* made current and put first in sys.path; NULL: "." */
    const char *const *pythonpath; /* put behind it; a warning when there is none */
    unsigned n_pythonpath;
    const char *venv; /* NULL: $VIRTUAL_ENV, else .venv beside chdir, else none */
};

/**
 * Initialises the interpreter: UTF-8, unbuffered stdio, no signal handlers of
 * its own, sys.executable a real interpreter, __main__ a real module, fatal
 * signals reported by faulthandler. The calling thread holds the GIL afterwards.
 * At most once per process.
 *
 * Returns: GN_OK
 *          GN_ERR_NOT_FOUND    no such directory or environment
 *          GN_ERR_UNSUPPORTED  the environment is for another Python version: err says both
 *          GN_ERR_PYTHON       initialisation failed
 */
GN_MUST_CHECK enum gn_err gn_py_host_start(const struct gn_py_host_options *options,
        struct gn_py_host **host_out, struct gn_error *err);

/** "3.11.2"; static. */
GN_ANY_THREAD const char *gn_py_version(void);
/** The environment in use, or NULL. */
const char *gn_py_host_venv(const struct gn_py_host *host);
/** sys.executable, or "" when no interpreter of our version was found. */
const char *gn_py_host_executable(const struct gn_py_host *host);

/** What the process is ended with where this file says that it ends it; 0 unless set. */
void gn_py_host_set_exit_status(struct gn_py_host *host, int status);

/**
 * Gives the GIL up: workers take over. Pairs with gn_py_host_take_gil. Signal
 * handlers in Python do not run from here on, which the log says if there are any.
 */
void gn_py_host_release_gil(struct gn_py_host *host);
/**
 * Takes the GIL back. Waits for whoever holds it; should that be longer than
 * `deadline`, Python is stuck in C code and the process is ended with the exit
 * status set, after a line in the log: nothing of the interpreter can run any more.
 */
void gn_py_host_take_gil(struct gn_py_host *host, gn_deadline deadline);

/**
 * Registers `fn(arg)` to run in children that Python code forks (os.fork,
 * multiprocessing's "fork"), before their Python code goes on: to close what
 * the child must not keep, listening sockets above all. `fn` must be
 * async-signal-safe. Once per host; the GIL must be held.
 */
void gn_py_host_on_fork(struct gn_py_host *host, void (*fn)(void *arg), void *arg);

/**
 * Joins non-daemon threads, runs atexit hooks, finalises. The GIL must be held
 * (it is taken if it is not). Threads that do not end by `deadline` are named
 * in the log and left; atexit hooks run all the same, within 2 seconds more,
 * after which a watchdog ends the process with the exit status set.
 *
 * Returns: GN_OK           the interpreter is gone
 *          GN_ERR_TIMEOUT  hooks have run and streams are flushed, but threads may still run
 *                          Python: the caller should call _exit at once
 *                          (likewise, but without hooks, where threads were made greenlets)
 */
GN_MUST_CHECK enum gn_err gn_py_host_stop(struct gn_py_host **host, gn_deadline deadline);

#endif
