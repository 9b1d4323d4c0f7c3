/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <stdatomic.h>
#include <time.h>

#include "bridge/py/pyexec.h"
#include "server/base/log.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"

#define N_CALLS 64

/* A call that calls a Python function and remembers what became of it. */
struct call {
    struct gn_pycall base;
    PyObject *function;
    long result; /* -1: it raised */
    unsigned n_done;
    unsigned n_refused;
    enum gn_err why;
    unsigned place; /* in the order of being done */
};

static struct gn_loop *loop;
static struct gn_pyexec *exec;
static struct call calls[N_CALLS];
static unsigned n_over;

static void run(struct gn_pycall *base)
{
    struct call *call = GN_CONTAINER_OF(base, struct call, base);
    PyObject *value = PyObject_CallNoArgs(call->function);

    gn_assert_gil();
    call->result = value != NULL && PyLong_Check(value) ? PyLong_AsLong(value) : -1;
    Py_XDECREF(value);
    PyErr_Clear();
}

static void done(struct gn_pycall *base)
{
    struct call *call = GN_CONTAINER_OF(base, struct call, base);

    call->n_done++;
    call->place = n_over++;
}

static void refused(struct gn_pycall *base, enum gn_err why)
{
    struct call *call = GN_CONTAINER_OF(base, struct call, base);

    call->n_refused++;
    call->why = why;
    n_over++;
}

static const struct gn_pycall_ops ops = {.run = run, .done = done, .refused = refused};

static void begin(struct gn_pyexec_options options, const char *source)
{
    gn_test_python_start(source);
    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    exec = gn_pyexec_create(loop, &options);
}

/* All `n` calls call `name`; the GIL is held. */
static void prepare(unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++) {
        calls[i] = (struct call){.base.ops = &ops, .function = gn_test_python_value(name)};
    }
}

GN_LOOP_THREAD static void submit(unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i++) {
        cr_assert_eq(gn_pyexec_submit(exec, &calls[i].base), GN_OK);
    }
}

static void release(void)
{
    gn_py_host_release_gil(gn_test_python_host());
}

static void stop_when_over(struct gn_turn_hook *hook)
{
    (void)hook;
    gn_assert_loop_thread(loop);
    gn_loop_stop(loop);
}

static unsigned awaited;
static struct gn_turn_hook watch;

static void check_over(struct gn_turn_hook *hook)
{
    if (n_over >= awaited) {
        stop_when_over(hook);
    }
}

/* Runs the loop until `n` calls in all are over. */
GN_LOOP_THREAD static void await_over(unsigned n)
{
    awaited = n;
    watch.fn = check_over;
    gn_loop_add_turn_hook(loop, &watch);
    gn_loop_run(loop);
    gn_loop_remove_turn_hook(&watch);
}

static void end(unsigned n)
{
    cr_assert_eq(gn_pyexec_stop(exec, gn_deadline_after_ms(gn_clock_now(), 20000)), GN_OK);
    gn_py_host_take_gil(gn_test_python_host(), gn_deadline_after_ms(gn_clock_now(), 20000));
    gn_assert_gil();
    gn_pyexec_destroy(&exec);
    cr_assert_null(exec);
    for (unsigned i = 0; i < n; i++) {
        Py_CLEAR(calls[i].function);
    }
    gn_test_python_stop();
    gn_loop_destroy(&loop);
}

Test(pyexec, runs_each_call_once_and_in_order)
{
    begin(gn_pyexec_options_default(),
            "n = 0\n"
            "def count():\n"
            "    global n\n"
            "    n += 1\n"
            "    return n\n");
    prepare(N_CALLS, "count");
    release();
    gn_assert_loop_thread(loop);
    submit(0, N_CALLS);
    cr_assert_eq(n_over, 0);
    await_over(N_CALLS);
    for (unsigned i = 0; i < N_CALLS; i++) {
        cr_assert_eq(calls[i].n_done, 1);
        cr_assert_eq(calls[i].result, (long)i + 1);
        cr_assert_eq(calls[i].place, i);
        cr_assert(calls[i].base.queued_at <= calls[i].base.started_at);
        cr_assert(calls[i].base.started_at <= calls[i].base.ended_at);
    }
    end(N_CALLS);
}

