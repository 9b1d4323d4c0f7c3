/* SPDX-License-Identifier: MIT */
#include "tests/support/feed.h"

#include <stdio.h>

#include "server/base/alloc.h"

/* Every way is a list of lengths that add up to the input's; deliver() cuts
 * and copies accordingly, calls back and releases. */

static struct gn_slice copy_exactly(struct gn_slice from)
{
    char *block = gn_xalloc(from.len);

    memcpy(block, from.ptr, from.len);
    return gn_slice_of(block, from.len);
}

static void deliver(struct gn_slice input, const char *way, const size_t *lengths, size_t n_pieces,
        gn_feed_fn fn, void *arg)
{
    struct gn_slice *pieces = gn_xalloc((n_pieces + 1) * sizeof(*pieces));
    struct gn_slice *views = gn_xalloc((n_pieces + 1) * sizeof(*views));
    size_t at = 0;

    for (size_t i = 0; i < n_pieces; i++) {
        pieces[i] = copy_exactly(gn_slice_of(input.ptr + at, lengths[i]));
        views[i] = pieces[i];
        at += lengths[i];
    }
    fn(&(struct gn_feed){.way = way, .pieces = views, .n_pieces = n_pieces}, arg);
    for (size_t i = 0; i < n_pieces; i++) {
        gn_free((char *)(uintptr_t)pieces[i].ptr);
    }
    gn_free(views);
    gn_free(pieces);
}

static void deliver_equal(
        struct gn_slice input, const char *way, size_t piece_bytes, gn_feed_fn fn, void *arg)
{
    size_t n_pieces = (input.len + piece_bytes - 1) / piece_bytes;
    size_t *lengths = gn_xalloc((n_pieces + 1) * sizeof(*lengths));

    for (size_t i = 0; i < n_pieces; i++) {
        lengths[i] = GN_MIN(piece_bytes, input.len - i * piece_bytes);
    }
    deliver(input, way, lengths, n_pieces, fn, arg);
    gn_free(lengths);
}

void gn_feed_all_ways(struct gn_slice input, gn_feed_fn fn, void *arg)
{
    char way[32];

    deliver(input, "whole", &input.len, input.len > 0 ? 1 : 0, fn, arg);
    if (input.len > 1) {
        deliver_equal(input, "byte by byte", 1, fn, arg);
    }
    for (size_t k = 1; k < input.len; k++) {
        snprintf(way, sizeof(way), "split at %zu", k);
        deliver(input, way, (const size_t[]){k, input.len - k}, 2, fn, arg);
    }
}

void gn_feed_pieces(struct gn_slice input, size_t piece_bytes, gn_feed_fn fn, void *arg)
{
    char way[48];

    snprintf(way, sizeof(way), "pieces of %zu", piece_bytes);
    deliver_equal(input, way, piece_bytes, fn, arg);
}
