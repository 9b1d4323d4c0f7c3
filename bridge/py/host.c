/* SPDX-License-Identifier: MIT */
/*
 * The interpreter stands for a real one: program_name is the environment's
 * bin/python (or the plain interpreter of our version), so that sys.executable
 * can be started by subprocess and multiprocessing, and site finds the
 * environment's packages by itself.
 */
#include <Python.h>

#include "bridge/py/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/py/lsan.h"
#include "bridge/py/pyerr.h"
#include "bridge/py/watchdog.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/base/obj.h"

#include "bridge/py/compat_priv.h"
#include "bridge/py/gil_priv.h"
#include "bridge/py/host_priv.h"

void gn_py_host_set_exit_status(struct gn_py_host *host, int status)
{
    GN_CHECK_OBJ(host, GN_PY_HOST_MAGIC);
    host->exit_status = status;
}

const char *gn_py_version(void)
{
    return PY_VERSION;
}

const char *gn_py_host_venv(const struct gn_py_host *host)
{
    return host->venv.path;
}

const char *gn_py_host_executable(const struct gn_py_host *host)
{
    return host->executable;
}

static enum gn_err status_error(PyStatus status, struct gn_error *err)
{
    const char *home = getenv("PYTHONHOME");

    if (home != NULL && home[0] != '\0') {
        return gn_error_set(err, GN_ERR_PYTHON, 0,
                "cannot start Python %s: $PYTHONHOME is \"%s\"; unset it, or make it the prefix of "
                "this version of Python",
                PY_VERSION, home);
    }
    return gn_error_set(err, GN_ERR_PYTHON, 0, "cannot start Python %s: %s", PY_VERSION,
            status.err_msg != NULL ? status.err_msg : "it asked to exit");
}

static PyStatus preinitialise(void)
{
    PyPreConfig config;

    PyPreConfig_InitPythonConfig(&config);
    config.parse_argv = 0;
    config.utf8_mode = 1;
    return Py_PreInitialize(&config);
}

static PyStatus configure_paths(PyConfig *config, const struct gn_py_venv *venv)
{
    PyStatus status = PyStatus_Ok();

    if (venv->python != NULL) {
        status = PyConfig_SetBytesString(config, &config->program_name, venv->python);
    }
    /* The standard library must match the library we are linked to, to the patch level: of an
       environment made by another build only the packages are used. */
    if (!PyStatus_Exception(status) && venv->is_alien) {
        status = PyConfig_SetBytesString(config, &config->home, GN_PYTHON_PREFIX);
    }
    return status;
}

static PyStatus initialise(const struct gn_py_host_options *options, const struct gn_py_venv *venv)
{
    PyConfig config;
    PyStatus status;

    PyConfig_InitPythonConfig(&config);
    config.parse_argv = 0;
    config.install_signal_handlers = 0;
    config.buffered_stdio = 0;
    config.faulthandler = GN_ASAN || GN_TSAN ? 0 : 1;
#ifdef Py_GIL_DISABLED
    config.enable_gil = 1; /* unless PYTHON_GIL=0, which goes before this, says otherwise */
#endif
    status = configure_paths(&config, venv);
    if (!PyStatus_Exception(status) && options->argc > 0) {
        /* CPython does not write to the array; its prototype only lacks the const. */
        status = PyConfig_SetBytesArgv(
                &config, options->argc, (char *const *)(uintptr_t)options->argv);
    }
    if (!PyStatus_Exception(status)) {
        gn_lsan_ignore_python();
        status = Py_InitializeFromConfig(&config);
    }
    PyConfig_Clear(&config);
    return status;
}

/* sys.path[index:index] = [os.path.abspath(folder)] */
GN_NEEDS_GIL static bool insert_path(Py_ssize_t index, const char *folder)
{
    PyObject *sys_path = PySys_GetObject("path");
    PyObject *os_path = PyImport_ImportModule("os.path");
    PyObject *text = PyUnicode_DecodeFSDefault(folder);
    PyObject *absolute = NULL;
    bool is_done = false;

    if (sys_path != NULL && os_path != NULL && text != NULL) {
        absolute = PyObject_CallMethod(os_path, "abspath", "O", text);
    }
    if (absolute != NULL) {
        is_done = PyList_Insert(sys_path, index, absolute) == 0;
    }
    Py_XDECREF(absolute);
    Py_XDECREF(text);
    Py_XDECREF(os_path);
    return is_done;
}

GN_NEEDS_GIL static enum gn_err set_sys_path(
        const struct gn_py_host_options *options, struct gn_error *err)
{
    bool is_done = insert_path(0, ".");

    for (unsigned i = 0; is_done && i < options->n_pythonpath; i++) {
        if (access(options->pythonpath[i], F_OK) != 0) {
            gn_log_warning("%s (--pythonpath) does not exist", options->pythonpath[i]);
        }
        is_done = insert_path((Py_ssize_t)i + 1, options->pythonpath[i]);
    }
    if (!is_done) {
        gn_pyerr_log(GN_LOG_ERROR, GN_LIT("cannot set sys.path"));
        return gn_error_set(err, GN_ERR_PYTHON, 0, "cannot set sys.path; the log says why");
    }
    return GN_OK;
}

