/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "tests/support/python.h"

#include "tests/support/test.h"

static struct gn_py_host *host;

struct gn_py_host *gn_test_python_host(void)
{
    return host;
}

void gn_test_python_start(const char *source)
{
    static const char *const argv[] = {"test"};
    struct gn_py_host_options options = {.argv = argv, .argc = 1, .venv = ""};
    struct gn_error err = {0};
    enum gn_err rc = gn_py_host_start(&options, &host, &err);

    cr_assert_eq(rc, GN_OK, "%s", err.message);
    gn_test_python_run(source);
}

static PyObject *evaluate(const char *text, int start)
{
    PyObject *globals = PyModule_GetDict(PyImport_AddModule("__main__"));
    PyObject *result = PyRun_String(text, start, globals, globals);

    if (result == NULL) {
        PyErr_Print();
    }
    cr_assert_not_null(result, "%s", text);
    return result;
}

void gn_test_python_run(const char *source)
{
    Py_DECREF(evaluate(source, Py_file_input));
}

void *gn_test_python_value(const char *expression)
{
    return evaluate(expression, Py_eval_input);
}

long gn_test_python_long(const char *expression)
{
    PyObject *value = evaluate(expression, Py_eval_input);
    long number = PyLong_AsLong(value);

    cr_assert_null(PyErr_Occurred(), "%s is no number", expression);
    Py_DECREF(value);
    return number;
}

bool gn_test_python_is(const char *expression)
{
    PyObject *value = evaluate(expression, Py_eval_input);
    int truth = PyObject_IsTrue(value);

    Py_DECREF(value);
    return truth == 1;
}

void gn_test_python_stop(void)
{
    enum gn_err rc = gn_py_host_stop(&host, gn_deadline_after_ms(gn_clock_now(), 5000));

    cr_assert_eq(rc, GN_OK);
}
