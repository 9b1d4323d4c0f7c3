/* SPDX-License-Identifier: MIT */
#include "server/base/thread_cond.h"

#include "bridge/exec/duct_priv.h"

static void on_post(struct gn_post *post)
{
    struct gn_duct *duct = GN_CONTAINER_OF(post, struct gn_duct, notice);

    gn_assert_loop_thread(duct->loop);
    gn_duct_lock(duct);
    duct->is_noticed = false;
    gn_duct_unlock(duct);
    duct->on_notice(duct);
    gn_duct_lock(duct);
    gn_duct_unlock_and_unref(duct);
}

void gn_duct_init(
        struct gn_duct *duct, struct gn_loop *loop, gn_duct_fn on_notice, gn_duct_fn on_last)
{
    *duct = (struct gn_duct){
            .loop = loop,
            .on_notice = on_notice,
            .on_last = on_last,
            .notice = {.fn = on_post},
            .n_refs = 2,
    };
    pthread_mutex_init(&duct->lock, NULL);
    gn_thread_cond_init(&duct->may_go_on);
}

void gn_duct_unlock_and_unref(struct gn_duct *duct)
{
    const bool is_last = --duct->n_refs == 0;

    gn_duct_unlock(duct);
    if (is_last) {
        pthread_cond_destroy(&duct->may_go_on);
        pthread_mutex_destroy(&duct->lock);
        duct->on_last(duct);
    }
}

bool gn_duct_begin_notice(struct gn_duct *duct)
{
    if (duct->is_noticed) {
        return false;
    }
    duct->is_noticed = true;
    duct->n_refs++;
    return true;
}

void gn_duct_notify(struct gn_duct *duct)
{
    if (duct->is_quiet) {
        gn_loop_post_quietly(duct->loop, &duct->notice);
    } else {
        gn_loop_post(duct->loop, &duct->notice);
    }
}
