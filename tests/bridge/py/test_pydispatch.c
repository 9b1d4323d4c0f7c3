/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/late.h"
#include "bridge/py/pystats.h"
#include "tests/bridge/py/exec_fixture.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"
#include "bridge/py/pyexec_priv.h"

/*
 * Rule 8 with real threads: who runs beside whom, not how fast. Calls hold a
 * gate each until they are let go, so nothing depends on how busy the machine is.
 */

#define N_CALLS 24
#define DEAR_KEY 0x101
#define CHEAP_KEY 0x203

struct call {
    struct gn_pycall base;
    const char *function;
    unsigned n_done;
};

static struct gn_loop *loop;
static struct gn_pyexec *exec;
static struct call calls[N_CALLS];
static unsigned n_over;

static void run(struct gn_pycall *base)
{
    struct call *call = GN_CONTAINER_OF(base, struct call, base);
    PyObject *main = PyImport_AddModule("__main__");
    PyObject *result = PyObject_CallMethod(main, call->function, NULL);

    gn_assert_gil();
    if (result == NULL) {
        PyErr_Print();
    }
    Py_XDECREF(result);
}

static void done(struct gn_pycall *base)
{
    GN_CONTAINER_OF(base, struct call, base)->n_done++;
    n_over++;
}

static void refused(struct gn_pycall *base, enum gn_err why)
{
    (void)base;
    (void)why;
    cr_assert_fail("refused");
}

static void describe(struct gn_pycall *base, struct gn_buf *into)
{
    const char *name = GN_CONTAINER_OF(base, struct call, base)->function;

    (void)!gn_buf_append(into, gn_slice_str(name));
}

static const struct gn_pycall_ops ops = {
        .run = run, .done = done, .refused = refused, .describe_kind = describe};

static const char source[] = "import sys, threading, time\n"
                             "lock = threading.Lock()\n"
                             "inside = most = longest = 0\n"
                             "gate = threading.Event()\n"
                             "def cheap(): pass\n"
                             "def sleep():\n"
                             "    time.sleep(0.02)\n"
                             "def burn():\n"
                             "    end = time.thread_time() + 0.02\n"
                             "    while time.thread_time() < end: pass\n"
                             "def enter():\n"
                             "    global inside, most\n"
                             "    with lock:\n"
                             "        inside += 1\n"
                             "        most = max(most, inside)\n"
                             "def leave():\n"
                             "    global inside\n"
                             "    with lock: inside -= 1\n"
                             "def held():\n"
                             "    enter()\n"
                             "    gate.wait()\n"
                             "    leave()\n"
                             "def burning():\n"
                             "    global longest\n"
                             "    enter()\n"
                             "    begin = time.monotonic()\n"
                             "    burn()\n"
                             "    longest = max(longest, time.monotonic() - begin)\n"
                             "    leave()\n"
                             "def reset():\n"
                             "    global longest, most\n"
                             "    longest = most = 0\n"
                             "    return 0\n"
                             "def spin():\n"
                             "    while not gate.is_set(): pass\n";

static void begin(struct gn_pyexec_options options)
{
    exec_begin(&options, source);
    loop = exec_loop;
    exec = exec_under_test;
}

static void end(void)
{
    exec_end(NULL, 0);
}

static long value(const char *expression)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    long number = gn_test_python_long(expression);

    PyGILState_Release(gil);
    return number;
}

static void open_gate(void)
{
    exec_python("gate.set()");
}

GN_LOOP_THREAD static void submit(unsigned at, const char *function, uint32_t key)
{
    calls[at] = (struct call){.base = {.ops = &ops, .key = key}, .function = function};
    cr_assert_eq(gn_pyexec_submit(exec, &calls[at].base), GN_OK);
}

GN_LOOP_THREAD static void await_over(unsigned n)
{
    while (n_over < n) {
        gn_loop_run_once(loop);
    }
}

