/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_PACE_H
#define GN_BRIDGE_PY_PACE_H

/*
 * How many workers should run Python at once: arithmetic only, no threads, no
 * clock. Two questions are answered here.
 *
 * pace: how many runners keep Python's lock busy, learnt from sampled calls. A
 * call that computes for c and then waits outside Python for w leaves room for
 * w/c others, so 1 + w/c runners (per core, without a GIL) are right: one for an application that
 * only computes, many for one that mostly waits. A wait counts for at most GN_PACE_SLOT_NS, because
 * after that the worker is known to be waiting and is not counted among the runners.
 *
 * stall: calls wait and nothing happens: how many more workers to wake now.
 *
 * Thread: none of its own; whoever calls holds the executor's lock.
 */

#include <stdbool.h>
#include <stdint.h>

/* The interval of the stall check, and the longest wait a runner's slot is held for. */
#define GN_PACE_SLOT_NS 1000000

struct gn_pace {
    double slot_ns;   /* decaying sum: what calls hold a runner's slot for */
    double cpu_ns;    /* decaying sum: what they compute of that */
    double saturated; /* decaying share of samples that found Python's lock busy, 0..1 */
    unsigned n_cores; /* that run Python at once: 1 with a GIL; so many runners there may always be
                       */
};

/** What was measured around one call. */
struct gn_pace_sample {
    int64_t wall_ns;
    int64_t cpu_ns;
    bool has_blocked;   /* the thread gave up its processor of its own will, even once */
    unsigned n_runners; /* that could have competed for the GIL, itself included */
};

void gn_pace_init(struct gn_pace *pace, unsigned n_cores);
void gn_pace_add(struct gn_pace *pace, const struct gn_pace_sample *sample);
/** 1.0 and up; one per core while nothing is known. */
double gn_pace_runners(const struct gn_pace *pace);
/** The same as a number of threads. */
unsigned gn_pace_target(const struct gn_pace *pace);
/** True when one runner less would not be missed. */
bool gn_pace_has_surplus(const struct gn_pace *pace, unsigned n_runners);

struct gn_stall {
    unsigned step;    /* workers to wake at the next stall; doubles */
    unsigned n_still; /* checks in a row in which somebody computed and no call ended */
    unsigned nudge;   /* value of n_still at which one more worker is woken; doubles */
};

void gn_stall_init(struct gn_stall *stall);

/**
 * One check.
 *
 * Units:   n_runners: awake and not known to wait outside Python; target: of gn_pace
 * Returns: how many more workers to wake
 */
unsigned gn_stall_check(struct gn_stall *stall, unsigned n_queued, unsigned n_runners,
        unsigned target, bool has_progressed);

#endif
