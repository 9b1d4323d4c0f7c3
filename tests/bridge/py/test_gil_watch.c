/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <signal.h>

#include "bridge/py/gil_watch.h"
#include "tests/bridge/py/exec_fixture.h"
#include "tests/support/test.h"

#define SOURCE                                                                                     \
    "import time\n"                                                                                \
    "def hold(): hold_gil(3000)\n"                                                                 \
    "seconds = 0.8\n"                                                                              \
    "def nap(): time.sleep(seconds)\n"                                                             \
    "def spin():\n"                                                                                \
    "    end = time.monotonic() + seconds\n"                                                       \
    "    while time.monotonic() < end: pass\n"

/* What `hold` makes the log say comes a moment after its end: `until` is awaited, if any. */
static void run(int64_t gil_watch_ms, const char *name, const char *until)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();
    struct exec_call call;

    options.gil_watch_ms = gil_watch_ms;
    options.stack_signal = SIGURG;
    exec_begin(&options, SOURCE);
    exec_submit(&call, name);
    exec_await(&call.is_done);
    if (until != NULL) {
        exec_await_log(until);
    }
    exec_run_for(20);
    exec_end(&call, 1);
}

Test(gil_watch, says_when_the_gil_does_not_move_and_when_it_does_again)
{
    run(300, "hold", "the GIL moves again, after ");
    cr_assert(exec_log_has("the GIL has not moved for "));
    cr_assert(exec_log_has("in hold\n"));
}

/* Runs a call twice as long as the watch allows the GIL to stand still; true when it was quiet. */
static bool is_quiet(const char *name, int64_t gil_watch_ms)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();
    struct exec_call call;
    char seconds[64];

    options.gil_watch_ms = gil_watch_ms;
    exec_begin(&options, SOURCE);
    (void)snprintf(seconds, sizeof(seconds), "seconds = %lld / 500\n", (long long)gil_watch_ms);
    exec_python(seconds);
    exec_submit(&call, name);
    exec_await(&call.is_done);
    exec_end(&call, 1);
    return !exec_log_has("GIL");
}

/* Neither who waits nor who computes in Python keeps the GIL. On a busy machine the watch may not
   get a processor in time, so it gets more of it then; a false alarm would come every time. */
Test(gil_watch, says_nothing_while_it_moves)
{
    static const char *const names[] = {"nap", "spin"};

    for (unsigned i = 0; i < GN_ARRAY_LEN(names); i++) {
        int64_t gil_watch_ms = 400;

        while (!is_quiet(names[i], gil_watch_ms)) {
            cr_assert_leq(gil_watch_ms, 10000, "%s", names[i]);
            gil_watch_ms *= 2;
        }
    }
}

Test(gil_watch, may_be_switched_off)
{
    run(0, "hold", NULL);
    cr_assert_not(exec_log_has("GIL"));
}
