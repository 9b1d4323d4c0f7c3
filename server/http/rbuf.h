/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_RBUF_H
#define GN_SERVER_HTTP_RBUF_H

/*
 * Blocks that connections read into. A block is counted: the connection that
 * fills it holds one reference, each exchange whose head lies in it another,
 * so slices of the head stay valid while the connection reads on behind it. A
 * connection without unread bytes holds no block.
 *
 * Thread: the loop thread. Ownership: references; blocks of the two sizes go
 * back to the pool they came from.
 */

#include <stddef.h>

#include "server/base/slice.h"

enum { GN_RBUF_BYTES = 8192 };        /* of a block as a rule */
enum { GN_RBUF_LARGE_BYTES = 16384 }; /* where small uploads are usual */

struct gn_rbuf {
    struct gn_rbuf *next_free; /* in the pool */
    unsigned refs;
    size_t cap;
    size_t end; /* bytes of data[] that are filled */
    char data[];
};

/* Free blocks of one size. */
struct gn_rbuf_shelf {
    struct gn_rbuf *free;
    unsigned n_free;
};

/** A zeroed pool is ready. */
struct gn_rbuf_pool {
    struct gn_rbuf_shelf usual;
    struct gn_rbuf_shelf large;
};

/** An empty block of at least `min_bytes`, with one reference. */
struct gn_rbuf *gn_rbuf_take(struct gn_rbuf_pool *pool, size_t min_bytes);
struct gn_rbuf *gn_rbuf_ref(struct gn_rbuf *block);
/** Accepts NULL; sets `*block` to NULL. */
void gn_rbuf_unref(struct gn_rbuf_pool *pool, struct gn_rbuf **block_ptr);
void gn_rbuf_pool_fini(struct gn_rbuf_pool *pool);

/** The unread end of a block: what a connection has read and not yet consumed. */
struct gn_input {
    struct gn_rbuf *block; /* NULL: nothing */
    size_t start;          /* of the unread bytes; start <= block->end */
};

static inline size_t gn_input_n_bytes(const struct gn_input *in)
{
    return in->block != NULL ? in->block->end - in->start : 0;
}

static inline struct gn_slice gn_input_peek(const struct gn_input *in)
{
    return in->block != NULL ? gn_slice_of(in->block->data + in->start, gn_input_n_bytes(in))
                             : gn_slice_of("", 0);
}

void gn_input_consume(struct gn_input *in, size_t n);
/**
 * Makes room behind the unread bytes, moving them when it must: to the front
 * of a block nobody else looks at, or to a new block of twice their size, so
 * that each byte is moved a bounded number of times however they trickle in.
 * Where there is no block, the first has `first_bytes` at least.
 * Returns the room, at least 1.
 */
size_t gn_input_make_room(struct gn_input *in, struct gn_rbuf_pool *pool, size_t first_bytes);
/** Appends a copy. */
void gn_input_append(struct gn_input *in, struct gn_rbuf_pool *pool, struct gn_slice bytes);
/** Gives the block back when no byte is unread. */
void gn_input_trim(struct gn_input *in, struct gn_rbuf_pool *pool);
void gn_input_clear(struct gn_input *in, struct gn_rbuf_pool *pool);

#endif
