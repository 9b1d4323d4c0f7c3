/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <signal.h>
#include <unistd.h>

#include "bridge/py/look.h"
#include "bridge/py/messenger.h"
#include "bridge/py/sampler.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"

static struct gn_loop *loop;
static struct gn_messenger *messenger;
static struct gn_sampler *sampler;
static PyThreadState *python; /* while the GIL is free */
static unsigned n_looked;
static bool is_gil_off;

static void looked(struct gn_look *look, void *arg)
{
    (void)look;
    (void)arg;
    n_looked++;
}

/* A thread waits in somewhere(); the test has the GIL. */
static void begin(bool has_sampler)
{
    gn_test_python_start("import threading\n"
                         "gate = threading.Event()\n"
                         "entered = threading.Event()\n"
                         "def somewhere():\n"
                         "    entered.set()\n"
                         "    gate.wait()\n"
                         "thread = threading.Thread(target=somewhere)\n"
                         "thread.start()\n"
                         "entered.wait()\n");
    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    gn_assert_gil();
    messenger = gn_messenger_create(loop);
    sampler = has_sampler ? gn_sampler_create(loop, SIGURG) : NULL;
}

GN_LOOP_THREAD static struct gn_look *start(void)
{
    struct gn_look *look = gn_look_create(&(struct gn_look_options){.loop = loop,
                                                  .messenger = messenger,
                                                  .sampler = sampler,
                                                  .is_gil_off = is_gil_off,
                                                  .fn = looked},
            1);
    struct gn_look_target *target = gn_look_target(look, 0);

    target->python_thread = (unsigned long)gn_test_python_long("thread.ident");
    target->thread = (pid_t)gn_test_python_long("thread.native_id");
    n_looked = 0;
    gn_look_start(look);
    cr_assert_eq(n_looked, 0, "never at once");
    return look;
}

static void await_looked(void)
{
    while (n_looked == 0) {
        gn_loop_run_once(loop);
        (void)usleep(500);
    }
    cr_assert_eq(n_looked, 1);
}

static bool has(struct gn_look *look, const char *text)
{
    struct gn_slice stack = gn_buf_slice(&gn_look_target(look, 0)->stack);

    return stack.len > 0 && memmem(stack.ptr, stack.len, text, strlen(text)) != NULL;
}

static void end(void)
{
    if (python == NULL) {
        python = PyEval_SaveThread();
    }
    gn_assert_loop_thread(loop);
    gn_sampler_destroy(&sampler);
    cr_assert(gn_messenger_end(&messenger, gn_deadline_after_ms(gn_clock_now(), 20000)));
    gn_loop_run_once(loop);
    gn_loop_destroy(&loop);
    PyEval_RestoreThread(python);
    gn_test_python_run("gate.set(); thread.join()");
    gn_test_python_stop();
}

Test(look, asks_python_while_it_can)
{
    struct gn_look *look;

    begin(true);
    gn_assert_loop_thread(loop);
    look = start();
    python = PyEval_SaveThread();
    await_looked();
    /* Source text is what only Python adds; a busy machine may have needed the signal. */
    cr_assert(has(look, "in somewhere"));
    gn_look_destroy(&look);
    cr_assert_null(look);
    end();
}

Test(look, sends_a_signal_while_the_gil_is_held)
{
    struct gn_look *look;

    begin(true);
    gn_assert_loop_thread(loop);
    look = start();
    await_looked(); /* the test has the GIL all the time */
    cr_assert(gn_look_was_without_gil(look));
    cr_assert(has(look, "Stack (most recent call first)"));
    cr_assert(has(look, "in somewhere\n"));
    gn_look_destroy(&look);
    end();
}

Test(look, asks_threads_at_once_where_they_run_without_a_gil)
{
    struct gn_look *look;

    begin(true);
    gn_assert_loop_thread(loop);
    is_gil_off = true;
    look = start();
    await_looked();
    cr_assert_not(gn_look_was_without_gil(look));
    cr_assert(has(look, "in somewhere\n"));
    gn_look_destroy(&look);
    end();
}

Test(look, says_nothing_without_either)
{
    struct gn_look *look;

    begin(false);
    gn_assert_loop_thread(loop);
    look = start();
    await_looked();
    cr_assert(gn_look_was_without_gil(look));
    cr_assert_eq(gn_look_target(look, 0)->stack.len, 0);
    gn_look_destroy(&look);
    end();
}

Test(look, may_be_destroyed_at_any_time)
{
    static const unsigned turns_ms[] = {0, 10, GN_LOOK_MS + 1};

    begin(true);
    gn_assert_loop_thread(loop);
    for (unsigned i = 0; i < GN_ARRAY_LEN(turns_ms); i++) {
        struct gn_look *look = start();
        gn_deadline until = gn_deadline_after_ms(gn_clock_now(), turns_ms[i]);

        while (gn_clock_now() < until) {
            gn_loop_run_once(loop);
        }
        if (n_looked == 0) {
            gn_look_destroy(&look);
            cr_assert_eq(n_looked, 0);
        }
        gn_look_destroy(&look);
    }
    end(); /* leaks would show */
}
