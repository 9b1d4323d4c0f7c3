/* SPDX-License-Identifier: MIT */
/*
 * Cheap and dear calls are counted apart.
 *
 * Cheap ones: pace (bridge/py/pace.h) knows from samples how many runners keep
 * Python busy; publishing wakes up to that many. While calls wait, a timer looks
 * at what the workers are doing: one that uses no processor in the middle of a
 * call waits outside Python and is not counted as a runner, so another is woken
 * in its place. A worker in a dear call is no runner either: a cheap call that
 * finds nobody else has a worker woken for it at once.
 *
 * Dear ones: the room (bridge/py/call_class.h) says how many may begin, and each
 * gets a worker of its own at once: they are known to take long.
 *
 * Workers that were woken and have not looked into the queue yet are on their
 * way to take any of these calls, so they are not woken for twice.
 *
 * Invariant: while calls are queued, a runner exists that will look at the
 * queue when its call ends, or the check timer runs.
 */
#include <Python.h>

#include "bridge/py/pydispatch.h"

#include "bridge/py/pycrew.h"

#include "bridge/py/pyexec_priv.h"

#define CHECK_MS 1
#define CHEAP_ABOUT_MS 60000 /* after a cheap call workers are kept back for so long */
#define KEPT_BACK 4          /* one worker of so many */

static bool can_wake_locked(const struct gn_pyexec *exec)
{
    return exec->shared.n_idle > 0 || exec->shared.n_threads < exec->options.max_threads;
}

GN_LOOP_THREAD static void start_check(struct gn_pyexec *exec)
{
    atomic_store_explicit(&exec->is_checking, true, memory_order_relaxed);
    gn_timer_start(&exec->own.check, gn_deadline_after_ms(gn_clock_now(), CHECK_MS));
}

/* Some workers are kept for cheap calls, but only while there are such calls. Those in a call that
   was given up are no use to either. */
static void limit_dear_locked(struct gn_pyexec *exec, gn_deadline now)
{
    unsigned max = exec->options.max_threads - exec->shared.n_given_up;

    exec->shared.room.limit = max;
    if (max > 1 && gn_pyexec_sees_cheap_locked(exec, now, CHEAP_ABOUT_MS)) {
        exec->shared.room.limit = max - GN_MAX(max / KEPT_BACK, 1U);
    }
}

/* Wakes for `n` calls, less those workers that are on their way already. */
static void wake_for_locked(struct gn_pyexec *exec, unsigned n, struct gn_pywake *wake)
{
    if (n > exec->shared.n_coming) {
        (void)gn_pyexec_wake_locked(exec, n - exec->shared.n_coming, wake);
    }
}

/* ---- publishing ------------------------------------------------------------------ */

/* Begins to watch the workers: the first look only remembers who uses how much. */
GN_LOOP_THREAD static void begin_checks_locked(struct gn_pyexec *exec, gn_deadline now)
{
    exec->own.checked_at = now;
    exec->own.checked_ended = exec->shared.n_ended;
    gn_stall_init(&exec->own.stall);
    gn_pycrew_look_locked(exec, now, 0);
}

/* True when one of the calls is known to be cheap. */
GN_LOOP_THREAD static bool mark_published(struct gn_pyexec *exec)
{
    struct gn_list *node;
    struct gn_list *tmp;
    bool is_any_cheap = false;

    GN_LIST_FOREACH (node, tmp, &exec->own.pending) {
        struct gn_pycall *call = GN_LIST_ENTRY(node, struct gn_pycall, link);

        call->state = GN_PYCALL_QUEUED;
        is_any_cheap |= call->key != 0 && !call->is_stranger && call->class == GN_CALL_CHEAP;
    }
    return is_any_cheap;
}

