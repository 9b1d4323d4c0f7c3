/* SPDX-License-Identifier: MIT */
#include "server/base/thread_cond.h"
#include "tests/support/test.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static bool is_set;

static void *set(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&mutex);
    is_set = true;
    (void)pthread_cond_signal(&changed);
    (void)pthread_mutex_unlock(&mutex);
    return NULL;
}

Test(thread_cond, returns_at_the_deadline_and_not_before)
{
    gn_deadline until = gn_deadline_after_ms(gn_clock_now(), 30);

    gn_thread_cond_init(&changed);
    (void)pthread_mutex_lock(&mutex);
    while (gn_thread_cond_wait_until(&changed, &mutex, until)) {
        cr_assert_lt(gn_clock_now(), until, "no signal, no deadline");
    }
    cr_assert_geq(gn_clock_now(), until);
    cr_assert_not(gn_thread_cond_wait_until(&changed, &mutex, until), "one that has passed");
    (void)pthread_mutex_unlock(&mutex);
    (void)pthread_cond_destroy(&changed);
}

Test(thread_cond, waits_for_a_signal_with_a_deadline_or_without)
{
    const gn_deadline deadlines[] = {gn_deadline_after_ms(gn_clock_now(), 3600 * 1000), GN_NEVER};

    for (unsigned i = 0; i < GN_ARRAY_LEN(deadlines); i++) {
        pthread_t thread;

        is_set = false;
        gn_thread_cond_init(&changed);
        (void)pthread_mutex_lock(&mutex);
        cr_assert_eq(pthread_create(&thread, NULL, set, NULL), 0);
        while (!is_set) {
            cr_assert(gn_thread_cond_wait_until(&changed, &mutex, deadlines[i]));
        }
        (void)pthread_mutex_unlock(&mutex);
        (void)pthread_join(thread, NULL);
        (void)pthread_cond_destroy(&changed);
    }
}
