/* SPDX-License-Identifier: MIT */
/*
 * A worker's life is one loop, with the GIL held all the way but for sleeping:
 *
 *     next_call     one lock: report the call that ended, take the next,
 *                   or go to the idle list; sleep there without the GIL
 *     run_call      the call, then back to the loop by a lock-free stack
 *
 * Calls end in two ways that matter here. Back-to-back calls would never let
 * other Python threads run if none of them executes bytecode, so the GIL is
 * offered once per switch interval. And a child that the application forked
 * inside a call must not come back from it: it ends there.
 */
#include <Python.h>

#include "bridge/py/pyworker.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bridge/py/gil.h"
#include "bridge/py/pyerr.h"
#include "bridge/py/pymeasure.h"
#include "bridge/py/thread_exit.h"
#include "server/base/log.h"
#include "server/base/thread_cond.h"

#include "bridge/py/gil_priv.h"
#include "bridge/py/pyexec_priv.h"

#define YIELD_NS (5 * GN_NS_PER_MS)
#define CHEAP_BESIDE_MS 1000 /* after a cheap call threads take turns faster for so long */
#define QUICK_NS (200 * INT64_C(1000)) /* calls that take longer: the loop is told of each, */
#define TELL_SHARE 8                   /* of others after a part of the wait for a worker, */
#define TELL_MOST_NS GN_NS_PER_MS      /* this long at most */

/* ---- running ------------------------------------------------------------------ */

/* Each call starts with an empty context; one that nobody has written to is still empty. */
GN_NEEDS_GIL static void renew_context(struct gn_pyworker *w)
{
    if (w->context != NULL && PyObject_Size(w->context) == 0) {
        return;
    }
    if (w->context != NULL) {
        (void)PyContext_Exit(w->context);
        Py_CLEAR(w->context);
    }
    w->context = PyContext_New();
    if (w->context == NULL || PyContext_Enter(w->context) != 0) {
        gn_pyerr_log(GN_LOG_ERROR, GN_LIT("no context for a call could be had"));
        Py_CLEAR(w->context);
    }
}

/* A view called os.fork() and returned in the child: there is no server here to answer. */
GN_NEEDS_GIL GN_NORETURN static void end_child(void)
{
    gn_log_warning("a process forked by the application came back from its call; it ends here");
    (void)!PyRun_SimpleString("import sys\nsys.stdout.flush()\nsys.stderr.flush()\n");
    _exit(EXIT_SUCCESS);
}

/* Lets other Python threads run, even if calls never execute bytecode. */
GN_NEEDS_GIL static void yield_gil(struct gn_pyworker *w)
{
    if (w->now - w->yield < YIELD_NS) {
        return;
    }
    gn_gil_acquire(gn_gil_release());
#ifdef Py_GIL_DISABLED
    gn_gil_follow(w->exec);
#endif
    w->now = gn_clock_now();
    w->yield = w->now;
}

GN_NEEDS_GIL static void run_call(struct gn_pyworker *w, struct gn_pycall *call)
{
    struct gn_pyexec *exec = w->exec;

    gn_pymeasure_begin(w, call);
    call->is_quick = w->usual_ns <= QUICK_NS && call->class == GN_CALL_CHEAP;
    call->ops->run(call);
    if (GN_UNLIKELY(gn_pyexec_is_forked(exec))) {
        end_child();
    }
    atomic_store_explicit(&w->call, NULL, GN_PYWORKER_LEAVES);
    if (GN_UNLIKELY(atomic_load_explicit(&w->is_interrupted, GN_PYWORKER_SEES))) {
        gn_pyworker_settle(w);
    }
    if (GN_UNLIKELY(PyErr_Occurred() != NULL)) {
        gn_pyerr_log(GN_LOG_ERROR, GN_LIT("a call left an exception behind"));
    }
    w->now = gn_clock_now();
    call->ended_at = w->now;
    w->usual_ns += (w->now - call->started_at - w->usual_ns) / 8;
    gn_pymeasure_end(w, call);
    gn_pyexec_return(exec, call);
    renew_context(w);
    yield_gil(w);
}

