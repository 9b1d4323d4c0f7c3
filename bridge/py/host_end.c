/* SPDX-License-Identifier: MIT */
/*
 * Ending is the hard part, because Python waits for threads without a time
 * limit. The main thread runs threading's own shutdown; when the grace time is
 * over, a watchdog has an exception raised in it (a pending call, and a signal
 * without SA_RESTART so that the wait for a lock ends). If any thread is left
 * then, the interpreter is not finalised under its feet: atexit hooks run,
 * streams are flushed, and the caller ends the process.
 */
#include <Python.h>

#include <signal.h>
#include <unistd.h>

#include "bridge/py/pyerr.h"
#include "bridge/py/watchdog.h"
#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/obj.h"

#include "bridge/py/gil_priv.h"
#include "bridge/py/host_priv.h"

/* What atexit hooks and finalisation may take beyond the grace time. */
#define HOOKS_MS 2000

/* Calls module.function(), or logs why not. */
GN_NEEDS_GIL static bool call(const char *module_name, const char *function)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *result = module != NULL ? PyObject_CallMethod(module, function, NULL) : NULL;

    Py_XDECREF(module);
    Py_XDECREF(result);
    return result != NULL;
}

GN_NEEDS_GIL static void flush(const char *stream_name)
{
    PyObject *stream = PySys_GetObject(stream_name);
    PyObject *result =
            stream != NULL && stream != Py_None ? PyObject_CallMethod(stream, "flush", NULL) : NULL;

    Py_XDECREF(result);
    PyErr_Clear();
}

/* Runs in the main thread, wherever it waits. */
static int interrupt_join(void *arg)
{
    struct gn_py_host *host = arg;

    if (!atomic_load(&host->is_joining)) {
        return 0;
    }
    PyErr_SetString(PyExc_SystemExit, "the grace time is over");
    return -1;
}

/* First the grace time ends, then the time for hooks. */
static gn_deadline on_late(void *arg)
{
    struct gn_py_host *host = arg;

    if (!atomic_exchange(&host->is_interrupted, true)) {
        (void)Py_AddPendingCall(interrupt_join, host);
        (void)pthread_kill(host->main_thread, SIGURG);
        return gn_deadline_after_ms(gn_clock_now(), HOOKS_MS);
    }
    gn_log_warning("Python did not end in time; ending without it");
    _exit(host->exit_status);
}

static void on_urgent(int signum)
{
    (void)signum;
}

/* A signal that does nothing but end system calls. */
static void catch_urgent(void)
{
    struct sigaction action = {.sa_handler = on_urgent};

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGURG, &action, NULL);
}

/* Appends the names of the threads that are alive beside this one; returns how many. */
GN_NEEDS_GIL static unsigned other_threads(struct gn_buf *names)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *threads =
            threading != NULL ? PyObject_CallMethod(threading, "enumerate", NULL) : NULL;
    PyObject *self = threading != NULL ? PyObject_CallMethod(threading, "main_thread", NULL) : NULL;
    Py_ssize_t n = threads != NULL ? PyList_GET_SIZE(threads) : 0;
    unsigned n_others = 0;

    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *thread = PyList_GET_ITEM(threads, i);
        PyObject *name = thread != self ? PyObject_GetAttrString(thread, "name") : NULL;
        const char *text = name != NULL ? PyUnicode_AsUTF8(name) : NULL;

        if (text != NULL) {
            (void)!gn_buf_printf(names, "%s%s", n_others > 0 ? ", " : "", text);
            n_others++;
        }
        Py_XDECREF(name);
    }
    PyErr_Clear();
    Py_XDECREF(self);
    Py_XDECREF(threads);
    Py_XDECREF(threading);
    return n_others;
}

/* Python's own shutdown of its threads, until it ends or is interrupted. */
GN_NEEDS_GIL static void join_threads(struct gn_py_host *host)
{
    bool is_done;

    atomic_store(&host->is_joining, true);
    is_done = call("threading", "_shutdown");
    atomic_store(&host->is_joining, false);
    if (is_done) {
        return;
    }
    if (atomic_load(&host->is_interrupted) && PyErr_ExceptionMatches(PyExc_SystemExit)) {
        PyErr_Clear();
    } else {
        gn_pyerr_log(GN_LOG_ERROR, GN_LIT("ending the application's threads failed"));
    }
}

GN_NEEDS_GIL static enum gn_err end_beside_threads(struct gn_py_host *host, const char *names)
{
    if (atomic_load(&host->is_interrupted)) {
        gn_log_warning("threads of the application do not end: %s", names);
    }
    if (!call("atexit", "_run_exitfuncs")) {
        gn_pyerr_log(GN_LOG_ERROR, GN_LIT("an exit hook failed"));
    }
    flush("stdout");
    flush("stderr");
    return GN_ERR_TIMEOUT;
}

/* False where gevent or eventlet made greenlets of them: waiting for those would run their loop. */
GN_NEEDS_GIL static bool has_real_threads(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *get_ident = threading != NULL ? PyObject_GetAttrString(threading, "get_ident") : NULL;
    bool has = get_ident == NULL || PyCFunction_Check(get_ident);

    PyErr_Clear();
    Py_XDECREF(get_ident);
    Py_XDECREF(threading);
    return has;
}

GN_NEEDS_GIL static enum gn_err finalise(struct gn_py_host *host)
{
    struct gn_buf names;
    enum gn_err rc = GN_OK;

    if (!has_real_threads()) {
        flush("stdout");
        flush("stderr");
        return GN_ERR_TIMEOUT;
    }
    gn_buf_init(&names, 1024);
    join_threads(host);
    if (other_threads(&names) > 0) {
        rc = end_beside_threads(
                host, gn_buf_printf(&names, "%c", '\0') == GN_OK ? names.ptr : "many");
    } else if (Py_FinalizeEx() != 0) {
        gn_log_warning("Python could not write all of its output");
    }
    gn_buf_fini(&names);
    return rc;
}

static void host_free(struct gn_py_host *host)
{
    gn_py_venv_fini(&host->venv);
    gn_free(host->executable);
    host->magic = 0;
    gn_free(host);
}

enum gn_err gn_py_host_stop(struct gn_py_host **host_ptr, gn_deadline deadline)
{
    struct gn_py_host *host = *host_ptr;
    struct gn_watchdog dog;
    enum gn_err rc;

    GN_CHECK_OBJ(host, GN_PY_HOST_MAGIC);
    *host_ptr = NULL;
    if (host->main_state != NULL) {
        gn_py_host_take_gil(host, deadline);
    }
    gn_assert_gil();
    catch_urgent();
    gn_py_fork_hook_cancel(&host->fork_hook);
    gn_watchdog_begin(&dog, deadline, on_late, host);
    rc = finalise(host);
    gn_watchdog_end(&dog);
    if (rc == GN_OK) {
        host_free(host);
    }
    return rc;
}
