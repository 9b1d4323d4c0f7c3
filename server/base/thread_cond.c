/* SPDX-License-Identifier: MIT */
#include "server/base/thread_cond.h"

#include <errno.h>
#include <time.h>

void gn_thread_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
}

bool gn_thread_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, gn_deadline deadline)
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
