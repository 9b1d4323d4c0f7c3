/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"
#include "tests/wsgi/response_fixture.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/bound_priv.h"
#include "wsgi/start_response_priv.h"

static PyTypeObject *type;
static struct sunk s;
static struct gn_wsgi_start start;
static PyObject *globals;

static void begin(void)
{
    wsgi_python_start();
    gn_assert_gil();
    sunk_begin(&s, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    type = gn_wsgi_bound_type_create();
    start.response = &s.response;
    cr_assert_eq(gn_wsgi_start_bind(&start, type), GN_OK);
    globals = wsgi_globals("start", start.start_response);
    wsgi_set(globals, "hints", start.early_hints);
    wsgi_run(globals,
            "import sys\n"
            "H = [('A', 'b')]\n"
            "def info():\n"
            "    try: raise KeyError('on purpose')\n"
            "    except KeyError: return sys.exc_info()\n");
}

static void end(void)
{
    gn_assert_gil();
    Py_DECREF(globals);
    gn_wsgi_start_fini(&start);
    sunk_fini(&s);
    Py_DECREF(type);
    wsgi_python_stop();
}

TestSuite(start_response, .init = begin, .fini = end);

Test(start_response, takes_status_and_headers)
{
    wsgi_run(globals, "assert callable(start('201 Made Here', H))");
    cr_assert_eq(s.response.stage, GN_WSGI_SET);
    cr_assert_eq(s.response.status, 201);
    cr_assert(gn_slice_eq(s.response.reason, GN_LIT("Made Here")));
    cr_assert_eq(s.response.headers.n, 1);
    cr_assert_eq(s.response.bytes.len, 0, "the head waits for the body");
}

Test(start_response, refuses_bad_statuses)
{
    static const char *const cases[][2] = {
            {"b'200 OK'", "TypeError"},
            {"200", "TypeError"},
            {"None", "TypeError"},
            {"''", "ValueError"},
            {"'20'", "ValueError"},
            {"'OK'", "ValueError"},
            {"'2000 OK'", "ValueError"},
            {"'20x OK'", "ValueError"},
            {"' 200 OK'", "ValueError"},
            {"'200OK'", "ValueError"},
            {"'100 Continue'", "ValueError"},
            {"'199 x'", "ValueError"},
            {"'600 x'", "ValueError"},
            {"'200 OK\\r\\nA: b'", "ValueError"},
            {"'200 \\0'", "ValueError"},
            {"'200 \\u20ac'", "ValueError"},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char code[128];

        (void)snprintf(code, sizeof(code), "start(%s, H)", cases[i][0]);
        cr_assert(wsgi_raises(globals, code, cases[i][1]), "%s", code);
        cr_assert_eq(s.response.stage, GN_WSGI_NONE);
    }
    wsgi_run(globals, "start('200', H)"); /* a refused call does not count as the first */
}

Test(start_response, refuses_wrong_arguments)
{
    static const char *const cases[] = {"start()", "start('200 OK')", "start('200 OK', H, None, 1)",
            "start('200 OK', headers=H)", "start('200 OK', H, exc=None)",
            "start('200 OK', H, 'exc_info')", "start('200 OK', H, (1, 2))",
            "start('200 OK', H, None, exc_info=None)"};

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert(wsgi_raises(globals, cases[i], "TypeError"), "%s", cases[i]);
    }
    wsgi_run(globals, "start('200 OK', H, exc_info=None)");
}

Test(start_response, twice_is_an_assertion_error)
{
    wsgi_run(globals, "start('200 OK', H)");
    cr_assert(wsgi_raises(globals, "start('201 Other', H)", "AssertionError"));
    cr_assert(wsgi_raises(globals, "start('201 Other', H, None)", "AssertionError"));
    cr_assert_eq(s.response.status, 200);
}

Test(start_response, with_exc_info_replaces_what_was_not_sent)
{
    wsgi_run(globals, "start('200 OK', [('X-First', '1')])\nstart('503 No', H, info())");
    cr_assert_eq(s.response.status, 503);
    cr_assert(gn_slice_eq(s.response.headers.items[0].name, GN_LIT("A")));
    wsgi_run(globals, "start('500 Again', H, exc_info=info())");
    cr_assert_eq(s.response.status, 500);
}

Test(start_response, with_exc_info_raises_again_what_came_too_late)
{
    wsgi_run(globals,
            "write = start('200 OK', H)\n"
            "write(b'')\n"
            "start('200 Fine', H, info())(b'x')\n"
            "i = info()\n"
            "try: start('500 Late', H, i)\n"
            "except KeyError as e: assert e is i[1] and e.__traceback__.tb_next is not None\n"
            "else: assert False\n");
    cr_assert(wsgi_raises(globals, "start('500 Late', H, (None, None, None))", "AssertionError"));
    cr_assert_eq(s.response.status, 200);
}

