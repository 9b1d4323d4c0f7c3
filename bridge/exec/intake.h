/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_EXEC_INTAKE_H
#define GN_BRIDGE_EXEC_INTAKE_H

/*
 * A bounded pipe of bytes from the loop to one worker thread: how a request
 * body is read while it arrives. The opposite direction is pipe.h.
 *
 * The reader asks when it would wait and nothing was ever given, and again each
 * time it has taken what filled it. In between the loop gives unasked, as
 * things come, so at most limit_bytes plus one put are on their way.
 *
 * Thread: two halves. Functions marked GN_LOOP_THREAD belong to the giver,
 * those marked GN_WORKER_THREAD to the one reader (any thread, one at a time).
 * Ownership: each half is let go by its own call; the last one frees.
 * Lock: one inside, held for pointer work only; never across a callback or a
 * release of lent bytes.
 */

#include <stddef.h>

#include "server/base/bufq.h"
#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/loop/loop.h"

struct gn_intake;

/** The reader wants (more). On the loop thread; not called after gn_intake_end. */
typedef void (*gn_intake_fn)(struct gn_intake *intake, void *owner);

/** Both halves are held. `owner` must stay valid until gn_intake_end. */
GN_ANY_THREAD struct gn_intake *gn_intake_create(
        struct gn_loop *loop, size_t limit_bytes, gn_intake_fn on_wanted, void *owner);

/* ---- the loop's half --------------------------------------------------- */

/**
 * Gives everything of `take`, which is empty after. May be called unasked.
 *
 * Returns: GN_OK
 *          GN_ERR_FULL   it is given, but limit_bytes or more wait to be read now:
 *                        give no more until on_wanted
 *          GN_ERR_GONE   the reader has let go: it was dropped
 */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_intake_put(
        struct gn_intake *intake, struct gn_bufq *take);

/**
 * Nothing more will be given: `status` is GN_OK when that was all, else what
 * the reader is told once it has read what was given. A reader that waits
 * learns it at once. Lets go of the loop's half and sets `*intake` to NULL; NULL
 * is allowed.
 */
GN_LOOP_THREAD void gn_intake_end(struct gn_intake **intake, enum gn_err status);

/* ---- the worker's half ------------------------------------------------- */

/**
 * Moves what has been given behind what `into` holds, waiting until there is
 * something. The deadline may be GN_NEVER when the loop's side is sure to end.
 *
 * Returns: GN_OK           at least one byte was moved
 *          GN_ERR_EOF      there is no more: the loop ended with GN_OK
 *          GN_ERR_TIMEOUT  `deadline` passed first
 *          GN_ERR_CLOSED   gn_intake_cancel was called
 *          else            what the loop ended with
 */
GN_WORKER_THREAD GN_MUST_CHECK enum gn_err gn_intake_read(
        struct gn_intake *intake, struct gn_bufq *into, gn_deadline deadline);

/**
 * Asks without reading, as a read would that had to wait; but quietly, in order
 * with other quiet posts of this thread (gn_loop_post_quietly): the caller sees
 * to it that the loop wakes.
 */
GN_WORKER_THREAD void gn_intake_ask_quietly(struct gn_intake *intake);

/** Ends a wait that another thread is in, and all later ones, with GN_ERR_CLOSED. */
GN_ANY_THREAD void gn_intake_cancel(struct gn_intake *intake);

/**
 * Reads no more. What was not read is dropped. Lets go of the worker's half and
 * sets `*intake` to NULL; NULL is allowed. On any thread, when nobody reads.
 */
GN_ANY_THREAD void gn_intake_close(struct gn_intake **intake);

#endif
