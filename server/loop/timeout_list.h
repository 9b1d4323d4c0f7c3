/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_LOOP_TIMEOUT_LIST_H
#define GN_SERVER_LOOP_TIMEOUT_LIST_H

/*
 * Many timeouts of one duration in O(1): a list ordered by expiry, because
 * whoever arms last expires last, and one loop timer for its head. A server
 * has one list per kind of wait (server/http/limits.h), not per connection.
 *
 * Thread: the loop thread. Ownership: entries are embedded in their owners,
 * who disarm them before they die.
 */

#include <stdbool.h>

#include "server/base/list.h"
#include "server/loop/loop.h"

struct gn_timeout;
/** Runs once per expiry; the entry is disarmed before and may be armed again. */
typedef void (*gn_timeout_fn)(struct gn_timeout *timeout);

struct gn_timeout_list {
    struct gn_loop *loop;
    int64_t duration_ms; /* 0: entries never expire */
    gn_timeout_fn fn;
    struct gn_list entries; /* ordered by `at` */
    struct gn_timer timer;  /* runs while entries is not empty; may fire early, then re-arms */
};

/** 24 bytes in its owner; zeroed means "not armed". */
struct gn_timeout {
    struct gn_list link;
    gn_deadline at;
};

GN_LOOP_THREAD void gn_timeout_list_init(
        struct gn_timeout_list *list, struct gn_loop *loop, int64_t duration_ms, gn_timeout_fn fn);
/** Disarms every entry. */
GN_LOOP_THREAD void gn_timeout_list_fini(struct gn_timeout_list *list);
/** (Re)starts the entry's time from now, on this list; it leaves any list it was on. */
GN_LOOP_THREAD void gn_timeout_arm(struct gn_timeout_list *list, struct gn_timeout *timeout);
GN_LOOP_THREAD void gn_timeout_disarm(struct gn_timeout *timeout);
bool gn_timeout_is_armed(const struct gn_timeout *timeout);

#endif
