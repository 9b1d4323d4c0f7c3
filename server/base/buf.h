/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_BASE_BUF_H
#define GN_SERVER_BASE_BUF_H

/*
 * An owned, contiguous, growable byte buffer with a limit. There is no
 * unbounded growth: the limit is given at init. Not thread-safe; one owner.
 * A zeroed gn_buf is empty with limit 0, and gn_buf_fini accepts it.
 */

#include <stddef.h>

#include "server/base/err.h"
#include "server/base/slice.h"

struct gn_buf {
    char *ptr;    /* NULL while cap is 0 */
    size_t len;   /* bytes in use, <= cap */
    size_t cap;   /* bytes allocated, <= limit */
    size_t limit; /* bytes it may ever hold */
};

GN_ANY_THREAD void gn_buf_init(struct gn_buf *b, size_t limit_bytes);
/** Frees the memory and zeroes the object. */
GN_ANY_THREAD void gn_buf_fini(struct gn_buf *b);

/**
 * Makes room for `extra` more bytes behind len.
 *
 * Returns: GN_OK               cap - len >= extra
 *          GN_ERR_TOO_BIG      it would pass the limit; nothing changed
 *          GN_ERR_NO_MEMORY    nothing changed
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_buf_reserve(struct gn_buf *b, size_t extra);

/** Appends bytes; errors as gn_buf_reserve. */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_buf_append(struct gn_buf *b, struct gn_slice bytes);

/** Appends formatted text; errors as gn_buf_reserve. */
GN_ANY_THREAD GN_MUST_CHECK GN_PRINTF(2, 3) enum gn_err
        gn_buf_printf(struct gn_buf *b, const char *fmt, ...);

/** Drops the first `n` (<= len) bytes, moving the rest to the front. */
GN_ANY_THREAD void gn_buf_consume(struct gn_buf *b, size_t n);

/** Empties it and keeps the memory. */
static inline void gn_buf_clear(struct gn_buf *b)
{
    b->len = 0;
}

/** What it holds; valid until the next call that may grow or free it. */
static inline struct gn_slice gn_buf_slice(const struct gn_buf *b)
{
    return gn_slice_of(b->ptr, b->len);
}

#endif
