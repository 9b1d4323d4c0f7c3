/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_SWITCH_INTERVAL_H
#define GN_BRIDGE_PY_SWITCH_INTERVAL_H

/*
 * The interpreter's switch interval (sys.setswitchinterval): how long a thread
 * that wants the GIL waits before it asks for it. It is shortened from 5 ms to
 * 0.5 ms while cheap calls run beside computing ones, since a cheap call waits
 * that long before it starts. An application that has set its own keeps it.
 *
 * Thread: any, holding the GIL; the fields may be read without.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include "server/base/attr.h"

#define GN_SWITCH_INTERVAL_S 0.0005

struct gn_switch_interval {
    atomic_bool is_short;  /* by us */
    atomic_bool is_theirs; /* the application chose one: hands off */
};

/** Shortens it, or gives it back; costs nothing when it is so already. */
GN_NEEDS_GIL void gn_switch_interval_set(struct gn_switch_interval *interval, bool is_short);

#endif
