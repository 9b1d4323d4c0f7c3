/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_SLOTS_PRIV_H
#define GN_WSGI_SLOTS_PRIV_H

/*
 * Entries of type tables. CPython keeps functions in `void *` and calls
 * methods of several shapes through one type; ISO C wants both said aloud.
 */

#include <Python.h>

#include <stdint.h>

#include "bridge/py/compat_priv.h"

#define GN_WSGI_SLOT(id, fn)                                                                       \
    {                                                                                              \
        (id), (void *)(uintptr_t)(fn)                                                              \
    }
/** A METH_FASTCALL function as the member `ml_meth` wants it. */
#define GN_WSGI_FASTCALL(fn) (PyCFunction)(void (*)(void))(fn)

/*
 * A method whose object threads may share: defines `fn`_guarded, which is `fn`
 * in the section of the object (compat_priv.h) and with a GIL nothing but `fn`.
 */
#define GN_WSGI_GUARDED_METHOD(fn)                                                                 \
    static PyObject *fn##_guarded(PyObject *self, PyObject *arg)                                   \
    {                                                                                              \
        struct gn_py_section section;                                                              \
        PyObject *result;                                                                          \
        gn_py_section_begin(&section, self);                                                       \
        result = fn(self, arg);                                                                    \
        gn_py_section_end(&section);                                                               \
        return result;                                                                             \
    }
#define GN_WSGI_GUARDED_FASTCALL(fn)                                                               \
    static PyObject *fn##_guarded(PyObject *self, PyObject *const *args, Py_ssize_t n_args)        \
    {                                                                                              \
        struct gn_py_section section;                                                              \
        PyObject *result;                                                                          \
        gn_py_section_begin(&section, self);                                                       \
        result = fn(self, args, n_args);                                                           \
        gn_py_section_end(&section);                                                               \
        return result;                                                                             \
    }

#endif
