/* SPDX-License-Identifier: MIT */
#include "web/ws_group.h"

#include "server/base/alloc.h"
#include "server/websocket/ws_message.h"
#include "web/websocket_handler.h"

#include "web/websocket_priv.h"

/*
 * A membership is a small object on two lists: the group's and the
 * connection's. Sending only queues, so nobody joins or leaves during a
 * broadcast.
 */

struct gn_ws_group {
    struct gn_list members; /* struct membership */
    unsigned n_members;
    enum gn_ws_slow slow;
};

struct membership {
    struct gn_list in_group;
    struct gn_list in_websocket;
    struct gn_ws_group *group;
    struct gn_websocket *ws;
};

static struct membership *find(const struct gn_ws_group *group, const struct gn_websocket *ws)
{
    struct gn_list *node;
    struct gn_list *next;

    GN_LIST_FOREACH (node, next, &ws->memberships) {
        struct membership *m = GN_LIST_ENTRY(node, struct membership, in_websocket);

        if (m->group == group) {
            return m;
        }
    }
    return NULL;
}

static void drop(struct membership *m)
{
    gn_list_unlink(&m->in_group);
    gn_list_unlink(&m->in_websocket);
    m->group->n_members--;
    gn_free(m);
}

struct gn_ws_group *gn_ws_group_create(enum gn_ws_slow slow)
{
    struct gn_ws_group *group = gn_xcalloc(sizeof(*group));

    gn_list_init(&group->members);
    group->slow = slow;
    return group;
}

void gn_ws_group_destroy(struct gn_ws_group **group)
{
    if (*group == NULL) {
        return;
    }
    while (!gn_list_is_empty(&(*group)->members)) {
        drop(GN_LIST_ENTRY((*group)->members.next, struct membership, in_group));
    }
    gn_free(*group);
    *group = NULL;
}

void gn_ws_group_add(struct gn_ws_group *group, struct gn_websocket *ws)
{
    struct membership *m;

    GN_CHECK_OBJ(ws, GN_WEBSOCKET_MAGIC);
    if (ws->is_over || find(group, ws) != NULL) {
        return;
    }
    m = gn_xcalloc(sizeof(*m));
    m->group = group;
    m->ws = ws;
    gn_list_append(&group->members, &m->in_group);
    gn_list_append(&ws->memberships, &m->in_websocket);
    group->n_members++;
}

void gn_ws_group_remove(struct gn_ws_group *group, struct gn_websocket *ws)
{
    struct membership *m = find(group, ws);

    if (m != NULL) {
        drop(m);
    }
}

unsigned gn_ws_group_n_members(const struct gn_ws_group *group)
{
    return group->n_members;
}

void gn_ws_leave_groups(struct gn_websocket *ws)
{
    while (!gn_list_is_empty(&ws->memberships)) {
        drop(GN_LIST_ENTRY(ws->memberships.next, struct membership, in_websocket));
    }
}

enum gn_err gn_ws_group_broadcast(struct gn_ws_group *group, enum gn_ws_opcode kind,
        struct gn_slice data, const struct gn_websocket *except)
{
    struct gn_ws_message *message;
    struct gn_list *node;
    struct gn_list *next;

    GN_TRY(gn_ws_message_create(kind, data, &message));
    GN_LIST_FOREACH (node, next, &group->members) {
        struct gn_websocket *ws = GN_LIST_ENTRY(node, struct membership, in_group)->ws;

        if (ws != except && gn_ws_send_message(ws, message) == GN_ERR_FULL &&
                group->slow == GN_WS_SLOW_CLOSE) {
            gn_ws_close(ws, GN_WS_CLOSE_TRY_LATER, GN_LIT("too slow"));
        }
    }
    gn_ws_message_unref(&message);
    return GN_OK;
}
