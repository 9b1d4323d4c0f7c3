/* SPDX-License-Identifier: MIT */
/*
 * What the executor can tell about itself. It is read on the loop, under the
 * lock, for a moment; the text is made from a copy, but for the estimates, whose
 * few lines are written with the lock held.
 */
#include <Python.h>

#include "bridge/py/pystats.h"

#include "bridge/py/pyexec_priv.h"

#define MOST_KINDS 40

/* Logically const: the lock is the only thing touched. */
static struct gn_pyexec *unconst(const struct gn_pyexec *exec)
{
    return (struct gn_pyexec *)(uintptr_t)exec;
}

struct gn_pyexec_stats gn_pyexec_stats(const struct gn_pyexec *exec_const)
{
    struct gn_pyexec *exec = unconst(exec_const);
    struct gn_pyexec_stats stats;

    (void)pthread_mutex_lock(&exec->shared.lock);
    stats = (struct gn_pyexec_stats){
            .threads = exec->shared.n_threads,
            .idle = exec->shared.n_idle,
            .busy = exec->shared.n_in_call,
            .busy_dear = exec->shared.room.n_dear,
            .queued = exec->own.n_pending + gn_call_queue_count(&exec->shared.queue),
            .stuck = exec->watch.n_stuck,
            .completed = exec->own.n_completed,
            .refused = exec->own.n_full + exec->own.n_late,
            .refused_full = exec->own.n_full,
            .refused_late = exec->own.n_late,
            .withdrawn = exec->own.n_withdrawn,
            .reclassed = exec->shared.n_reclassed,
            .wakeups = exec->shared.n_wakeups,
            .begun = exec->shared.n_begun,
            .queue_ns = exec->shared.queue_ns,
            .queue_max_ns = exec->shared.queue_max_ns,
            .gil_waits = exec->shared.n_gil_waits,
            .gil_wait_ns = exec->shared.gil_wait_ns,
            .gil_wait_max_ns = exec->shared.gil_wait_max_ns,
            .kinds = gn_call_costs_count(&exec->costs),
            .is_switching_fast =
                    atomic_load_explicit(&exec->switch_interval.is_short, memory_order_relaxed),
            .runners = gn_pace_runners(&exec->shared.pace),
    };
    (void)pthread_mutex_unlock(&exec->shared.lock);
    return stats;
}

static double mean_ms(int64_t total_ns, uint64_t n)
{
    return n > 0 ? (double)total_ns / 1e6 / (double)n : 0.0;
}

void gn_pyexec_stats_text(const struct gn_pyexec *exec_const, struct gn_buf *into)
{
    struct gn_pyexec *exec = unconst(exec_const);
    struct gn_pyexec_stats s = gn_pyexec_stats(exec);

    (void)!gn_buf_printf(into,
            "Python workers: %u of %u threads, %u idle, %u in a call, %u of these in a dear one, "
            "%u "
            "stuck\n",
            s.threads, exec->options.max_threads, s.idle, s.busy, s.busy_dear, s.stuck);
    (void)!gn_buf_printf(into,
            "queue (%s): %u waiting; so far %.3f ms on average, %.1f ms at most\n",
            exec->options.is_fifo ? "fifo" : "cost", s.queued, mean_ms(s.queue_ns, s.begun),
            (double)s.queue_max_ns / 1e6);
    (void)!gn_buf_printf(into,
            "calls: %llu completed, %llu refused as the queue was full, %llu refused after waiting "
            "too long, %llu withdrawn before they began, %llu dearer than expected\n",
            (unsigned long long)s.completed, (unsigned long long)s.refused_full,
            (unsigned long long)s.refused_late, (unsigned long long)s.withdrawn,
            (unsigned long long)s.reclassed);
    (void)!gn_buf_printf(into,
            "GIL: %llu workers waited for it after being woken, %.3f ms on average, %.1f ms at "
            "most; "
            "switch interval %s\n",
            (unsigned long long)s.gil_waits, mean_ms(s.gil_wait_ns, s.gil_waits),
            (double)s.gil_wait_max_ns / 1e6, s.is_switching_fast ? "0.5 ms" : "the interpreter's");
    (void)!gn_buf_printf(into, "kinds of calls: %u known, the costliest first\n", s.kinds);
    (void)pthread_mutex_lock(&exec->shared.lock);
    gn_call_costs_report(&exec->costs, MOST_KINDS, into);
    (void)pthread_mutex_unlock(&exec->shared.lock);
}