Test(pyexec, does_not_wake_a_worker_per_call)
{
    struct gn_pyexec_stats stats;

    begin(gn_pyexec_options_default(), "def nothing(): pass\n");
    prepare(N_CALLS, "nothing");
    release();
    gn_assert_loop_thread(loop);
    submit(0, N_CALLS);
    await_over(N_CALLS);
    stats = gn_pyexec_stats(exec);
    cr_assert_eq(stats.completed, N_CALLS);
    /* One, unless the machine is so busy that the worker seems to wait for something. */
    cr_assert_leq(stats.threads, 3);
    cr_assert_leq(stats.wakeups, 3);
    end(N_CALLS);
}

static atomic_bool is_released;

/* Waits, as a call of the application might, until somebody lets it go. */
static void run_until_released(struct gn_pycall *base)
{
    struct timespec pause = {.tv_nsec = 100000};

    (void)base;
    Py_BEGIN_ALLOW_THREADS;
    while (!atomic_load(&is_released)) {
        (void)nanosleep(&pause, NULL);
    }
    Py_END_ALLOW_THREADS;
}

static void release_when_done(struct gn_pycall *base)
{
    done(base);
    atomic_store(&is_released, true);
}

/* A worker may tell the loop of several calls together, not keep one for as long as another takes.
 */
Test(pyexec, hands_back_what_ended_before_a_call_that_takes_long, .timeout = 60)
{
    static const struct gn_pycall_ops slow = {
            .run = run_until_released, .done = done, .refused = refused};
    static const struct gn_pycall_ops before = {
            .run = run, .done = release_when_done, .refused = refused};
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.max_threads = 1;
    begin(options, "def nothing(): pass\n");
    prepare(N_CALLS, "nothing");
    calls[N_CALLS / 2 - 1].base.ops = &before;
    calls[N_CALLS / 2].base.ops = &slow;
    release();
    gn_assert_loop_thread(loop);
    submit(0, N_CALLS);
    await_over(N_CALLS);
    cr_assert_eq(calls[N_CALLS - 1].n_done, 1);
    end(N_CALLS);
}

Test(pyexec, survives_whatever_a_call_raises)
{
    begin(gn_pyexec_options_default(),
            "import sys\n"
            "def leave(): sys.exit(3)\n"
            "def interrupt(): raise KeyboardInterrupt\n"
            "def one(): return 1\n");
    prepare(3, "leave");
    Py_DECREF(calls[1].function);
    calls[1].function = gn_test_python_value("interrupt");
    Py_DECREF(calls[2].function);
    calls[2].function = gn_test_python_value("one");
    release();
    gn_assert_loop_thread(loop);
    submit(0, 3);
    await_over(3);
    cr_assert_eq(calls[0].result, -1);
    cr_assert_eq(calls[1].result, -1);
    cr_assert_eq(calls[2].result, 1);
    end(3);
}

static void run_untidy(struct gn_pycall *base)
{
    (void)base;
    PyErr_SetString(PyExc_ValueError, "left behind");
}

static atomic_uint n_logged;

static void count_lines(void *arg, enum gn_log_level level, struct gn_slice line)
{
    (void)arg;
    (void)level;
    (void)line;
    atomic_fetch_add(&n_logged, 1);
}

Test(pyexec, clears_and_logs_an_exception_left_behind)
{
    static const struct gn_pycall_ops untidy = {
            .run = run_untidy, .done = done, .refused = refused};

    begin(gn_pyexec_options_default(), "def one(): return 1\n");
    prepare(2, "one");
    calls[0].base.ops = &untidy;
    release();
    gn_assert_loop_thread(loop);
    gn_log_set_sink(count_lines, NULL);
    submit(0, 2);
    await_over(2);
    gn_log_set_sink(NULL, NULL);
    cr_assert_eq(atomic_load(&n_logged), 1);
    cr_assert_eq(calls[1].result, 1);
    end(2);
}

