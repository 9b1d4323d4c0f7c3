/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <errno.h>

#include "server/base/ascii.h"
#include "server/proto/http_status.h"

#include "bridge/py/compat_priv.h"
#include "bridge/py/gil_priv.h"
#include "wsgi/bound_priv.h"
#include "wsgi/start_response_priv.h"

/*
 * What PEP 3333 asks of start_response, in the order it is decided:
 *
 *   exc_info given, head already sent    raise that exception again
 *   exc_info given, head not sent        forget the first call, take this one
 *   no exc_info, called before           AssertionError
 *   wrong types                          TypeError
 *   wrong bytes, status or length        ValueError
 *
 * exc_info is not kept, so no reference cycle with the frame arises.
 */

/** "200 OK" to its number (RFC 9112 4); "200" alone is taken too. -1 raised. */
GN_NEEDS_GIL static int status_code(PyObject *status)
{
    struct gn_slice text;
    int code = 0;

    if (gn_wsgi_latin1(status, "status", &text) != 0) {
        return -1;
    }
    for (size_t i = 0; i < 3 && i < text.len && gn_ascii_is_digit(text.ptr[i]); i++) {
        code = code * 10 + (text.ptr[i] - '0');
    }
    if (code < 200 || code > 599 || (text.len > 3 && text.ptr[3] != ' ')) {
        PyErr_Format(PyExc_ValueError,
                "status must be a code from 200 to 599, a space and a reason, not %R", status);
        return -1;
    }
    if (!gn_is_field_value(text)) {
        PyErr_Format(PyExc_ValueError, "invalid control character in status %R", status);
        return -1;
    }
    return code;
}

/** The same, or what was found when this very object was looked at before. */
GN_NEEDS_GIL static int known_status_code(struct gn_wsgi_known *known, PyObject *status)
{
    size_t at = gn_wsgi_known_slot(status, GN_WSGI_KNOWN_STATUSES);
    int code;

    if (known == NULL) {
        return status_code(status);
    }
    if (known->statuses[at].text != status) {
        code = status_code(status);
        if (code < 0) {
            return -1;
        }
        known->statuses[at].code = code;
        Py_XSETREF(known->statuses[at].text, Py_NewRef(status));
    }
    return known->statuses[at].code;
}

/** Takes the reference to `status`, which may be NULL with an exception. */
GN_NEEDS_GIL static int take_status(struct gn_wsgi_response *r, PyObject *status)
{
    int code = status != NULL ? known_status_code(r->headers.known, status) : -1;
    struct gn_slice text;

    if (code < 0 || gn_wsgi_latin1(status, "status", &text) != 0) {
        Py_XDECREF(status);
        return -1;
    }
    r->status = code;
    r->reason = gn_slice_skip(text, 4); /* empty: the standard phrase */
    Py_XSETREF(r->status_text, status);
    return 0;
}

/** Raises the application's exception again; always NULL. */
static PyObject *raise_again(PyObject *exc_info)
{
    PyObject *value = PyTuple_GET_ITEM(exc_info, 1);
    PyObject *traceback = PyTuple_GET_ITEM(exc_info, 2);

    if (value == Py_None) {
        PyErr_SetString(PyExc_AssertionError, "headers already sent");
        return NULL;
    }
    if (PyTraceBack_Check(traceback) && PyException_SetTraceback(value, traceback) != 0) {
        return NULL;
    }
    gn_py_raise_again(Py_NewRef(value));
    return NULL;
}

/** The interpreter believes whatever it is told to raise, so this must not. */
static bool is_exc_info(PyObject *object)
{
    return PyTuple_Check(object) && PyTuple_GET_SIZE(object) == 3 &&
            (PyTuple_GET_ITEM(object, 1) == Py_None ||
                    PyExceptionInstance_Check(PyTuple_GET_ITEM(object, 1)));
}

/** The third argument by position or by name; NULL when absent or None. -1 raised. */
static int find_exc_info(
        PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames, PyObject **exc_info_out)
{
    Py_ssize_t n_keywords = kwnames != NULL ? PyTuple_GET_SIZE(kwnames) : 0;
    PyObject *exc_info = NULL;

    if (n_args < 2 || n_args + n_keywords > 3) {
        PyErr_Format(PyExc_TypeError,
                "start_response() takes status, headers and optionally exc_info (%zd given)",
                n_args + n_keywords);
        return -1;
    }
    if (n_keywords == 1 &&
            PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "exc_info") != 0) {
        PyErr_Format(PyExc_TypeError, "start_response() has no argument named %U",
                PyTuple_GET_ITEM(kwnames, 0));
        return -1;
    }
    if (n_args + n_keywords == 3 && args[2] != Py_None) {
        exc_info = args[2];
        if (!is_exc_info(exc_info)) {
            PyErr_SetString(PyExc_TypeError, "exc_info must be a tuple as of sys.exc_info()");
            return -1;
        }
    }
    *exc_info_out = exc_info;
    return 0;
}

