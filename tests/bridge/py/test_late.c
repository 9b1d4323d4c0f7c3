/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "bridge/py/late.h"
#include "tests/bridge/py/exec_fixture.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"

#define WHAT GN_LIT("GET /x from somebody")

static struct gn_pyexec_options usual(int64_t stuck_ms, unsigned max_threads)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.stuck_ms = stuck_ms;
    options.max_threads = max_threads;
    options.stack_signal = SIGURG;
    return options;
}

/* Begins a call of `name`, which sets `entered`, and says that it is late. */
GN_LOOP_THREAD static void begin_late(struct exec_call *call, const char *name)
{
    exec_submit(call, name);
    exec_await_python("entered.is_set()");
    gn_pyexec_late(exec_under_test, &call->base, WHAT);
}

#define ENTERED "import threading, time\nentered = threading.Event()\ngate = threading.Event()\n"
#define WAITS ENTERED "def wait():\n    entered.set()\n    gate.wait()\n"

Test(late, raises_once_and_in_the_call_alone)
{
    const struct gn_pyexec_options options = usual(0, 1);
    struct exec_call calls[2];

    exec_begin(&options,
            ENTERED "n = 0\n"
                    "def spin():\n"
                    "    global n\n"
                    "    try:\n"
                    "        entered.set()\n"
                    "        while True: pass\n"
                    "    except TimeoutError:\n"
                    "        n += 1\n"
                    "    for i in range(100000): pass\n"
                    "    return 7\n"
                    "def next_one():\n"
                    "    for i in range(100000): pass\n"
                    "    return 8\n");
    gn_assert_loop_thread(exec_loop);
    begin_late(&calls[0], "spin");
    exec_submit(&calls[1], "next_one");
    exec_await(&calls[1].is_done);
    cr_assert_eq(calls[0].result, 7);
    cr_assert_eq(calls[1].result, 8);
    exec_await_python("n == 1");
    exec_await_log("no answer within the timeout: GET /x from somebody, queued ");
    cr_assert(exec_log_has(" on gustnado-1; it is in\n"));
    cr_assert(exec_log_has("in spin\n"));
    exec_await_log("GET /x from somebody ended ");
    cr_assert_not(exec_log_has("stuck"));
    exec_end(calls, 2);
}

/* The first call leaves by C code alone, so that the exception is never met there. */
static atomic_bool may_leave;

static void wait_in_c(void *arg)
{
    (void)arg;
    while (!atomic_load(&may_leave)) {
        (void)usleep(500);
    }
}

static void run_in_c(struct gn_pycall *base)
{
    gn_assert_gil();
    gn_pyexec_without_gil(exec_under_test, wait_in_c, NULL);
    (void)base;
}

static bool is_c_done;

static void c_done(struct gn_pycall *base)
{
    (void)base;
    is_c_done = true;
}

static void c_refused(struct gn_pycall *base, enum gn_err why)
{
    (void)base;
    (void)why;
    cr_assert_fail("refused");
}

Test(late, withdraws_what_the_call_did_not_meet)
{
    static const struct gn_pycall_ops in_c = {
            .run = run_in_c, .done = c_done, .refused = c_refused};
    const struct gn_pyexec_options options = usual(0, 1);
    struct gn_pycall first = {.ops = &in_c};
    struct exec_call next;

    exec_begin(&options, "def work():\n    return sum(range(100000)) and 5\n");
    gn_assert_loop_thread(exec_loop);
    cr_assert_eq(gn_pyexec_submit(exec_under_test, &first), GN_OK);
    while (gn_pyexec_stats(exec_under_test).busy == 0) {
        gn_loop_run_once(exec_loop);
    }
    gn_pyexec_late(exec_under_test, &first, WHAT);
    exec_await_log("no answer within");
    exec_run_for(50); /* the exception is set now, or is about to be; either must be harmless */
    exec_submit(&next, "work");
    atomic_store(&may_leave, true);
    exec_await(&next.is_done);
    cr_assert(is_c_done);
    cr_assert_eq(next.result, 5);
    exec_end(&next, 1);
}

/* Until leave() has been entered and left, without a turn of the loop. */
GN_LOOP_THREAD static void await_left_alone(void)
{
    bool is_entered = false;

    while (!is_entered || gn_pyexec_stats(exec_under_test).busy > 0) {
        PyGILState_STATE gil = PyGILState_Ensure();

        is_entered = gn_test_python_is("entered.is_set()");
        PyGILState_Release(gil);
        (void)usleep(500);
    }
}

