/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_LOOP_LOOP_H
#define GN_SERVER_LOOP_LOOP_H

/*
 * One event loop, one thread: descriptors, timers, signals, posts from other
 * threads, and hooks at the end of each turn. This is the only folder that
 * knows libev.
 *
 * Thread: the loop thread, but for gn_loop_post. Callbacks run on the loop
 * thread and begin with gn_assert_loop_thread().
 * Ownership: watchers are embedded in their owners, who stop them before they
 * die; the loop never allocates or frees for them. Stopping a watcher inside
 * its own callback, or another watcher that is ready in the same turn, is safe:
 * a stopped watcher is not called.
 */

#include <stdbool.h>
#include <stddef.h>

#include "server/base/attr.h"
#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/base/list.h"

struct gn_loop;

/**
 * Returns: GN_OK           `*loop_out` is the caller's; the calling thread becomes its thread
 *          GN_ERR_SYSTEM   no event backend or descriptor could be had
 */
GN_MUST_CHECK enum gn_err gn_loop_create(struct gn_loop **loop_out, struct gn_error *err);
/** All watchers must have been stopped. Runs what was posted and has not run. */
void gn_loop_destroy(struct gn_loop **loop);

/** Runs until gn_loop_stop, even with no watcher active. Never from a callback or a task. */
void gn_loop_run(struct gn_loop *loop);
/** Makes gn_loop_run return at the end of this turn; one that has not begun returns at once. */
GN_LOOP_THREAD void gn_loop_stop(struct gn_loop *loop);
/** One turn without waiting: for tests. */
void gn_loop_run_once(struct gn_loop *loop);

/** The time at the start of this turn. */
GN_LOOP_THREAD gn_deadline gn_loop_now(const struct gn_loop *loop);
/** gn_loop_now plus `ms`. */
GN_LOOP_THREAD gn_deadline gn_loop_after_ms(const struct gn_loop *loop, int64_t ms);

/** The analysis cannot follow callbacks: they state their thread, and it is checked. */
#if defined(__clang__)
void gn_assert_loop_thread(const struct gn_loop *loop) GN_TSA(assert_capability(gn_role_loop));
#else
void gn_assert_loop_thread(const struct gn_loop *loop);
#endif

/* ---- from other threads ------------------------------------------------ */

struct gn_post;
typedef void (*gn_post_fn)(struct gn_post *post);

/** Embedded in what is posted; must stay alive until its function has run. */
struct gn_post {
    struct gn_post *next; /* private */
    gn_post_fn fn;        /* runs on the loop thread */
};

/**
 * Runs `post->fn(post)` on the loop thread, soon. Posts of one thread run in
 * order. Lock-free; only the post that finds the queue empty wakes the loop.
 * A post may be posted again once its function has begun. The function may run
 * before this call returns; the loop must live until the call has returned.
 */
GN_ANY_THREAD void gn_loop_post(struct gn_loop *loop, struct gn_post *post);

/**
 * The same, but does not wake the loop: the function runs in the next turn,
 * whenever that comes. Whoever posts so sees to it that one comes, by
 * gn_loop_wake or because something else is bound to wake the loop soon. May
 * overtake posts of the same thread that were not quiet. The push and the
 * loop's look for it are sequentially consistent, so that "post, then see
 * whether the loop is going to look" and "no longer going to look, look" cannot
 * miss each other.
 */
GN_ANY_THREAD void gn_loop_post_quietly(struct gn_loop *loop, struct gn_post *post);
/** Begins a turn soon. */
GN_ANY_THREAD void gn_loop_wake(struct gn_loop *loop);

/* ---- descriptors ------------------------------------------------------- */

enum {
    GN_IO_READ = 1,
    GN_IO_WRITE = 2,
};

struct gn_io;
/** `events` are those that are ready; an error or hang-up shows as all watched ones. */
typedef void (*gn_io_fn)(struct gn_io *io, unsigned events);

struct gn_io {
    struct gn_loop *loop;
    gn_io_fn fn;
    union {
        void *align;
        char bytes[48]; /* libev's watcher, by static assertion */
    } ev;
};

/** Prepares a stopped watcher for `fd`. */
void gn_io_init(struct gn_io *io, struct gn_loop *loop, int fd, gn_io_fn fn);
/** Watches exactly `events` (0 stops); does nothing when that is so already. */
GN_LOOP_THREAD void gn_io_watch(struct gn_io *io, unsigned events);
/** What is watched now. */
unsigned gn_io_events(const struct gn_io *io);
int gn_io_fd(const struct gn_io *io);
/** Stops; must precede closing the descriptor. A zeroed gn_io is accepted. */
GN_LOOP_THREAD void gn_io_fini(struct gn_io *io);

/* ---- single timers ----------------------------------------------------- */

/* For the few; connections use server/loop/timeout_list.h. */

struct gn_timer;
typedef void (*gn_timer_fn)(struct gn_timer *timer);

struct gn_timer {
    struct gn_loop *loop;
    gn_timer_fn fn;
    gn_deadline at;       /* while running */
    unsigned n_postponed; /* private */
    union {
        void *align;
        char bytes[48];
    } ev;
};

void gn_timer_init(struct gn_timer *timer, struct gn_loop *loop, gn_timer_fn fn);
/**
 * Fires once at `at`, at once when that is past; re-arms when running. GN_NEVER stops.
 * What is due fires after the descriptors that are ready; a turn later when it is late, up to 16
 * turns when they are more than a poll tells: what arrived in time can still stop its timer.
 */
GN_LOOP_THREAD void gn_timer_start(struct gn_timer *timer, gn_deadline at);
/** A zeroed gn_timer is accepted. */
GN_LOOP_THREAD void gn_timer_stop(struct gn_timer *timer);
bool gn_timer_is_running(const struct gn_timer *timer);

/* ---- the end of a turn ------------------------------------------------- */

struct gn_defer;
typedef void (*gn_defer_fn)(struct gn_defer *defer);

/** A call that runs later in this turn, from the loop's own stack. Zeroed but for `fn`. */
struct gn_defer {
    struct gn_list link; /* private */
    gn_defer_fn fn;
};

/**
 * Runs `defer->fn(defer)` once, in order, after the callbacks of this turn and
 * before its hooks. Does nothing when it is queued already. It may be deferred
 * again from its own function.
 */
GN_LOOP_THREAD void gn_loop_defer(struct gn_loop *loop, struct gn_defer *defer);
/** Must precede the end of a queued owner. Does nothing when not queued. */
GN_LOOP_THREAD void gn_defer_cancel(struct gn_defer *defer);
bool gn_defer_is_queued(const struct gn_defer *defer);

struct gn_turn_hook;
typedef void (*gn_turn_fn)(struct gn_turn_hook *hook);

/**
 * Runs each time the loop has handled all that was ready and is about to wait;
 * once more when a hook caused calls to be deferred. Zeroed but for `fn`.
 */
struct gn_turn_hook {
    struct gn_list link; /* private */
    gn_turn_fn fn;
};

GN_LOOP_THREAD void gn_loop_add_turn_hook(struct gn_loop *loop, struct gn_turn_hook *hook);
/** Any hook may remove any, itself included. Does nothing when it was not added. */
GN_LOOP_THREAD void gn_loop_remove_turn_hook(struct gn_turn_hook *hook);

#endif
