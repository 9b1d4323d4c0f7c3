/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_EXEC_COND_PRIV_H
#define GN_BRIDGE_EXEC_COND_PRIV_H

/* Condition variables of threads, with deadlines on the clock the project uses. */

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "server/base/clock.h"

static inline void gn_cond_init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
}

/** False when the deadline has passed; true on a signal, and now and then without one. */
static inline bool gn_cond_wait_until(
        pthread_cond_t *cond, pthread_mutex_t *mutex, gn_deadline deadline)
{
    const struct timespec until = {
            .tv_sec = (time_t)(deadline / GN_NS_PER_S),
            .tv_nsec = (long)(deadline % GN_NS_PER_S),
    };

    if (deadline == GN_NEVER) {
        (void)pthread_cond_wait(cond, mutex);
        return true;
    }
    return pthread_cond_timedwait(cond, mutex, &until) != ETIMEDOUT;
}

#endif