Test(late, says_so_when_the_call_has_just_ended)
{
    const struct gn_pyexec_options options = usual(0, 1);
    struct exec_call call;

    exec_begin(&options, ENTERED "def leave():\n    entered.set()\n    return 3\n");
    gn_assert_loop_thread(exec_loop);
    exec_submit(&call, "leave");
    gn_loop_run_once(exec_loop); /* it is published; from here on the loop does not look */
    await_left_alone();
    gn_pyexec_late(exec_under_test, &call.base, WHAT);
    cr_assert(exec_log_has("and has just ended"));
    exec_await(&call.is_done);
    cr_assert_eq(call.result, 3);
    exec_end(&call, 1);
}

/* ---- stuck workers ----------------------------------------------------------------- */

static unsigned n_exhausted;
static bool is_exhausted;

static void exhausted(void *arg)
{
    (void)arg;
    n_exhausted++;
    is_exhausted = true;
}

Test(late, counts_a_stuck_worker_and_replaces_it)
{
    struct gn_pyexec_options options = usual(100, 2);
    struct exec_call calls[2];

    options.exhausted = exhausted;
    exec_begin(&options, WAITS "def free(): return 1\n");
    gn_assert_loop_thread(exec_loop);
    begin_late(&calls[0], "wait");
    exec_await_log("worker gustnado-1 is stuck: GET /x from somebody has not ended 0.1 s after its "
                   "timeout; 1 of at most 2 workers are stuck");
    cr_assert_eq(gn_pyexec_stats(exec_under_test).stuck, 1);
    exec_submit(&calls[1], "free");
    exec_await(&calls[1].is_done);
    cr_assert_eq(n_exhausted, 0);
    exec_python("gate.set()");
    exec_await_log("worker gustnado-1 is back: GET /x from somebody ended ");
    cr_assert_eq(gn_pyexec_stats(exec_under_test).stuck, 0);
    exec_end(calls, 2);
}

Test(late, tells_when_all_are_stuck)
{
    struct gn_pyexec_options options = usual(500, 2);
    struct exec_call calls[2];

    options.exhausted = exhausted;
    exec_begin(&options, WAITS);
    gn_assert_loop_thread(exec_loop);
    begin_late(&calls[0], "wait");
    exec_await_log("1 of at most 2 workers are stuck");
    cr_assert_eq(n_exhausted, 0);
    exec_python("entered.clear()");
    begin_late(&calls[1], "wait");
    exec_await_log("2 of at most 2 workers are stuck");
    exec_await(&is_exhausted);
    cr_assert_eq(n_exhausted, 1);
    exec_python("gate.set()");
    exec_await(&calls[0].is_done);
    exec_await(&calls[1].is_done);
    exec_end(calls, 2);
}

Test(late, one_that_keeps_the_gil_is_enough)
{
    struct gn_pyexec_options options = usual(1000, 8);
    struct exec_call call;

    options.exhausted = exhausted;
    exec_begin(&options,
            ENTERED "def hold():\n"
                    "    entered.set()\n"
                    "    time.sleep(0.2)\n" /* for the test to see it */
                    "    hold_gil(3000)\n");
    gn_assert_loop_thread(exec_loop);
    exec_submit(&call, "hold");
    exec_await_python("entered.is_set()");
    exec_run_for(700);
    gn_pyexec_late(exec_under_test, &call.base, WHAT);
    exec_await_log(", while the GIL cannot be had; it is in\n");
    cr_assert(exec_log_has("in hold\n"));
    exec_await_log("worker gustnado-1 is stuck: GET /x from somebody has not ended 1 s after its "
                   "timeout, and the GIL could not be had since; 1 of at most 8 workers");
    exec_await(&is_exhausted);
    cr_assert_eq(n_exhausted, 1);
    exec_await(&call.is_done);
    cr_assert_eq(call.result, -1, "TimeoutError came when the GIL was let go");
    exec_end(&call, 1);
}

Test(late, without_a_limit_nobody_is_stuck)
{
    const struct gn_pyexec_options options = usual(0, 1);
    struct exec_call call;

    exec_begin(&options, WAITS);
    gn_assert_loop_thread(exec_loop);
    begin_late(&call, "wait");
    exec_await_log("no answer within the timeout");
    exec_run_for(300);
    cr_assert_eq(gn_pyexec_stats(exec_under_test).stuck, 0);
    exec_python("gate.set()");
    exec_await(&call.is_done);
    exec_end(&call, 1);
}
