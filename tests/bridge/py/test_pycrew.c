/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/pycrew.h"
#include "bridge/py/pyexec.h"
#include "tests/bridge/py/exec_fixture.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"

#define CREW 4

static struct gn_loop *loop;
static struct gn_pyexec *exec;
static struct gn_pycall calls[CREW];
static PyObject *function;
static unsigned n_done;

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
    if (++n_done == CREW) {
        gn_loop_stop(loop);
    }
}

static void refused(struct gn_pycall *base, enum gn_err why)
{
    (void)base;
    cr_assert_fail("refused: %s", gn_err_name(why));
}

static const struct gn_pycall_ops ops = {.run = run, .done = done, .refused = refused};

/* Calls that end only when all are inside: so many workers must come. */
static void meet(void)
{
    gn_assert_loop_thread(loop);
    n_done = 0;
    for (unsigned i = 0; i < CREW; i++) {
        calls[i] = (struct gn_pycall){.ops = &ops};
        cr_assert_eq(gn_pyexec_submit(exec, &calls[i]), GN_OK);
    }
    gn_loop_run(loop);
}

Test(pycrew, grows_retires_and_grows_again)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();
    PyGILState_STATE gil;

    options.min_threads = 1;
    options.max_threads = CREW;
    options.idle_ms = 10;
    gn_test_python_start("import threading\n"
                         "barrier = threading.Barrier(4)\n"
                         "names = set()\n"
                         "def meet():\n"
                         "    names.add(threading.current_thread().name)\n"
                         "    barrier.wait()\n");
    function = gn_test_python_value("meet");
    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    exec = gn_pyexec_create(loop, &options);
    gn_py_host_release_gil(gn_test_python_host());
    for (unsigned round = 1; round <= 3; round++) {
        meet();
        cr_assert_eq(gn_pyexec_stats(exec).threads, CREW);
        while (gn_pyexec_stats(exec).threads > options.min_threads) {
            gn_loop_run_once(loop);
        }
    }
    gil = PyGILState_Ensure();
    cr_assert(gn_test_python_is("all(name.startswith('gustnado-') for name in names)"));
    /* The one that stayed, and the new ones of each round. */
    cr_assert(gn_test_python_is("len(names) == 1 + 3 * 3"));
    PyGILState_Release(gil);

    cr_assert_eq(gn_pyexec_stop(exec, gn_deadline_after_ms(gn_clock_now(), 20000)), GN_OK);
    gn_py_host_take_gil(gn_test_python_host(), gn_deadline_after_ms(gn_clock_now(), 20000));
    gn_assert_gil();
    gn_pyexec_destroy(&exec);
    Py_CLEAR(function);
    cr_assert(gn_test_python_is("threading.enumerate() == [threading.main_thread()]"));
    gn_test_python_stop();
    gn_loop_destroy(&loop);
}

Test(pycrew, tries_once_a_second_while_no_thread_can_be_had)
{
    const struct gn_pyexec_options options = gn_pyexec_options_default();
    struct exec_call call;

    exec_begin(&options,
            "import threading\n"
            "start, n_tried = threading.Thread.start, 0\n"
            "def refuse(self):\n"
            "    global n_tried\n"
            "    n_tried += 1\n"
            "    raise RuntimeError(\"can't start new thread\")\n"
            "threading.Thread.start = refuse\n"
            "def work(): return 7\n");
    gn_assert_loop_thread(exec_loop);
    exec_submit(&call, "work");
    exec_await_log("a Python worker could not be started");
    cr_assert(exec_log_has("can't start new thread"));
    exec_run_for(300);
    exec_python("assert n_tried <= 2, n_tried\n" /* a busy machine may take its second */
                "threading.Thread.start = start\n");
    exec_await(&call.is_done);
    cr_assert_eq(call.result, 7, "it had to wait, no more");
    exec_end(&call, 1);
}
