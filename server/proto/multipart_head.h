/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_MULTIPART_HEAD_H
#define GN_SERVER_PROTO_MULTIPART_HEAD_H

/* The head of one part of a form. A part of the decoder; others want multipart.h. */

#include "server/base/arena.h"
#include "server/base/slice.h"

struct gn_multipart_head {
    struct gn_slice name;
    struct gn_slice filename; /* ptr NULL: none */
    struct gn_slice content_type;
};

/**
 * Reads a head with its empty line. Slices point into `text` or the arena.
 *
 * Returns: NULL, or why it is malformed; static text
 */
GN_ANY_THREAD const char *gn_multipart_parse_head(
        struct gn_arena *arena, struct gn_slice text, struct gn_multipart_head *out);

#endif
