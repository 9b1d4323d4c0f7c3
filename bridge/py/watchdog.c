/* SPDX-License-Identifier: MIT */
#include "bridge/py/watchdog.h"

#include "server/base/thread_cond.h"

static void *watch(void *arg)
{
    struct gn_watchdog *dog = arg;

    (void)pthread_mutex_lock(&dog->lock);
    while (!dog->is_over) {
        if (gn_clock_now() < dog->deadline) {
            (void)gn_thread_cond_wait_until(&dog->ended, &dog->lock, dog->deadline);
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
    *dog = (struct gn_watchdog){.deadline = deadline, .on_late = on_late, .arg = arg};
    (void)pthread_mutex_init(&dog->lock, NULL);
    gn_thread_cond_init(&dog->ended);
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
