/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_HTTP_RANGE_H
#define GN_SERVER_PROTO_HTTP_RANGE_H

/*
 * Byte ranges (RFC 9110 14). A Range field is a wish: one that is malformed,
 * in another unit, or greedy (too many ranges, or ranges that overlap) is
 * ignored, and the whole is sent; so is the end of something empty. Pure; safe on every thread.
 */

#include <stdint.h>

#include "server/base/arena.h"
#include "server/base/slice.h"

enum { GN_HTTP_RANGES = 8 };

/** Both ends included; first <= last < size. */
struct gn_byte_range {
    uint64_t first;
    uint64_t last;
};

struct gn_byte_ranges {
    unsigned n; /* 1..GN_HTTP_RANGES, in the order asked for */
    struct gn_byte_range ranges[GN_HTTP_RANGES];
};

enum gn_range_result {
    GN_RANGE_IGNORE,        /* send the whole: 200 */
    GN_RANGE_PARTIAL,       /* send `*out`: 206 */
    GN_RANGE_UNSATISFIABLE, /* none lies inside: 416 with gn_http_content_range_unsatisfied */
};

/** Reads the value of a Range field against a representation of `size` bytes. */
GN_ANY_THREAD enum gn_range_result gn_http_ranges_parse(
        struct gn_slice value, uint64_t size, struct gn_byte_ranges *out);

/** "bytes 0-99/1234", in the arena. */
GN_ANY_THREAD struct gn_slice gn_http_content_range(
        struct gn_arena *arena, const struct gn_byte_range *range, uint64_t size);
/** "bytes * /1234" without the space, in the arena: for 416. */
GN_ANY_THREAD struct gn_slice gn_http_content_range_unsatisfied(
        struct gn_arena *arena, uint64_t size);

#endif
