/* SPDX-License-Identifier: MIT */
#include "bridge/py/call_queue.h"
#include "tests/support/test.h"

static void publish(struct gn_call_queue *queue, struct gn_pycall *calls, unsigned n)
{
    struct gn_list batch;

    gn_list_init(&batch);
    for (unsigned i = 0; i < n; i++) {
        gn_list_append(&batch, &calls[i].link);
    }
    gn_call_queue_publish(queue, &batch, n);
    cr_assert(gn_list_is_empty(&batch));
}

Test(call_queue, serves_in_order_of_arrival)
{
    struct gn_call_queue queue;
    struct gn_pycall calls[3] = {0};

    gn_call_queue_init(&queue, 0);
    cr_assert_null(gn_call_queue_pop(&queue));
    publish(&queue, calls, 2);
    publish(&queue, calls + 2, 1);
    cr_assert_eq(gn_call_queue_count(&queue), 3);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(gn_call_queue_pop(&queue), &calls[i]);
    }
    cr_assert_eq(gn_call_queue_count(&queue), 0);
}

Test(call_queue, gives_up_any_call)
{
    struct gn_call_queue queue;
    struct gn_pycall calls[3] = {0};

    gn_call_queue_init(&queue, 0);
    publish(&queue, calls, 3);
    gn_call_queue_remove(&queue, &calls[1]);
    cr_assert_eq(gn_call_queue_count(&queue), 2);
    cr_assert_eq(gn_call_queue_pop(&queue), &calls[0]);
    cr_assert_eq(gn_call_queue_pop(&queue), &calls[2]);
    cr_assert_null(gn_call_queue_pop(&queue));
}

Test(call_queue, knows_who_is_late)
{
    struct gn_call_queue queue;
    struct gn_pycall calls[2] = {
            {.queued_at = 5 * GN_NS_PER_MS},
            {.queued_at = 6 * GN_NS_PER_MS},
    };

    gn_call_queue_init(&queue, 10);
    cr_assert_eq(gn_call_queue_next_late(&queue), GN_NEVER);
    publish(&queue, calls, 2);
    cr_assert_eq(gn_call_queue_next_late(&queue), 15 * GN_NS_PER_MS);
    cr_assert_null(gn_call_queue_pop_late(&queue, 15 * GN_NS_PER_MS - 1));
    cr_assert_not(gn_call_queue_is_late(&queue, &calls[0], 15 * GN_NS_PER_MS - 1));
    cr_assert(gn_call_queue_is_late(&queue, &calls[0], 15 * GN_NS_PER_MS));
    cr_assert_eq(gn_call_queue_pop_late(&queue, 15 * GN_NS_PER_MS), &calls[0]);
    cr_assert_null(gn_call_queue_pop_late(&queue, 15 * GN_NS_PER_MS));
    cr_assert_eq(gn_call_queue_next_late(&queue), 16 * GN_NS_PER_MS);
}

Test(call_queue, nobody_is_late_without_a_limit)
{
    struct gn_call_queue queue;
    struct gn_pycall call = {.queued_at = 1};

    gn_call_queue_init(&queue, 0);
    publish(&queue, &call, 1);
    cr_assert_eq(gn_call_queue_next_late(&queue), GN_NEVER);
    cr_assert_null(gn_call_queue_pop_late(&queue, GN_NEVER - 1));
}
