/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/fork.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"

static int n_called;

static void count(void *arg)
{
    n_called += *(int *)arg;
}

static PyObject *get_count(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyLong_FromLong(n_called);
}

static PyMethodDef count_method = {"n_called", get_count, METH_NOARGS, NULL};

/* What the hooks had counted in a child of os.fork(). */
static long count_in_child(void)
{
    gn_test_python_run("import os\n"
                       "pid = os.fork()\n"
                       "if pid == 0:\n"
                       "    os._exit(n_called())\n"
                       "status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n");
    return gn_test_python_long("status");
}

Test(fork, runs_the_hook_in_children_until_it_is_cancelled)
{
    int one = 1;
    int ten = 10;
    struct gn_py_fork_hook *first;
    struct gn_py_fork_hook *second;
    PyObject *function;

    gn_test_python_start("");
    gn_assert_gil();
    function = PyCFunction_New(&count_method, NULL);
    cr_assert_eq(PyObject_SetAttrString(PyImport_AddModule("__main__"), "n_called", function), 0);
    Py_DECREF(function);
    first = gn_py_fork_hook_add(count, &one);
    second = gn_py_fork_hook_add(count, &ten);
    cr_assert_not_null(first);
    cr_assert_not_null(second);
    cr_assert_eq(count_in_child(), 11);
    cr_assert_eq(n_called, 0);
    gn_py_fork_hook_cancel(&second);
    cr_assert_null(second);
    gn_py_fork_hook_cancel(&second);
    cr_assert_eq(count_in_child(), 1);
    gn_py_fork_hook_cancel(&first);
    gn_test_python_stop();
}
