/* SPDX-License-Identifier: MIT */
#include "server/base/log.h"
#include "tests/support/test.h"
#include "tests/wsgi/wsgi_fixture.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/errors_priv.h"

TestSuite(errors, .init = wsgi_python_start, .fini = wsgi_python_stop);

static char logged[65536];

static void note(void *arg, enum gn_log_level level, struct gn_slice line)
{
    size_t len = strlen(logged);

    (void)arg;
    cr_assert_eq(level, GN_LOG_ERROR);
    cr_assert(len + line.len < sizeof(logged));
    memcpy(logged + len, line.ptr, line.len);
    logged[len + line.len] = '\0';
}

static int n_lines(const char *text)
{
    int n = 0;

    for (const char *at = logged; (at = strstr(at, text)) != NULL; at++) {
        n++;
    }
    return n;
}

static PyObject *errors_globals(void)
{
    gn_assert_gil();
    PyTypeObject *type = gn_wsgi_errors_type_create();
    PyObject *errors = gn_wsgi_errors_new(type);
    PyObject *globals = wsgi_globals("errors", errors);

    logged[0] = '\0';
    gn_log_set_sink(note, NULL);
    Py_DECREF(errors);
    Py_DECREF(type);
    return globals;
}

Test(errors, logs_whole_lines)
{
    PyObject *globals = errors_globals();

    wsgi_run(globals, "assert errors.write('first\\nsecond\\nthi') == 16");
    cr_assert_eq(n_lines("[wsgi.errors] first\n"), 1);
    cr_assert_eq(n_lines("[wsgi.errors] second\n"), 1);
    cr_assert_eq(n_lines("thi"), 0);
    wsgi_run(globals, "errors.write('rd\\n')");
    cr_assert_eq(n_lines("[wsgi.errors] third\n"), 1);
    cr_assert_eq(n_lines("wsgi.errors"), 3);
    Py_DECREF(globals);
}

Test(errors, logs_what_is_unfinished_on_flush_and_at_its_end)
{
    PyObject *globals = errors_globals();

    wsgi_run(globals, "errors.write('half'); errors.flush()");
    cr_assert_eq(n_lines("[wsgi.errors] half\n"), 1);
    wsgi_run(globals, "errors.flush(); errors.write('rest')");
    cr_assert_eq(n_lines("[wsgi.errors]"), 1);
    Py_DECREF(globals);
    cr_assert_eq(n_lines("[wsgi.errors] rest\n"), 1);
}

Test(errors, takes_any_text)
{
    PyObject *globals = errors_globals();

    wsgi_run(globals,
            "errors.writelines(['caf\\xe9\\n', '\\udc80\\n', '\\n', 'a\\x1b[2J\\n'])\n"
            "assert errors.writable() and not errors.readable() and not errors.isatty()\n"
            "assert errors.encoding == 'utf-8' and not errors.closed\n");
    cr_assert_eq(n_lines("caf\xc3\xa9\n"), 1);
    cr_assert_eq(n_lines("udc80"), 1);
    cr_assert_eq(n_lines("\x1b"), 0);
    cr_assert_eq(n_lines("[wsgi.errors]"), 3);
    Py_DECREF(globals);
}

Test(errors, refuses_what_is_not_text)
{
    PyObject *globals = errors_globals();

    cr_assert(wsgi_raises(globals, "errors.write(b'bytes')", "TypeError"));
    cr_assert(wsgi_raises(globals, "errors.writelines(['a\\n', 5])", "TypeError"));
    cr_assert(wsgi_raises(globals, "errors.writelines(5)", "TypeError"));
    cr_assert_eq(n_lines("[wsgi.errors] a\n"), 1);
    Py_DECREF(globals);
}

Test(errors, splits_endless_lines)
{
    PyObject *globals = errors_globals();

    wsgi_run(globals, "for _ in range(3): errors.write('x' * 8192)");
    cr_assert_eq(n_lines("[wsgi.errors]"), 3);
    Py_DECREF(globals);
    cr_assert_eq(n_lines("[wsgi.errors]"), 3);
}

Test(errors, keeps_the_lines_of_threads_apart)
{
    PyObject *globals = errors_globals();

    wsgi_run(globals,
            "import threading\n"
            "def half(): errors.write('other ')\n"
            "def both(): errors.write('start '); step.set(); go.wait(); errors.write('end\\n')\n"
            "step, go = threading.Event(), threading.Event()\n"
            "thread = threading.Thread(target=both); thread.start(); step.wait()\n"
            "errors.write('mine '); go.set(); thread.join(); errors.write('done\\n')\n");
    cr_assert_eq(n_lines("[wsgi.errors] start end\n"), 1);
    cr_assert_eq(n_lines("[wsgi.errors] mine done\n"), 1);
    Py_DECREF(globals);
}
