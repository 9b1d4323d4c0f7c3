/* SPDX-License-Identifier: MIT */
#include "bridge/py/call_queue.h"

/* Written by whoever holds the lock, so a store is enough. */
static void set_count(struct gn_call_queue *queue, unsigned n)
{
    atomic_store_explicit(&queue->n_calls, n, memory_order_relaxed);
}

void gn_call_queue_init(struct gn_call_queue *queue, int64_t wait_ms)
{
    gn_list_init(&queue->arrivals);
    atomic_init(&queue->n_calls, 0);
    queue->wait_ms = wait_ms;
}

void gn_call_queue_publish(struct gn_call_queue *queue, struct gn_list *batch, unsigned n)
{
    gn_list_splice(&queue->arrivals, batch);
    set_count(queue, gn_call_queue_count(queue) + n);
}

static struct gn_pycall *oldest(const struct gn_call_queue *queue)
{
    return gn_list_is_empty(&queue->arrivals)
            ? NULL
            : GN_LIST_ENTRY(queue->arrivals.next, struct gn_pycall, link);
}

struct gn_pycall *gn_call_queue_pop(struct gn_call_queue *queue)
{
    struct gn_pycall *call = oldest(queue);

    if (call != NULL) {
        gn_call_queue_remove(queue, call);
    }
    return call;
}

void gn_call_queue_remove(struct gn_call_queue *queue, struct gn_pycall *call)
{
    gn_list_unlink(&call->link);
    set_count(queue, gn_call_queue_count(queue) - 1);
}

static gn_deadline late_at(const struct gn_call_queue *queue, const struct gn_pycall *call)
{
    return queue->wait_ms == 0 ? GN_NEVER : gn_deadline_after_ms(call->queued_at, queue->wait_ms);
}

bool gn_call_queue_is_late(
        const struct gn_call_queue *queue, const struct gn_pycall *call, gn_deadline now)
{
    return now >= late_at(queue, call);
}

struct gn_pycall *gn_call_queue_pop_late(struct gn_call_queue *queue, gn_deadline now)
{
    struct gn_pycall *call = oldest(queue);

    if (call == NULL || !gn_call_queue_is_late(queue, call, now)) {
        return NULL;
    }
    gn_call_queue_remove(queue, call);
    return call;
}

gn_deadline gn_call_queue_next_late(const struct gn_call_queue *queue)
{
    struct gn_pycall *call = oldest(queue);

    return call != NULL ? late_at(queue, call) : GN_NEVER;
}
