/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_READER_PRIV_H
#define GN_WSGI_READER_PRIV_H

/*
 * What both kinds of wsgi.input (input_priv.h, streamed_input_priv.h) have in
 * common: when they may be used, and everything of a binary file that follows
 * from reading a line. A base type in Python; in C the first member.
 *
 * Thread: any that holds the GIL.
 */

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#include "server/base/attr.h"

enum gn_wsgi_reader_state {
    GN_WSGI_READER_FINISHED = 0, /* no request: every use raises */
    GN_WSGI_READER_OPEN,
    GN_WSGI_READER_CLOSED, /* the application called close() */
};

struct gn_wsgi_reader {
    PyObject ob_base;
    /** At most `max` bytes of a line, its newline included; empty at the end; NULL raised. */
    PyObject *(*take_line)(struct gn_wsgi_reader *reader, uint64_t max);
    enum gn_wsgi_reader_state state;
    bool busy;          /* a read has given the GIL up */
    bool finish_wanted; /* the request ended while busy: the read lets the body go */
};

static inline struct gn_wsgi_reader *gn_wsgi_reader_of(PyObject *object)
{
    return (struct gn_wsgi_reader *)(void *)object;
}

/**
 * A heap type from `spec`, which brings read, seek and their like; __iter__,
 * readline, readlines, close and what is asked of any file come from here. A new
 * reference, or NULL with an exception.
 */
GN_NEEDS_GIL PyTypeObject *gn_wsgi_reader_derive(PyType_Spec *spec);

/** 0, or -1 with the exception that says why it cannot be used. For methods, which Python
 *  calls with the GIL held. */
int gn_wsgi_reader_check(const struct gn_wsgi_reader *reader);

/**
 * The optional size argument of read(), readline() and readlines(): absent, None
 * and negative mean "everything", UINT64_MAX. 0, or -1 with an exception. For
 * methods likewise.
 */
int gn_wsgi_reader_size_arg(
        PyObject *const *args, Py_ssize_t n_args, const char *name, uint64_t *size_out);

/** METH_NOARGS methods that say True and False, for what the kinds differ in. */
PyObject *gn_wsgi_reader_true(PyObject *self, PyObject *unused);
PyObject *gn_wsgi_reader_false(PyObject *self, PyObject *unused);

#endif
