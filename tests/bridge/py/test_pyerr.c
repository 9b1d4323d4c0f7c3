/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/pyerr.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"

static struct gn_buf text;

/* Raises what calling `name` in __main__ raises and formats it; NUL-terminated. */
static const char *formatted(const char *name)
{
    PyObject *function = gn_test_python_value(name);
    PyObject *result = PyObject_CallNoArgs(function);

    gn_assert_gil();
    cr_assert_null(result);
    gn_buf_init(&text, GN_PYERR_TEXT_BYTES + 1);
    gn_pyerr_format(&text);
    cr_assert_null(PyErr_Occurred());
    cr_assert_eq(gn_buf_append(&text, gn_slice_of("", 1)), GN_OK);
    Py_DECREF(function);
    return text.ptr;
}

static bool has(const char *part)
{
    return strstr(text.ptr, part) != NULL;
}

Test(pyerr, shows_the_whole_chain)
{
    gn_test_python_start("def inner():\n"
                         "    raise KeyError('inner')\n"
                         "def outer():\n"
                         "    try:\n"
                         "        inner()\n"
                         "    except KeyError as e:\n"
                         "        raise ValueError('outer') from e\n");
    (void)formatted("outer");
    cr_assert(has("Traceback (most recent call last):"));
    cr_assert(has("in inner"));
    cr_assert(has("KeyError: 'inner'"));
    cr_assert(has("direct cause"));
    cr_assert(has("ValueError: outer\n"));
    gn_buf_fini(&text);
    gn_test_python_stop();
}

Test(pyerr, takes_exits_for_exceptions)
{
    gn_test_python_start("import sys\n"
                         "def leave(): sys.exit(3)\n"
                         "def interrupt(): raise KeyboardInterrupt\n");
    (void)formatted("leave");
    cr_assert(has("SystemExit: 3"));
    gn_buf_fini(&text);
    (void)formatted("interrupt");
    cr_assert(has("KeyboardInterrupt"));
    gn_buf_fini(&text);
    gn_test_python_stop();
}

Test(pyerr, says_something_about_exceptions_that_cannot_speak)
{
    gn_test_python_start("class Mute(Exception):\n"
                         "    def __str__(self): raise RuntimeError('no')\n"
                         "class Twisted(Exception):\n"
                         "    def __str__(self): raise SystemExit\n"
                         "def mute(): raise Mute\n"
                         "def twisted(): raise Twisted\n"
                         "def surrogate(): raise ValueError('\\udc80')\n");
    (void)formatted("mute");
    cr_assert(has("Mute"));
    gn_buf_fini(&text);
    (void)formatted("twisted");
    cr_assert(has("Twisted"));
    gn_buf_fini(&text);
    (void)formatted("surrogate");
    cr_assert(has("ValueError: \\udc80"));
    gn_buf_fini(&text);
    gn_test_python_stop();
}

Test(pyerr, cuts_the_middle_of_a_long_text)
{
    gn_test_python_start("def shout(): raise ValueError('first' + 'x' * 100000 + 'last')\n");
    (void)formatted("shout");
    cr_assert_leq(text.len, GN_PYERR_TEXT_BYTES + 1);
    cr_assert(has("ValueError: first"));
    cr_assert(has("last\n"));
    gn_buf_fini(&text);
    gn_test_python_stop();
}

Test(pyerr, summary_is_one_line_and_leaves_the_exception)
{
    gn_test_python_start("");
    gn_assert_gil();
    gn_buf_init(&text, 128);
    gn_pyerr_summary(&text);
    cr_assert_eq(text.len, 0);
    PyErr_SetString(PyExc_ValueError, "no such thing");
    gn_pyerr_summary(&text);
    cr_assert(gn_slice_eq(gn_buf_slice(&text), GN_LIT("ValueError: no such thing")));
    cr_assert(PyErr_ExceptionMatches(PyExc_ValueError));
    PyErr_Clear();
    gn_buf_fini(&text);
    gn_test_python_stop();
}

static char logged[4096];

static void keep_line(void *arg, enum gn_log_level level, struct gn_slice line)
{
    (void)arg;
    cr_assert_eq(level, GN_LOG_ERROR);
    (void)snprintf(logged, sizeof(logged), GN_SLICE_FMT, GN_SLICE_ARG(line));
}

Test(pyerr, logs_heading_and_traceback_in_one_piece)
{
    gn_test_python_start("");
    gn_assert_gil();
    gn_log_set_sink(keep_line, NULL);
    PyErr_SetString(PyExc_ValueError, "no such thing");
    gn_pyerr_log(GN_LOG_ERROR, GN_LIT("GET /x failed"));
    gn_log_set_sink(NULL, NULL);
    cr_assert_not_null(strstr(logged, "GET /x failed\n"));
    cr_assert_not_null(strstr(logged, "ValueError: no such thing\n"));
    cr_assert_null(PyErr_Occurred());
    gn_test_python_stop();
}
