/* SPDX-License-Identifier: MIT */
/*
 *   gn_pyexec_late ─► look at its worker ─► log ─► errand: raise TimeoutError
 *        │ stuck_ms                                    (under the GIL)
 *        └─► still not done: the worker is stuck
 *   done ─► whoever of these is still out comes back, finds the call gone, and
 *           the last one frees
 *
 * Invariant: an exception is set on a thread only while the executor's lock and
 * the GIL are held and that thread is in the very call that was late; n_calls
 * tells it from a later one in the same memory. The worker, when it leaves a
 * call, first says so (worker.call) and then looks whether it was interrupted,
 * and withdraws what has not been raised yet. With a GIL the two cannot
 * interleave at all; without one (Py_GIL_DISABLED) the order of those two steps
 * on both sides does, and the lock.
 */
#include <Python.h>

#include "bridge/py/late.h"

#include "server/base/log.h"

#include "bridge/py/gil_priv.h"
#include "bridge/py/pyexec_priv.h"

#define WHAT_BYTES 1024

struct gn_pylate {
    struct gn_list link;
    struct gn_pyexec *exec;
    struct gn_pycall *call;     /* NULL: it has ended */
    struct gn_pyworker *worker; /* lives as long as the executor */
    unsigned n_calls;           /* of the worker: which call it is */
    unsigned number;            /* of the worker's thread */
    int64_t queued_ms;
    int64_t ran_ms;
    gn_deadline late_at;
    struct gn_look *look; /* NULL: has looked */
    struct gn_errand interrupt;
    bool is_errand_out;
    bool is_stuck;
    struct gn_timeout grace;
    char what[]; /* NUL-terminated */
};

/* Frees it when nothing is under way any more. */
static void release(struct gn_pylate *late)
{
    if (late->call == NULL && late->look == NULL && !late->is_errand_out) {
        gn_list_unlink(&late->link);
        gn_free(late);
    }
}

/* ---- TimeoutError ------------------------------------------------------------------- */

static void run_interrupt(struct gn_errand *errand)
{
    struct gn_pylate *late = GN_CONTAINER_OF(errand, struct gn_pylate, interrupt);
    struct gn_pyworker *w = late->worker;

    gn_assert_gil();
    (void)pthread_mutex_lock(&late->exec->shared.lock);
    if (w->is_up && w->is_in_call && w->n_calls == late->n_calls) {
        atomic_store(&w->is_interrupted, true);
        if (atomic_load(&w->call) != NULL) {
            (void)PyThreadState_SetAsyncExc(w->python_thread, PyExc_TimeoutError);
        }
    }
    (void)pthread_mutex_unlock(&late->exec->shared.lock);
}

void gn_pyworker_settle(struct gn_pyworker *w)
{
    (void)pthread_mutex_lock(&w->exec->shared.lock);
    atomic_store(&w->is_interrupted, false);
    (void)PyThreadState_SetAsyncExc(w->python_thread, NULL);
    (void)pthread_mutex_unlock(&w->exec->shared.lock);
}

bool gn_pyexec_was_interrupted(struct gn_pyexec *exec, const struct gn_pycall *call)
{
    struct gn_list *node;
    struct gn_list *tmp;
    bool was_interrupted = false;

    if (gn_pyexec_is_forked(exec)) {
        return false; /* whoever held the lock may not exist in this process */
    }
    (void)pthread_mutex_lock(&exec->shared.lock);
    GN_LIST_FOREACH (node, tmp, &exec->shared.workers) {
        struct gn_pyworker *w = GN_LIST_ENTRY(node, struct gn_pyworker, link);

        if (atomic_load(&w->call) == call) {
            was_interrupted = atomic_load(&w->is_interrupted);
        }
    }
    (void)pthread_mutex_unlock(&exec->shared.lock);
    return was_interrupted;
}

static void on_interrupted(struct gn_errand *errand)
{
    struct gn_pylate *late = GN_CONTAINER_OF(errand, struct gn_pylate, interrupt);

    gn_assert_loop_thread(late->exec->loop);
    late->is_errand_out = false;
    release(late);
}

/* ---- what the log says --------------------------------------------------------------- */

static void log_late(const struct gn_pylate *late, struct gn_look *look)
{
    const struct gn_look_target *target = gn_look_target(look, 0);
    bool has_stack = target->stack.len > 0;
    struct gn_buf heading;

    gn_buf_init(&heading, WHAT_BYTES + 256);
    (void)!gn_buf_printf(&heading,
            "no answer within the timeout: %s, queued %lld ms, running for %lld ms on gustnado-%u"
            "%s%s",
            late->what, (long long)late->queued_ms, (long long)late->ran_ms, late->number,
            gn_look_was_without_gil(look) ? ", while the GIL cannot be had" : "",
            has_stack ? "; it is in" : "; where it is could not be found out");
    if (has_stack) {
        gn_log_block(GN_LOG_ERROR, gn_buf_slice(&heading), gn_buf_slice(&target->stack));
    } else {
        gn_log_error(GN_SLICE_FMT, GN_SLICE_ARG(gn_buf_slice(&heading)));
    }
    gn_buf_fini(&heading);
}

static void log_end(const struct gn_pylate *late)
{
    double s = (double)(gn_clock_now() - late->late_at) / (double)GN_NS_PER_S;

    if (late->is_stuck) {
        gn_log_warning("worker gustnado-%u is back: %s ended %.1f s after its timeout",
                late->number, late->what, s);
    } else {
        gn_log_info("%s ended %.3f s after its timeout", late->what, s);
    }
}