/* Workers report the end of a call after the loop has it. */
GN_LOOP_THREAD static void await_no_dear(void)
{
    while (gn_pyexec_stats(exec).busy_dear > 0) {
        gn_loop_run_once(loop);
    }
}

/* Calls `function` often enough, one after the other, for its kind to be known. */
GN_LOOP_THREAD static void teach(const char *function, uint32_t key)
{
    for (unsigned i = 0; i < 6; i++) {
        unsigned over = n_over;

        submit(N_CALLS - 1, function, key);
        await_over(over + 1);
    }
    n_over = 0;
}

/* Submits `n` dear calls that stay until the gate opens, and waits until `n_inside` run. */
GN_LOOP_THREAD static void hold(unsigned n, unsigned n_inside)
{
    for (unsigned i = 0; i < n; i++) {
        submit(i, "held", DEAR_KEY);
    }
    while (value("inside") < n_inside) {
        gn_loop_run_once(loop);
    }
}

GN_LOOP_THREAD static void let_go(unsigned n)
{
    open_gate();
    await_over(n);
}

/* True when the statistics have a line that begins so and says that after it. */
GN_LOOP_THREAD static bool stats_say(const char *begin_of_line, const char *what)
{
    struct gn_buf text;
    struct gn_slice rest;
    struct gn_slice line;
    bool is_there = false;

    gn_buf_init(&text, 16384);
    gn_pyexec_stats_text(exec, &text);
    rest = gn_buf_slice(&text);
    while (!is_there && rest.ptr != NULL && gn_slice_split(&rest, '\n', &line)) {
        char copy[256];

        (void)snprintf(copy, sizeof(copy), GN_SLICE_FMT, GN_SLICE_ARG(line));
        is_there = strstr(copy, begin_of_line) == copy &&
                strstr(copy + strlen(begin_of_line), what) != NULL;
    }
    gn_buf_fini(&text);
    return is_there;
}

/* A machine that takes the processor away all the time makes it look like waiting: again then. */
GN_LOOP_THREAD static void teach_cheap(void)
{
    do {
        teach("cheap", CHEAP_KEY);
    } while (!stats_say("  cheap ", "  cheap"));
}

GN_LOOP_THREAD static void teach_burning(void)
{
    do {
        teach("burn", DEAR_KEY);
    } while (!stats_say("  burn ", "  computes 16ms+"));
}

/* One of 20 ms of processor that takes more than 256 ms is counted as larger, and one of its own
   size may begin beside it: on a machine so busy it shows nothing, and is done again. */
#define IS_BUSY "longest > 0.2"

Test(pydispatch, a_cheap_call_finds_a_worker_beside_dear_ones_that_wait, .timeout = 60)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.max_threads = 4;
    begin(options);
    gn_assert_loop_thread(loop);
    teach_cheap();
    teach("sleep", DEAR_KEY);
    hold(8, 3);
    submit(8, "cheap", CHEAP_KEY);
    await_over(1); /* would wait for ever if the calls that wait had all workers */
    cr_assert_eq(calls[8].n_done, 1);
    cr_assert_eq(value("most"), 3, "one of four workers is kept");
    let_go(9);
    cr_assert_eq(value("most"), 3);
    await_no_dear();
    end();
}

Test(pydispatch, all_workers_wait_while_no_cheap_call_is_about, .timeout = 60)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.max_threads = 4;
    begin(options);
    gn_assert_loop_thread(loop);
    teach("sleep", DEAR_KEY);
    hold(4, 4);
    let_go(4);
    end();
}

Test(pydispatch, calls_that_compute_run_one_at_a_time, .timeout = 60)
{
    begin(gn_pyexec_options_default());
    gn_assert_loop_thread(loop);
    do {
        teach_burning();
        (void)value("reset()");
        for (unsigned i = 0; i < 12; i++) {
            submit(i, "burning", DEAR_KEY);
        }
        await_over(12);
    } while (value(IS_BUSY) != 0);
    cr_assert_eq(value("most"), 1);
    end();
}

