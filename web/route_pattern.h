/* SPDX-License-Identifier: MIT */
#ifndef GN_WEB_ROUTE_PATTERN_H
#define GN_WEB_ROUTE_PATTERN_H

/*
 * The language of patterns, `/users/{id:int}/files/{rest:path}`: what it means
 * stands in web/application.h. Pure; any thread.
 */

#include "server/base/arena.h"
#include "server/base/err.h"
#include "server/base/slice.h"

enum {
    GN_ROUTE_PARAMS = 16, /* the most a pattern may have */
    GN_ROUTE_DEPTH = 32,  /* the most segments a pattern may have */
};

/** In order of preference when several match. */
enum gn_route_segment_kind {
    GN_SEGMENT_LITERAL,
    GN_SEGMENT_INT,
    GN_SEGMENT_ANY,
    GN_SEGMENT_TAIL,
    GN_SEGMENT_N_KINDS,
};

struct gn_route_segment {
    enum gn_route_segment_kind kind;
    struct gn_slice text; /* literal text, decoded, or the parameter's name */
};

/**
 * Cuts a pattern into `segments`, which has room for GN_ROUTE_DEPTH. Texts lie
 * in the pattern or in the arena.
 *
 * Returns: GN_OK            `*n_out` segments, at least one
 *          GN_ERR_INVALID   malformed; `err` says how
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_route_pattern_parse(struct gn_arena *arena,
        struct gn_slice pattern, struct gn_route_segment *segments, unsigned *n_out,
        struct gn_error *err);

#endif