static void on_looked(struct gn_look *look, void *arg)
{
    struct gn_pylate *late = arg;

    gn_assert_loop_thread(late->exec->loop);
    log_late(late, look);
    gn_look_destroy(&late->look);
    if (late->call != NULL) {
        late->is_errand_out = true;
        gn_messenger_send(late->exec->watch.messenger, &late->interrupt);
    } else {
        log_end(late);
    }
    release(late);
}

/* ---- stuck workers ------------------------------------------------------------------- */

void gn_pylate_on_grace(struct gn_timeout *timeout)
{
    struct gn_pylate *late = GN_CONTAINER_OF(timeout, struct gn_pylate, grace);
    struct gn_pyexec *exec = late->exec;
    struct gn_pywatch *watch = &exec->watch;
    /* Nobody had the GIL all this time but, most likely, this worker. */
    bool holds_gil =
            late->look != NULL || (late->is_errand_out && !gn_errand_has_run(&late->interrupt));

    gn_assert_loop_thread(exec->loop);
    late->is_stuck = true;
    watch->n_stuck++;
    gn_log_error("worker gustnado-%u is stuck: %s has not ended %g s after its timeout%s; "
                 "%u of at most %u workers are stuck",
            late->number, late->what, (double)exec->options.stuck_ms / 1e3,
            holds_gil ? ", and the GIL could not be had since" : "", watch->n_stuck,
            exec->options.max_threads);
    if ((holds_gil || watch->n_stuck >= exec->options.max_threads) && !watch->is_exhausted) {
        watch->is_exhausted = true;
        if (exec->options.exhausted != NULL) {
            exec->options.exhausted(exec->options.exhausted_arg);
        }
    }
}

bool gn_pylate_is_stuck(const struct gn_pylate *late)
{
    return late->is_stuck;
}

/* ---- life ---------------------------------------------------------------------------- */

/* The worker that runs the call, remembered in `late` and given up; false when none does any more.
 */
static bool take_worker(struct gn_pylate *late, struct gn_look_target *target)
{
    struct gn_pyexec *exec = late->exec;
    struct gn_list *node;
    struct gn_list *tmp;

    (void)pthread_mutex_lock(&exec->shared.lock);
    GN_LIST_FOREACH (node, tmp, &exec->shared.workers) {
        struct gn_pyworker *w = GN_LIST_ENTRY(node, struct gn_pyworker, link);

        if (atomic_load(&w->call) == late->call) {
            gn_pyworker_give_up_locked(w);
            late->worker = w;
            late->n_calls = w->n_calls;
            late->number = w->number;
            target->python_thread = w->python_thread;
            target->thread = w->thread_id;
        }
    }
    (void)pthread_mutex_unlock(&exec->shared.lock);
    return late->worker != NULL;
}

GN_LOOP_THREAD static struct gn_pylate *late_new(
        struct gn_pyexec *exec, struct gn_pycall *call, struct gn_slice what)
{
    size_t len = GN_MIN(what.len, (size_t)WHAT_BYTES);
    struct gn_pylate *late = gn_xcalloc(sizeof(*late) + len + 1);
    gn_deadline now = gn_clock_now();

    memcpy(late->what, what.ptr, len);
    gn_list_init(&late->link);
    late->exec = exec;
    late->call = call;
    late->late_at = now;
    late->interrupt.run = run_interrupt;
    late->interrupt.done = on_interrupted;
    late->look = gn_pywatch_look(exec, 1, on_looked, late);
    return late;
}

void gn_pyexec_late(struct gn_pyexec *exec, struct gn_pycall *call, struct gn_slice what)
{
    struct gn_pylate *late = late_new(exec, call, what);
    bool is_running = take_worker(late, gn_look_target(late->look, 0));

    gn_assert(call->late == NULL);
    late->queued_ms = (call->started_at - call->queued_at) / GN_NS_PER_MS;
    late->ran_ms = (late->late_at - call->started_at) / GN_NS_PER_MS;
    if (!is_running) {
        gn_log_error("no answer within the timeout: %s, queued %lld ms, ran for %lld ms and has "
                     "just ended",
                late->what, (long long)late->queued_ms, (long long)late->ran_ms);
        gn_look_destroy(&late->look);
        gn_free(late);
        return;
    }
    call->late = late;
    gn_list_append(&exec->watch.lates, &late->link);
    gn_timeout_arm(&exec->watch.grace, &late->grace);
    gn_look_start(late->look);
}

void gn_pylate_ended(struct gn_pycall *call)
{
    struct gn_pylate *late = call->late;

    call->late = NULL;
    late->call = NULL;
    gn_timeout_disarm(&late->grace);
    if (late->look == NULL) {
        log_end(late);
    }
    if (late->is_stuck) {
        late->exec->watch.n_stuck--;
    }
    release(late);
}

void gn_pylate_fini(struct gn_pywatch *watch)
{
    struct gn_list *node;
    struct gn_list *tmp;

    GN_LIST_FOREACH (node, tmp, &watch->lates) {
        struct gn_pylate *late = GN_LIST_ENTRY(node, struct gn_pylate, link);

        gn_timeout_disarm(&late->grace);
        gn_look_destroy(&late->look);
        if (late->call != NULL) {
            late->call->late = NULL;
            late->call = NULL;
        }
        release(late);
    }
}
