/* SPDX-License-Identifier: MIT */
#include "bridge/exec/pipe.h"

#include <stdatomic.h>

#include "server/base/alloc.h"
#include "server/base/obj.h"
#include "server/base/thread_cond.h"

#include "bridge/exec/duct_priv.h"

/*
 * A queue and two counters under the duct's lock. `n_bytes` counts what was
 * written and not drained, wherever it is now.
 *
 * The loop is notified when the queue stops being empty, and when the writer
 * finishes, unless a notification is on its way already.
 *
 * A writer that has to wait goes on when half of the limit has gone, not after
 * each piece: every wait costs two thread switches, and the GIL twice.
 */

struct gn_pipe {
    unsigned magic;
    struct gn_duct duct;
    uint64_t limit_bytes;
    gn_pipe_fn on_readable;
    void *owner;           /* loop thread */
    atomic_bool is_gone;   /* set under the lock */
    atomic_uint n_writers; /* that have joined; changed under the lock */

    struct { /* any thread, under the duct's lock */
        uint64_t n_bytes;
        unsigned n_waiting;
        bool is_finished;
        enum gn_err status;
    } shared;
};

#define GN_PIPE_MAGIC 0x4e77b1c5u

static struct gn_pipe *pipe_of(struct gn_duct *duct)
{
    return GN_CONTAINER_OF(duct, struct gn_pipe, duct);
}

static void on_notice(struct gn_duct *duct)
{
    struct gn_pipe *pipe = pipe_of(duct);

    gn_assert_loop_thread(duct->loop);
    if (!gn_pipe_is_gone(pipe)) {
        pipe->on_readable(pipe, pipe->owner);
    }
}

static void on_last(struct gn_duct *duct)
{
    struct gn_pipe *pipe = pipe_of(duct);

    pipe->magic = 0;
    gn_free(pipe);
}

static void lock(struct gn_pipe *pipe)
{
    GN_CHECK_OBJ(pipe, GN_PIPE_MAGIC);
    gn_duct_lock(&pipe->duct);
}

static void unlock(struct gn_pipe *pipe)
{
    gn_duct_unlock(&pipe->duct);
}

/** The lock is held; true when gn_duct_notify must follow once it is not. */
static bool begin_notice(struct gn_pipe *pipe)
{
    return !gn_pipe_is_gone(pipe) && gn_duct_begin_notice(&pipe->duct);
}

struct gn_pipe *gn_pipe_create(
        struct gn_loop *loop, size_t limit_bytes, gn_pipe_fn on_readable, void *owner)
{
    struct gn_pipe *pipe = gn_xcalloc(sizeof(*pipe));

    pipe->magic = GN_PIPE_MAGIC;
    pipe->limit_bytes = limit_bytes;
    pipe->on_readable = on_readable;
    pipe->owner = owner;
    atomic_init(&pipe->is_gone, false);
    atomic_init(&pipe->n_writers, 0);
    gn_duct_init(&pipe->duct, loop, on_notice, on_last);
    return pipe;
}

/* ---- the worker's half ------------------------------------------------- */

/** Blocks until half of the limit is free, the reader has gone, or the deadline. */
static enum gn_err wait_for_room(struct gn_pipe *pipe, gn_deadline deadline)
{
    bool in_time = true;
    enum gn_err rc;

    lock(pipe);
    pipe->shared.n_waiting++;
    while (in_time && !gn_pipe_is_gone(pipe) && pipe->shared.n_bytes > pipe->limit_bytes / 2) {
        in_time = gn_thread_cond_wait_until(&pipe->duct.may_go_on, &pipe->duct.lock, deadline);
    }
    pipe->shared.n_waiting--;
    rc = in_time || pipe->shared.n_bytes <= pipe->limit_bytes ? GN_OK : GN_ERR_TIMEOUT;
    if (gn_pipe_is_gone(pipe)) {
        rc = GN_ERR_GONE;
    }
    unlock(pipe);
    return rc;
}

static enum gn_err wait_with_hooks(
        struct gn_pipe *pipe, const struct gn_pipe_wait_hooks *hooks, gn_deadline deadline)
{
    enum gn_err rc;
    void *save;

    if (hooks == NULL) {
        return wait_for_room(pipe, deadline);
    }
    save = hooks->before_wait(hooks->arg);
    rc = wait_for_room(pipe, deadline);
    hooks->after_wait(hooks->arg, save);
    return rc;
}

/** There is room, or was a moment ago: each of several writers may go over the limit once. */
static enum gn_err put(struct gn_pipe *pipe, struct gn_bufq *take)
{
    bool must_post = false;

