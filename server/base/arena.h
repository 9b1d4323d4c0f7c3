/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_BASE_ARENA_H
#define GN_SERVER_BASE_ARENA_H

/*
 * A bump allocator for memory that lives exactly as long as one request.
 * Nothing in it is freed singly; gn_arena_reset ends everything at once and
 * runs the hooks in reverse order: a hook closes a file, unmaps, drops a
 * reference.
 *
 * Thread: one user at a time. The exchange's arena may be used by the worker
 * that serves the exchange while the loop leaves it alone.
 * Limit: allocations are the server's own or already bounded by the caller;
 * gn_arena_alloc never fails.
 * Under AddressSanitizer every allocation is its own malloc, so that overruns
 * and use after reset are reported.
 */

#include <stddef.h>

#include "server/base/attr.h"
#include "server/base/slice.h"

struct gn_arena_block;
struct gn_arena_hook;

typedef void (*gn_arena_fn)(void *arg);

/** A zeroed gn_arena is empty and ready. */
struct gn_arena {
    struct gn_arena_block *blocks; /* newest first */
    struct gn_arena_hook *hooks;   /* newest first */
    char *at;                      /* next free byte of the newest block */
    char *end;                     /* one past its last byte */
};

/** `size` bytes aligned for any type, uninitialised; never NULL. */
GN_ANY_THREAD void *gn_arena_alloc(struct gn_arena *a, size_t size);
/** The same, zeroed. */
GN_ANY_THREAD void *gn_arena_calloc(struct gn_arena *a, size_t size);
/** A copy of the bytes with a NUL behind them (not counted in the slice). */
GN_ANY_THREAD struct gn_slice gn_arena_dup(struct gn_arena *a, struct gn_slice bytes);
/** Formatted text in the arena; NUL-terminated, the NUL is not counted. */
GN_ANY_THREAD GN_PRINTF(2, 3) struct gn_slice
        gn_arena_printf(struct gn_arena *a, const char *fmt, ...);
/** Runs `fn(arg)` at the next reset, before anything registered earlier. */
GN_ANY_THREAD void gn_arena_on_reset(struct gn_arena *a, gn_arena_fn fn, void *arg);
/** Runs the hooks and frees everything but one block, which is kept for reuse. */
GN_ANY_THREAD void gn_arena_reset(struct gn_arena *a);
/** Runs the hooks and frees everything; the arena is empty and ready again. */
GN_ANY_THREAD void gn_arena_fini(struct gn_arena *a);

#endif
