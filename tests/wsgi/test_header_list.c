/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"
#include "tests/wsgi/wsgi_fixture.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/header_list_priv.h"

TestSuite(header_list, .init = wsgi_python_start, .fini = wsgi_python_stop);

static PyObject *eval(const char *expression)
{
    PyObject *globals = wsgi_globals("unused", Py_None);
    PyObject *value = PyRun_String(expression, Py_eval_input, globals, globals);

    cr_assert_not_null(value, "%s", expression);
    Py_DECREF(globals);
    return value;
}

Test(header_list, takes_a_list_apart)
{
    gn_assert_gil();
    struct gn_wsgi_headers headers = {0};
    PyObject *list = eval("[('Content-Type', 'text/plain'), ('X-A', 'caf\\xe9'), ('x-a', ''),"
                          " ('Content-Length', '12')]");

    cr_assert_eq(gn_wsgi_headers_set(&headers, list), 0);
    cr_assert_eq(PyList_SetSlice(list, 0, 4, NULL), 0);
    Py_DECREF(list);
    cr_assert_eq(headers.n, 4);
    cr_assert(gn_slice_eq(headers.items[0].name, GN_LIT("Content-Type")));
    cr_assert_eq(headers.items[0].id, GN_HDR_CONTENT_TYPE);
    cr_assert(gn_slice_eq(headers.items[1].value, GN_LIT("caf\xe9")));
    cr_assert(gn_slice_eq(headers.items[2].name, GN_LIT("x-a")));
    cr_assert_eq(headers.items[2].value.len, 0);
    cr_assert(headers.has_length && headers.length == 12);
    gn_wsgi_headers_clear(&headers);
    cr_assert(headers.n == 0 && !headers.has_length);
    gn_wsgi_headers_fini(&headers);
}

Test(header_list, takes_subclasses_of_str_for_the_text_they_hold)
{
    gn_assert_gil();
    struct gn_wsgi_known known = {0};
    struct gn_wsgi_headers headers = {.known = &known};
    PyObject *list = eval("[(type('S', (str,), {'__str__': None, '__hash__': None})('X-A'),"
                          " type('S', (str,), {'encode': None, '__len__': None})('text'))]");

    cr_assert_eq(gn_wsgi_headers_set(&headers, list), 0);
    cr_assert(gn_slice_eq(headers.items[0].name, GN_LIT("X-A")));
    cr_assert(gn_slice_eq(headers.items[0].value, GN_LIT("text")));
    cr_assert(PyUnicode_CheckExact(headers.held[0]) && PyUnicode_CheckExact(headers.held[1]));
    Py_DECREF(list);
    gn_wsgi_headers_fini(&headers);
    gn_wsgi_known_fini(&known);
}

Test(header_list, granian_cve_2026_42545_ghsa_f5p7_9fr5_8jmj_refuses_what_is_not_allowed)
{
    gn_assert_gil();
    static const struct {
        const char *list;
        const char *raises; /* T or V */
    } cases[] = {
            {"(('A', 'b'),)", "T"},
            {"{'A': 'b'}", "T"},
            {"None", "T"},
            {"'A: b'", "T"},
            {"['A: b']", "T"},
            {"[['A', 'b']]", "T"},
            {"[('A',)]", "T"},
            {"[('A', 'b', 'c')]", "T"},
            {"[(b'A', 'b')]", "T"},
            {"[('A', b'b')]", "T"},
            {"[('A', 1)]", "T"},
            {"[('A', None)]", "T"},
            {"[('', 'b')]", "V"},
            {"[('A b', 'c')]", "V"},
            {"[('A:', 'c')]", "V"},
            {"[('A\\r\\nB', 'c')]", "V"},
            {"[('A\\xe9', 'c')]", "V"},
            {"[('A\\u20ac', 'c')]", "V"},
            {"[('A', 'b\\r\\nC: d')]", "V"},
            {"[('A', 'b\\n')]", "V"},
            {"[('A', '\\rb')]", "V"},
            {"[('A', 'b\\0c')]", "V"},
            {"[('A', 'b\\x7fc')]", "V"},
            {"[('A', '\\u20ac')]", "V"},
            {"[('Content-Length', '')]", "V"},
            {"[('Content-Length', '-1')]", "V"},
            {"[('Content-Length', '+1')]", "V"},
            {"[('Content-Length', '1 ')]", "V"},
            {"[('Content-Length', '1'), ('content-length', '1')]", "V"},
            {"[('Content-Length', '9223372036854775808')]", "V"},
            {"[('A', 'b'), ('C', 3)]", "T"},
            {"[('A', 'b')] * 1001", "V"},
    };
    struct gn_wsgi_headers headers = {0};

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        PyObject *list = eval(cases[i].list);
        PyObject *type = cases[i].raises[0] == 'T' ? PyExc_TypeError : PyExc_ValueError;

        cr_assert_eq(gn_wsgi_headers_set(&headers, list), -1, "%s", cases[i].list);
        cr_assert(PyErr_ExceptionMatches(type), "%s", cases[i].list);
        PyErr_Clear();
        cr_assert_eq(headers.n, 0);
        Py_DECREF(list);
    }
    gn_wsgi_headers_fini(&headers);
}

Test(header_list, takes_as_many_as_allowed_and_replaces_them)
{
    gn_assert_gil();
    struct gn_wsgi_headers headers = {0};
    PyObject *many = eval("[('A', 'b')] * 1000");
    PyObject *none = eval("[]");

    cr_assert_eq(gn_wsgi_headers_set(&headers, many), 0);
    cr_assert_eq(headers.n, GN_WSGI_HEADERS_MAX);
    cr_assert_eq(gn_wsgi_headers_set(&headers, none), 0);
    cr_assert_eq(headers.n, 0);
    Py_DECREF(many);
    Py_DECREF(none);
    gn_wsgi_headers_fini(&headers);
}

Test(header_list, knows_names_by_their_object)
{
    gn_assert_gil();
    static struct gn_wsgi_known known;
    struct gn_wsgi_headers headers = {.known = &known};
    PyObject *list = eval("[('X-First', 'a'), ('Content-Length', '5'), ('Server', 'b')]");

    for (int i = 0; i < 3; i++) {
        cr_assert_eq(gn_wsgi_headers_set(&headers, list), 0);
        cr_assert(gn_slice_eq(headers.items[0].name, GN_LIT("X-First")));
        cr_assert_eq(headers.items[0].id, GN_HDR_OTHER);
        cr_assert_eq(headers.items[1].id, GN_HDR_CONTENT_LENGTH);
        cr_assert_eq(headers.items[2].id, GN_HDR_SERVER);
        cr_assert(headers.has_length && headers.length == 5);
    }
    for (int i = 0; i < 1000; i++) { /* more names than it can know */
        PyObject *other = PyUnicode_FromFormat("X-%d", i);
        PyObject *one = Py_BuildValue("[(Ns)]", other, "v");
        char name[16];

        (void)snprintf(name, sizeof(name), "X-%d", i);
        cr_assert_eq(gn_wsgi_headers_set(&headers, one), 0);
        cr_assert(gn_slice_eq(headers.items[0].name, gn_slice_str(name)));
        Py_DECREF(one);
    }
    Py_DECREF(list);
    gn_wsgi_headers_fini(&headers);
    gn_wsgi_known_fini(&known);
}
