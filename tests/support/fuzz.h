/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_SUPPORT_FUZZ_H
#define GN_TESTS_SUPPORT_FUZZ_H

/*
 * What a fuzz target in tests/fuzz defines. The preset `fuzz` links it with
 * libFuzzer; every other build replays the committed corpus through it.
 *
 * A target must be quick, keep no state between calls, and abort (gn_assert)
 * when what it decodes depends on how the bytes were cut.
 */

#include <stddef.h>
#include <stdint.h>

/** The name is libFuzzer's. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** How a decoder's input is cut into pieces. */
struct gn_fuzz_cuts {
    size_t most_bytes; /* of a piece */
    uint32_t state; /* 0: each piece has so many; else sizes are random, and the same each time */
};

static inline struct gn_fuzz_cuts gn_fuzz_whole(size_t size)
{
    return (struct gn_fuzz_cuts){.most_bytes = size};
}

static inline struct gn_fuzz_cuts gn_fuzz_random_cuts(size_t most_bytes, size_t seed)
{
    return (struct gn_fuzz_cuts){.most_bytes = most_bytes, .state = (uint32_t)seed | 1};
}

/** The size of the next piece: at least 1, at most what is left. */
static inline size_t gn_fuzz_next_cut(struct gn_fuzz_cuts *c, size_t left)
{
    size_t size = c->most_bytes;

    if (c->state != 0) {
        c->state = (c->state * 1664525u + 1013904222u) | 1;
        size = 1 + (c->state >> 16) % c->most_bytes;
    }
    return size < left ? size : left;
}

#endif
