/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_SLOTS_PRIV_H
#define GN_WSGI_SLOTS_PRIV_H

/*
 * Entries of type tables. CPython keeps functions in `void *` and calls
 * methods of several shapes through one type; ISO C wants both said aloud.
 */

#include <Python.h>

#include <stdint.h>

#define GN_WSGI_SLOT(id, fn)                                                                       \
    {                                                                                              \
        (id), (void *)(uintptr_t)(fn)                                                              \
    }
/** A METH_FASTCALL function as the member `ml_meth` wants it. */
#define GN_WSGI_FASTCALL(fn) (PyCFunction)(void (*)(void))(fn)

#endif
