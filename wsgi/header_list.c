/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "server/base/alloc.h"

#include "bridge/py/compat_priv.h"
#include "bridge/py/gil_priv.h"
#include "wsgi/header_list_priv.h"

PyObject *gn_wsgi_plain_str(PyObject *text)
{
    return GN_LIKELY(PyUnicode_CheckExact(text)) || !PyUnicode_Check(text)
            ? Py_NewRef(text)
            : PyUnicode_FromObject(text);
}

int gn_wsgi_latin1(PyObject *text, const char *what, struct gn_slice *bytes_out)
{
    if (!PyUnicode_CheckExact(text)) {
        PyErr_Format(PyExc_TypeError, "%s must be of type str, not %.100s", what,
                Py_TYPE(text)->tp_name);
        return -1;
    }
#if PY_VERSION_HEX < 0x030c0000
    if (PyUnicode_READY(text) != 0) {
        return -1;
    }
#endif
    if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) {
        PyErr_Format(PyExc_ValueError, "%s has characters beyond latin-1: %R", what, text);
        return -1;
    }
    *bytes_out = gn_slice_of(
            (const char *)PyUnicode_1BYTE_DATA(text), (size_t)PyUnicode_GET_LENGTH(text));
    return 0;
}

static int reserve(struct gn_wsgi_headers *headers, Py_ssize_t n)
{
    if (n > GN_WSGI_HEADERS_MAX) {
        PyErr_Format(PyExc_ValueError, "%zd response headers, %d at most", n, GN_WSGI_HEADERS_MAX);
        return -1;
    }
    if ((size_t)n > headers->capacity) {
        unsigned capacity = (unsigned)n + 8;

        headers->items = gn_xrealloc(headers->items, capacity * sizeof(*headers->items));
        headers->held = gn_xrealloc(headers->held, 2 * capacity * sizeof(*headers->held));
        headers->capacity = capacity;
    }
    return 0;
}

static int check_length(struct gn_wsgi_headers *headers, struct gn_slice value)
{
    if (headers->has_length) {
        PyErr_SetString(PyExc_ValueError, "more than one Content-Length header");
        return -1;
    }
    if (gn_slice_to_u64(value, INT64_MAX, &headers->length) != GN_OK) {
        PyErr_SetString(PyExc_ValueError, "Content-Length is not a decimal number");
        return -1;
    }
    headers->has_length = true;
    return 0;
}

/** Checks a name and finds its id. */
GN_NEEDS_GIL static int check_name(PyObject *name, struct gn_header *item)
{
    if (gn_wsgi_latin1(name, "a response header's name", &item->name) != 0) {
        return -1;
    }
    if (!gn_is_token(item->name)) {
        PyErr_Format(PyExc_ValueError, "invalid response header name %R", name);
        return -1;
    }
    item->id = (uint16_t)gn_header_lookup(item->name);
    return 0;
}

/** The same, or what was found when this very object was checked before. */
GN_NEEDS_GIL static int take_name(
        struct gn_wsgi_known *known, PyObject *name, struct gn_header *item)
{
    size_t at = gn_wsgi_known_slot(name, GN_WSGI_KNOWN_NAMES);

    if (known == NULL) {
        return check_name(name, item);
    }
    if (GN_LIKELY(known->names[at].name == name)) {
        item->name = gn_slice_of(
                (const char *)PyUnicode_1BYTE_DATA(name), (size_t)PyUnicode_GET_LENGTH(name));
        item->id = known->names[at].id;
        return 0;
    }
    if (check_name(name, item) != 0) {
        return -1;
    }
    known->names[at].id = item->id;
    Py_XSETREF(known->names[at].name, Py_NewRef(name));
    return 0;
}

GN_NEEDS_GIL static int take_value(
        struct gn_wsgi_headers *headers, PyObject *name, PyObject *value, struct gn_header *item)
{
    if (gn_wsgi_latin1(value, "a response header's value", &item->value) != 0) {
        return -1;
    }
    if (!gn_is_field_value(item->value)) {
        PyErr_Format(PyExc_ValueError, "invalid control character in response header %U: %R", name,
                value);
        return -1;
    }
    return item->id == GN_HDR_CONTENT_LENGTH ? check_length(headers, item->value) : 0;
}

GN_NEEDS_GIL static int add(struct gn_wsgi_headers *headers, PyObject *pair)
{
    struct gn_header *item = &headers->items[headers->n];
    PyObject *name;
    PyObject *value;

    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
        PyErr_Format(PyExc_TypeError, "a response header must be a tuple (name, value), not %.200R",
                pair);
        return -1;
    }
    name = gn_wsgi_plain_str(PyTuple_GET_ITEM(pair, 0));
    value = name != NULL ? gn_wsgi_plain_str(PyTuple_GET_ITEM(pair, 1)) : NULL;
    item->flags = GN_HEADER_CHECKED;
    if (value == NULL || take_name(headers->known, name, item) != 0 ||
            take_value(headers, name, value, item) != 0) {
        Py_XDECREF(name);
        Py_XDECREF(value);
        return -1;
    }
    headers->held[2 * headers->n] = name;
    headers->held[2 * headers->n + 1] = value;
    headers->n++;
    return 0;
}

/** No Python code runs in here, so the list cannot change meanwhile, or not below our feet. */
GN_NEEDS_GIL static int add_all(struct gn_wsgi_headers *headers, PyObject *list)
{
    Py_ssize_t n = PyList_GET_SIZE(list);

    if (reserve(headers, n) != 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *pair = gn_py_list_get(list, i);
        int failed = pair == NULL || add(headers, pair) != 0;

        gn_py_list_got(pair);
        if (GN_UNLIKELY(failed)) {
            gn_wsgi_headers_clear(headers);
            return -1;
        }
    }
    return 0;
}

int gn_wsgi_headers_set(struct gn_wsgi_headers *headers, PyObject *list)
{
    gn_wsgi_headers_clear(headers);
    if (!PyList_Check(list)) {
        PyErr_Format(PyExc_TypeError, "response headers must be a list, not %.100s",
                Py_TYPE(list)->tp_name);
        return -1;
    }
    return add_all(headers, list);
}

void gn_wsgi_headers_clear(struct gn_wsgi_headers *headers)
{
    for (unsigned i = 0; i < 2 * headers->n; i++) {
        Py_DECREF(headers->held[i]);
    }
    headers->n = 0;
    headers->has_length = false;
}

void gn_wsgi_known_fini(struct gn_wsgi_known *known)
{
    for (unsigned i = 0; i < GN_WSGI_KNOWN_NAMES; i++) {
        Py_CLEAR(known->names[i].name);
    }
    for (unsigned i = 0; i < GN_WSGI_KNOWN_STATUSES; i++) {
        Py_CLEAR(known->statuses[i].text);
    }
}

void gn_wsgi_headers_fini(struct gn_wsgi_headers *headers)
{
    gn_wsgi_headers_clear(headers);
    gn_free(headers->items);
    gn_free(headers->held);
    *headers = (struct gn_wsgi_headers){0};
}