void gn_pyworker_drop_waiting(struct gn_pyexec *exec)
{
    struct gn_py_drop *drop;

    if (atomic_load_explicit(&exec->drops, memory_order_relaxed) == NULL) {
        return;
    }
    drop = atomic_exchange_explicit(&exec->drops, NULL, memory_order_acquire);
    while (drop != NULL) {
        struct gn_py_drop *next = drop->next;

        Py_DECREF(drop->object);
        gn_free(drop);
        drop = next;
    }
}

/* ---- taking and sleeping -------------------------------------------------------- */

/* Tells the executor that the call this worker was in has ended. */
static void report_end_locked(struct gn_pyworker *w)
{
    struct gn_pyexec *exec = w->exec;

    if (!w->is_in_call) {
        return;
    }
    if (w->class != GN_CALL_CHEAP) {
        gn_call_room_remove(&exec->shared.room, w->class);
    }
    gn_pyworker_set_waiting_locked(w, false);
    gn_pymeasure_learn_locked(w);
    if (GN_UNLIKELY(w->is_given_up)) {
        w->is_given_up = false;
        exec->shared.n_given_up--;
    }
    w->class = GN_CALL_CHEAP;
    w->is_in_call = false;
    gn_call_queue_end(&exec->shared.queue, w->family);
    exec->shared.n_in_call--;
    exec->shared.n_ended++;
}

/* Tells the executor that this worker is in a call from now on. */
static void report_begin_locked(struct gn_pyworker *w, const struct gn_pycall *call)
{
    struct gn_pyexec *exec = w->exec;
    int64_t queue_ns = w->now - call->queued_at;

    w->is_in_call = true;
    w->is_promoted = false;
    w->was_contended = gn_pyexec_computes_locked(exec);
    w->class = call->class;
    w->family = call->family;
    w->began = w->now;
    w->n_calls++;
    if (w->class != GN_CALL_CHEAP) {
        gn_call_room_add(&exec->shared.room, w->class);
        exec->shared.n_computing_begun += gn_call_computes(w->class) ? 1 : 0;
    }
    w->seen_computing = exec->shared.n_computing_begun;
    w->seen_busy_ns = exec->shared.busy_ns;
    gn_call_queue_begin(&exec->shared.queue, w->family);
    exec->shared.n_in_call++;
    exec->shared.n_begun++;
    exec->shared.queue_ns += GN_MAX(queue_ns, INT64_C(0));
    exec->shared.queue_max_ns = GN_MAX(exec->shared.queue_max_ns, queue_ns);
}

static struct gn_pycall *take_locked(struct gn_pyworker *w)
{
    struct gn_pyexec *exec = w->exec;
    struct gn_pycall *call;
    /* Of too many runners the others will take it, sooner than we could together. */
    bool may_take_cheap = !gn_pace_has_surplus(&exec->shared.pace, gn_pyexec_runners_locked(exec));

    while ((call = gn_call_queue_pop(&exec->shared.queue, &exec->shared.room, may_take_cheap)) !=
            NULL) {
        if (!gn_call_queue_is_late(&exec->shared.queue, call, w->now)) {
            call->state = GN_PYCALL_TAKEN;
            call->started_at = w->now;
            call->worker = w->seat;
            atomic_store_explicit(&w->call, call, memory_order_release);
            report_begin_locked(w, call);
            return call;
        }
        call->state = GN_PYCALL_LATE;
        gn_pyexec_return(exec, call);
    }
    return NULL;
}

