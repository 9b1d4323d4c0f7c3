/* SPDX-License-Identifier: MIT */
#include "server/base/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;

    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * GN_NS_PER_S + t.tv_nsec;
}

gn_deadline gn_clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t gn_clock_thread_cpu(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t gn_clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}
