/* SPDX-License-Identifier: MIT */
#include "bridge/py/watchdog.h"

#include <time.h>

static void *watch(void *arg)
{
    struct gn_watchdog *dog = arg;

    (void)pthread_mutex_lock(&dog->lock);
    while (!dog->is_over) {
        struct timespec until = {
                .tv_sec = (time_t)(dog->deadline / GN_NS_PER_S),
                .tv_nsec = (long)(dog->deadline % GN_NS_PER_S),
        };

        if (gn_clock_now() < dog->deadline) {
            (void)pthread_cond_timedwait(&dog->ended, &dog->lock, &until);
            continue;
        }
        /* The function may take its time, or never return: not with the lock held. */
        (void)pthread_mutex_unlock(&dog->lock);
        dog->deadline = dog->on_late(dog->arg);
        (void)pthread_mutex_lock(&dog->lock);
        if (dog->deadline == GN_NEVER) {
            break;
        }
    }
    (void)pthread_mutex_unlock(&dog->lock);
    return NULL;
}

void gn_watchdog_begin(
        struct gn_watchdog *dog, gn_deadline deadline, gn_watchdog_fn on_late, void *arg)
{
    pthread_condattr_t attr;

    *dog = (struct gn_watchdog){.deadline = deadline, .on_late = on_late, .arg = arg};
    (void)pthread_mutex_init(&dog->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&dog->ended, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (deadline != GN_NEVER) {
        dog->is_running = pthread_create(&dog->thread, NULL, watch, dog) == 0;
    }
}

void gn_watchdog_end(struct gn_watchdog *dog)
{
    (void)pthread_mutex_lock(&dog->lock);
    dog->is_over = true;
    (void)pthread_cond_signal(&dog->ended);
    (void)pthread_mutex_unlock(&dog->lock);
    if (dog->is_running) {
        (void)pthread_join(dog->thread, NULL);
    }
    (void)pthread_cond_destroy(&dog->ended);
    (void)pthread_mutex_destroy(&dog->lock);
}
