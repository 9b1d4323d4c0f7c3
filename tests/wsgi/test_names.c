/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"
#include "tests/wsgi/wsgi_fixture.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/names_priv.h"

TestSuite(names, .init = wsgi_python_start, .fini = wsgi_python_stop);

static struct gn_wsgi_names names;

static void assert_text(PyObject *text, const char *expected)
{
    cr_assert_not_null(text, "%s", expected);
    cr_assert_eq(PyUnicode_CompareWithASCIIString(text, expected), 0, "%s", expected);
}

Test(names, known_headers_have_their_keys)
{
    gn_assert_gil();
    cr_assert_eq(gn_wsgi_names_init(&names), GN_OK);
    assert_text(names.header[GN_HDR_HOST], "HTTP_HOST");
    assert_text(names.header[GN_HDR_USER_AGENT], "HTTP_USER_AGENT");
    assert_text(names.header[GN_HDR_X_FORWARDED_FOR], "HTTP_X_FORWARDED_FOR");
    assert_text(names.header[GN_HDR_CONTENT_TYPE], "CONTENT_TYPE");
    assert_text(names.fixed[GN_WSGI_NAME_WSGI_INPUT_TERMINATED], "wsgi.input_terminated");
    assert_text(names.method[GN_METHOD_PATCH], "PATCH");
    cr_assert_null(names.header[GN_HDR_CONTENT_LENGTH]);
    cr_assert_null(names.header[GN_HDR_PROXY]);
    cr_assert_null(names.header[GN_HDR_TRANSFER_ENCODING]);
    gn_wsgi_names_fini(&names);
}

Test(names, other_headers_are_upper_case_with_a_prefix)
{
    gn_assert_gil();
    PyObject *first;
    PyObject *second;

    cr_assert_eq(gn_wsgi_names_init(&names), GN_OK);
    first = gn_wsgi_names_other(&names, GN_LIT("x-Some-thing2"));
    second = gn_wsgi_names_other(&names, GN_LIT("X-SOME-THING2"));
    assert_text(first, "HTTP_X_SOME_THING2");
    cr_assert_eq(first, second, "one key however it is spelled");
    Py_DECREF(first);
    Py_DECREF(second);
    gn_wsgi_names_fini(&names);
}

Test(names, many_other_headers_do_not_mix)
{
    gn_assert_gil();
    cr_assert_eq(gn_wsgi_names_init(&names), GN_OK);
    for (int i = 0; i < 5 * GN_WSGI_OTHER_KEYS; i++) {
        char name[32];
        char key[32];
        PyObject *text;

        (void)snprintf(name, sizeof(name), "x-h%d", i);
        (void)snprintf(key, sizeof(key), "HTTP_X_H%d", i);
        text = gn_wsgi_names_other(&names, gn_slice_str(name));
        assert_text(text, key);
        Py_DECREF(text);
    }
    gn_wsgi_names_fini(&names);
}

Test(names, long_names_are_made_each_time)
{
    gn_assert_gil();
    char name[GN_WSGI_HEADER_NAME_MAX_BYTES + 1];
    PyObject *text;

    memset(name, 'a', sizeof(name));
    cr_assert_eq(gn_wsgi_names_init(&names), GN_OK);
    text = gn_wsgi_names_other(&names, gn_slice_of(name, sizeof(name)));
    cr_assert_eq(PyUnicode_GET_LENGTH(text), (Py_ssize_t)sizeof(name) + 5);
    cr_assert_eq(Py_REFCNT(text), 1);
    Py_DECREF(text);
    text = gn_wsgi_names_other(&names, gn_slice_of(name, sizeof(name) - 1));
    cr_assert_eq(Py_REFCNT(text), 2);
    Py_DECREF(text);
    gn_wsgi_names_fini(&names);
}
