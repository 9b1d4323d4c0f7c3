/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <signal.h>

#include "bridge/py/gil_watch.h"
#include "tests/bridge/py/exec_fixture.h"
#include "tests/support/test.h"

#define SOURCE                                                                                     \
    "import time\n"                                                                                \
    "def hold(): hold_gil(3000)\n"                                                                 \
    "def nap(): time.sleep(0.8)\n"                                                                 \
    "def spin():\n"                                                                                \
    "    end = time.monotonic() + 0.8\n"                                                           \
    "    while time.monotonic() < end: pass\n"

static void run(int64_t gil_watch_ms, const char *name)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();
    struct exec_call call;

    options.gil_watch_ms = gil_watch_ms;
    options.stack_signal = SIGURG;
    exec_begin(&options, SOURCE);
    exec_submit(&call, name);
    exec_await(&call.is_done);
    exec_run_for(20);
    exec_end(&call, 1);
}

Test(gil_watch, says_when_the_gil_does_not_move_and_when_it_does_again)
{
    run(300, "hold");
    cr_assert(exec_log_has("the GIL has not moved for "));
    cr_assert(exec_log_has("in hold\n"));
    cr_assert(exec_log_has("the GIL moves again, after "));
}

/* Neither who waits nor who computes in Python keeps the GIL. */
Test(gil_watch, says_nothing_while_it_moves)
{
    static const char *const names[] = {"nap", "spin"};

    for (unsigned i = 0; i < GN_ARRAY_LEN(names); i++) {
        struct gn_pyexec_options options = gn_pyexec_options_default();
        struct exec_call call;

        if (i == 0) {
            options.gil_watch_ms = 400;
            exec_begin(&options, SOURCE);
        }
        exec_submit(&call, names[i]);
        exec_await(&call.is_done);
        cr_assert_not(exec_log_has("GIL"), "%s", names[i]);
        if (i == 1) {
            exec_end(&call, 1);
        }
    }
}

Test(gil_watch, may_be_switched_off)
{
    run(0, "hold");
    cr_assert_not(exec_log_has("GIL"));
}
