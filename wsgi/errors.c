/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "server/base/buf.h"
#include "server/base/list.h"
#include "server/base/log.h"

#include "bridge/py/compat_priv.h"
#include "bridge/py/gil_priv.h"
#include "wsgi/errors_priv.h"
#include "wsgi/slots_priv.h"

/*
 * write() appends to the line of the calling thread and logs whole lines. A
 * line that is complete in one write never passes through a buffer. Text is
 * encoded as UTF-8 with surrogates escaped, so nothing an application writes
 * can fail; control bytes are the log's to escape.
 */

#define LINE_BYTES 8192 /* longer lines are logged in parts */

struct thread_line {
    struct gn_list link;
    unsigned long thread;
    struct gn_buf text;
};

struct errors {
    PyObject ob_base;
    struct gn_list lines; /* of the threads that have an unfinished one */
};

static struct errors *as_errors(PyObject *object)
{
    return (struct errors *)(void *)object;
}

static void log_text(struct gn_slice text)
{
    gn_log_error("[wsgi.errors] " GN_SLICE_FMT, GN_SLICE_ARG(text));
}

static struct thread_line *find_line(struct errors *errors)
{
    unsigned long thread = PyThread_get_thread_ident();
    struct gn_list *node;
    struct gn_list *next;

    GN_LIST_FOREACH (node, next, &errors->lines) {
        struct thread_line *line = GN_LIST_ENTRY(node, struct thread_line, link);

        if (line->thread == thread) {
            return line;
        }
    }
    return NULL;
}

static void end_line(struct thread_line *line)
{
    if (line->text.len > 0) {
        log_text(gn_buf_slice(&line->text));
    }
    gn_list_unlink(&line->link);
    gn_buf_fini(&line->text);
    gn_free(line);
}

/** Keeps the start of a line until its end comes. */
static void keep(struct errors *errors, struct gn_slice part)
{
    struct thread_line *line = find_line(errors);

    if (line == NULL) {
        line = gn_xcalloc(sizeof(*line));
        line->thread = PyThread_get_thread_ident();
        gn_buf_init(&line->text, LINE_BYTES);
        gn_list_append(&errors->lines, &line->link);
    }
    while (part.len > 0) {
        size_t n = GN_MIN(part.len, LINE_BYTES - line->text.len);

        if (gn_buf_append(&line->text, gn_slice_of(part.ptr, n)) != GN_OK ||
                line->text.len == LINE_BYTES) {
            log_text(gn_buf_slice(&line->text));
            gn_buf_clear(&line->text);
        }
        part = gn_slice_skip(part, n);
    }
}

static void write_text(struct errors *errors, struct gn_slice text)
{
    struct gn_slice rest = text;

    while (rest.len > 0) {
        size_t end = gn_slice_find(rest, '\n');
        struct gn_slice part = gn_slice_of(rest.ptr, end);
        struct thread_line *line;

        if (end == rest.len) {
            keep(errors, part);
            return;
        }
        line = gn_list_is_empty(&errors->lines) ? NULL : find_line(errors);
        if (line != NULL) {
            keep(errors, part);
            end_line(line);
        } else if (part.len > 0) {
            log_text(part);
        }
        rest = gn_slice_skip(rest, end + 1);
    }
}

static PyObject *errors_write(PyObject *self, PyObject *text)
{
    struct gn_py_section section;
    PyObject *bytes;

    if (!PyUnicode_Check(text)) {
        return PyErr_Format(PyExc_TypeError, "wsgi.errors.write() takes str, not %.100s",
                Py_TYPE(text)->tp_name);
    }
    bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    if (bytes == NULL) {
        return NULL;
    }
    gn_py_section_begin(&section, self);
    write_text(as_errors(self),
            gn_slice_of(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)));
    gn_py_section_end(&section);
    Py_DECREF(bytes);
    return PyLong_FromSsize_t(PyUnicode_GET_LENGTH(text));
}

static PyObject *errors_writelines(PyObject *self, PyObject *lines)
{
    PyObject *iterator = PyObject_GetIter(lines);
    PyObject *line;

    if (iterator == NULL) {
        return NULL;
    }
    while ((line = PyIter_Next(iterator)) != NULL) {
        PyObject *n = errors_write(self, line);

        Py_DECREF(line);
        if (n == NULL) {
            break;
        }
        Py_DECREF(n);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyObject *errors_flush(PyObject *self, PyObject *unused)
{
    (void)unused;
    gn_assert_gil();
    gn_wsgi_errors_flush(self);
    Py_RETURN_NONE;
}

static PyObject *errors_true(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_TRUE;
}

static PyObject *errors_false(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_FALSE;
}

static PyObject *errors_encoding(PyObject *self, void *unused)
{
    (void)self;
    (void)unused;
    return PyUnicode_FromString("utf-8");
}

static PyObject *errors_closed(PyObject *self, void *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_FALSE;
}

static void errors_dealloc(PyObject *self)
{
    struct errors *errors = as_errors(self);
    PyTypeObject *type = Py_TYPE(self);
    struct gn_list *node;

    while ((node = gn_list_pop(&errors->lines)) != NULL) {
        end_line(GN_LIST_ENTRY(node, struct thread_line, link));
    }
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef errors_methods[] = {
        {"write", errors_write, METH_O, NULL},
        {"writelines", errors_writelines, METH_O, NULL},
        {"flush", errors_flush, METH_NOARGS, NULL},
        {"writable", errors_true, METH_NOARGS, NULL},
        {"readable", errors_false, METH_NOARGS, NULL},
        {"isatty", errors_false, METH_NOARGS, NULL},
        {NULL, NULL, 0, NULL},
};

static PyGetSetDef errors_getset[] = {
        {"encoding", errors_encoding, NULL, NULL, NULL},
        {"closed", errors_closed, NULL, NULL, NULL},
        {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject *gn_wsgi_errors_type_create(void)
{
    static PyType_Slot slots[] = {
            GN_WSGI_SLOT(Py_tp_dealloc, errors_dealloc),
            {Py_tp_methods, errors_methods},
            {Py_tp_getset, errors_getset},
            {0, NULL},
    };
    static PyType_Spec spec = {
            .name = "gustnado.wsgi.Errors",
            .basicsize = sizeof(struct errors),
            .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
            .slots = slots,
    };

    return (PyTypeObject *)(void *)PyType_FromSpec(&spec);
}

PyObject *gn_wsgi_errors_new(PyTypeObject *type)
{
    PyObject *object = PyType_GenericAlloc(type, 0);

    if (object != NULL) {
        gn_list_init(&as_errors(object)->lines);
    }
    return object;
}

void gn_wsgi_errors_flush(PyObject *errors)
{
    struct errors *self = as_errors(errors);
    struct gn_py_section section;
    struct thread_line *line;

    gn_py_section_begin(&section, errors);
    line = gn_list_is_empty(&self->lines) ? NULL : find_line(self);
    if (line != NULL) {
        end_line(line);
    }
    gn_py_section_end(&section);
}