/* ---- waiting ------------------------------------------------------------------- */

Test(pyexec, wakes_others_when_runners_wait)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();

    /* Nobody gets past the barrier unless all are inside at once. */
    options.max_threads = 16;
    begin(options,
            "import threading\n"
            "barrier = threading.Barrier(16)\n"
            "def meet():\n"
            "    barrier.wait()\n"
            "    return 1\n");
    prepare(16, "meet");
    release();
    gn_assert_loop_thread(loop);
    submit(0, 16);
    await_over(16);
    for (unsigned i = 0; i < 16; i++) {
        cr_assert_eq(calls[i].result, 1);
    }
    cr_assert_eq(gn_pyexec_stats(exec).threads, 16);
    end(16);
}

Test(pyexec, a_computing_call_does_not_shut_others_out)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();

    /* The first computes until the second has run. */
    options.max_threads = 4;
    begin(options,
            "flag = False\n"
            "def spin():\n"
            "    while not flag: pass\n"
            "    return 1\n"
            "def free():\n"
            "    global flag\n"
            "    flag = True\n"
            "    return 2\n");
    prepare(2, "spin");
    Py_DECREF(calls[1].function);
    calls[1].function = gn_test_python_value("free");
    release();
    gn_assert_loop_thread(loop);
    submit(0, 2);
    await_over(2);
    cr_assert_eq(calls[0].result, 1);
    cr_assert_eq(calls[1].result, 2);
    end(2);
}

static atomic_bool may_go_on;

static void block_until_told(void *arg)
{
    (void)arg;
    while (!atomic_load(&may_go_on)) {
        (void)usleep(100);
    }
}

static void run_blocking(struct gn_pycall *base)
{
    (void)base;
    gn_assert_gil();
    gn_pyexec_without_gil(exec, block_until_told, NULL);
}

static void run_telling(struct gn_pycall *base)
{
    (void)base;
    atomic_store(&may_go_on, true);
}

Test(pyexec, replaces_a_worker_that_says_it_blocks)
{
    static const struct gn_pycall_ops blocking = {
            .run = run_blocking, .done = done, .refused = refused};
    static const struct gn_pycall_ops telling = {
            .run = run_telling, .done = done, .refused = refused};

    begin(gn_pyexec_options_default(), "def one(): return 1\n");
    prepare(2, "one");
    calls[0].base.ops = &blocking;
    calls[1].base.ops = &telling;
    release();
    gn_assert_loop_thread(loop);
    submit(0, 2);
    await_over(2);
    cr_assert_eq(calls[1].place + calls[0].place, 1);
    end(2);
}

/* Calls that never execute bytecode: nothing in Python itself would let others in. */
static void run_nothing(struct gn_pycall *base)
{
    (void)base;
}

static void again(struct gn_pycall *base)
{
    gn_assert_loop_thread(loop);
    if (!atomic_load(&may_go_on)) {
        cr_assert_eq(gn_pyexec_submit(exec, base), GN_OK);
    } else {
        n_over++;
    }
}

static PyObject *tell(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    atomic_store(&may_go_on, true);
    Py_RETURN_NONE;
}

static PyMethodDef tell_method = {"tell", tell, METH_NOARGS, NULL};

Test(pyexec, lets_threads_of_the_application_run_beside_endless_calls)
{
    static const struct gn_pycall_ops endless = {
            .run = run_nothing, .done = again, .refused = refused};
    PyObject *function;

    begin(gn_pyexec_options_default(), "def one(): return 1\n");
    function = PyCFunction_New(&tell_method, NULL);
    cr_assert_eq(PyObject_SetAttrString(PyImport_AddModule("__main__"), "tell", function), 0);
    Py_DECREF(function);
    gn_test_python_run("import threading\n"
                       "def background():\n"
                       "    for i in range(1000000): pass\n"
                       "    tell()\n"
                       "threading.Thread(target=background).start()\n");
    prepare(32, "one");
    for (unsigned i = 0; i < 32; i++) {
        calls[i].base.ops = &endless;
    }
    release();
    gn_assert_loop_thread(loop);
    submit(0, 32);
    await_over(32);
    end(32);
}

