/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_LOOP_LOOP_PRIV_H
#define GN_SERVER_LOOP_LOOP_PRIV_H

/* What the files of this folder share: the loop's inside, and libev. */

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#include "server/loop/loop.h"

struct gn_loop {
    unsigned magic;
    bool stop; /* asked to return; until gn_loop_run has */
    pthread_t thread;
    struct ev_loop *ev;
    gn_deadline now;         /* read when the poll returned */
    unsigned n_ready;        /* descriptors told in this turn so far */
    struct gn_list deferred; /* struct gn_defer, in order */
    struct gn_list hooks;    /* struct gn_turn_hook, in order */
    ev_prepare before_poll;
    ev_check after_poll;
    ev_async wake;
    /* newest first; other threads push */
    _Atomic(struct gn_post *) posted;
    _Atomic(struct gn_post *) posted_quietly;
};

#define GN_LOOP_MAGIC 0x6c3a9d41u

#endif
