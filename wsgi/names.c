/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "server/base/ascii.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/names_priv.h"
#include "wsgi/text_priv.h"

/*
 * A header name becomes a key by CGI's rule (RFC 3875 4.1.18): upper case,
 * '-' to '_', HTTP_ in front. Names with '_' never get here, so the mapping is
 * one to one and no client can pass X_A off as X-A.
 *
 * Left out of the table: CONTENT_LENGTH, which is told from the framing (a
 * chunked body has one too once it has been collected); Transfer-Encoding, of
 * which nothing is left when the application reads; Proxy (httpoxy).
 */

#define PREFIX "HTTP_"
#define PREFIX_BYTES (sizeof(PREFIX) - 1)

static void write_key(struct gn_slice name, char *into)
{
    memcpy(into, PREFIX, PREFIX_BYTES);
    into += PREFIX_BYTES;
    for (size_t i = 0; i < name.len; i++) {
        into[i] = name.ptr[i] == '-' ? '_' : gn_ascii_upper(name.ptr[i]);
    }
}

static PyObject *make_key(struct gn_slice name)
{
    PyObject *key = PyUnicode_New((Py_ssize_t)(name.len + PREFIX_BYTES), 127);

    if (key != NULL) {
        write_key(name, (char *)PyUnicode_1BYTE_DATA(key));
    }
    return key;
}

static PyObject *interned(const char *text)
{
    return PyUnicode_InternFromString(text);
}

static enum gn_err init_fixed(struct gn_wsgi_names *names)
{
    static const char *const texts[] = {
#define X(id, text) text,
            GN_WSGI_FIXED_NAMES(X)
#undef X
    };

    for (unsigned i = 0; i < GN_WSGI_NAME_N; i++) {
        names->fixed[i] = interned(texts[i]);
        if (names->fixed[i] == NULL) {
            return GN_ERR_PYTHON;
        }
    }
    return GN_OK;
}

static bool is_key_of_its_own(unsigned id)
{
    return id != GN_HDR_CONTENT_LENGTH && id != GN_HDR_TRANSFER_ENCODING && id != GN_HDR_PROXY;
}

static enum gn_err init_headers(struct gn_wsgi_names *names)
{
    for (unsigned id = GN_HDR_OTHER + 1; id < GN_HDR_N; id++) {
        if (!is_key_of_its_own(id)) {
            continue;
        }
        names->header[id] = id == GN_HDR_CONTENT_TYPE
                ? interned("CONTENT_TYPE")
                : make_key(gn_header_name((enum gn_header_id)id));
        if (names->header[id] == NULL) {
            return GN_ERR_PYTHON;
        }
        PyUnicode_InternInPlace(&names->header[id]);
    }
    return GN_OK;
}

GN_NEEDS_GIL static enum gn_err init_methods(struct gn_wsgi_names *names)
{
    for (unsigned i = GN_METHOD_OTHER + 1; i < GN_METHOD_N; i++) {
        names->method[i] = gn_wsgi_text(gn_http_method_name((enum gn_http_method)i));
        if (names->method[i] == NULL) {
            return GN_ERR_PYTHON;
        }
        PyUnicode_InternInPlace(&names->method[i]);
    }
    return GN_OK;
}

enum gn_err gn_wsgi_names_init(struct gn_wsgi_names *names)
{
    GN_TRY(init_fixed(names));
    GN_TRY(init_headers(names));
    GN_TRY(init_methods(names));
    names->empty = interned("");
    names->http_1_0 = interned("HTTP/1.0");
    names->http_1_1 = interned("HTTP/1.1");
    names->http = interned("http");
    names->https = interned("https");
    names->on = interned("on");
    return PyErr_Occurred() ? GN_ERR_PYTHON : GN_OK;
}

static void clear_all(PyObject **objects, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        Py_CLEAR(objects[i]);
    }
}

void gn_wsgi_names_fini(struct gn_wsgi_names *names)
{
    clear_all(names->fixed, GN_ARRAY_LEN(names->fixed));
    clear_all(names->header, GN_ARRAY_LEN(names->header));
    clear_all(names->other, GN_ARRAY_LEN(names->other));
    clear_all(names->method, GN_ARRAY_LEN(names->method));
    Py_CLEAR(names->empty);
    Py_CLEAR(names->http_1_0);
    Py_CLEAR(names->http_1_1);
    Py_CLEAR(names->http);
    Py_CLEAR(names->https);
    Py_CLEAR(names->on);
}

PyObject *gn_wsgi_names_other(struct gn_wsgi_names *names, struct gn_slice name)
{
    char text[PREFIX_BYTES + GN_WSGI_HEADER_NAME_MAX_BYTES];
    struct gn_slice key = gn_slice_of(text, PREFIX_BYTES + name.len);
    PyObject **slot;

    if (name.len > GN_WSGI_HEADER_NAME_MAX_BYTES) {
        return make_key(name);
    }
    write_key(name, text);
    slot = &names->other[gn_wsgi_text_hash(key) & (GN_WSGI_OTHER_KEYS - 1)];
    if (*slot == NULL || (size_t)PyUnicode_GET_LENGTH(*slot) != key.len ||
            memcmp(PyUnicode_1BYTE_DATA(*slot), key.ptr, key.len) != 0) {
        PyObject *made = gn_wsgi_text(key);

        if (made == NULL) {
            return NULL;
        }
        Py_XSETREF(*slot, made);
    }
    return Py_NewRef(*slot);
}
