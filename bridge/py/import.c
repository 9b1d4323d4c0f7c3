/* SPDX-License-Identifier: MIT */
/*
 * The work is done by import_helper.py, compiled in as text: parsing dotted
 * names and literal arguments, telling a missing module from a failing one and
 * wording the answer are a page of Python and would be five of C.
 */
#include <Python.h>

#include "bridge/py/import.h"

#include "bridge/py/pyerr.h"

#include "bridge/py/compat_priv.h"
#include "bridge/py/gil_priv.h"
#include "import_helper_text_priv.h"

/* The helper's kinds of results, in its order. */
static const enum gn_err codes[] = {GN_OK, GN_ERR_INVALID, GN_ERR_NOT_FOUND, GN_ERR_PYTHON};

/* A fresh namespace in which the helper's source has run. */
GN_NEEDS_GIL static PyObject *load_helper(void)
{
    PyObject *code = Py_CompileString(import_helper_text, "<gustnado import>", Py_file_input);
    PyObject *globals = PyDict_New();
    PyObject *result = NULL;

    if (code != NULL && globals != NULL &&
            PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins()) == 0) {
        PyObject *name = PyUnicode_FromString("gustnado_import");

        if (name != NULL && PyDict_SetItemString(globals, "__name__", name) == 0) {
            result = PyEval_EvalCode(code, globals, globals);
        }
        Py_XDECREF(name);
    }
    Py_XDECREF(code);
    if (result == NULL) {
        Py_CLEAR(globals);
    }
    Py_XDECREF(result);
    return globals;
}

/* resolve(name): a tuple, or NULL with an exception set. */
GN_NEEDS_GIL static PyObject *resolve(struct gn_slice name)
{
    PyObject *helper = load_helper();
    PyObject *function = helper != NULL ? PyDict_GetItemString(helper, "resolve") : NULL;
    PyObject *text = PyUnicode_DecodeUTF8(name.ptr, (Py_ssize_t)name.len, "replace");
    PyObject *result = NULL;

    if (function != NULL && text != NULL) {
        result = PyObject_CallFunctionObjArgs(function, text, NULL);
    }
    Py_XDECREF(text);
    Py_XDECREF(helper);
    return result;
}

/* Logs the traceback the helper handed over and words the failure. */
GN_NEEDS_GIL static enum gn_err report(
        struct gn_slice name, enum gn_err code, PyObject *result, struct gn_error *err)
{
    PyObject *exception = PyTuple_GET_ITEM(result, 2);
    const char *sentence = PyUnicode_AsUTF8(PyTuple_GET_ITEM(result, 1));

    PyErr_Clear();
    if (exception != Py_None) {
        struct gn_buf heading;

        gn_buf_init(&heading, 1024);
        (void)!gn_buf_printf(&heading, "loading \"" GN_SLICE_FMT "\" failed", GN_SLICE_ARG(name));
        Py_INCREF(exception);
        gn_py_raise_again(exception);
        gn_pyerr_log(GN_LOG_ERROR, gn_buf_slice(&heading));
        gn_buf_fini(&heading);
    }
    return gn_error_set(err, code, 0, "%s",
            sentence != NULL ? sentence : "the application's name could not be resolved");
}

enum gn_err gn_py_import(struct gn_slice name, void **object_out, struct gn_error *err)
{
    PyObject *result;
    enum gn_err code;
    long kind;

    gn_assert_gil();
    result = resolve(name);
    if (result == NULL) {
        gn_pyerr_log(GN_LOG_ERROR, GN_LIT("looking for the application failed"));
        return gn_error_set(err, GN_ERR_PYTHON, 0,
                "looking for \"" GN_SLICE_FMT "\" failed; the traceback is in the log",
                GN_SLICE_ARG(name));
    }
    kind = PyLong_AsLong(PyTuple_GET_ITEM(result, 0));
    gn_assert(kind >= 0 && kind < (long)GN_ARRAY_LEN(codes));
    code = codes[kind];
    if (code == GN_OK) {
        PyObject *object = PyTuple_GET_ITEM(result, 1);

        Py_INCREF(object);
        *object_out = object;
    } else {
        code = report(name, code, result, err);
    }
    Py_DECREF(result);
    return code;
}

void gn_py_release(void *object)
{
    gn_assert_gil();
    Py_XDECREF((PyObject *)object);
}
