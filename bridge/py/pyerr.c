/* SPDX-License-Identifier: MIT */
/*
 * The standard library formats; this file only makes sure that whatever goes
 * wrong on the way (out of memory, an exception whose __str__ raises, a
 * recursion limit already reached) still ends in some text and no exception.
 */
#include <Python.h>

#include "bridge/py/pyerr.h"

#include "bridge/py/compat_priv.h"
#include "bridge/py/gil_priv.h"

/* Of a text that is too long this much of its start is kept; the rest is its end. */
#define HEAD_BYTES 8192

static void append(struct gn_buf *into, struct gn_slice text)
{
    size_t room = into->limit - into->len;

    if (text.len > room) {
        text.len = room;
    }
    (void)!gn_buf_append(into, text);
}

/* Appends what fits, dropping the middle: the last line names the exception. */
static void append_clipped(struct gn_buf *into, struct gn_slice text)
{
    static const struct gn_slice mark = GN_LIT_INIT("\n  […]\n");
    size_t room = GN_MIN(into->limit - into->len, (size_t)GN_PYERR_TEXT_BYTES);

    if (text.len <= room || room < HEAD_BYTES * 2) {
        append(into, text);
        return;
    }
    append(into, gn_slice_of(text.ptr, HEAD_BYTES));
    append(into, mark);
    append(into, gn_slice_skip(text, text.len - (room - HEAD_BYTES - mark.len)));
}

/* Appends a str as UTF-8, lone surrogates escaped; false when even that fails. */
GN_NEEDS_GIL static bool append_str(struct gn_buf *into, PyObject *text)
{
    PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");

    if (bytes == NULL) {
        PyErr_Clear();
        return false;
    }
    append_clipped(into, gn_slice_of(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)));
    Py_DECREF(bytes);
    return true;
}

/* "".join(traceback.<function>(object)), or NULL without an exception set. */
GN_NEEDS_GIL static PyObject *formatted(const char *function, PyObject *object)
{
    PyObject *module = PyImport_ImportModule("traceback");
    PyObject *lines = NULL;
    PyObject *empty = NULL;
    PyObject *text = NULL;

    if (module != NULL) {
        lines = PyObject_CallMethod(module, function, "O", object);
        empty = PyUnicode_FromStringAndSize(NULL, 0);
    }
    if (lines != NULL && empty != NULL) {
        text = PyUnicode_Join(empty, lines);
    }
    PyErr_Clear();
    Py_XDECREF(empty);
    Py_XDECREF(lines);
    Py_XDECREF(module);
    return text;
}

GN_NEEDS_GIL static void append_formatted(
        struct gn_buf *into, const char *function, PyObject *exception)
{
    PyObject *text = formatted(function, exception);
    bool is_said = text != NULL && append_str(into, text);

    if (!is_said) {
        append(into, gn_slice_str(Py_TYPE(exception)->tp_name));
        append(into, GN_LIT(" (its text could not be formatted)\n"));
    }
    Py_XDECREF(text);
}

void gn_pyerr_format(struct gn_buf *into)
{
    PyObject *exception = gn_py_take_raised();

    if (exception == NULL) {
        return;
    }
    append_formatted(into, "format_exception", exception);
    Py_DECREF(exception);
    PyErr_Clear(); /* a destructor of a frame's local may have raised */
}

void gn_pyerr_summary(struct gn_buf *into)
{
    PyObject *exception = gn_py_take_raised();

    if (exception == NULL) {
        return;
    }
    append_formatted(into, "format_exception_only", exception);
    while (into->len > 0 && into->ptr[into->len - 1] == '\n') {
        into->len--;
    }
    gn_py_raise_again(exception);
}

void gn_pyerr_log(enum gn_log_level level, struct gn_slice heading)
{
    struct gn_buf text;

    gn_buf_init(&text, GN_PYERR_TEXT_BYTES);
    gn_pyerr_format(&text);
    gn_log_block(level, heading, gn_buf_slice(&text));
    gn_buf_fini(&text);
}

/* The frame a thread is in, borrowed from `frames`, which is what sys._current_frames() says. */
GN_NEEDS_GIL static PyObject *frame_of(PyObject *frames, unsigned long thread)
{
    PyObject *key = frames != NULL ? PyLong_FromUnsignedLong(thread) : NULL;
    PyObject *frame = key != NULL ? PyDict_GetItemWithError(frames, key) : NULL;

    Py_XDECREF(key);
    return frame;
}

bool gn_pyerr_stack(unsigned long thread, struct gn_buf *into)
{
    PyObject *function = PySys_GetObject("_current_frames");
    PyObject *frames = function != NULL ? PyObject_CallNoArgs(function) : NULL;
    PyObject *frame = frame_of(frames, thread);
    PyObject *text = frame != NULL ? formatted("format_stack", frame) : NULL;
    bool is_said = text != NULL && append_str(into, text);

    Py_XDECREF(text);
    Py_XDECREF(frames);
    PyErr_Clear();
    return is_said;
}
