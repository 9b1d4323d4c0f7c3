/* SPDX-License-Identifier: MIT */
#include "bridge/exec/pipe.h"

#include <pthread.h>
#include <stdatomic.h>

#include "server/base/alloc.h"
#include "server/base/obj.h"

#include "bridge/exec/cond_priv.h"

/*
 * One lock over a queue and two counters. `n_bytes` counts what was written and
 * not drained, wherever it is now.
 *
 * The loop is notified when the queue stops being empty, and when the writer
 * finishes, unless a notification is on its way already. A notification holds
 * a reference of its own, because closing does not recall it.
 *
 * A writer that has to wait goes on when half of the limit has gone, not after
 * each piece: every wait costs two thread switches, and the GIL twice.
 */

struct gn_pipe {
    unsigned magic;
    struct gn_loop *loop;
    uint64_t limit_bytes;
    gn_pipe_fn on_readable;
    void *owner; /* loop thread */
    struct gn_post notice;
    atomic_bool is_gone; /* set under the lock */

    struct { /* any thread, under lock */
        pthread_mutex_t lock;
        pthread_cond_t may_go_on; /* the writer waits */
        struct gn_bufq queue;     /* written, not taken */
        uint64_t n_bytes;
        unsigned n_refs; /* the halves that are held, and the notice on its way */
        bool is_noticed; /* the notice is on its way */
        bool is_waiting;
        bool is_finished;
        enum gn_err status;
    } shared;
};

#define GN_PIPE_MAGIC 0x4e77b1c5u

static void lock(struct gn_pipe *pipe)
{
    GN_CHECK_OBJ(pipe, GN_PIPE_MAGIC);
    pthread_mutex_lock(&pipe->shared.lock);
}

static void unlock(struct gn_pipe *pipe)
{
    pthread_mutex_unlock(&pipe->shared.lock);
}

/** Gives one reference back, and the lock, which must be held. */
static void unlock_and_unref(struct gn_pipe *pipe)
{
    const bool is_last = --pipe->shared.n_refs == 0;

    unlock(pipe);
    if (is_last) {
        pthread_cond_destroy(&pipe->shared.may_go_on);
        pthread_mutex_destroy(&pipe->shared.lock);
        pipe->magic = 0;
        gn_free(pipe);
    }
}

static void on_notice(struct gn_post *post)
{
    struct gn_pipe *pipe = GN_CONTAINER_OF(post, struct gn_pipe, notice);

    gn_assert_loop_thread(pipe->loop);
    lock(pipe);
    pipe->shared.is_noticed = false;
    unlock(pipe);
    if (!gn_pipe_is_gone(pipe)) {
        pipe->on_readable(pipe, pipe->owner);
    }
    lock(pipe);
    unlock_and_unref(pipe);
}

/** The lock is held; true when the caller must post the notice after unlocking. */
static bool begin_notice(struct gn_pipe *pipe)
{
    if (pipe->shared.is_noticed || gn_pipe_is_gone(pipe)) {
        return false;
    }
    pipe->shared.is_noticed = true;
    pipe->shared.n_refs++;
    return true;
}

struct gn_pipe *gn_pipe_create(
        struct gn_loop *loop, size_t limit_bytes, gn_pipe_fn on_readable, void *owner)
{
    struct gn_pipe *pipe = gn_xcalloc(sizeof(*pipe));

    pipe->magic = GN_PIPE_MAGIC;
    pipe->loop = loop;
    pipe->limit_bytes = limit_bytes;
    pipe->on_readable = on_readable;
    pipe->owner = owner;
    pipe->notice.fn = on_notice;
    atomic_init(&pipe->is_gone, false);
    pthread_mutex_init(&pipe->shared.lock, NULL);
    gn_cond_init_monotonic(&pipe->shared.may_go_on);
    pipe->shared.n_refs = 2;
    return pipe;
}

/* ---- the worker's half ------------------------------------------------- */

/** Blocks until half of the limit is free, the reader has gone, or the deadline. */
static enum gn_err wait_for_room(struct gn_pipe *pipe, gn_deadline deadline)
{
    bool in_time = true;
    enum gn_err rc;

    lock(pipe);
    pipe->shared.is_waiting = true;
    while (in_time && !gn_pipe_is_gone(pipe) && pipe->shared.n_bytes > pipe->limit_bytes / 2) {
        in_time = gn_cond_wait_until(&pipe->shared.may_go_on, &pipe->shared.lock, deadline);
    }
    pipe->shared.is_waiting = false;
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

/** There is room, and nobody but this writer takes it. */
static enum gn_err put(struct gn_pipe *pipe, struct gn_bufq *take)
{
    bool must_post = false;

    lock(pipe);
    if (gn_pipe_is_gone(pipe)) {
        unlock(pipe);
        return GN_ERR_GONE;
    }
    if (!gn_bufq_is_empty(take)) {
        must_post = gn_bufq_is_empty(&pipe->shared.queue) && begin_notice(pipe);
        pipe->shared.n_bytes += take->n_bytes;
        gn_bufq_move(&pipe->shared.queue, take);
    }
    unlock(pipe);
    if (must_post) {
        gn_loop_post(pipe->loop, &pipe->notice);
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
        gn_loop_post(p->loop, &p->notice);
    }
    lock(p);
    unlock_and_unref(p);
}

/* ---- the loop's half --------------------------------------------------- */

void gn_pipe_take(struct gn_pipe *pipe, struct gn_bufq *into)
{
    lock(pipe);
    gn_bufq_move(into, &pipe->shared.queue);
    unlock(pipe);
}

void gn_pipe_drained(struct gn_pipe *pipe, uint64_t n)
{
    bool goes_on;

    lock(pipe);
    gn_assert(n <= pipe->shared.n_bytes);
    pipe->shared.n_bytes -= n;
    goes_on = pipe->shared.is_waiting && pipe->shared.n_bytes <= pipe->limit_bytes / 2;
    if (goes_on) {
        pthread_cond_signal(&pipe->shared.may_go_on);
    }
    unlock(pipe);
}

bool gn_pipe_is_finished(struct gn_pipe *pipe, enum gn_err *status_out)
{
    bool is_finished;

    lock(pipe);
    is_finished = pipe->shared.is_finished && gn_bufq_is_empty(&pipe->shared.queue);
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
    gn_bufq_move(&left, &p->shared.queue);
    p->owner = NULL;
    pthread_cond_signal(&p->shared.may_go_on);
    unlock_and_unref(p);
    gn_bufq_clear(&left);
}
