/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <signal.h>
#include <stdio.h>

#include "bridge/py/dump.h"
#include "bridge/py/late.h"
#include "server/base/slice.h"
#include "tests/bridge/py/exec_fixture.h"
#include "tests/support/test.h"

static char text[1 << 16];
static bool is_dumped;

static void dumped(void *arg, struct gn_slice dump)
{
    (void)arg;
    cr_assert_lt(dump.len, sizeof(text));
    memcpy(text, dump.ptr, dump.len);
    text[dump.len] = '\0';
    is_dumped = true;
}

GN_LOOP_THREAD static void dump(void)
{
    is_dumped = false;
    (void)gn_pydump_start(exec_under_test, dumped, NULL);
    cr_assert_not(is_dumped, "never at once");
    exec_await(&is_dumped);
}

static void assert_has(const char *what)
{
    cr_assert_not_null(strstr(text, what), "%s is not in\n%s", what, text);
}

#define SOURCE                                                                                     \
    "import threading, time\n"                                                                     \
    "entered = threading.Event()\n"                                                                \
    "gate = threading.Event()\n"                                                                   \
    "def nothing(): pass\n"                                                                        \
    "def wait():\n"                                                                                \
    "    entered.set()\n"                                                                          \
    "    gate.wait()\n"                                                                            \
    "def spin():\n"                                                                                \
    "    entered.set()\n"                                                                          \
    "    while not gate.is_set(): pass\n"                                                          \
    "def hold():\n"                                                                                \
    "    time.sleep(0.2)\n"                                                                        \
    "    hold_gil(2500)\n"

static struct gn_pyexec_options usual(void)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.max_threads = 2;
    options.stuck_ms = 50;
    options.stack_signal = SIGURG;
    return options;
}

GN_LOOP_THREAD static void begin_waiting(struct exec_call *call)
{
    exec_submit(call, "wait");
    exec_await_python("entered.is_set()");
}

Test(dump, says_what_each_worker_does)
{
    const struct gn_pyexec_options options = usual();
    struct exec_call calls[2];

    exec_begin(&options, SOURCE);
    gn_assert_loop_thread(exec_loop);
    dump();
    assert_has("workers: 0 of at most 2, 0 in a call, 0 stuck; 0 calls wait\n");
    exec_submit(&calls[0], "nothing");
    exec_await(&calls[0].is_done);
    exec_run_for(20);
    dump();
    assert_has("\nworker gustnado-1: idle\n");
    begin_waiting(&calls[0]);
    dump();
    assert_has("\nworker gustnado-1: waiting, for 0.");
    assert_has(" s in call of wait, which had queued ");
    assert_has("in wait\n");
    assert_has("GIL: ");
    gn_pyexec_late(exec_under_test, &calls[0].base, GN_LIT("a call"));
    exec_await_log("is stuck");
    exec_python("entered.clear()");
    exec_submit(&calls[1], "spin");
    exec_await_python("entered.is_set()");
    do { /* others may have the processors in that very moment */
        dump();
        assert_has("workers: 2 of at most 2, 2 in a call, 1 stuck; 0 calls wait\n");
        assert_has("\nworker gustnado-1: stuck, for ");
    } while (strstr(text, "\nworker gustnado-2: running, for ") == NULL);
    assert_has("in spin\n");
    exec_python("gate.set()");
    exec_await(&calls[0].is_done);
    exec_await(&calls[1].is_done);
    exec_end(calls, 2);
}

Test(dump, needs_no_gil_and_shows_who_may_hold_it)
{
    const struct gn_pyexec_options options = usual();
    struct exec_call call;

    exec_begin(&options, SOURCE);
    gn_assert_loop_thread(exec_loop);
    begin_waiting(&call);
    exec_python("thread = threading.Thread(target=hold)\n"
                "thread.start()\n");
    exec_run_for(600);
    dump();
    assert_has("GIL: has not moved for ");
    assert_has("\nworker gustnado-1: waiting, for ");
    assert_has("in wait\n");
    assert_has(" of the application (");
    assert_has("in hold\n");
    exec_python("thread.join()\n"
                "gate.set()\n");
    exec_await(&call.is_done);
    exec_end(&call, 1);
}

Test(dump, may_be_cancelled_at_any_time)
{
    const struct gn_pyexec_options options = usual();
    struct exec_call call;

    exec_begin(&options, SOURCE);
    gn_assert_loop_thread(exec_loop);
    begin_waiting(&call);
    for (unsigned ms = 0; ms < 25; ms += 4) {
        struct gn_pydump *dump = gn_pydump_start(exec_under_test, dumped, NULL);

        is_dumped = false;
        exec_run_for(ms);
        if (is_dumped) {
            break;
        }
        gn_pydump_cancel(&dump);
        cr_assert_null(dump);
        gn_pydump_cancel(&dump);
        exec_run_for(10);
        cr_assert_not(is_dumped);
    }
    exec_python("gate.set()");
    exec_await(&call.is_done);
    exec_end(&call, 1);
}
