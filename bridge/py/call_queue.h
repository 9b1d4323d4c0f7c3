/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_CALL_QUEUE_H
#define GN_BRIDGE_PY_CALL_QUEUE_H

/*
 * The one place that decides which waiting call runs next.
 *
 * Each call has a class (bridge/py/call_class.h). Within a class calls run in
 * order of arrival; between classes the one goes first whose arrival plus the
 * handicap of its size is earliest. So a cheap call overtakes dear ones that
 * came up to their handicap before it, and none that waited longer: no call
 * waits for more than the calls that arrived until its handicap was over.
 *
 * A call whose class has no room now is passed over, and while it is the
 * earliest, nothing may start that would keep it waiting: no call of its own
 * size, and none that computes and is smaller once only such ones are in its way.
 *
 * Calls belong to families (a mount each), which may have a limit of calls that
 * run at once. A family at its limit is passed over as a whole, and its calls that
 * wait take no place from others: how many may wait counts for each of the limited
 * families, and for all others together.
 *
 * Thread: none of its own; whoever calls holds the executor's lock, but for the
 * functions of the loop.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include "bridge/py/call_class.h"
#include "bridge/py/pyexec.h"

struct gn_call_lanes {
    struct gn_list calls[GN_CALL_CLASSES]; /* oldest first */
    unsigned n[GN_CALL_CLASSES];
    unsigned filled;               /* a bit per class with calls */
    unsigned n_announced;          /* the loop's: not published yet */
    atomic_uint n_calls;           /* written with the lock held, read by the loop */
    struct gn_call_family *family; /* whose limit counts; NULL: none */
};

struct gn_call_family {
    unsigned limit; /* calls at once; 0: any number */
    unsigned n_running;
    unsigned lanes; /* index; families without a limit share the first */
};

struct gn_call_queue {
    struct gn_call_lanes *lanes;
    struct gn_call_family *families;
    unsigned n_lanes;
    unsigned n_families;
    int64_t handicap_ns[GN_CALL_SIZES];
    int64_t wait_ms; /* longest wait; 0: no limit */
    atomic_uint n_calls;
};

/** `limits`: of the families, in order; NULL: none is limited. At least one family exists. */
void gn_call_queue_init(
        struct gn_call_queue *queue, int64_t wait_ms, const unsigned *limits, unsigned n_families);
void gn_call_queue_fini(struct gn_call_queue *queue);

/** How many wait. The one thing that may be read without the lock: it is then a moment old. */
static inline unsigned gn_call_queue_count(const struct gn_call_queue *queue)
{
    return atomic_load_explicit(&queue->n_calls, memory_order_relaxed);
}

/**
 * A call of this family is going to be published, if fewer than `most` wait: of
 * the family, where it has a limit, else of all that have none.
 *
 * Returns: true; or false, and nothing has changed
 */
GN_LOOP_THREAD GN_MUST_CHECK bool gn_call_queue_announce(
        struct gn_call_queue *queue, unsigned family, unsigned most);
/** One that was announced will not be published. */
GN_LOOP_THREAD void gn_call_queue_retract(struct gn_call_queue *queue, unsigned family);

/** Moves the `n` calls of `batch`, all that were announced, in order of arrival, behind those that
 * wait; `batch` is empty after. */
void gn_call_queue_publish(struct gn_call_queue *queue, struct gn_list *batch, unsigned n);

/**
 * The call to run next, unlinked, or NULL when none may begin. It may be late:
 * see gn_call_queue_is_late. Whoever runs it tells gn_call_queue_begin, and
 * gn_call_queue_end after.
 */
struct gn_pycall *gn_call_queue_pop(
        struct gn_call_queue *queue, const struct gn_call_room *room, bool may_take_cheap);

/** Any call, unlinked, or NULL: for the end. */
struct gn_pycall *gn_call_queue_pop_any(struct gn_call_queue *queue);

/** A call of this family runs, has run. */
void gn_call_queue_begin(struct gn_call_queue *queue, unsigned family);
void gn_call_queue_end(struct gn_call_queue *queue, unsigned family);

/* How many calls could begin now, each on a worker of its own; of dear ones an upper bound. */
struct gn_call_ready {
    unsigned n_cheap;
    unsigned n_dear;
};

struct gn_call_ready gn_call_queue_ready(
        const struct gn_call_queue *queue, const struct gn_call_room *room);

/** Calls of that family and key which have the class `from` are of another class after all; they
 *  keep their order of arrival. O(calls of that class). */
void gn_call_queue_reclass(
        struct gn_call_queue *queue, unsigned family, uint32_t key, unsigned from, unsigned class);

/** The same for all of them that are dear: they are cheap. O(dear calls). */
void gn_call_queue_cheapen(struct gn_call_queue *queue, unsigned family, uint32_t key);

/** Takes one call out, wherever it stands. O(1). */
void gn_call_queue_remove(struct gn_call_queue *queue, struct gn_pycall *call);

/** True when the call has waited longer than allowed. */
bool gn_call_queue_is_late(
        const struct gn_call_queue *queue, const struct gn_pycall *call, gn_deadline now);

/** The oldest call that is late, unlinked, or NULL. */
struct gn_pycall *gn_call_queue_pop_late(struct gn_call_queue *queue, gn_deadline now);

/** When the next call becomes late, or GN_NEVER. */
gn_deadline gn_call_queue_next_late(const struct gn_call_queue *queue);

#endif