/* ---- bounds -------------------------------------------------------------------- */

#define GATED                                                                                      \
    "import threading\n"                                                                           \
    "gate = threading.Event()\n"                                                                   \
    "entered = threading.Event()\n"                                                                \
    "def held():\n"                                                                                \
    "    entered.set()\n"                                                                          \
    "    gate.wait()\n"                                                                            \
    "    return 1\n"                                                                               \
    "def free():\n"                                                                                \
    "    gate.set()\n"

/* Submits the first call and runs turns until its worker is inside held(); on a busy machine it
   may be refused for waiting too long: then again. */
GN_LOOP_THREAD static void await_entered(void)
{
    PyGILState_STATE gil;
    bool is_entered = false;

    submit(0, 1);
    while (!is_entered) {
        gn_loop_run_once(loop);
        if (calls[0].n_refused > 0) {
            calls[0].n_refused = 0;
            n_over = 0;
            submit(0, 1);
        }
        gil = PyGILState_Ensure();
        is_entered = gn_test_python_is("entered.is_set()");
        PyGILState_Release(gil);
    }
}

static void open_gate(void)
{
    PyGILState_STATE gil = PyGILState_Ensure();

    gn_test_python_run("gate.set()");
    PyGILState_Release(gil);
}

Test(pyexec, refuses_beyond_its_bound)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.max_threads = 1;
    options.queue_calls = 4;
    begin(options, GATED);
    prepare(6, "held");
    release();
    gn_assert_loop_thread(loop);
    await_entered();
    submit(1, 2);
    gn_loop_run_once(loop);
    submit(3, 2);
    cr_assert_eq(gn_pyexec_submit(exec, &calls[5].base), GN_ERR_FULL);
    cr_assert_eq(gn_pyexec_stats(exec).queued, 4);
    cr_assert_eq(gn_pyexec_stats(exec).refused, 1);
    open_gate();
    await_over(5);
    cr_assert_eq(calls[5].n_done + calls[5].n_refused, 0);
    submit(5, 1);
    await_over(6);
    end(6);
}

Test(pyexec, refuses_who_waited_too_long)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.max_threads = 1;
    options.queue_ms = 1000; /* on a busy machine the first call needs time to start */
    begin(options, GATED);
    prepare(3, "held");
    release();
    gn_assert_loop_thread(loop);
    await_entered();
    submit(1, 2);
    await_over(2);
    for (unsigned i = 1; i < 3; i++) {
        cr_assert_eq(calls[i].n_refused, 1);
        cr_assert_eq(calls[i].why, GN_ERR_TIMEOUT);
    }
    cr_assert_eq(gn_pyexec_stats(exec).queued, 0);
    open_gate();
    await_over(3);
    cr_assert_eq(calls[0].n_done, 1);
    end(3);
}

Test(pyexec, takes_back_what_has_not_begun)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.max_threads = 1;
    begin(options, GATED);
    prepare(4, "held");
    release();
    gn_assert_loop_thread(loop);
    await_entered();
    submit(1, 1);
    gn_loop_run_once(loop);
    submit(2, 2);
    cr_assert_not(gn_pyexec_withdraw(exec, &calls[0].base));
    cr_assert(gn_pyexec_withdraw(exec, &calls[1].base), "published");
    cr_assert(gn_pyexec_withdraw(exec, &calls[2].base), "not yet published");
    cr_assert_not(gn_pyexec_withdraw(exec, &calls[2].base));
    cr_assert_eq(gn_pyexec_stats(exec).queued, 1);
    open_gate();
    await_over(2);
    cr_assert_eq(calls[0].n_done, 1);
    cr_assert_eq(calls[3].n_done, 1);
    cr_assert_eq(calls[1].n_done + calls[1].n_refused, 0);
    cr_assert_eq(calls[2].n_done + calls[2].n_refused, 0);
    cr_assert_not(gn_pyexec_withdraw(exec, &calls[0].base));
    end(4);
}

