/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_COMPAT_PRIV_H
#define GN_BRIDGE_PY_COMPAT_PRIV_H

/*
 * One spelling for what CPython's versions spell differently. For files that
 * include Python.h; they include that first.
 */

#include <Python.h>

#include <stdbool.h>

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

/*
 * What a GIL gives for nothing and a free-threaded build asks for by name. With
 * a GIL none of it is there when it has been compiled.
 */

/**
 * While a thread is in the section of an object, others that want to be in it
 * wait. As a GIL is, it is given up when the thread lets go of Python or waits
 * for another section, so what was read before such a point may have changed.
 * No Python code runs in one, and it ends on every way out.
 */
struct gn_py_section {
#ifdef Py_GIL_DISABLED
    PyCriticalSection entered;
#else
    char unused;
#endif
};

#ifdef Py_GIL_DISABLED

static inline void gn_py_section_begin(struct gn_py_section *section, PyObject *object)
{
    PyCriticalSection_Begin(&section->entered, object);
}

static inline void gn_py_section_end(struct gn_py_section *section)
{
    PyCriticalSection_End(&section->entered);
}

/**
 * An item of a list, to be let go by gn_py_list_got: other threads may change
 * the list. NULL: it has become shorter, IndexError.
 */
static inline PyObject *gn_py_list_get(PyObject *list, Py_ssize_t i)
{
    return PyList_GetItemRef(list, i);
}

static inline void gn_py_list_got(PyObject *item)
{
    Py_XDECREF(item);
}

/** True when the caller's reference is the only one, and nobody can get another. */
static inline bool gn_py_is_sole(PyObject *object)
{
#if PY_VERSION_HEX >= 0x030E0000
    return PyUnstable_Object_IsUniquelyReferenced(object) == 1;
#else
    return _Py_IsOwnedByCurrentThread(object) &&
            _Py_atomic_load_uint32_relaxed(&object->ob_ref_local) == 1 &&
            _Py_atomic_load_ssize_relaxed(&object->ob_ref_shared) == 0;
#endif
}

#else

static inline void gn_py_section_begin(struct gn_py_section *section, PyObject *object)
{
    (void)section;
    (void)object;
}

static inline void gn_py_section_end(struct gn_py_section *section)
{
    (void)section;
}

/** An item of a list, until gn_py_list_got. */
static inline PyObject *gn_py_list_get(PyObject *list, Py_ssize_t i)
{
    return PyList_GET_ITEM(list, i);
}

static inline void gn_py_list_got(PyObject *item)
{
    (void)item;
}

/** True when the caller's reference is the only one, and nobody can get another. */
static inline bool gn_py_is_sole(PyObject *object)
{
    return Py_REFCNT(object) == 1;
}

#endif

/** Makes `exception` the current one, traceback included; takes the reference. */
static inline void gn_py_raise_again(PyObject *exception)
{
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_DECREF(exception);
}

#endif
