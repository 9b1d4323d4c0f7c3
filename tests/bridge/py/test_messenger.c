/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <unistd.h>

#include "bridge/py/messenger.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"

struct errand {
    struct gn_errand base;
    unsigned n_run;
    unsigned n_done;
    unsigned place;
};

static struct gn_loop *loop;
static struct gn_messenger *messenger;
static struct errand errands[3];
static unsigned n_run;
static PyThreadState *python;

static void run(struct gn_errand *base)
{
    struct errand *errand = GN_CONTAINER_OF(base, struct errand, base);

    gn_assert_gil();
    errand->n_run++;
    errand->place = n_run++;
}

static void done(struct gn_errand *base)
{
    GN_CONTAINER_OF(base, struct errand, base)->n_done++;
}

static void begin(void)
{
    gn_test_python_start("");
    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    messenger = gn_messenger_create(loop);
    for (unsigned i = 0; i < GN_ARRAY_LEN(errands); i++) {
        errands[i] = (struct errand){.base = {.run = run, .done = done}};
    }
}

static void end(void)
{
    gn_loop_destroy(&loop);
    PyEval_RestoreThread(python);
    gn_test_python_stop();
}

static void await_done(const struct errand *errand, unsigned n)
{
    while (errand->n_done < n) {
        gn_loop_run_once(loop);
        (void)usleep(500);
    }
}

Test(messenger, runs_errands_in_order_under_the_gil)
{
    begin();
    python = PyEval_SaveThread();
    gn_assert_loop_thread(loop);
    for (unsigned i = 0; i < 3; i++) {
        gn_messenger_send(messenger, &errands[i].base);
    }
    for (unsigned i = 0; i < 3; i++) {
        await_done(&errands[i], 1);
        cr_assert_eq(errands[i].n_run, 1);
        cr_assert_eq(errands[i].place, i);
        cr_assert(gn_errand_has_run(&errands[i].base));
    }
    gn_messenger_send(messenger, &errands[0].base);
    await_done(&errands[0], 2);
    cr_assert_eq(errands[0].n_run, 2);
    cr_assert_eq(gn_messenger_waits_since(messenger), 0);
    cr_assert(gn_messenger_end(&messenger, gn_deadline_after_ms(gn_clock_now(), 20000)));
    end();
}

Test(messenger, says_that_it_waits_and_what_is_cancelled_does_not_run)
{
    begin(); /* the test has the GIL */
    gn_assert_loop_thread(loop);
    gn_messenger_send(messenger, &errands[0].base);
    gn_messenger_send(messenger, &errands[1].base);
    while (gn_messenger_waits_since(messenger) == 0) {
        (void)usleep(500);
    }
    cr_assert(gn_messenger_waits_since(messenger) <= gn_clock_now());
    cr_assert(gn_errand_cancel(&errands[0].base));
    cr_assert_not(gn_errand_cancel(&errands[0].base), "twice");
    gn_loop_run_once(loop);
    cr_assert_eq(errands[0].n_done, 0, "it is out yet");
    python = PyEval_SaveThread();
    await_done(&errands[0], 1);
    await_done(&errands[1], 1);
    cr_assert_eq(errands[0].n_run, 0);
    cr_assert_not(gn_errand_has_run(&errands[0].base));
    cr_assert_eq(errands[1].n_run, 1);
    cr_assert_not(gn_errand_cancel(&errands[1].base), "too late");
    cr_assert(gn_messenger_end(&messenger, gn_deadline_after_ms(gn_clock_now(), 20000)));
    end();
}

Test(messenger, is_left_behind_when_it_does_not_get_the_gil)
{
    struct gn_messenger *left = NULL;

    begin();
    left = messenger;
    gn_assert_loop_thread(loop);
    gn_messenger_send(messenger, &errands[0].base);
    while (gn_messenger_waits_since(messenger) == 0) {
        (void)usleep(500);
    }
    cr_assert_not(gn_messenger_end(&messenger, gn_deadline_after_ms(gn_clock_now(), 50)));
    cr_assert_null(messenger);
    python = PyEval_SaveThread(); /* now it ends by itself */
    await_done(&errands[0], 1);
    cr_assert_eq(errands[0].n_run, 1);
    cr_assert(gn_messenger_end(&left, gn_deadline_after_ms(gn_clock_now(), 20000)));
    end();
}

Test(messenger, without_errands_there_is_no_thread)
{
    begin();
    python = PyEval_SaveThread();
    gn_assert_loop_thread(loop);
    cr_assert(gn_messenger_end(&messenger, 0));
    end();
}
