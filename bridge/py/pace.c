/* SPDX-License-Identifier: MIT */
/*
 * A sample among n runners is ambiguous: a call that took long may have waited
 * for a database or for the GIL. If the n runners together computed about as
 * much as the wall clock shows, Python's lock was busy all the time: then n is
 * enough, and perhaps too many, and the estimate is pulled down a little until
 * a gap shows. If there is a gap, the wait was outside.
 *
 * A call that never gave up its processor did not wait for anything, whatever
 * the wall clock says: it was merely pre-empted.
 */
#include "bridge/py/pace.h"

#include "server/base/attr.h"

#define DECAY (15.0 / 16.0)
#define SATURATED_FROM 0.85 /* n runners' computing, as a share of wall time */
#define PULL_DOWN 0.75
#define MAX_STEP 64
#define FIRST_NUDGE 5 /* checks, about the interpreter's switch interval */

void gn_pace_init(struct gn_pace *pace, unsigned n_cores)
{
    *pace = (struct gn_pace){.n_cores = GN_MAX(n_cores, 1U)};
}

static double slot_of(
        const struct gn_pace_sample *s, double cpu, unsigned n_cores, bool *is_saturated)
{
    double wall = (double)s->wall_ns;
    double together = cpu * (double)s->n_runners / n_cores;

    *is_saturated = true;
    if (!s->has_blocked) {
        return cpu;
    }
    if (s->n_runners > 1 && together > SATURATED_FROM * wall) {
        return GN_MAX(cpu, PULL_DOWN * together);
    }
    *is_saturated = together > SATURATED_FROM * wall;
    return cpu + GN_MIN(GN_MAX(wall - cpu, 0.0), (double)GN_PACE_SLOT_NS);
}

void gn_pace_add(struct gn_pace *pace, const struct gn_pace_sample *sample)
{
    double cpu = (double)GN_MAX(sample->cpu_ns, INT64_C(1000));
    bool is_saturated;
    double slot = slot_of(sample, cpu, pace->n_cores, &is_saturated);
    /* One very dear call must not outweigh all others. */
    double scale = cpu > (double)GN_PACE_SLOT_NS ? (double)GN_PACE_SLOT_NS / cpu : 1.0;

    pace->slot_ns = pace->slot_ns * DECAY + slot * scale;
    pace->cpu_ns = pace->cpu_ns * DECAY + cpu * scale;
    pace->saturated = pace->saturated * DECAY + (is_saturated ? 1.0 - DECAY : 0.0);
}

double gn_pace_runners(const struct gn_pace *pace)
{
    double runners = pace->cpu_ns > 0.0 ? pace->slot_ns / pace->cpu_ns : 1.0;

    return GN_MAX(runners, 1.0) * pace->n_cores;
}

unsigned gn_pace_target(const struct gn_pace *pace)
{
    return (unsigned)(gn_pace_runners(pace) + 0.75);
}

bool gn_pace_has_surplus(const struct gn_pace *pace, unsigned n_runners)
{
    return pace->saturated > 0.5 && n_runners > gn_pace_target(pace);
}

void gn_stall_init(struct gn_stall *stall)
{
    *stall = (struct gn_stall){.step = 1, .nudge = FIRST_NUDGE};
}

unsigned gn_stall_check(struct gn_stall *stall, unsigned n_queued, unsigned n_runners,
        unsigned target, bool has_progressed)
{
    unsigned n;

    if (n_queued == 0 || has_progressed) {
        gn_stall_init(stall);
    }
    if (n_runners < target) {
        n = GN_MAX(target - n_runners, stall->step);
        stall->step = GN_MIN(stall->step * 2, (unsigned)MAX_STEP);
        return GN_MIN(n, n_queued);
    }
    if (n_queued == 0 || has_progressed) {
        return 0;
    }
    /* Somebody computes for long. Python shares itself out between threads, but only between
       those that are awake: let the others in slowly. */
    stall->n_still++;
    if (stall->n_still < stall->nudge) {
        return 0;
    }
    stall->nudge *= 2;
    return 1;
}
