/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/thread_exit.h"
#include "server/base/log.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

static unsigned n_logged;

static void count_lines(void *arg, enum gn_log_level level, struct gn_slice line)
{
    (void)arg;
    (void)level;
    (void)line;
    n_logged++;
}

static PyObject *thread;

static void begin(const char *source)
{
    gn_test_python_start("import threading, sys, types\n"
                         "me = threading.current_thread()\n"
                         "ran = []\n");
    thread = gn_test_python_value("me");
    gn_thread_exit_prepare(thread);
    gn_test_python_run(source);
    gn_log_set_sink(count_lines, NULL);
    gn_thread_exit_run(thread);
    gn_log_set_sink(NULL, NULL);
    cr_assert(PyErr_Occurred() == NULL);
}

static void end(void)
{
    Py_CLEAR(thread);
    gn_test_python_stop();
}

Test(thread_exit, runs_nothing_when_nothing_was_added)
{
    begin("");
    cr_assert(gn_test_python_is("ran == []"));
    cr_assert_eq(n_logged, 0);
    end();
}

Test(thread_exit, runs_the_last_first)
{
    begin("for i in range(3):\n"
          "    me.gustnado_at_exit.append(lambda i=i: ran.append(i))\n");
    cr_assert(gn_test_python_is("ran == [2, 1, 0]"));
    cr_assert(gn_test_python_is("me.gustnado_at_exit == []"));
    end();
}

Test(thread_exit, logs_an_exception_and_goes_on)
{
    begin("me.gustnado_at_exit.append(lambda: ran.append(1))\n"
          "me.gustnado_at_exit.append(lambda: 1 / 0)\n"
          "me.gustnado_at_exit.append('no callable')\n");
    cr_assert(gn_test_python_is("ran == [1]"));
    cr_assert_geq(n_logged, 2);
    end();
}

Test(thread_exit, ends_though_a_callable_adds_itself_anew)
{
    begin("def again():\n"
          "    ran.append(1)\n"
          "    me.gustnado_at_exit.append(again)\n"
          "again()\n");
    cr_assert_eq(gn_test_python_long("len(ran)"), GN_THREAD_EXIT_MAX + 1);
    end();
}

Test(thread_exit, takes_whatever_became_of_the_list)
{
    begin("me.gustnado_at_exit = 7\n");
    cr_assert_eq(n_logged, 0);
    gn_test_python_run("del me.gustnado_at_exit");
    gn_thread_exit_run(thread);
    cr_assert(PyErr_Occurred() == NULL);
    end();
}

Test(thread_exit, closes_the_connections_of_django)
{
    begin("db = sys.modules['django.db'] = types.ModuleType('django.db')\n"
          "db.connections = types.SimpleNamespace(\n"
          "    close_all=lambda: ran.append('closed'))\n");
    cr_assert(gn_test_python_is("ran == ['closed']"));
    end();
}

Test(thread_exit, logs_a_django_that_cannot_close)
{
    begin("sys.modules['django.db'] = types.ModuleType('django.db')\n");
    cr_assert_eq(n_logged, 1);
    end();
}
