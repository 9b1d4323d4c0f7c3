/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_BASE_THREAD_COND_H
#define GN_SERVER_BASE_THREAD_COND_H

/*
 * Condition variables that threads wait at, with deadlines on the project's
 * clock, which does not jump (server/base/clock.h). Tasks of the loop have
 * conditions of their own: server/loop/cond.h.
 *
 * Thread: any but the loop's, which waits at none save at the end of the program.
 */

#include <pthread.h>
#include <stdbool.h>

#include "server/base/clock.h"

/** The caller's storage; pthread_cond_destroy ends it. */
void gn_thread_cond_init(pthread_cond_t *cond);

/**
 * Waits for a signal, with `mutex` held, which is given up meanwhile.
 *
 * Units:   deadline absolute, or GN_NEVER
 * Returns: false when the deadline has passed; true on a signal, and now and then without one
 */
bool gn_thread_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, gn_deadline deadline);

#endif