Test(start_response, refuses_exc_info_that_holds_no_exception)
{
    static const char *const cases[] = {"start('500 No', H, ('a', 'b', 'c'))",
            "start('500 No', H, (1, 2, 3))", "start('500 No', H, (KeyError, 'text', None))",
            "start('500 No', H, (KeyError, KeyError, None))", "start('500 No', H, [*info()])"};

    wsgi_run(globals, "write = start('200 OK', H)");
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert(wsgi_raises(globals, cases[i], "TypeError"), "%s", cases[i]);
        cr_assert_eq(s.response.status, 200);
    }
    wsgi_run(globals, "write(b'x')");
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert(wsgi_raises(globals, cases[i], "TypeError"), "%s", cases[i]);
    }
    cr_assert(wsgi_raises(globals, "start('500', H, (None, KeyError(), 'stack'))", "KeyError"));
}

Test(start_response, takes_a_status_of_a_subclass_of_str)
{
    wsgi_run(globals, "start(type('S', (str,), {'__str__': None})('201 Made Here'), H)");
    cr_assert_eq(s.response.status, 201);
    cr_assert(gn_slice_eq(s.response.reason, GN_LIT("Made Here")));
}

Test(start_response, keeps_no_reference_to_exc_info)
{
    wsgi_run(globals,
            "import weakref\n"
            "class Mine(Exception): pass\n"
            "def failing():\n"
            "    try: raise Mine()\n"
            "    except Mine as e:\n"
            "        start('500 No', H, sys.exc_info())\n"
            "        return weakref.ref(e)\n"
            "assert failing()() is None\n");
}

Test(start_response, write_sends_at_once)
{
    gn_assert_gil();
    wsgi_run(globals, "assert start('200 OK', H)(b'one') is None");
    cr_assert_eq(s.n_sends, 1);
    cr_assert_eq(gn_wsgi_response_end(&s.response), GN_OK);
    (void)sunk_end(&s);
    cr_assert_str_eq(sunk_body(&s), "3\r\none\r\n0\r\n\r\n");
}

Test(start_response, write_refuses_what_is_wrong)
{
    wsgi_run(globals, "write = start('200 OK', [('Content-Length', '3')])");
    cr_assert(wsgi_raises(globals, "write('text')", "TypeError"));
    cr_assert(wsgi_raises(globals, "write()", "TypeError"));
    cr_assert(wsgi_raises(globals, "write(b'a', b'b')", "TypeError"));
    cr_assert(wsgi_raises(globals, "write(data=b'a')", "TypeError"));
    cr_assert_eq(s.n_sends, 0);
    cr_assert(wsgi_raises(globals, "write(b'toolong')", "ValueError"));
    s.is_gone = true;
    wsgi_run(globals, "write(b'')");
    cr_assert(wsgi_raises(globals, "hints(H)", "RuntimeError"));
}

Test(start_response, write_tells_when_the_client_has_gone)
{
    s.is_gone = true;
    wsgi_run(globals, "write = start('200 OK', H)");
    cr_assert(wsgi_raises(globals, "write(b'x')", "BrokenPipeError"));
}

Test(start_response, hints_are_checked)
{
    wsgi_run(globals, "assert hints([('Link', '<a>')]) is None");
    cr_assert_eq(s.n_sends, 1);
    cr_assert(wsgi_raises(globals, "hints()", "TypeError"));
    cr_assert(wsgi_raises(globals, "hints('x')", "TypeError"));
    cr_assert(wsgi_raises(globals, "hints([('A', 'b\\n')])", "ValueError"));
    s.is_gone = true;
    cr_assert(wsgi_raises(globals, "hints(H)", "BrokenPipeError"));
}

Test(start_response, is_dead_once_the_request_is_over)
{
    gn_assert_gil();
    wsgi_run(globals, "write = start('200 OK', H)");
    gn_wsgi_start_unbind(&start);
    cr_assert(wsgi_raises(globals, "start('200 OK', H)", "RuntimeError"));
    cr_assert(wsgi_raises(globals, "write(b'x')", "RuntimeError"));
    cr_assert(wsgi_raises(globals, "hints(H)", "RuntimeError"));
    cr_assert_null(start.start_response, "kept by the application: not used again");
    cr_assert_eq(gn_wsgi_start_bind(&start, type), GN_OK);
    cr_assert(wsgi_raises(globals, "start('200 OK', H)", "RuntimeError"));
}

Test(start_response, unkept_callables_are_used_again)
{
    gn_assert_gil();
    PyObject *before = start.start_response;

    wsgi_run(globals, "del start, hints");
    gn_wsgi_start_unbind(&start);
    cr_assert_eq(start.start_response, before);
    cr_assert_eq(gn_wsgi_start_bind(&start, type), GN_OK);
    cr_assert_eq(start.start_response, before);
}
