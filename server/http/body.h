/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_BODY_H
#define GN_SERVER_HTTP_BODY_H

/*
 * A request body at rest: in memory up to a bound, beyond it in an unlinked
 * temporary file ($TMPDIR, else /tmp). The loop fills and completes it; from then on any one
 * thread may read it, with no lock, because nobody writes any more.
 */

#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/base/slice.h"

/** Small pieces on their way to the file are gathered up to here and written together. */
#define GN_BODY_GATHERED_BYTES 16384u

struct gn_body {
    struct gn_buf memory;      /* everything, while spool_fd is -1 */
    struct gn_buf gathered;    /* the last bytes, not in the file yet; empty once complete */
    int spool_fd;              /* -1: everything is in memory; else, once complete, in the file */
    uint64_t len;              /* bytes in all */
    size_t memory_limit_bytes; /* may be lowered while empty */
};

void gn_body_init(struct gn_body *body, size_t memory_limit_bytes);
/** Closes the file and frees; a zeroed body is not accepted, an initialised one is. */
void gn_body_fini(struct gn_body *body);
/** Empties it for the next request; a small piece of memory is kept. */
void gn_body_reset(struct gn_body *body);
/** `to`, which owns nothing, becomes what `from` was; `from` is empty, as after init. */
void gn_body_move(struct gn_body *from, struct gn_body *to);

/**
 * Appends. Beyond the memory limit everything moves to the file.
 *
 * Returns: GN_OK, GN_ERR_NO_SPACE (ENOSPC, EDQUOT, EFBIG), GN_ERR_IO, GN_ERR_NO_MEMORY
 */
GN_MUST_CHECK enum gn_err gn_body_append(struct gn_body *body, struct gn_slice bytes);

/**
 * Nothing follows: what was gathered goes to the file. To be called before anybody reads.
 *
 * Returns: as gn_body_append
 */
GN_MUST_CHECK enum gn_err gn_body_complete(struct gn_body *body);

/**
 * Copies up to `size` bytes from `offset` of a complete body to `into`.
 *
 * Returns: GN_OK (`*n_out` bytes, 0 at the end), GN_ERR_IO
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_body_read(
        const struct gn_body *body, uint64_t offset, char *into, size_t size, size_t *n_out);

/** The whole body when it is in memory; the empty slice with ptr NULL when it is in a file. */
GN_ANY_THREAD struct gn_slice gn_body_peek(const struct gn_body *body);

#endif
