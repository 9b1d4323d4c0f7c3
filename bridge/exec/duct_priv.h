/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_EXEC_DUCT_PRIV_H
#define GN_BRIDGE_EXEC_DUCT_PRIV_H

/*
 * What the two directions between a worker and the loop have in common
 * (pipe.h, intake.h): bytes on their way under a lock, a condition the worker
 * waits at, and notices to the loop. Embedded; two halves hold a reference
 * each, and a notice on its way one more, because letting go does not recall
 * it.
 *
 * Lock: `lock`, for pointer work only. It is innermost: nothing is called
 * while it is held.
 */

#include <pthread.h>
#include <stdbool.h>

#include "server/base/bufq.h"
#include "server/loop/loop.h"

struct gn_duct;
/** On the loop thread or, for on_last, where the last reference went; no lock is held. */
typedef void (*gn_duct_fn)(struct gn_duct *duct);

struct gn_duct {
    struct gn_loop *loop;
    gn_duct_fn on_notice;
    gn_duct_fn on_last; /* the duct has been taken apart: free what it is embedded in */
    struct gn_post notice;
    bool is_quiet; /* the worker's: its notices do not wake the loop */
    pthread_mutex_t lock;

    /* under the lock */
    pthread_cond_t may_go_on; /* the worker waits */
    struct gn_bufq queue;     /* put in, not taken out */
    unsigned n_refs;
    bool is_noticed; /* the notice is on its way */
};

/** Both halves are held. */
void gn_duct_init(
        struct gn_duct *duct, struct gn_loop *loop, gn_duct_fn on_notice, gn_duct_fn on_last);

static inline void gn_duct_lock(struct gn_duct *duct)
{
    pthread_mutex_lock(&duct->lock);
}

static inline void gn_duct_unlock(struct gn_duct *duct)
{
    pthread_mutex_unlock(&duct->lock);
}

/** Gives one reference back, and the lock, which must be held. */
void gn_duct_unlock_and_unref(struct gn_duct *duct);

/** The lock is held; true when gn_duct_notify must follow once it is not. */
bool gn_duct_begin_notice(struct gn_duct *duct);
void gn_duct_notify(struct gn_duct *duct);

#endif
