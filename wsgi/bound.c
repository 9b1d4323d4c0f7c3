/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <structmember.h>

#include "bridge/py/compat_priv.h"
#include "wsgi/bound_priv.h"
#include "wsgi/slots_priv.h"

struct bound {
    PyObject ob_base;
    vectorcallfunc vectorcall;
    gn_wsgi_bound_fn fn;
    void *target; /* NULL once the request is over */
    const char *name;
#ifdef Py_GIL_DISABLED
    PyObject *guard; /* NULL: the object itself */
#endif
};

static struct bound *as_bound(PyObject *object)
{
    return (struct bound *)(void *)object;
}

static PyObject *guard_of(struct bound *self)
{
#ifdef Py_GIL_DISABLED
    if (self->guard != NULL) {
        return self->guard;
    }
#endif
    return &self->ob_base;
}

static PyObject *call_bound(
        PyObject *callable, PyObject *const *args, size_t n_args_flag, PyObject *kwnames)
{
    struct bound *self = as_bound(callable);
    struct gn_py_section section;
    PyObject *result;

    gn_py_section_begin(&section, guard_of(self));
    if (GN_LIKELY(self->target != NULL)) {
        result = self->fn(self->target, args, PyVectorcall_NARGS(n_args_flag), kwnames);
    } else {
        result = PyErr_Format(
                PyExc_RuntimeError, "%s() was called after its request had ended", self->name);
    }
    gn_py_section_end(&section);
    return result;
}

static PyObject *bound_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<gustnado %s>", as_bound(self)->name);
}

static void bound_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

#ifdef Py_GIL_DISABLED
    Py_CLEAR(as_bound(self)->guard);
#endif
    PyObject_Free(self);
    Py_DECREF(type);
}

PyTypeObject *gn_wsgi_bound_type_create(void)
{
    static PyMemberDef members[] = {
            {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct bound, vectorcall), READONLY,
                    NULL},
            {NULL, 0, 0, 0, NULL},
    };
    static PyType_Slot slots[] = {
            GN_WSGI_SLOT(Py_tp_dealloc, bound_dealloc),
            GN_WSGI_SLOT(Py_tp_repr, bound_repr),
            GN_WSGI_SLOT(Py_tp_call, PyVectorcall_Call),
            {Py_tp_members, members},
            {0, NULL},
    };
    static PyType_Spec spec = {
            .name = "gustnado.wsgi.Bound",
            .basicsize = sizeof(struct bound),
            .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL |
                    Py_TPFLAGS_DISALLOW_INSTANTIATION,
            .slots = slots,
    };

    return (PyTypeObject *)(void *)PyType_FromSpec(&spec);
}

PyObject *gn_wsgi_bound_new(PyTypeObject *type, const char *name, gn_wsgi_bound_fn fn, void *target)
{
    PyObject *object = PyType_GenericAlloc(type, 0);

    if (object != NULL) {
        struct bound *self = as_bound(object);

        self->vectorcall = call_bound;
        self->fn = fn;
        self->target = target;
        self->name = name;
    }
    return object;
}

void gn_wsgi_bound_share(PyObject *bound, PyObject *guard)
{
#ifdef Py_GIL_DISABLED
    as_bound(bound)->guard = Py_XNewRef(guard);
#else
    (void)bound;
    (void)guard;
#endif
}

void gn_wsgi_bound_set(PyObject *bound, void *target)
{
    struct gn_py_section section;

    gn_py_section_begin(&section, guard_of(as_bound(bound)));
    as_bound(bound)->target = target;
    gn_py_section_end(&section);
}
