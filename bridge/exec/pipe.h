/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_EXEC_PIPE_H
#define GN_BRIDGE_EXEC_PIPE_H

/*
 * A bounded pipe of bytes from one worker thread to the loop: how a response
 * is streamed. The worker writes until limit_bytes are on their way and then
 * blocks; the loop takes what is there, writes it to the client, and says how
 * much has gone. Whichever side ends first tells the other at once.
 *
 * Bytes count as queued from gn_pipe_write until gn_pipe_drained, also while
 * the loop's own write queue holds them: the bound covers the whole way.
 *
 * Thread: two halves. Functions marked GN_LOOP_THREAD belong to the reader,
 * those marked GN_WORKER_THREAD to the one writer (any thread, one at a time).
 * Others may write beside it: they join, write and leave, and the one writer
 * awaits them before it finishes.
 * Ownership: each half is let go by its own call; the last one frees.
 * Lock: one inside, held for pointer work only; never across a hook, a release
 * of lent bytes, or a callback.
 */

#include <stdbool.h>
#include <stddef.h>

#include "server/base/bufq.h"
#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/loop/loop.h"

struct gn_pipe;

enum { GN_PIPE_LIMIT_BYTES = 256 * 1024 }; /* the usual limit */

/**
 * There is something to take, or the writer has finished. On the loop thread;
 * once per change from empty, not once per write. Not called after gn_pipe_close.
 */
typedef void (*gn_pipe_fn)(struct gn_pipe *pipe, void *owner);

/** Both halves are held. `owner` must stay valid until gn_pipe_close. */
GN_ANY_THREAD struct gn_pipe *gn_pipe_create(
        struct gn_loop *loop, size_t limit_bytes, gn_pipe_fn on_readable, void *owner);

/* ---- the worker's half ------------------------------------------------- */

/**
 * Called around a wait, and only then, on the writing thread: a worker that
 * holds the GIL gives it up and takes it back. `save` carries what `before`
 * returns to `after`.
 */
struct gn_pipe_wait_hooks {
    void *(*before_wait)(void *arg);
    void (*after_wait)(void *arg, void *save);
    void *arg;
};

/**
 * Moves everything of `take` into the pipe. When more than limit_bytes are
 * queued it first waits until half of the limit is free. So at most limit_bytes
 * plus one `take` are on their way.
 * hooks: NULL when nothing is to be done around the wait.
 *
 * Returns: GN_OK           `take` is empty
 *          GN_ERR_GONE     the reader has closed, before or during the wait
 *          GN_ERR_TIMEOUT  `deadline` passed first
 * On an error nothing was taken: `take` is still the caller's to clear.
 */
GN_WORKER_THREAD GN_MUST_CHECK enum gn_err gn_pipe_write(struct gn_pipe *pipe, struct gn_bufq *take,
        const struct gn_pipe_wait_hooks *hooks, gn_deadline deadline);

/** A thread that is about to write beside others: the pipe stays until it has left. */
GN_ANY_THREAD void gn_pipe_join(struct gn_pipe *pipe);
/** Its writes have returned; it must not look at the pipe any more. */
GN_ANY_THREAD void gn_pipe_leave(struct gn_pipe *pipe);
/** Whether somebody has joined and not left. Costs one atomic load. */
GN_ANY_THREAD bool gn_pipe_has_writers(const struct gn_pipe *pipe);
/** Blocks until nobody has; they go on as the reader drains, or when it closes. */
GN_WORKER_THREAD void gn_pipe_await_writers(struct gn_pipe *pipe);

/**
 * From now on writing and finishing do not wake the loop; the writer does, or
 * something else is bound to (gn_loop_post_quietly).
 */
GN_WORKER_THREAD void gn_pipe_be_quiet(struct gn_pipe *pipe);

/** True once the reader has closed: no use in producing more. Costs one atomic load. */
GN_ANY_THREAD bool gn_pipe_is_gone(const struct gn_pipe *pipe);

/**
 * Nothing more will be written: `status` is GN_OK when the bytes are complete.
 * Lets go of the worker's half and sets `*pipe` to NULL.
 */
GN_WORKER_THREAD void gn_pipe_finish(struct gn_pipe **pipe, enum gn_err status);

/* ---- the loop's half --------------------------------------------------- */

/** Moves everything written so far behind what `into` holds. */
GN_LOOP_THREAD void gn_pipe_take(struct gn_pipe *pipe, struct gn_bufq *into);

/** `n` bytes of those taken have left the process: the writer may go on. */
GN_LOOP_THREAD void gn_pipe_drained(struct gn_pipe *pipe, uint64_t n);

/**
 * True when the writer has finished and everything has been taken;
 * `*status_out` is what it said.
 */
GN_LOOP_THREAD bool gn_pipe_is_finished(struct gn_pipe *pipe, enum gn_err *status_out);

/** Bytes written and not yet drained. */
GN_LOOP_THREAD uint64_t gn_pipe_n_bytes(struct gn_pipe *pipe);

/**
 * The client has gone, or everything has been taken: a waiting or later write
 * returns GN_ERR_GONE. What was not taken is released, on this thread. Lets go
 * of the loop's half and sets `*pipe` to NULL; NULL is allowed.
 */
GN_LOOP_THREAD void gn_pipe_close(struct gn_pipe **pipe);

#endif
