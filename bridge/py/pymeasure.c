/* SPDX-License-Identifier: MIT */
/*
 * A call that is measured costs two system calls, so of kinds known to be cheap
 * one in sixteen is. Of the others the clock is read anyway, and when one took
 * long unexpectedly its thread was measured some calls before: what it has used
 * since, less what those calls took at most, is this one's.
 */
#include <Python.h>

#include "bridge/py/pymeasure.h"

#include <sys/resource.h>

#include "bridge/py/pyexec_priv.h"

#define SAMPLE_EVERY 16
#define SHORT_INTERVAL_NS ((int64_t)(GN_SWITCH_INTERVAL_S * 1e9))
#define LONG_INTERVAL_NS                                                                           \
    (5 * GN_NS_PER_MS) /* Python's own, and taken for what an application sets */

static struct gn_pyusage usage_now(void)
{
    struct rusage r;

    (void)getrusage(RUSAGE_THREAD, &r);
    return (struct gn_pyusage){
            .cpu_ns = ((int64_t)r.ru_utime.tv_sec + r.ru_stime.tv_sec) * GN_NS_PER_S +
                    ((int64_t)r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1000,
            .n_given_up = r.ru_nvcsw,
            .n_taken = r.ru_nivcsw,
    };
}

static bool is_interval_short(const struct gn_pyexec *exec)
{
    return atomic_load_explicit(&exec->switch_interval.is_short, memory_order_relaxed);
}

static bool is_sample_due(struct gn_pyworker *w)
{
    if (w->n_unsampled > 0) {
        w->n_unsampled--;
        return false;
    }
    w->n_unsampled = SAMPLE_EVERY - 1;
    return true;
}

void gn_pymeasure_begin(struct gn_pyworker *w, const struct gn_pycall *call)
{
    w->measured.is_sample = is_sample_due(w);
    w->measured.is_measured = w->measured.is_sample || call->is_measured;
    if (w->measured.is_measured) {
        w->measured.is_interval_short = is_interval_short(w->exec);
        w->mark = usage_now();
        w->mark_wall_ns = 0;
    }
}

void gn_pymeasure_end(struct gn_pyworker *w, const struct gn_pycall *call)
{
    struct gn_pymeasured *m = &w->measured;
    struct gn_pyusage now;

    m->wall_ns = call->ended_at - call->started_at;
    if (GN_LIKELY(!m->is_measured && m->wall_ns < GN_CALL_CHEAP_NS)) {
        w->mark_wall_ns += m->wall_ns;
        m->key = 0;
        return;
    }
    now = usage_now();
    m->usage = (struct gn_pyusage){
            .cpu_ns = GN_MAX(now.cpu_ns - w->mark.cpu_ns - w->mark_wall_ns, INT64_C(0)),
            .n_given_up = now.n_given_up - w->mark.n_given_up,
            .n_taken = now.n_taken - w->mark.n_taken,
    };
    m->is_interval_short = m->is_measured && m->is_interval_short && is_interval_short(w->exec);
    m->is_measured = true;
    w->mark = now;
    w->mark_wall_ns = 0;
    m->key = call->key;
    m->family = call->family;
    m->guess = (struct gn_call_guess){.slot = call->slot, .is_stranger = call->is_stranger};
}

/* What a call that was given up took says nothing about cheap ones. */
static bool is_cheap(const struct gn_pyworker *w)
{
    return w->class == GN_CALL_CHEAP && !w->is_given_up;
}

/* What a call taught about its kind, and about how many runners are of use. */
static void learn_locked(struct gn_pyworker *w)
{
    struct gn_pyexec *exec = w->exec;
    const struct gn_pymeasured *m = &w->measured;
    bool was_contended = w->was_contended || gn_pyexec_computes_locked(exec) ||
            exec->shared.n_computing_begun != w->seen_computing;
    const struct gn_call_spent spent = {
            .wall_ns = m->wall_ns,
            .cpu_ns = m->usage.cpu_ns,
            .others_ns = gn_pyexec_is_gil_off(exec) ? 0 /* nobody waits for the GIL */
                    : was_contended                 ? INT64_MAX
                                                    : exec->shared.busy_ns - w->seen_busy_ns,
            .interval_ns = m->is_interval_short ? SHORT_INTERVAL_NS : LONG_INTERVAL_NS,
            .n_given_up = m->usage.n_given_up,
            .n_taken = m->usage.n_taken,
    };

    if (m->is_sample && is_cheap(w)) {
        const struct gn_pace_sample sample = {
                .wall_ns = m->wall_ns,
                .cpu_ns = m->usage.cpu_ns,
                .has_blocked = m->usage.n_given_up > 0,
                .n_runners = gn_pyexec_runners_locked(exec),
        };

        gn_pace_add(&exec->shared.pace, &sample);
    }
    if (m->is_measured && m->key != 0) {
        const struct gn_call_sample sample = {
                .wall_ns = m->wall_ns,
                .cpu_ns = m->usage.cpu_ns,
                .outside = gn_call_outside(&spent),
        };

        if (gn_call_costs_learn(&exec->costs, &m->guess, m->key, m->family, &sample)) {
            gn_call_queue_cheapen(&exec->shared.queue, m->family, m->key);
        }
    }
}

void gn_pymeasure_learn_locked(struct gn_pyworker *w)
{
    const struct gn_pymeasured *m = &w->measured;

    if (m->is_measured) {
        learn_locked(w);
        w->exec->shared.busy_ns += m->usage.cpu_ns;
        if (is_cheap(w)) {
            w->usual_cpu_ns += (m->usage.cpu_ns - w->usual_cpu_ns) / 8;
        }
    } else {
        w->exec->shared.busy_ns += GN_MIN(m->wall_ns, w->usual_cpu_ns);
    }
}
