/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_BODY_H
#define GN_SERVER_HTTP_BODY_H

/*
 * A request body at rest: in memory up to a bound, beyond it in an unlinked
 * temporary file ($TMPDIR, else /tmp). The loop fills it; once it is complete any one thread may
 * read it, with no lock, because nobody writes any more.
 */

#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/base/slice.h"

struct gn_body {
    struct gn_buf memory;      /* the first bytes, or all while spool_fd is -1 */
    int spool_fd;              /* -1: everything is in memory; else everything is in the file */
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
 * Returns: GN_OK, GN_ERR_NO_SPACE (ENOSPC, EDQUOT), GN_ERR_IO
 */
GN_MUST_CHECK enum gn_err gn_body_append(struct gn_body *body, struct gn_slice bytes);

/**
 * Copies up to `size` bytes from `offset` to `into`.
 *
 * Returns: GN_OK (`*n_out` bytes, 0 at the end), GN_ERR_IO
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_body_read(
        const struct gn_body *body, uint64_t offset, char *into, size_t size, size_t *n_out);

/** The whole body when it is in memory; the empty slice with ptr NULL when it is in a file. */
GN_ANY_THREAD struct gn_slice gn_body_peek(const struct gn_body *body);

#endif