Test(pydispatch, first_come_first_served_keeps_nobody_back, .timeout = 60)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.max_threads = 4;
    options.is_fifo = true;
    begin(options);
    gn_assert_loop_thread(loop);
    teach_cheap();
    teach("sleep", DEAR_KEY);
    hold(4, 4);
    let_go(4);
    end();
}

Test(pydispatch, a_call_that_turns_out_dear_does_not_hold_up_cheap_ones, .timeout = 60)
{
    begin(gn_pyexec_options_default());
    gn_assert_loop_thread(loop);
    teach_cheap();
    submit(0, "spin", CHEAP_KEY); /* until told, though its kind is cheap */
    for (unsigned i = 1; i < 8; i++) {
        submit(i, "cheap", CHEAP_KEY);
        await_over(i);
    }
    while (gn_pyexec_stats(exec).busy_dear ==
            0) { /* it is counted among the dear ones in the end */
        unsigned over = n_over;

        submit(8, "cheap", CHEAP_KEY);
        await_over(over + 1);
    }
    cr_assert_geq(gn_pyexec_stats(exec).reclassed, 1);
    open_gate();
    while (calls[0].n_done == 0) {
        gn_loop_run_once(loop);
    }
    end();
}

Test(pydispatch, the_first_of_a_kind_that_turns_out_dear_tells_of_those_behind_it, .timeout = 60)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.max_threads = 4;
    begin(options);
    gn_assert_loop_thread(loop);
    teach_cheap();
    for (unsigned i = 0; i < 8; i++) {
        submit(i, "held", DEAR_KEY); /* nobody knows yet */
    }
    submit(8, "cheap", CHEAP_KEY);
    await_over(1); /* would wait for ever behind the others */
    cr_assert_eq(calls[8].n_done, 1);
    cr_assert_leq(value("inside"), 3, "one of four workers is kept");
    open_gate();
    await_over(9);
    end();
}

#define INTERVAL_US "round(sys.getswitchinterval() * 1000000)"

Test(pydispatch, threads_take_turns_faster_beside_calls_that_compute, .timeout = 60)
{
    begin(gn_pyexec_options_default());
    gn_assert_loop_thread(loop);
    teach_cheap();
    teach_burning();
    submit(0, "spin", DEAR_KEY);
    for (unsigned i = 1; value(INTERVAL_US) != 500; i++) { /* while cheap calls come */
        submit(1, "cheap", CHEAP_KEY);
        await_over(i);
    }
    cr_assert(gn_pyexec_stats(exec).is_switching_fast);
    open_gate();
    while (calls[0].n_done == 0) {
        gn_loop_run_once(loop);
    }
    while (value(INTERVAL_US) != 5000) {
        gn_loop_run_once(loop);
    }
    cr_assert_not(gn_pyexec_stats(exec).is_switching_fast);
    end();
}

Test(pydispatch, a_family_at_its_limit_holds_up_nobody_else, .timeout = 60)
{
    static const unsigned limits[] = {0, 2};
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.n_families = 2;
    options.family_limits = limits;
    begin(options);
    gn_assert_loop_thread(loop);
    for (unsigned i = 0; i < 6; i++) {
        calls[i] = (struct call){.base = {.ops = &ops, .family = 1}, .function = "held"};
        cr_assert_eq(gn_pyexec_submit(exec, &calls[i].base), GN_OK);
    }
    while (value("inside") < 2) {
        gn_loop_run_once(loop);
    }
    submit(6, "cheap", 0);
    await_over(1);
    cr_assert_eq(calls[6].n_done, 1);
    let_go(7);
    cr_assert_eq(value("most"), 2);
    end();
}

