/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_BASE_CLOCK_H
#define GN_SERVER_BASE_CLOCK_H

/*
 * Time. Deadlines are absolute, on the monotonic clock, in nanoseconds, so
 * that passing one down through several calls needs no arithmetic. Wall-clock
 * time is for dates that people read, never for waiting.
 */

#include <stdint.h>

#include "server/base/attr.h"

/** Absolute nanoseconds on CLOCK_MONOTONIC. */
typedef int64_t gn_deadline;

/** A deadline that never passes; must be written out where it is meant. */
#define GN_NEVER INT64_MAX

#define GN_NS_PER_MS INT64_C(1000000)
#define GN_NS_PER_S INT64_C(1000000000)

/** Now, read from the system; a loop has a cheaper cached value. */
GN_ANY_THREAD gn_deadline gn_clock_now(void);
/** CPU time of the calling thread, nanoseconds. */
GN_ANY_THREAD int64_t gn_clock_thread_cpu(void);
/** Wall-clock nanoseconds since 1970. */
GN_ANY_THREAD int64_t gn_clock_wall(void);

/** `now` plus `ms`, saturating at GN_NEVER. */
static inline gn_deadline gn_deadline_after_ms(gn_deadline now, int64_t ms)
{
    return ms >= (GN_NEVER - now) / GN_NS_PER_MS ? GN_NEVER : now + ms * GN_NS_PER_MS;
}

#endif
