/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_CALL_CLASS_H
#define GN_BRIDGE_PY_CALL_CLASS_H

/*
 * How dear a call is, and which calls may run beside each other: arithmetic
 * only, no threads, no clock.
 *
 * A call costs what it computes and what it waits outside Python. Below 2 ms it
 * is cheap. Else it is dear, of one of four sizes, each eight times the one
 * before (from 2, 16, 128 and 1 024 ms), and of one of three kinds, by the share
 * of its cost that it computes: it waits (below 1/8), does both (below 1/2), or
 * computes.
 *
 * Cheap calls are not restricted here. Of dear ones
 *   - at most `limit` run, so that workers are left for cheap ones;
 *   - calls that wait need nothing else;
 *   - calls that compute run one at a time (three that do both count as one,
 *     nearly), but a call beside those that are a size larger: a page of 20 ms does
 *     not wait for a report of 2 s. On free-threaded Python it is one per core.
 *
 * Thread: none of its own; whoever calls holds the executor's lock.
 */

#include <stdbool.h>
#include <stdint.h>

#define GN_CALL_SIZES 5    /* 0: cheap */
#define GN_CALL_CLASSES 13 /* 0: cheap; else 1 + 3 * (size - 1) + kind */
#define GN_CALL_CHEAP 0
#define GN_CALL_CHEAP_NS 2000000
/* The smallest that computes: what nobody knows yet (bridge/py/call_cost.h). */
#define GN_CALL_TRIAL 3

enum gn_call_kind {
    GN_CALL_WAITS,
    GN_CALL_DOES_BOTH,
    GN_CALL_COMPUTES,
};

/** Of a dear call. */
static inline unsigned gn_call_class(unsigned size, enum gn_call_kind kind)
{
    return 1 + 3 * (size - 1) + (unsigned)kind;
}

static inline unsigned gn_call_size(unsigned class)
{
    return (class + 2) / 3;
}

/** Of a dear call; a cheap one waits for nothing. */
static inline enum gn_call_kind gn_call_kind(unsigned class)
{
    return class == GN_CALL_CHEAP ? GN_CALL_WAITS : (enum gn_call_kind)((class - 1) % 3);
}

/** True when it computes, in part at least. */
static inline bool gn_call_computes(unsigned class)
{
    return gn_call_kind(class) != GN_CALL_WAITS;
}

/**
 * The class of what costs so much. What was dear stays so above half of the
 * bound, so that a cost near it does not change sides with every call.
 */
unsigned gn_call_class_of(double cpu_ns, double outside_ns, bool was_dear);

/** The least that a size costs; the next size begins where this one ends. */
int64_t gn_call_size_floor_ns(unsigned size);

/** "cheap", "waits 16 ms+", … */
const char *gn_call_class_name(unsigned class);

/* What the running dear calls take. */
struct gn_call_room {
    unsigned load[GN_CALL_SIZES]; /* by size: what they compute, in parts */
    unsigned n_dear;
    unsigned limit;   /* dear calls at once */
    unsigned n_cores; /* that can run Python at once: 1 with a GIL */
};

enum gn_call_fit {
    GN_CALL_FITS,
    GN_CALL_BEHIND_LIKE,    /* one of its own size computes */
    GN_CALL_BEHIND_SMALLER, /* it would fit if those of smaller sizes ended */
    GN_CALL_NO_WORKER,      /* `limit` dear calls run */
};

void gn_call_room_init(struct gn_call_room *room, unsigned limit, unsigned n_cores);
/** A call of this class begins, ends. Cheap ones may be told too. */
void gn_call_room_add(struct gn_call_room *room, unsigned class);
void gn_call_room_remove(struct gn_call_room *room, unsigned class);
/** Whether a call may begin now. */
enum gn_call_fit gn_call_room_fit(const struct gn_call_room *room, unsigned class);
/** True while a call that computes for long runs. */
bool gn_call_room_computes(const struct gn_call_room *room);

#endif
