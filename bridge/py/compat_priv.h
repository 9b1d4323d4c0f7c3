/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_COMPAT_PRIV_H
#define GN_BRIDGE_PY_COMPAT_PRIV_H

/*
 * One spelling for what CPython's versions spell differently. For files that
 * include Python.h; they include that first.
 */

#include <Python.h>

#include "server/base/attr.h"

#if PY_VERSION_HEX >= 0x030C0000

static inline PyObject *gn_py_take_raised(void)
{
    return PyErr_GetRaisedException();
}

#else

/** The current exception, normalised, with its traceback attached; clears it. NULL: none. */
static inline PyObject *gn_py_take_raised(void)
{
    PyObject *type;
    PyObject *value;
    PyObject *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL && value != NULL && PyExceptionInstance_Check(value)) {
        (void)PyException_SetTraceback(value, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

#endif

/** Makes `exception` the current one, traceback included; takes the reference. */
static inline void gn_py_raise_again(PyObject *exception)
{
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_DECREF(exception);
}

#endif