GN_LOOP_THREAD static void publish_locked(struct gn_pyexec *exec, struct gn_pywake *wake)
{
    bool is_watching = gn_timer_is_running(&exec->own.check);
    struct gn_call_ready ready;
    unsigned runners;
    unsigned target;

    gn_call_queue_publish(&exec->shared.queue, &exec->own.pending, exec->own.n_pending);
    if (!is_watching && exec->shared.n_in_call > 0 && can_wake_locked(exec)) {
        begin_checks_locked(exec, gn_clock_now()); /* who is in a dear call that seemed cheap? */
    }
    ready = gn_call_queue_ready(&exec->shared.queue, &exec->shared.room);
    runners = gn_pyexec_runners_locked(exec);
    target = gn_pace_target(&exec->shared.pace);
    wake_for_locked(exec,
            ready.n_dear + (runners < target ? GN_MIN(ready.n_cheap, target - runners) : 0), wake);
    /* One call for one worker that has nothing else to do needs no watching. */
    if (!is_watching &&
            (exec->shared.n_in_call > 0 || exec->shared.n_births > 0 ||
                    gn_call_queue_count(&exec->shared.queue) > wake->n ||
                    runners + exec->shared.n_coming > 1)) {
        if (exec->shared.n_in_call == 0) {
            begin_checks_locked(exec, gn_clock_now());
        }
        start_check(exec);
    }
}

void gn_pydispatch_publish(struct gn_pyexec *exec)
{
    struct gn_pywake wake = {.n = 0};
    gn_deadline now = gn_loop_now(exec->loop);
    bool is_any_cheap = mark_published(exec);

    (void)pthread_mutex_lock(&exec->shared.lock);
    if (is_any_cheap) {
        exec->shared.cheap_at = now;
    }
    limit_dear_locked(exec, now);
    publish_locked(exec, &wake);
    gn_pyexec_unlock(exec, &wake);
    exec->own.n_pending = 0;
    if (exec->options.queue_ms > 0 && !gn_timer_is_running(&exec->own.late)) {
        gn_timer_start(&exec->own.late, gn_loop_after_ms(exec->loop, exec->options.queue_ms));
    }
}

/* ---- watching -------------------------------------------------------------------- */

/* How many more runners of cheap calls are of use now. */
GN_LOOP_THREAD static unsigned n_of_use_locked(struct gn_pyexec *exec, unsigned n_cheap)
{
    bool has_progressed = exec->shared.n_ended != exec->own.checked_ended;
    unsigned target = gn_pace_target(&exec->shared.pace);
    unsigned runners = gn_pyexec_runners_locked(exec);

    if (exec->shared.n_births > 0 && runners + exec->shared.n_coming >= target) {
        return 0; /* help is on its way */
    }
    return gn_stall_check(&exec->own.stall, n_cheap, runners, target, has_progressed);
}

GN_LOOP_THREAD static bool check_locked(struct gn_pyexec *exec, struct gn_pywake *wake)
{
    unsigned n_queued = gn_call_queue_count(&exec->shared.queue);
    gn_deadline now = gn_clock_now();

    if (n_queued > 0 && can_wake_locked(exec)) {
        struct gn_call_ready ready;

        gn_pycrew_look_locked(exec, now, now - exec->own.checked_at);
        limit_dear_locked(exec, now);
        ready = gn_call_queue_ready(&exec->shared.queue, &exec->shared.room);
        wake_for_locked(exec, ready.n_dear + n_of_use_locked(exec, ready.n_cheap), wake);
    }
    exec->own.checked_at = now;
    exec->own.checked_ended = exec->shared.n_ended;
    return n_queued > 0;
}

void gn_pydispatch_check(struct gn_pyexec *exec)
{
    struct gn_pywake wake = {.n = 0};
    int births_errno;
    bool is_needed;

    (void)pthread_mutex_lock(&exec->shared.lock);
    is_needed = check_locked(exec, &wake);
    births_errno = exec->shared.births_errno;
    exec->shared.births_errno = 0;
    gn_pyexec_unlock(exec, &wake);
    gn_pycrew_report(births_errno);
    if (is_needed) {
        start_check(exec);
    } else {
        atomic_store_explicit(&exec->is_checking, false, memory_order_seq_cst);
    }
}
