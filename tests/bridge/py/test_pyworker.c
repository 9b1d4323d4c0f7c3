/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/pyexec.h"
#include "bridge/py/pyworker.h"
#include "tests/bridge/py/exec_fixture.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"

static struct gn_loop *loop;
static struct gn_pyexec *exec;
static struct gn_pycall call;
static PyObject *function;
static bool is_over;

static void run(struct gn_pycall *base)
{
    PyObject *value = PyObject_CallNoArgs(function);

    (void)base;
    gn_assert_gil();
    if (value == NULL) {
        PyErr_Print();
    }
    Py_XDECREF(value);
}

static void done(struct gn_pycall *base)
{
    (void)base;
    gn_assert_loop_thread(loop);
    is_over = true;
    gn_loop_stop(loop);
}

static void refused(struct gn_pycall *base, enum gn_err why)
{
    (void)why;
    done(base);
}

static const struct gn_pycall_ops ops = {.run = run, .done = done, .refused = refused};

static void begin(struct gn_pyexec_options options, const char *source)
{
    exec_begin(&options, source);
    loop = exec_loop;
    exec = exec_under_test;
}

/* Runs the function `name` of __main__ on a worker. */
static void call_on_worker(const char *name)
{
    PyGILState_STATE gil = PyGILState_Ensure();

    gn_assert_loop_thread(loop);
    function = gn_test_python_value(name);
    PyGILState_Release(gil);
    call = (struct gn_pycall){.ops = &ops};
    is_over = false;
    cr_assert_eq(gn_pyexec_submit(exec, &call), GN_OK);
    gn_loop_run(loop);
    cr_assert(is_over);
    gil = PyGILState_Ensure();
    Py_CLEAR(function);
    PyGILState_Release(gil);
}

static bool is(const char *expression)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    bool truth = gn_test_python_is(expression);

    PyGILState_Release(gil);
    return truth;
}

static void end(void)
{
    exec_end(NULL, 0);
}

Test(pyworker, is_a_thread_that_python_knows)
{
    begin(gn_pyexec_options_default(),
            "import threading\n"
            "def look():\n"
            "    global me, is_listed\n"
            "    me = threading.current_thread()\n"
            "    is_listed = me in threading.enumerate()\n");
    call_on_worker("look");
    cr_assert(is("me.name == 'gustnado-1'"));
    cr_assert(is("type(me) is threading.Thread and me.daemon"));
    cr_assert(is("is_listed and me.is_alive()"));
    cr_assert(is("me is not threading.main_thread()"));
    end();
}

Test(pyworker, keeps_thread_locals_between_calls_and_drops_them_at_its_end)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.min_threads = 0;
    options.idle_ms = 20;
    begin(options,
            "import threading\n"
            "local = threading.local()\n"
            "dropped_by, used_by = [], []\n"
            "class Connection:\n"
            "    def __del__(self): dropped_by.append(threading.get_ident())\n"
            "def connect():\n"
            "    used_by.append(threading.get_ident())\n"
            "    local.connection = Connection()\n"
            "def use():\n"
            "    global found\n"
            "    found = hasattr(local, 'connection')\n");
    do {
        call_on_worker("connect");
        call_on_worker("use");
    } while (!is("found")); /* on a busy machine 20 ms may pass between the two */
    gn_assert_loop_thread(loop);
    while (gn_pyexec_stats(exec).threads > 0 || !is("len(dropped_by) == len(used_by)")) {
        gn_loop_run_once(loop);
    }
    cr_assert(is("dropped_by == used_by"));
    call_on_worker("use"); /* a new worker, which reaps the old one */
    cr_assert_not(is("found"));
    end();
}

Test(pyworker, starts_each_call_with_an_empty_context)
{
    begin(gn_pyexec_options_default(),
            "import contextvars\n"
            "var = contextvars.ContextVar('var', default=0)\n"
            "seen = []\n"
            "def work():\n"
            "    seen.append(var.get())\n"
            "    var.set(1)\n"
            "    seen.append(var.get())\n");
    call_on_worker("work");
    call_on_worker("work");
    call_on_worker("work");
    cr_assert(is("seen == [0, 1, 0, 1, 0, 1]"));
    end();
}

Test(pyworker, a_forked_child_never_comes_back)
{
    begin(gn_pyexec_options_default(),
            "import os, threading\n"
            "def fork():\n"
            "    global child, is_main\n"
            "    child = os.fork()\n"
            "def status():\n"
            "    global code\n"
            "    code = os.waitstatus_to_exitcode(\n"
            "        os.waitpid(child, 0)[1])\n");
    call_on_worker("fork");
    call_on_worker("status");
    cr_assert(is("code == 0"));
    end();
}

Test(pyworker, runs_processes_of_multiprocessing)
{
    begin(gn_pyexec_options_default(),
            "import multiprocessing, operator\n"
            "from concurrent.futures import ProcessPoolExecutor\n"
            "results = []\n"
            "def work():\n"
            "    for method in ('spawn', 'fork'):\n"
            "        context = multiprocessing.get_context(method)\n"
            "        with ProcessPoolExecutor(1, mp_context=context)\\\n"
            "                as pool:\n"
            "            future = pool.submit(operator.add, 2, 3)\n"
            "            results.append(future.result())\n");
    call_on_worker("work");
    cr_assert(is("results == [5, 5]"));
    end();
}

Test(pyworker, runs_loops_of_asyncio)
{
    begin(gn_pyexec_options_default(),
            "import asyncio\n"
            "async def wait():\n"
            "    await asyncio.sleep(0)\n"
            "    return 5\n"
            "def work():\n"
            "    global result\n"
            "    result = asyncio.run(wait())\n");
    call_on_worker("work");
    call_on_worker("work");
    cr_assert(is("result == 5"));
    end();
}