/* A kind that computes for two seconds, though nobody has to wait for it to be measured. */
GN_LOOP_THREAD static void know_as_dear(uint32_t key)
{
    const struct gn_call_sample sample = {
            .wall_ns = 2 * GN_NS_PER_S,
            .cpu_ns = 2 * GN_NS_PER_S,
    };
    struct gn_call_guess guess;

    (void)pthread_mutex_lock(&exec->shared.lock);
    cr_assert_not(gn_call_costs_find(&exec->costs, key, 0, &guess));
    gn_call_costs_admit(&exec->costs, guess.slot, key, GN_LIT("dear"));
    for (unsigned i = 0; i < 4; i++) {
        gn_call_costs_learn(&exec->costs, &guess, key, 0, &sample);
    }
    (void)pthread_mutex_unlock(&exec->shared.lock);
}

GN_LOOP_THREAD static void turn_for(int64_t ms)
{
    gn_deadline until = gn_deadline_after_ms(gn_clock_now(), ms);

    while (gn_clock_now() < until) {
        gn_loop_run_once(loop);
    }
}

Test(pydispatch, a_call_that_is_late_takes_no_room, .timeout = 60)
{
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.max_threads = 3;
    begin(options);
    gn_assert_loop_thread(loop);
    know_as_dear(DEAR_KEY);
    submit(0, "held", DEAR_KEY); /* deaf to TimeoutError while it waits in C */
    submit(1, "cheap", DEAR_KEY);
    while (value("inside") < 1) {
        gn_loop_run_once(loop);
    }
    turn_for(20);
    cr_assert_eq(calls[1].n_done, 0, "one at a time");
    gn_pyexec_late(exec, &calls[0].base, GN_LIT("held"));
    await_over(1); /* would wait for ever */
    cr_assert_eq(calls[1].n_done, 1);
    cr_assert_eq(calls[0].n_done, 0);
    await_no_dear();
    submit(2, "held", DEAR_KEY); /* the next one has the room to itself */
    submit(3, "cheap", DEAR_KEY);
    while (value("inside") < 2) {
        gn_loop_run_once(loop);
    }
    turn_for(20);
    cr_assert_eq(calls[3].n_done, 0, "one at a time");
    open_gate();
    await_over(4);
    end();
}

Test(pydispatch, a_call_that_is_late_keeps_its_place_in_the_limit_of_its_family, .timeout = 60)
{
    static const unsigned limits[] = {0, 1};
    struct gn_pyexec_options options = gn_pyexec_options_default();

    options.n_families = 2;
    options.family_limits = limits;
    options.max_threads = 2;
    begin(options);
    gn_assert_loop_thread(loop);
    for (unsigned i = 0; i < 2; i++) {
        calls[i] = (struct call){.base = {.ops = &ops, .family = 1}, .function = "held"};
        cr_assert_eq(gn_pyexec_submit(exec, &calls[i].base), GN_OK);
    }
    while (value("inside") < 1) {
        gn_loop_run_once(loop);
    }
    gn_pyexec_late(exec, &calls[0].base, GN_LIT("held"));
    submit(2, "cheap", 0);
    await_over(1);
    cr_assert_eq(calls[2].n_done, 1, "the worker that is left is for the others");
    turn_for(20);
    cr_assert_eq(value("most"), 1);
    open_gate();
    await_over(3);
    end();
}

Test(pydispatch, tells_what_it_did, .timeout = 60)
{
    struct gn_pyexec_stats stats;

    begin(gn_pyexec_options_default());
    gn_assert_loop_thread(loop);
    teach("cheap", CHEAP_KEY);
    teach("sleep", DEAR_KEY);
    do {
        gn_loop_run_once(loop);
        stats = gn_pyexec_stats(exec);
    } while (stats.idle < stats.threads);
    cr_assert_eq(stats.gil_waits, stats.wakeups + stats.threads, "each time one came");
    cr_assert_eq(stats.begun, 12);
    cr_assert_eq(stats.completed, 12);
    cr_assert_eq(stats.kinds, 2);
    cr_assert_geq(stats.gil_waits, 1);
    cr_assert_geq(stats.queue_max_ns, 1);
    cr_assert(stats_say("  sleep ", "waits "));
    cr_assert(stats_say("calls: ", "12 completed"));
    end();
}