    lock(pipe);
    if (gn_pipe_is_gone(pipe)) {
        unlock(pipe);
        return GN_ERR_GONE;
    }
    if (!gn_bufq_is_empty(take)) {
        must_post = gn_bufq_is_empty(&pipe->duct.queue) && begin_notice(pipe);
        pipe->shared.n_bytes += take->n_bytes;
        gn_bufq_move(&pipe->duct.queue, take);
    }
    unlock(pipe);
    if (must_post) {
        gn_duct_notify(&pipe->duct);
    }
    return GN_OK;
}

enum gn_err gn_pipe_write(struct gn_pipe *pipe, struct gn_bufq *take,
        const struct gn_pipe_wait_hooks *hooks, gn_deadline deadline)
{
    bool is_over;

    lock(pipe);
    is_over = pipe->shared.n_bytes > pipe->limit_bytes;
    unlock(pipe);
    if (is_over && !gn_pipe_is_gone(pipe)) {
        GN_TRY(wait_with_hooks(pipe, hooks, deadline));
    }
    return put(pipe, take);
}

void gn_pipe_join(struct gn_pipe *pipe)
{
    lock(pipe);
    atomic_fetch_add_explicit(&pipe->n_writers, 1, memory_order_relaxed);
    unlock(pipe);
}

void gn_pipe_leave(struct gn_pipe *pipe)
{
    lock(pipe);
    if (atomic_fetch_sub_explicit(&pipe->n_writers, 1, memory_order_relaxed) == 1) {
        pthread_cond_broadcast(&pipe->duct.may_go_on);
    }
    unlock(pipe);
}

bool gn_pipe_has_writers(const struct gn_pipe *pipe)
{
    return atomic_load_explicit(&pipe->n_writers, memory_order_relaxed) > 0;
}

void gn_pipe_await_writers(struct gn_pipe *pipe)
{
    lock(pipe);
    while (gn_pipe_has_writers(pipe)) {
        (void)gn_thread_cond_wait_until(&pipe->duct.may_go_on, &pipe->duct.lock, GN_NEVER);
    }
    unlock(pipe);
}

void gn_pipe_be_quiet(struct gn_pipe *pipe)
{
    GN_CHECK_OBJ(pipe, GN_PIPE_MAGIC);
    pipe->duct.is_quiet = true;
}

bool gn_pipe_is_gone(const struct gn_pipe *pipe)
{
    return atomic_load_explicit(&pipe->is_gone, memory_order_acquire);
}

void gn_pipe_finish(struct gn_pipe **pipe, enum gn_err status)
{
    struct gn_pipe *p = *pipe;
    bool must_post;

    *pipe = NULL;
    lock(p);
    gn_assert(!p->shared.is_finished);
    p->shared.is_finished = true;
    p->shared.status = status;
    must_post = begin_notice(p);
    unlock(p);
    if (must_post) {
        gn_duct_notify(&p->duct);
    }
    lock(p);
    gn_duct_unlock_and_unref(&p->duct);
}

/* ---- the loop's half --------------------------------------------------- */

void gn_pipe_take(struct gn_pipe *pipe, struct gn_bufq *into)
{
    lock(pipe);
    gn_bufq_move(into, &pipe->duct.queue);
    unlock(pipe);
}

void gn_pipe_drained(struct gn_pipe *pipe, uint64_t n)
{
    bool goes_on;

    lock(pipe);
    gn_assert(n <= pipe->shared.n_bytes);
    pipe->shared.n_bytes -= n;
    goes_on = pipe->shared.n_waiting > 0 && pipe->shared.n_bytes <= pipe->limit_bytes / 2;
    if (goes_on) {
        pthread_cond_broadcast(&pipe->duct.may_go_on);
    }
    unlock(pipe);
}

bool gn_pipe_is_finished(struct gn_pipe *pipe, enum gn_err *status_out)
{
    bool is_finished;

    lock(pipe);
    is_finished = pipe->shared.is_finished && gn_bufq_is_empty(&pipe->duct.queue);
    if (is_finished) {
        *status_out = pipe->shared.status;
    }
    unlock(pipe);
    return is_finished;
}

uint64_t gn_pipe_n_bytes(struct gn_pipe *pipe)
{
    uint64_t n_bytes;

    lock(pipe);
    n_bytes = pipe->shared.n_bytes;
    unlock(pipe);
    return n_bytes;
}

void gn_pipe_close(struct gn_pipe **pipe)
{
    struct gn_pipe *p = *pipe;
    struct gn_bufq left = {.first = NULL};

    if (p == NULL) {
        return;
    }
    *pipe = NULL;
    lock(p);
    atomic_store_explicit(&p->is_gone, true, memory_order_release);
    gn_bufq_move(&left, &p->duct.queue);
    p->owner = NULL;
    pthread_cond_broadcast(&p->duct.may_go_on);
    gn_duct_unlock_and_unref(&p->duct);
    gn_bufq_clear(&left);
}