/* ---- references ---------------------------------------------------------------- */

/* A free-threaded Python frees an object on the thread that made it, when that runs again. */
#ifndef Py_GIL_DISABLED
Test(pyexec, drops_references_for_threads_without_the_gil)
{
    begin(gn_pyexec_options_default(),
            "class Thing: pass\n"
            "thing = Thing()\n"
            "import weakref, threading\n"
            "gone = threading.Event()\n"
            "ref = weakref.ref(thing, lambda r: gone.set())\n"
            "def wait(): gone.wait()\n");
    prepare(1, "wait");
    calls[0].result = 0;
    gn_pyexec_drop_later(exec, gn_test_python_value("thing"));
    gn_test_python_run("del thing");
    cr_assert_not(gn_test_python_is("gone.is_set()"));
    release();
    gn_assert_loop_thread(loop);
    /* No call runs: an idle worker is woken for this alone. */
    while (gn_pyexec_stats(exec).threads == 0) {
        gn_loop_run_once(loop);
    }
    submit(0, 1);
    await_over(1);
    end(1);
}

#endif

/* Bytes that a client was owed when everything stopped. */
Test(pyexec, drops_references_that_come_after_its_stop)
{
    void *thing;

    begin(gn_pyexec_options_default(),
            "class Thing: pass\n"
            "thing = Thing()\n"
            "import weakref\n"
            "ref = weakref.ref(thing)\n");
    thing = gn_test_python_value("thing");
    gn_test_python_run("del thing");
    release();
    gn_assert_loop_thread(loop);
    cr_assert_eq(gn_pyexec_stop(exec, gn_deadline_after_ms(gn_clock_now(), 20000)), GN_OK);
    gn_pyexec_drop_later(exec, thing);
    gn_py_host_take_gil(gn_test_python_host(), gn_deadline_after_ms(gn_clock_now(), 20000));
    gn_assert_gil();
    cr_assert(gn_test_python_is("ref() is not None"));
    gn_pyexec_destroy(&exec);
    cr_assert(gn_test_python_is("ref() is None"));
    gn_pyexec_destroy(&exec);
    gn_test_python_stop();
    gn_loop_destroy(&loop);
}

/* ---- the end ------------------------------------------------------------------- */

Test(pyexec, stops_without_ever_having_run)
{
    begin(gn_pyexec_options_default(), "def one(): return 1\n");
    prepare(1, "one");
    release();
    gn_assert_loop_thread(loop);
    submit(0, 1);
    end(1);
    cr_assert_eq(calls[0].n_refused, 1);
    cr_assert_eq(calls[0].why, GN_ERR_CLOSED);
}

Test(pyexec, stop_refuses_what_waits_and_lets_calls_end)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.max_threads = 1;
    begin(options,
            GATED "def soon():\n"
                  "    entered.set()\n"
                  "    import time\n"
                  "    time.sleep(0.05)\n"
                  "    return 7\n");
    prepare(3, "soon");
    release();
    gn_assert_loop_thread(loop);
    await_entered();
    submit(1, 1);
    gn_loop_run_once(loop);
    submit(2, 1);
    end(3);
    cr_assert_eq(calls[0].n_done, 1);
    cr_assert_eq(calls[0].result, 7);
    cr_assert_eq(calls[1].why, GN_ERR_CLOSED);
    cr_assert_eq(calls[2].why, GN_ERR_CLOSED);
}

Test(pyexec, stop_leaves_a_call_that_is_stuck)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();
    begin(options, GATED);
    prepare(1, "held");
    release();
    gn_assert_loop_thread(loop);
    await_entered();
    cr_assert_eq(gn_pyexec_stop(exec, gn_deadline_after_ms(gn_clock_now(), 20)), GN_ERR_TIMEOUT);
    cr_assert_eq(calls[0].n_done, 0);
    _exit(0); /* the worker has the executor, and Python cannot be finalised under it */
}
