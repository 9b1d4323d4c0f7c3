/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_BRIDGE_EXEC_GATE_H
#define GN_TESTS_BRIDGE_EXEC_GATE_H

/*
 * A gate at which worker functions stop until the test opens it, and which the
 * test can wait at until so many have arrived.
 */

#include <pthread.h>
#include <stdbool.h>

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned n_arrived;
    bool is_open;
};

#define GATE_INIT                                                                                  \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                     \
    }

/** Worker: arrives, and waits until the gate is open. */
static inline void gate_pass(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->n_arrived++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->is_open) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    pthread_mutex_unlock(&gate->lock);
}

/** Test: waits until `n` have arrived. */
static inline void gate_await(struct gate *gate, unsigned n)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->n_arrived < n) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    pthread_mutex_unlock(&gate->lock);
}

/** Test: lets everybody through, now and later. */
static inline void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->is_open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

#endif
