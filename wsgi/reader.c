/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "wsgi/reader_priv.h"
#include "wsgi/slots_priv.h"

/*
 * Each method is found through the base type, so the kinds list only what
 * makes them different.
 */

int gn_wsgi_reader_check(const struct gn_wsgi_reader *reader)
{
    if (GN_LIKELY(reader->state == GN_WSGI_READER_OPEN && !reader->busy)) {
        return 0;
    }
    if (reader->state == GN_WSGI_READER_FINISHED) {
        PyErr_SetString(PyExc_ValueError, "wsgi.input was used after its request had ended");
    } else if (reader->state == GN_WSGI_READER_CLOSED) {
        PyErr_SetString(PyExc_ValueError, "I/O operation on closed wsgi.input");
    } else {
        PyErr_SetString(PyExc_RuntimeError, "wsgi.input is being read by another thread");
    }
    return -1;
}

int gn_wsgi_reader_size_arg(
        PyObject *const *args, Py_ssize_t n_args, const char *name, uint64_t *size_out)
{
    Py_ssize_t size;

    if (n_args > 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most 1 argument (%zd given)", name, n_args);
        return -1;
    }
    *size_out = UINT64_MAX;
    if (n_args == 0 || args[0] == Py_None) {
        return 0;
    }
    size = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    if (size == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (size >= 0) {
        *size_out = (uint64_t)size;
    }
    return 0;
}

/** `answer`, as long as the input may be used. */
static PyObject *say(PyObject *self, PyObject *answer)
{
    struct gn_py_section section;
    bool is_usable;

    gn_py_section_begin(&section, self);
    is_usable = gn_wsgi_reader_check(gn_wsgi_reader_of(self)) == 0;
    gn_py_section_end(&section);
    return is_usable ? Py_NewRef(answer) : NULL;
}

/* ---- lines --------------------------------------------------------------------- */

static PyObject *reader_readline(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct gn_wsgi_reader *reader = gn_wsgi_reader_of(self);
    uint64_t size;

    if (gn_wsgi_reader_size_arg(args, n_args, "readline", &size) != 0 ||
            gn_wsgi_reader_check(reader) != 0) {
        return NULL;
    }
    return reader->take_line(reader, size);
}

static PyObject *reader_readlines(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct gn_wsgi_reader *reader = gn_wsgi_reader_of(self);
    uint64_t hint;
    uint64_t total = 0;
    Py_ssize_t n = 1;
    PyObject *lines;

    if (gn_wsgi_reader_size_arg(args, n_args, "readlines", &hint) != 0 ||
            gn_wsgi_reader_check(reader) != 0) {
        return NULL;
    }
    if (hint == 0) {
        hint = UINT64_MAX; /* io.IOBase: no hint */
    }
    lines = PyList_New(0);
    while (lines != NULL && n > 0 && total < hint) {
        PyObject *line = reader->take_line(reader, UINT64_MAX);

        n = line != NULL ? PyBytes_GET_SIZE(line) : 0;
        total += (uint64_t)n;
        if (line == NULL || (n > 0 && PyList_Append(lines, line) != 0)) {
            Py_CLEAR(lines);
        }
        Py_XDECREF(line);
    }
    return lines;
}

static PyObject *reader_iter(PyObject *self)
{
    return say(self, self);
}

static PyObject *reader_next(PyObject *self)
{
    struct gn_wsgi_reader *reader = gn_wsgi_reader_of(self);
    struct gn_py_section section;
    PyObject *line = NULL;

    gn_py_section_begin(&section, self);
    if (gn_wsgi_reader_check(reader) == 0) {
        line = reader->take_line(reader, UINT64_MAX);
    }
    gn_py_section_end(&section);
    if (line != NULL && PyBytes_GET_SIZE(line) == 0) {
        Py_CLEAR(line); /* no exception set: StopIteration */
    }
    return line;
}

/* ---- what is asked of any file ------------------------------------------------- */

PyObject *gn_wsgi_reader_true(PyObject *self, PyObject *unused)
{
    (void)unused;
    return say(self, Py_True);
}

PyObject *gn_wsgi_reader_false(PyObject *self, PyObject *unused)
{
    (void)unused;
    return say(self, Py_False);
}

static PyObject *reader_flush(PyObject *self, PyObject *unused)
{
    (void)unused;
    return say(self, Py_None);
}

/** close() is allowed so that io wrappers can be; the body goes when the request does. */
static PyObject *reader_close(PyObject *self, PyObject *unused)
{
    struct gn_wsgi_reader *reader = gn_wsgi_reader_of(self);

    (void)unused;
    if (reader->state == GN_WSGI_READER_OPEN) {
        reader->state = GN_WSGI_READER_CLOSED;
    }
    Py_RETURN_NONE;
}

static PyObject *reader_get_closed(PyObject *self, void *unused)
{
    struct gn_py_section section;
    bool is_open;

    (void)unused;
    gn_py_section_begin(&section, self);
    is_open = gn_wsgi_reader_of(self)->state == GN_WSGI_READER_OPEN;
    gn_py_section_end(&section);
    return PyBool_FromLong(!is_open);
}

/* ---- the type -------------------------------------------------------------------- */

GN_WSGI_GUARDED_FASTCALL(reader_readline)
GN_WSGI_GUARDED_FASTCALL(reader_readlines)
GN_WSGI_GUARDED_METHOD(reader_close)

static PyMethodDef reader_methods[] = {
        {"readline", GN_WSGI_FASTCALL(reader_readline_guarded), METH_FASTCALL, NULL},
        {"readlines", GN_WSGI_FASTCALL(reader_readlines_guarded), METH_FASTCALL, NULL},
        {"readable", gn_wsgi_reader_true, METH_NOARGS, NULL},
        {"writable", gn_wsgi_reader_false, METH_NOARGS, NULL},
        {"isatty", gn_wsgi_reader_false, METH_NOARGS, NULL},
        {"flush", reader_flush, METH_NOARGS, NULL},
        {"close", reader_close_guarded, METH_NOARGS, NULL},
        {NULL, NULL, 0, NULL},
};

static PyGetSetDef reader_getset[] = {
        {"closed", reader_get_closed, NULL, NULL, NULL},
        {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *create_base(void)
{
    static PyType_Slot slots[] = {
            GN_WSGI_SLOT(Py_tp_iter, reader_iter),
            GN_WSGI_SLOT(Py_tp_iternext, reader_next),
            {Py_tp_methods, reader_methods},
            {Py_tp_getset, reader_getset},
            {0, NULL},
    };
    static PyType_Spec spec = {
            .name = "gustnado.wsgi.Reader",
            .basicsize = sizeof(struct gn_wsgi_reader),
            .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
            .slots = slots,
    };

    return PyType_FromSpec(&spec);
}

PyTypeObject *gn_wsgi_reader_derive(PyType_Spec *spec)
{
    PyObject *base = create_base();
    PyObject *type = base != NULL ? PyType_FromSpecWithBases(spec, base) : NULL;

    Py_XDECREF(base);
    return (PyTypeObject *)(void *)type;
}
