/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/thread_exit.h"

#include "bridge/py/pyerr.h"

#include "bridge/py/gil_priv.h"

#define LIST_NAME "gustnado_at_exit"

void gn_thread_exit_prepare(void *thread)
{
    PyObject *list = PyList_New(0);

    if (list == NULL || PyObject_SetAttrString(thread, LIST_NAME, list) != 0) {
        gn_pyerr_log(GN_LOG_WARNING, GN_LIT("a worker thread has no " LIST_NAME));
    }
    Py_XDECREF(list);
}

/* The last callable of the list, taken out; NULL when there is none. */
GN_NEEDS_GIL static PyObject *take_last(PyObject *list)
{
    Py_ssize_t n = list != NULL && PyList_Check(list) ? PyList_GET_SIZE(list) : 0;

    return n > 0 ? PyObject_CallMethod(list, "pop", NULL) : NULL; /* in one step: it is not ours */
}

GN_NEEDS_GIL static void run_callables(PyObject *thread)
{
    PyObject *list = PyObject_GetAttrString(thread, LIST_NAME);
    PyObject *callable;

    PyErr_Clear();
    for (unsigned i = 0; i < GN_THREAD_EXIT_MAX && (callable = take_last(list)) != NULL; i++) {
        PyObject *result = PyObject_CallNoArgs(callable);

        if (result == NULL) {
            gn_pyerr_log(GN_LOG_ERROR, GN_LIT("exception in a callable of " LIST_NAME));
        }
        Py_XDECREF(result);
        Py_DECREF(callable);
    }
    Py_XDECREF(list);
    PyErr_Clear();
}

/* django.db.connections.close_all(): what it keeps is local to the thread. */
GN_NEEDS_GIL static void close_django(void)
{
    PyObject *name = PyUnicode_FromString("django.db");
    PyObject *db = name != NULL ? PyImport_GetModule(name) : NULL;
    PyObject *connections = db != NULL ? PyObject_GetAttrString(db, "connections") : NULL;
    PyObject *result =
            connections != NULL ? PyObject_CallMethod(connections, "close_all", NULL) : NULL;

    if (result == NULL && db != NULL) {
        gn_pyerr_log(GN_LOG_WARNING, GN_LIT("Django's connections could not be closed"));
    }
    Py_XDECREF(result);
    Py_XDECREF(connections);
    Py_XDECREF(db);
    Py_XDECREF(name);
    PyErr_Clear();
}

void gn_thread_exit_run(void *thread)
{
    gn_assert_gil();
    run_callables(thread);
    close_django();
}