/* What a worker that comes from its sleep has to tell. */
static void report_coming_locked(struct gn_pyworker *w)
{
    struct gn_pyexec *exec = w->exec;

    if (!w->is_coming) {
        return;
    }
    w->is_coming = false;
    exec->shared.n_coming--;
    exec->shared.n_gil_waits++;
    exec->shared.gil_wait_ns += w->gil_wait_ns;
    exec->shared.gil_wait_max_ns = GN_MAX(exec->shared.gil_wait_max_ns, w->gil_wait_ns);
    w->gil_wait_ns = 0;
}

static void go_idle_locked(struct gn_pyworker *w)
{
    w->is_awake = false;
    gn_list_prepend(&w->exec->shared.idle, &w->idle_link);
    w->exec->shared.n_idle++;
}

/* The worker does not count any more, though its thread has yet to end. */
static void leave_locked(struct gn_pyworker *w)
{
    struct gn_pyexec *exec = w->exec;

    w->is_up = false;
    gn_pyexec_remove_worker_locked(exec, w, &exec->shared.ended);
    (void)pthread_cond_signal(&exec->shared.gone);
}

/* Waits until chosen to run; false when this worker has been idle for so long that it left. */
static bool wait_for_work(struct gn_pyworker *w)
{
    struct gn_pyexec *exec = w->exec;
    gn_deadline idle_until = gn_deadline_after_ms(gn_clock_now(), exec->options.idle_ms);
    bool is_up = true;

    (void)pthread_mutex_lock(&exec->shared.lock);
    while (!w->is_awake && is_up) {
        bool may_leave = exec->shared.n_threads > exec->options.min_threads;
        gn_deadline until = may_leave ? idle_until : GN_NEVER;

        if (!gn_thread_cond_wait_until(&w->wake, &exec->shared.lock, until) && !w->is_awake &&
                exec->shared.n_threads > exec->options.min_threads) {
            gn_list_unlink(&w->idle_link);
            exec->shared.n_idle--;
            leave_locked(w);
            is_up = false;
        }
    }
    (void)pthread_mutex_unlock(&exec->shared.lock);
    return is_up;
}

GN_NEEDS_GIL static bool sleep_without_gil(struct gn_pyworker *w)
{
    PyThreadState *state = gn_gil_release();
    bool is_up = wait_for_work(w);
    gn_deadline woken = gn_clock_now();

    gn_gil_acquire(state);
    w->now = gn_clock_now();
    w->gil_wait_ns = w->now - woken;
    w->yield = w->now;
    return is_up;
}

/*
 * Waking the loop costs a worker a system call and, on a busy processor, two
 * task switches for each call. While others wait for a worker, the calls that
 * have ended may therefore wait a little too: a part of what everybody waits
 * anyway, and nothing when the next call will take its time. A worker that
 * guessed wrong does not matter for long, since where calls wait the loop looks
 * each millisecond of its own accord (on_check).
 */
static bool may_tell_later(const struct gn_pyworker *w)
{
    int64_t n_queued = gn_call_queue_count(&w->exec->shared.queue);

    return w->usual_ns <= QUICK_NS &&
            gn_pyexec_may_tell_later(
                    w->exec, w->now, GN_MIN(n_queued * w->usual_ns / TELL_SHARE, TELL_MOST_NS));
}

/* The next call to run, or NULL when this worker has left. */
GN_NEEDS_GIL static struct gn_pycall *next_call(struct gn_pyworker *w)
{
    struct gn_pyexec *exec = w->exec;

    do {
        struct gn_pycall *call;
        bool has_left = false;

        gn_pyworker_drop_waiting(exec);
        (void)pthread_mutex_lock(&exec->shared.lock);
        report_coming_locked(w);
        report_end_locked(w);
        call = take_locked(w);
        w->wants_short = !gn_pyexec_is_gil_off(exec) && gn_pyexec_computes_locked(exec) &&
                gn_pyexec_sees_cheap_locked(exec, w->now, CHEAP_BESIDE_MS);
        if (call == NULL && exec->shared.is_stopping) {
            leave_locked(w);
            has_left = true;
        } else if (call == NULL) {
            go_idle_locked(w);
        }
        (void)pthread_mutex_unlock(&exec->shared.lock);
        if (call == NULL || call->class != GN_CALL_CHEAP || !may_tell_later(w)) {
            gn_pyexec_tell_loop(exec);
        }
        if (!gn_pyexec_is_gil_off(exec)) {
            gn_switch_interval_set(&exec->switch_interval, w->wants_short);
        }
        if (call != NULL || has_left) {
            return call;
        }
    } while (sleep_without_gil(w));
    return NULL;
}

