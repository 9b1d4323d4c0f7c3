/* SPDX-License-Identifier: MIT */
#include "server/loop/timeout_list.h"

#include "server/base/alloc.h"

/*
 * Because all entries of a list wait equally long, appending keeps the list
 * sorted. The loop timer is never moved when an entry is armed or disarmed: it
 * runs for what was the head when it was started, and when it fires it starts
 * again for what is the head then. So a list costs one timer start per
 * duration, however often its entries are armed.
 */

GN_LOOP_THREAD static void follow_head(struct gn_timeout_list *list)
{
    if (!gn_list_is_empty(&list->entries)) {
        gn_timer_start(
                &list->timer, GN_LIST_ENTRY(list->entries.next, struct gn_timeout, link)->at);
    }
}

static void on_timer(struct gn_timer *timer)
{
    struct gn_timeout_list *list = GN_CONTAINER_OF(timer, struct gn_timeout_list, timer);
    gn_deadline now;

    gn_assert_loop_thread(timer->loop);
    now = gn_loop_now(list->loop);
    while (!gn_list_is_empty(&list->entries)) {
        struct gn_timeout *head = GN_LIST_ENTRY(list->entries.next, struct gn_timeout, link);

        if (head->at > now) {
            break;
        }
        gn_list_unlink(&head->link);
        list->fn(head);
    }
    follow_head(list);
}

void gn_timeout_list_init(
        struct gn_timeout_list *list, struct gn_loop *loop, int64_t duration_ms, gn_timeout_fn fn)
{
    gn_assert(duration_ms >= 0);
    list->loop = loop;
    list->duration_ms = duration_ms;
    list->fn = fn;
    gn_list_init(&list->entries);
    gn_timer_init(&list->timer, loop, on_timer);
}

void gn_timeout_list_fini(struct gn_timeout_list *list)
{
    if (list->loop == NULL) {
        return;
    }
    gn_timer_stop(&list->timer);
    while (gn_list_pop(&list->entries) != NULL) {
    }
}

void gn_timeout_arm(struct gn_timeout_list *list, struct gn_timeout *timeout)
{
    gn_timeout_disarm(timeout);
    if (list->duration_ms == 0) {
        return;
    }
    timeout->at = gn_loop_after_ms(list->loop, list->duration_ms);
    gn_list_append(&list->entries, &timeout->link);
    if (!gn_timer_is_running(&list->timer)) {
        follow_head(list);
    }
}

void gn_timeout_disarm(struct gn_timeout *timeout)
{
    if (gn_timeout_is_armed(timeout)) {
        gn_list_unlink(&timeout->link);
    }
}

bool gn_timeout_is_armed(const struct gn_timeout *timeout)
{
    return timeout->link.next != NULL && gn_list_is_linked(&timeout->link);
}
