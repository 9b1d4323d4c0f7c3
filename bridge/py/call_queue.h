/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_CALL_QUEUE_H
#define GN_BRIDGE_PY_CALL_QUEUE_H

/*
 * The one place that decides which waiting call runs next.
 *
 * Today: first come, first served. The interface is made for an order by
 * expected cost (earliest virtual deadline: time of arrival plus a multiple of
 * what calls with this key usually take): such an order needs what pop gets to
 * know (the time) and what finished reports (the key and its cost), and keeps
 * the order of arrival beside its own for late.
 *
 * Thread: none of its own; whoever calls holds the executor's lock.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include "bridge/py/pyexec.h"

struct gn_call_queue {
    struct gn_list arrivals; /* oldest first */
    atomic_uint n_calls;
    int64_t wait_ms; /* longest wait; 0: no limit */
};

void gn_call_queue_init(struct gn_call_queue *queue, int64_t wait_ms);

/** How many wait. The one thing that may be read without the lock: it is then a moment old. */
static inline unsigned gn_call_queue_count(const struct gn_call_queue *queue)
{
    return atomic_load_explicit(&queue->n_calls, memory_order_relaxed);
}

/** Moves the `n` calls of `batch`, in order of arrival, behind those that wait; `batch` is empty
 *  after. */
void gn_call_queue_publish(struct gn_call_queue *queue, struct gn_list *batch, unsigned n);

/** The call to run next, unlinked, or NULL. It may be late: see gn_call_queue_is_late. */
struct gn_pycall *gn_call_queue_pop(struct gn_call_queue *queue);

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
