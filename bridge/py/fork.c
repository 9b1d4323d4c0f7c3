/* SPDX-License-Identifier: MIT */
/*
 * os.register_at_fork has no way back, so what it holds is a capsule of its
 * own that outlives its owner; cancelling empties it.
 */
#include <Python.h>

#include "bridge/py/fork.h"

#include <stdbool.h>

#include "bridge/py/gil_priv.h"

#define CAPSULE_NAME "gustnado.fork"

struct gn_py_fork_hook {
    void (*fn)(void *arg); /* NULL: cancelled */
    void *arg;
};

static PyObject *on_fork(PyObject *capsule, PyObject *unused)
{
    struct gn_py_fork_hook *hook = PyCapsule_GetPointer(capsule, CAPSULE_NAME);

    (void)unused;
    if (hook == NULL) {
        return NULL;
    }
    if (hook->fn != NULL) {
        hook->fn(hook->arg);
    }
    Py_RETURN_NONE;
}

static PyMethodDef method = {"gustnado_after_fork", on_fork, METH_NOARGS, NULL};

static void on_capsule_end(PyObject *capsule)
{
    gn_free(PyCapsule_GetPointer(capsule, CAPSULE_NAME));
}

/* os.register_at_fork(after_in_child=function) */
GN_NEEDS_GIL static bool register_at_fork(PyObject *function)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *reg = os != NULL ? PyObject_GetAttrString(os, "register_at_fork") : NULL;
    PyObject *args = PyTuple_New(0);
    PyObject *kwargs = Py_BuildValue("{s:O}", "after_in_child", function);
    PyObject *result = NULL;

    if (reg != NULL && args != NULL && kwargs != NULL) {
        result = PyObject_Call(reg, args, kwargs);
    }
    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    Py_XDECREF(reg);
    Py_XDECREF(os);
    Py_XDECREF(result);
    return result != NULL;
}

struct gn_py_fork_hook *gn_py_fork_hook_add(void (*fn)(void *arg), void *arg)
{
    struct gn_py_fork_hook *hook = gn_xalloc(sizeof(*hook));
    PyObject *capsule = PyCapsule_New(hook, CAPSULE_NAME, on_capsule_end);
    PyObject *function;
    bool is_done;

    *hook = (struct gn_py_fork_hook){.fn = fn, .arg = arg};
    if (capsule == NULL) {
        gn_free(hook);
        return NULL;
    }
    function = PyCFunction_New(&method, capsule);
    is_done = function != NULL && register_at_fork(function);
    Py_XDECREF(function);
    Py_DECREF(capsule); /* frees the hook unless it was registered */
    return is_done ? hook : NULL;
}

void gn_py_fork_hook_cancel(struct gn_py_fork_hook **hook)
{
    if (*hook != NULL) {
        (*hook)->fn = NULL;
        *hook = NULL;
    }
}
