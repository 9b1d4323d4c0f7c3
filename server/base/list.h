/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_BASE_LIST_H
#define GN_SERVER_BASE_LIST_H

/*
 * Intrusive doubly linked circular list. The owner embeds a `struct gn_list`
 * per list it can be on; a head is a `struct gn_list` too. Not thread-safe.
 * An unlinked node points at itself, so unlinking twice is harmless.
 */

#include <stdbool.h>
#include <stddef.h>

#include "server/base/attr.h"

struct gn_list {
    struct gn_list *next;
    struct gn_list *prev;
};

static inline void gn_list_init(struct gn_list *node)
{
    node->next = node;
    node->prev = node;
}

static inline bool gn_list_is_empty(const struct gn_list *head)
{
    return head->next == head;
}

/** True while the node is on some list. */
static inline bool gn_list_is_linked(const struct gn_list *node)
{
    return node->next != node;
}

static inline void gn_list_insert_after(struct gn_list *at, struct gn_list *node)
{
    node->next = at->next;
    node->prev = at;
    at->next->prev = node;
    at->next = node;
}

static inline void gn_list_append(struct gn_list *head, struct gn_list *node)
{
    gn_list_insert_after(head->prev, node);
}

static inline void gn_list_prepend(struct gn_list *head, struct gn_list *node)
{
    gn_list_insert_after(head, node);
}

static inline void gn_list_unlink(struct gn_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    gn_list_init(node);
}

/** The first node, unlinked, or NULL. */
static inline struct gn_list *gn_list_pop(struct gn_list *head)
{
    struct gn_list *node = head->next;

    if (node == head) {
        return NULL;
    }
    gn_list_unlink(node);
    return node;
}

/** Moves every node of `from` behind those of `to`; `from` is empty after. */
static inline void gn_list_splice(struct gn_list *to, struct gn_list *from)
{
    if (gn_list_is_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    gn_list_init(from);
}

#define GN_LIST_ENTRY(node, type, member) GN_CONTAINER_OF(node, type, member)

/** Visits each node; the body may unlink or free the current one. */
#define GN_LIST_FOREACH(node, tmp, head)                                                           \
    for ((node) = (head)->next, (tmp) = (node)->next; (node) != (head);                            \
            (node) = (tmp), (tmp) = (node)->next)

#endif
