/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "wsgi/text_priv.h"

/*
 * A str whose characters are all below 128 has a form of its own in CPython
 * and is what nearly every request consists of: eight bytes at a time tell,
 * and then one memcpy makes the string, without a decoder.
 */

static bool is_ascii(struct gn_slice bytes)
{
    uint64_t high = 0;
    size_t i = 0;

    for (; i + 8 <= bytes.len; i += 8) {
        uint64_t word;

        memcpy(&word, bytes.ptr + i, 8);
        high |= word;
    }
    for (; i < bytes.len; i++) {
        high |= (unsigned char)bytes.ptr[i];
    }
    return (high & UINT64_C(0x8080808080808080)) == 0;
}

PyObject *gn_wsgi_text(struct gn_slice bytes)
{
    PyObject *text;

    if (bytes.len < 2) {
        return PyUnicode_DecodeLatin1(bytes.ptr, (Py_ssize_t)bytes.len, NULL); /* shared ones */
    }
    text = PyUnicode_New((Py_ssize_t)bytes.len, is_ascii(bytes) ? 127 : 255);
    if (text != NULL) {
        memcpy(PyUnicode_1BYTE_DATA(text), bytes.ptr, bytes.len);
    }
    return text;
}

PyObject *gn_wsgi_text_cached(struct gn_wsgi_text_cache *cache, struct gn_slice bytes)
{
    PyObject **slot;
    PyObject *text;

    if (bytes.len < 2 || bytes.len > GN_WSGI_TEXT_MAX_BYTES) {
        return gn_wsgi_text(bytes);
    }
    slot = &cache->slots[gn_wsgi_text_hash(bytes) & (GN_WSGI_TEXT_SLOTS - 1)];
    text = *slot;
    if (text != NULL && (size_t)PyUnicode_GET_LENGTH(text) == bytes.len &&
            memcmp(PyUnicode_1BYTE_DATA(text), bytes.ptr, bytes.len) == 0) {
        return Py_NewRef(text);
    }
    text = gn_wsgi_text(bytes);
    if (text != NULL) {
        Py_XSETREF(*slot, Py_NewRef(text));
    }
    return text;
}

void gn_wsgi_text_cache_fini(struct gn_wsgi_text_cache *cache)
{
    for (unsigned i = 0; i < GN_WSGI_TEXT_SLOTS; i++) {
        Py_CLEAR(cache->slots[i]);
    }
}
