/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"
#include "tests/wsgi/wsgi_fixture.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/text_priv.h"

TestSuite(text, .init = wsgi_python_start, .fini = wsgi_python_stop);

static void assert_same(struct gn_slice bytes)
{
    gn_assert_gil();
    PyObject *ours = gn_wsgi_text(bytes);
    PyObject *theirs = PyUnicode_DecodeLatin1(bytes.ptr, (Py_ssize_t)bytes.len, NULL);

    cr_assert_eq(PyUnicode_Compare(ours, theirs), 0);
    cr_assert_eq(PyUnicode_MAX_CHAR_VALUE(ours), PyUnicode_MAX_CHAR_VALUE(theirs));
    cr_assert_eq(PyObject_Hash(ours), PyObject_Hash(theirs));
    Py_DECREF(ours);
    Py_DECREF(theirs);
}

Test(text, decodes_latin1_of_every_length_and_byte)
{
    char bytes[64];

    for (size_t len = 0; len <= sizeof(bytes); len++) {
        memset(bytes, 'a', sizeof(bytes));
        assert_same(gn_slice_of(bytes, len));
        for (size_t at = 0; at < len; at++) {
            bytes[at] = (char)0xe9;
            assert_same(gn_slice_of(bytes, len));
            bytes[at] = 'a';
        }
    }
    for (int byte = 0; byte < 256; byte++) {
        bytes[0] = (char)byte;
        assert_same(gn_slice_of(bytes, 1));
    }
}

Test(text, cache_hands_out_the_same_object)
{
    gn_assert_gil();
    static struct gn_wsgi_text_cache cache;
    PyObject *first = gn_wsgi_text_cached(&cache, GN_LIT("text/html"));
    PyObject *second = gn_wsgi_text_cached(&cache, GN_LIT("text/html"));
    PyObject *other = gn_wsgi_text_cached(&cache, GN_LIT("text/htmx"));

    cr_assert_eq(first, second);
    cr_assert_neq(first, other);
    cr_assert_eq(PyUnicode_CompareWithASCIIString(other, "text/htmx"), 0);
    Py_DECREF(first);
    Py_DECREF(second);
    Py_DECREF(other);
    gn_wsgi_text_cache_fini(&cache);
}

Test(text, cache_tells_apart_what_its_hash_does_not)
{
    gn_assert_gil();
    static struct gn_wsgi_text_cache cache;
    char bytes[100];

    memset(bytes, 'x', sizeof(bytes));
    for (int i = 0; i < 100; i++) {
        PyObject *text;

        bytes[12] = (char)('a' + i % 26); /* not among the bytes that are hashed */
        text = gn_wsgi_text_cached(&cache, gn_slice_of(bytes, sizeof(bytes)));
        cr_assert_eq(PyUnicode_ReadChar(text, 12), (Py_UCS4)bytes[12]);
        Py_DECREF(text);
    }
    gn_wsgi_text_cache_fini(&cache);
}

Test(text, cache_does_not_keep_long_strings)
{
    gn_assert_gil();
    static struct gn_wsgi_text_cache cache;
    char bytes[GN_WSGI_TEXT_MAX_BYTES + 1];
    PyObject *text;

    memset(bytes, 'x', sizeof(bytes));
    text = gn_wsgi_text_cached(&cache, gn_slice_of(bytes, sizeof(bytes)));
    cr_assert_eq(Py_REFCNT(text), 1);
    Py_DECREF(text);
    text = gn_wsgi_text_cached(&cache, gn_slice_of(bytes, sizeof(bytes) - 1));
    cr_assert_eq(Py_REFCNT(text), 2);
    Py_DECREF(text);
    gn_wsgi_text_cache_fini(&cache);
}