static PyObject *start_response(
        void *target, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    struct gn_wsgi_start *start = target;
    struct gn_wsgi_response *r = start->response;
    PyObject *exc_info = NULL;

    gn_assert_gil();
    if (find_exc_info(args, n_args, kwnames, &exc_info) != 0) {
        return NULL;
    }
    if (exc_info != NULL && r->stage >= GN_WSGI_SENT) {
        return raise_again(exc_info);
    }
    if (exc_info == NULL && r->stage != GN_WSGI_NONE) {
        PyErr_SetString(PyExc_AssertionError, "start_response() was called twice without exc_info");
        return NULL;
    }
    r->stage = GN_WSGI_NONE;
    if (take_status(r, gn_wsgi_plain_str(args[0])) != 0 ||
            gn_wsgi_headers_set(&r->headers, args[1]) != 0) {
        return NULL;
    }
    r->stage = GN_WSGI_SET;
    return Py_NewRef(start->write);
}

static PyObject *too_long(void)
{
    PyErr_SetString(PyExc_ValueError, "write() beyond the declared Content-Length");
    return NULL;
}

static PyObject *gone(void)
{
    errno = EPIPE;
    return PyErr_SetFromErrno(PyExc_OSError); /* BrokenPipeError */
}

static PyObject *write_body(
        void *target, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    struct gn_wsgi_start *start = target;

    gn_assert_gil();
    if (n_args != 1 || (kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0)) {
        PyErr_SetString(PyExc_TypeError, "write() takes one argument, bytes");
        return NULL;
    }
    switch (gn_wsgi_response_send(start->response, args[0], GN_LENGTH_UNKNOWN)) {
    case GN_OK:
    case GN_ERR_CLOSED:
        Py_RETURN_NONE;
    case GN_ERR_TOO_BIG:
        return too_long();
    case GN_ERR_PYTHON:
        return NULL;
    default:
        return gone();
    }
}

static PyObject *send_hints(
        void *target, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    struct gn_wsgi_start *start = target;

    gn_assert_gil();
    if (n_args != 1 || (kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0)) {
        PyErr_SetString(PyExc_TypeError, "wsgi.early_hints() takes one argument, a header list");
        return NULL;
    }
    switch (gn_wsgi_response_hint(start->response, args[0])) {
    case GN_OK:
        Py_RETURN_NONE;
    case GN_ERR_PYTHON:
        return NULL;
    default:
        return gone();
    }
}

/** Makes or renews one callable. */
static enum gn_err bind(PyTypeObject *type, PyObject **bound, const char *name, gn_wsgi_bound_fn fn,
        struct gn_wsgi_start *start)
{
    gn_assert_gil();
    if (*bound != NULL) {
        gn_wsgi_bound_set(*bound, start);
        return GN_OK;
    }
    *bound = gn_wsgi_bound_new(type, name, fn, start);
    if (*bound == NULL) {
        return GN_ERR_PYTHON;
    }
    gn_wsgi_bound_share(*bound, start->guard);
    return GN_OK;
}

/** The application may call from several threads at once. */
static enum gn_err make_guard(struct gn_wsgi_start *start)
{
#ifdef Py_GIL_DISABLED
    if (start->guard == NULL) {
        start->guard = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    }
    return start->guard != NULL ? GN_OK : GN_ERR_PYTHON;
#else
    (void)start;
    return GN_OK;
#endif
}

enum gn_err gn_wsgi_start_bind(struct gn_wsgi_start *start, PyTypeObject *bound_type)
{
    GN_TRY(make_guard(start));
    GN_TRY(bind(bound_type, &start->start_response, "start_response", start_response, start));
    GN_TRY(bind(bound_type, &start->write, "write", write_body, start));
    return bind(bound_type, &start->early_hints, "wsgi.early_hints", send_hints, start);
}

static void unbind(PyObject **bound)
{
    gn_assert_gil();
    if (*bound != NULL) {
        gn_wsgi_bound_set(*bound, NULL);
        if (!gn_py_is_sole(*bound)) {
            Py_CLEAR(*bound); /* somebody kept it: it must stay dead */
        }
    }
}

void gn_wsgi_start_unbind(struct gn_wsgi_start *start)
{
    unbind(&start->start_response);
    unbind(&start->write);
    unbind(&start->early_hints);
}

void gn_wsgi_start_fini(struct gn_wsgi_start *start)
{
    gn_wsgi_start_unbind(start);
    Py_CLEAR(start->start_response);
    Py_CLEAR(start->write);
    Py_CLEAR(start->early_hints);
    Py_CLEAR(start->guard);
}
