/* SPDX-License-Identifier: MIT */
/*
 * The interval is read before it is changed: a value that is neither Python's
 * default nor ours was set by the application, before or since, and is left.
 */
#include <Python.h>

#include "bridge/py/switch_interval.h"

#include "bridge/py/gil_priv.h"

#define DEFAULT_S 0.005
#define TOLERANCE_S 0.000002 /* it is kept in microseconds */

static bool is_near(double a, double b)
{
    return a - b < TOLERANCE_S && b - a < TOLERANCE_S;
}

/* sys.getswitchinterval(), or -1. */
GN_NEEDS_GIL static double get(void)
{
    PyObject *function = PySys_GetObject("getswitchinterval"); /* borrowed */
    PyObject *value = function != NULL ? PyObject_CallNoArgs(function) : NULL;
    double seconds = value != NULL ? PyFloat_AsDouble(value) : -1.0;

    Py_XDECREF(value);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return -1.0;
    }
    return seconds;
}

GN_NEEDS_GIL static void set(double seconds)
{
    PyObject *function = PySys_GetObject("setswitchinterval"); /* borrowed */
    PyObject *value = PyFloat_FromDouble(seconds);
    PyObject *result =
            function != NULL && value != NULL ? PyObject_CallOneArg(function, value) : NULL;

    Py_XDECREF(result);
    Py_XDECREF(value);
    PyErr_Clear();
}

void gn_switch_interval_set(struct gn_switch_interval *interval, bool is_short)
{
    if (interval->is_short == is_short || interval->is_theirs) {
        return;
    }
    gn_assert_gil();
    if (is_near(get(), is_short ? DEFAULT_S : GN_SWITCH_INTERVAL_S)) {
        set(is_short ? GN_SWITCH_INTERVAL_S : DEFAULT_S);
        interval->is_short = is_short;
    } else {
        interval->is_short = false;
        interval->is_theirs = true;
    }
}
