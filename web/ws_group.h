/* SPDX-License-Identifier: MIT */
#ifndef GN_WEB_WS_GROUP_H
#define GN_WEB_WS_GROUP_H

/*
 * A set of WebSocket connections that hear the same messages: a chat room. A
 * broadcast is framed once and queued by reference to every member. A
 * connection leaves its groups by itself before its `close` callback runs.
 *
 * Thread: the loop thread. Ownership: whoever created the group destroys it;
 * it owns no connection.
 */

#include "server/base/err.h"
#include "server/base/slice.h"
#include "server/proto/ws_frame.h"

struct gn_websocket;
struct gn_ws_group;

/** What becomes of a member whose queue is full. */
enum gn_ws_slow {
    GN_WS_SLOW_CLOSE, /* it is closed with 1013 */
    GN_WS_SLOW_SKIP,  /* it misses this message */
};

/** Any thread until the application starts. Never NULL. */
GN_EXPORT struct gn_ws_group *gn_ws_group_create(enum gn_ws_slow slow);
/** Members stay connected. NULL is allowed. */
GN_EXPORT GN_LOOP_THREAD void gn_ws_group_destroy(struct gn_ws_group **group);

/** Does nothing when it is a member already. */
GN_EXPORT GN_LOOP_THREAD void gn_ws_group_add(struct gn_ws_group *group, struct gn_websocket *ws);
GN_EXPORT GN_LOOP_THREAD void gn_ws_group_remove(
        struct gn_ws_group *group, struct gn_websocket *ws);
GN_EXPORT GN_LOOP_THREAD unsigned gn_ws_group_n_members(const struct gn_ws_group *group);

/**
 * Sends to every member but `except` (NULL: to all).
 *
 * Returns: GN_OK            queued, whatever the slow ones met
 *          GN_ERR_INVALID   text that is not UTF-8
 *          GN_ERR_NO_MEMORY
 */
GN_EXPORT GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_ws_group_broadcast(struct gn_ws_group *group,
        enum gn_ws_opcode kind, struct gn_slice data, const struct gn_websocket *except);

#endif
