/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "bridge/py/sampler.h"
#include "server/base/buf.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"

struct sample {
    struct gn_sample base;
    unsigned n;
    enum gn_err rc;
    struct gn_buf text;
};

static struct gn_loop *loop;
static struct gn_sampler *sampler;

static void sampled(struct gn_sample *base, enum gn_err rc, struct gn_slice text)
{
    struct sample *sample = GN_CONTAINER_OF(base, struct sample, base);

    sample->n++;
    sample->rc = rc;
    cr_assert_eq(gn_buf_append(&sample->text, text), GN_OK);
}

static void init(struct sample *sample, pid_t thread)
{
    *sample = (struct sample){.base = {.thread = thread, .fn = sampled}};
    gn_buf_init(&sample->text, 100000);
}

static bool has(const struct sample *sample, const char *text)
{
    return memmem(sample->text.ptr, sample->text.len, text, strlen(text)) != NULL;
}

/* The test has the GIL. */
static void begin(const char *source)
{
    gn_test_python_start(source);
    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    gn_assert_gil();
    sampler = gn_sampler_create(loop, SIGURG);
    cr_assert_not_null(sampler);
}

static void end(void)
{
    gn_assert_loop_thread(loop);
    gn_sampler_destroy(&sampler);
    gn_loop_destroy(&loop);
    gn_test_python_stop();
}

static void await_samples(const struct sample *samples, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        while (samples[i].n == 0) {
            gn_loop_run_once(loop);
            (void)usleep(500);
        }
        cr_assert_eq(samples[i].n, 1);
    }
}

#define WAITER                                                                                     \
    "import threading\n"                                                                           \
    "gate = threading.Event()\n"                                                                   \
    "entered = threading.Event()\n"                                                                \
    "def somewhere():\n"                                                                           \
    "    entered.set()\n"                                                                          \
    "    gate.wait()\n"                                                                            \
    "thread = threading.Thread(target=somewhere)\n"                                                \
    "thread.start()\n"                                                                             \
    "entered.wait()\n"

Test(sampler, sees_a_thread_while_the_gil_is_held)
{
    struct sample samples[2];

    begin(WAITER);
    gn_assert_loop_thread(loop);
    for (unsigned i = 0; i < 2; i++) {
        init(&samples[i], (pid_t)gn_test_python_long("thread.native_id"));
        gn_sampler_ask(sampler, &samples[i].base);
        cr_assert_eq(samples[i].n, 0, "never at once");
    }
    await_samples(samples, 2); /* this thread has the GIL all the time */
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(samples[i].rc, GN_OK);
        cr_assert(has(&samples[i], "in somewhere\n"));
        cr_assert(has(&samples[i], "in wait\n"));
        gn_buf_fini(&samples[i].text);
    }
    gn_test_python_run("gate.set(); thread.join()");
    end();
}

static atomic_int c_thread;
static atomic_bool may_end;

static void *live_in_c(void *arg)
{
    if (arg != NULL) { /* deaf */
        sigset_t all;

        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
    }
    atomic_store(&c_thread, gettid());
    while (!atomic_load(&may_end)) {
        (void)usleep(500);
    }
    return NULL;
}

static pthread_t start_c_thread(bool is_deaf)
{
    static char yes;
    pthread_t thread;

    atomic_store(&c_thread, 0);
    atomic_store(&may_end, false);
    cr_assert_eq(pthread_create(&thread, NULL, live_in_c, is_deaf ? &yes : NULL), 0);
    while (atomic_load(&c_thread) == 0) {
        (void)usleep(500);
    }
    return thread;
}

Test(sampler, says_what_cannot_be_seen)
{
    static const struct {
        const char *name;
        bool is_deaf;
        bool is_over;
        enum gn_err rc;
    } cases[] = {
            {"no Python", false, false, GN_OK},
            {"deaf to signals", true, false, GN_ERR_TIMEOUT},
            {"ended", false, true, GN_ERR_NOT_FOUND},
    };

    begin("");
    gn_assert_loop_thread(loop);
    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        pthread_t thread = start_c_thread(cases[i].is_deaf);
        struct sample sample;

        init(&sample, (pid_t)atomic_load(&c_thread));
        if (cases[i].is_over) {
            atomic_store(&may_end, true);
            cr_assert_eq(pthread_join(thread, NULL), 0);
        }
        gn_sampler_ask(sampler, &sample.base);
        await_samples(&sample, 1);
        cr_assert_eq(sample.rc, cases[i].rc, "%s", cases[i].name);
        cr_assert_eq(sample.text.len, 0, "%s", cases[i].name);
        atomic_store(&may_end, true);
        if (!cases[i].is_over) {
            cr_assert_eq(pthread_join(thread, NULL), 0);
        }
        gn_buf_fini(&sample.text);
    }
    end();
}

Test(sampler, a_signal_nobody_asked_for_does_nothing)
{
    struct sample sample;

    begin(WAITER);
    gn_assert_loop_thread(loop);
    cr_assert_eq(raise(SIGURG), 0);
    gn_loop_run_once(loop);
    init(&sample, (pid_t)gn_test_python_long("thread.native_id"));
    gn_sampler_ask(sampler, &sample.base);
    await_samples(&sample, 1);
    cr_assert(has(&sample, "in somewhere\n"));
    gn_buf_fini(&sample.text);
    gn_test_python_run("gate.set(); thread.join()");
    end();
    cr_assert_eq(raise(SIGURG), 0);
}

Test(sampler, is_one_of_the_process_and_calls_back_at_its_end)
{
    struct sample samples[2];

    begin("");
    gn_assert_loop_thread(loop);
    gn_assert_gil();
    cr_assert_null(gn_sampler_create(loop, SIGURG));
    for (unsigned i = 0; i < 2; i++) {
        init(&samples[i], getpid());
        gn_sampler_ask(sampler, &samples[i].base);
    }
    gn_sampler_destroy(&sampler);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(samples[i].n, 1);
        cr_assert_eq(samples[i].rc, GN_ERR_CLOSED);
        gn_buf_fini(&samples[i].text);
    }
    sampler = gn_sampler_create(loop, SIGURG);
    cr_assert_not_null(sampler);
    end();
}
