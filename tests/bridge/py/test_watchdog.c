/* SPDX-License-Identifier: MIT */
#include <semaphore.h>
#include <stdatomic.h>

#include "bridge/py/watchdog.h"
#include "tests/support/test.h"

struct bark {
    sem_t heard;
    atomic_int n;
    int max;
};

static gn_deadline on_late(void *arg)
{
    struct bark *bark = arg;
    int n = atomic_fetch_add(&bark->n, 1) + 1;

    (void)sem_post(&bark->heard);
    return n < bark->max ? gn_clock_now() : GN_NEVER;
}

Test(watchdog, is_silent_when_ended_in_time)
{
    struct gn_watchdog dog;
    struct bark bark = {.max = 1};

    (void)sem_init(&bark.heard, 0, 0);
    gn_watchdog_begin(&dog, gn_deadline_after_ms(gn_clock_now(), 60000), on_late, &bark);
    gn_watchdog_end(&dog);
    cr_assert_eq(atomic_load(&bark.n), 0);
    gn_watchdog_begin(&dog, GN_NEVER, on_late, &bark);
    gn_watchdog_end(&dog);
    cr_assert_eq(atomic_load(&bark.n), 0);
}

Test(watchdog, barks_as_often_as_it_is_told)
{
    struct gn_watchdog dog;
    struct bark bark = {.max = 2};

    (void)sem_init(&bark.heard, 0, 0);
    gn_watchdog_begin(&dog, gn_deadline_after_ms(gn_clock_now(), 1), on_late, &bark);
    (void)sem_wait(&bark.heard);
    (void)sem_wait(&bark.heard);
    gn_watchdog_end(&dog);
    cr_assert_eq(atomic_load(&bark.n), 2);
}
