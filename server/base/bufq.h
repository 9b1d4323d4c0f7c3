/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_BASE_BUFQ_H
#define GN_SERVER_BASE_BUFQ_H

/*
 * A queue of bytes waiting to be written: segments that are copied in, lent
 * with a release hook, or ranges of a file for sendfile. This is what travels
 * from a handler (on any thread) to a stream.
 *
 * Thread: one user at a time; it may be handed from thread to thread whole.
 * Ownership: a queue owns its segments; taking them moves them. A lent
 * segment's `release` runs on the thread that consumes or clears it.
 * Bound: the queue itself does not refuse; the owner looks at n_bytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "server/base/attr.h"
#include "server/base/slice.h"

struct gn_bufq_segment;

typedef void (*gn_bufq_release_fn)(void *arg);

/** A zeroed gn_bufq is empty and ready. */
struct gn_bufq {
    struct gn_bufq_segment *first;
    struct gn_bufq_segment *last;
    uint64_t n_bytes; /* waiting, files included */
};

/** Copies the bytes in; small appends share a segment. Empty slices are ignored. */
GN_ANY_THREAD void gn_bufq_append(struct gn_bufq *q, struct gn_slice bytes);
/**
 * A writable block of `size` bytes at the end, counted as waiting at once: fill
 * it before the queue is consumed. Saves a copy for who knows the size.
 */
GN_ANY_THREAD char *gn_bufq_extend(struct gn_bufq *q, size_t size);
/**
 * Lends bytes that stay where they are until `release(arg)` runs: once,
 * whether they were written or dropped.
 */
GN_ANY_THREAD void gn_bufq_lend(
        struct gn_bufq *q, struct gn_slice bytes, gn_bufq_release_fn release, void *arg);
/**
 * Queues `len` bytes of a regular file from `offset`. The descriptor stays the
 * caller's and must live until `release(arg)` (NULL allowed) runs.
 */
GN_ANY_THREAD void gn_bufq_lend_file(struct gn_bufq *q, int fd, uint64_t offset, uint64_t len,
        gn_bufq_release_fn release, void *arg);
/** Moves everything of `from` behind what `to` holds; `from` is empty after. */
GN_ANY_THREAD void gn_bufq_move(struct gn_bufq *to, struct gn_bufq *from);

/** A file range at the head of the queue. */
struct gn_bufq_file {
    int fd;
    uint64_t offset;
    uint64_t len;
};

/**
 * Fills `iov` with up to `max` memory ranges from the head, stopping before a
 * file range. Returns how many; 0 when the queue is empty or starts with a file.
 * Valid until the queue changes.
 */
GN_ANY_THREAD int gn_bufq_peek(const struct gn_bufq *q, struct iovec *iov, int max);
/** True and `*file_out` set when the head is a file range. */
GN_ANY_THREAD bool gn_bufq_peek_file(const struct gn_bufq *q, struct gn_bufq_file *file_out);
/** Drops the first `n` (<= n_bytes) bytes, releasing segments as they end. */
GN_ANY_THREAD void gn_bufq_consume(struct gn_bufq *q, uint64_t n);
/** Drops everything behind the first `n` bytes, releasing segments that go whole. */
GN_ANY_THREAD void gn_bufq_truncate(struct gn_bufq *q, uint64_t n);
/** Drops everything, releasing each segment. */
GN_ANY_THREAD void gn_bufq_clear(struct gn_bufq *q);

static inline bool gn_bufq_is_empty(const struct gn_bufq *q)
{
    return q->first == NULL;
}

#endif