GN_NEEDS_GIL static char *copy_executable(void)
{
    PyObject *executable = PySys_GetObject("executable");
    const char *text =
            executable != NULL && PyUnicode_Check(executable) ? PyUnicode_AsUTF8(executable) : NULL;

    PyErr_Clear();
    if (text == NULL || text[0] == '\0') {
        gn_log_warning("no interpreter python%d.%d was found, so sys.executable is empty: "
                       "multiprocessing and subprocesses of Python will not work",
                PY_MAJOR_VERSION, PY_MINOR_VERSION);
        text = "";
    }
    return gn_xstrndup(text, strlen(text));
}

/*
 * Whichever thread imports threading first is the main thread to Python: it
 * must be this one. And importing signal, now or later, takes SIGINT unless
 * somebody has it already: take it back as long as nobody does.
 */
GN_NEEDS_GIL static void claim_process(void)
{
    PyObject *globals = PyDict_New();
    PyObject *result = NULL;

    if (globals != NULL) {
        result = PyRun_String("import threading, signal\n"
                              "if signal.getsignal(signal.SIGINT) is signal.default_int_handler:\n"
                              "    signal.signal(signal.SIGINT, signal.SIG_DFL)\n",
                Py_file_input, globals, globals);
    }
    if (result == NULL) {
        gn_pyerr_log(GN_LOG_WARNING, GN_LIT("Python's standard library cannot be used"));
    }
    Py_XDECREF(result);
    Py_XDECREF(globals);
}

/*
 * Python runs handlers of signals on its main thread, which serves. Whoever set
 * one while it was imported should know; what faulthandler registers does work,
 * and is not seen here.
 */
GN_NEEDS_GIL static void name_dead_handlers(void)
{
    PyObject *globals = PyDict_New();
    PyObject *names = NULL;
    PyObject *result = NULL;

    if (globals != NULL) {
        result = PyRun_String("import signal\n"
                              "names = ', '.join(getattr(n, 'name', str(n))\n"
                              "    for n in sorted(signal.valid_signals())\n"
                              "    if callable(signal.getsignal(n)))\n",
                Py_file_input, globals, globals);
        names = PyDict_GetItemString(globals, "names");
    }
    if (result == NULL || names == NULL) {
        PyErr_Clear();
    } else if (PyUnicode_GET_LENGTH(names) > 0) {
        gn_log_warning("the application set handlers for %s: they do not run while this program "
                       "serves, whose own stay in force",
                PyUnicode_AsUTF8(names));
    }
    Py_XDECREF(result);
    Py_XDECREF(globals);
}

enum gn_err gn_py_host_start(const struct gn_py_host_options *options, struct gn_py_host **host_out,
        struct gn_error *err)
{
    struct gn_py_venv venv;
    struct gn_py_host *host;
    PyStatus status;

    if (options->chdir != NULL && chdir(options->chdir) != 0) {
        return gn_error_set(err, GN_ERR_NOT_FOUND, errno,
                "cannot change to the directory %s (--chdir)", options->chdir);
    }
    GN_TRY(gn_py_venv_find(options->venv, &venv, err));
    status = preinitialise();
    if (!PyStatus_Exception(status)) {
        status = initialise(options, &venv);
    }
    if (PyStatus_Exception(status)) {
        gn_py_venv_fini(&venv);
        return status_error(status, err);
    }
    gn_assert_gil();
    host = gn_xcalloc(sizeof(*host));
    host->magic = GN_PY_HOST_MAGIC;
    host->venv = venv;
    host->main_thread = pthread_self();
    host->executable = copy_executable();
    claim_process();
    *host_out = host;
    return set_sys_path(options, err);
}

void gn_py_host_release_gil(struct gn_py_host *host)
{
    GN_CHECK_OBJ(host, GN_PY_HOST_MAGIC);
    gn_assert(host->main_state == NULL);
    gn_assert_gil();
    name_dead_handlers();
    host->main_state = gn_gil_release();
}

static gn_deadline give_up(void *arg)
{
    const struct gn_py_host *host = arg;

    gn_log_warning("Python does not let go of its global lock; ending without its exit hooks");
    _exit(host->exit_status);
}

void gn_py_host_take_gil(struct gn_py_host *host, gn_deadline deadline)
{
    PyThreadState *state = host->main_state;
    struct gn_watchdog dog;

    GN_CHECK_OBJ(host, GN_PY_HOST_MAGIC);
    gn_assert(state != NULL);
    host->main_state = NULL;
    gn_watchdog_begin(&dog, deadline, give_up, host);
    PyEval_RestoreThread(state);
    gn_watchdog_end(&dog);
}

/* ---- children -------------------------------------------------------------- */

void gn_py_host_on_fork(struct gn_py_host *host, void (*fn)(void *arg), void *arg)
{
    GN_CHECK_OBJ(host, GN_PY_HOST_MAGIC);
    gn_assert_gil();
    gn_assert(host->fork_hook == NULL);
    host->fork_hook = gn_py_fork_hook_add(fn, arg);
    if (host->fork_hook == NULL) {
        gn_pyerr_log(GN_LOG_WARNING, GN_LIT("children forked by Python will keep our sockets"));
    }
}