/* ---- the whole life ----------------------------------------------------------------- */

static void settle_in(struct gn_pyworker *w)
{
    struct gn_pyexec *exec = w->exec;

    (void)pthread_setname_np(pthread_self(), "gn-python");
    w->now = gn_clock_now();
    w->yield = w->now;
    (void)pthread_mutex_lock(&exec->shared.lock);
    w->os_thread = pthread_self();
    w->thread_id = gettid();
    w->python_thread = PyThread_get_thread_ident();
    w->is_up = pthread_getcpuclockid(pthread_self(), &w->cpu_clock) == 0;
    (void)pthread_mutex_unlock(&exec->shared.lock);
}

void gn_pyworker_live(struct gn_pyworker *w)
{
    PyObject *thread = Py_NewRef(w->thread); /* `w` may go once it has left */
    struct gn_pycall *call;

    settle_in(w);
    gn_thread_exit_prepare(thread);
    renew_context(w);
    while ((call = next_call(w)) != NULL) {
        run_call(w, call);
    }
    if (w->context != NULL) {
        (void)PyContext_Exit(w->context);
        Py_CLEAR(w->context);
    }
    gn_thread_exit_run(thread);
    Py_DECREF(thread);
    PyErr_Clear();
}

/* ---- blocking ------------------------------------------------------------------ */

/* The worker that the calling thread is. */
static struct gn_pyworker *self_locked(struct gn_pyexec *exec)
{
    struct gn_list *node;
    struct gn_list *tmp;

    GN_LIST_FOREACH (node, tmp, &exec->shared.workers) {
        struct gn_pyworker *w = GN_LIST_ENTRY(node, struct gn_pyworker, link);

        if (w->is_up && pthread_equal(w->os_thread, pthread_self())) {
            return w;
        }
    }
    return NULL;
}

/* Marks the calling worker; when it stops running Python, another may be needed. */
static void mark_self(struct gn_pyexec *exec, bool is_waiting)
{
    struct gn_pywake wake = {.n = 0};
    struct gn_pyworker *w;
    unsigned n_queued;

    if (gn_pyexec_is_forked(exec)) {
        return; /* whoever held the lock may not exist in this process */
    }
    (void)pthread_mutex_lock(&exec->shared.lock);
    w = self_locked(exec);
    if (w != NULL && w->is_in_call && w->class == GN_CALL_CHEAP && !w->is_given_up) {
        gn_pyworker_set_waiting_locked(w, is_waiting);
    }
    n_queued = gn_call_queue_ready(&exec->shared.queue, &exec->shared.room).n_cheap;
    if (is_waiting && n_queued > 0 &&
            gn_pyexec_runners_locked(exec) < gn_pace_target(&exec->shared.pace)) {
        (void)gn_pyexec_wake_locked(exec, 1, &wake);
    }
    gn_pyexec_unlock(exec, &wake);
}

bool gn_pyexec_is_forked(const struct gn_pyexec *exec)
{
    return atomic_load_explicit(&exec->is_forked, memory_order_relaxed);
}

void gn_pyexec_without_gil(struct gn_pyexec *exec, void (*blocking)(void *arg), void *arg)
{
    PyThreadState *state;

    gn_assert_gil();
    mark_self(exec, true);
    gn_pyexec_tell_loop(exec);
    state = gn_gil_release();
    blocking(arg);
    mark_self(exec, false);
    gn_gil_acquire(state);
}
