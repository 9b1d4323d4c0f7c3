/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"
#include "tests/wsgi/wsgi_fixture.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/bound_priv.h"

TestSuite(bound, .init = wsgi_python_start, .fini = wsgi_python_stop);

static PyObject *count(void *target, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    int *n_calls = target;

    (void)args;
    (*n_calls)++;
    return Py_BuildValue("nn", n_args, kwnames != NULL ? PyTuple_GET_SIZE(kwnames) : 0);
}

Test(bound, calls_its_function_with_the_target)
{
    gn_assert_gil();
    PyTypeObject *type = gn_wsgi_bound_type_create();
    int n_calls = 0;
    PyObject *bound = gn_wsgi_bound_new(type, "count", count, &n_calls);
    PyObject *globals = wsgi_globals("count", bound);

    wsgi_run(globals,
            "assert count() == (0, 0)\n"
            "assert count(1, 2) == (2, 0)\n"
            "assert count(1, x=2) == (1, 1)\n"
            "assert count(*[1], **{'x': 2}) == (1, 1)\n"
            "assert repr(count) == '<gustnado count>'\n"
            "assert callable(count)\n");
    cr_assert_eq(n_calls, 4);
    Py_DECREF(globals);
    Py_DECREF(bound);
    Py_DECREF(type);
}

Test(bound, raises_once_cut_and_works_again_when_renewed)
{
    gn_assert_gil();
    PyTypeObject *type = gn_wsgi_bound_type_create();
    int n_calls = 0;
    PyObject *bound = gn_wsgi_bound_new(type, "count", count, &n_calls);
    PyObject *globals = wsgi_globals("count", bound);

    gn_wsgi_bound_set(bound, NULL);
    cr_assert(wsgi_raises(globals, "count()", "RuntimeError"));
    cr_assert_eq(n_calls, 0);
    gn_wsgi_bound_set(bound, &n_calls);
    wsgi_run(globals, "count()");
    cr_assert_eq(n_calls, 1);
    Py_DECREF(globals);
    Py_DECREF(bound);
    Py_DECREF(type);
}

Test(bound, cannot_be_made_by_applications)
{
    gn_assert_gil();
    PyTypeObject *type = gn_wsgi_bound_type_create();
    PyObject *globals = wsgi_globals("Bound", (PyObject *)type);

    cr_assert(wsgi_raises(globals, "Bound()", "TypeError"));
    Py_DECREF(globals);
    Py_DECREF(type);
}
