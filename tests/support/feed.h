/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_SUPPORT_FEED_H
#define GN_TESTS_SUPPORT_FEED_H

/*
 * Hands the same bytes to an incremental decoder in every way a network may
 * deliver them: whole, one byte at a time, and cut in two at each position.
 * Whatever the way, the decoder must come to the same result.
 *
 *   static void check(const struct gn_feed *feed, void *arg)
 *   {
 *       struct gn_ws_decoder d;
 *
 *       gn_ws_decoder_init(&d, ...);
 *       for (size_t i = 0; i < feed->n_pieces; i++) {
 *           ... decode feed->pieces[i] ...
 *       }
 *       cr_assert_eq(d.opcode, 1, "%s", feed->way);
 *   }
 *
 *   gn_feed_all_ways(GN_LIT("\x81\x00"), check, &expected);
 *
 * Each piece is a heap block of exactly its length, so AddressSanitizer sees a
 * decoder that reads past what has arrived. All pieces stay readable and
 * writable until the callback returns.
 */

#include <stddef.h>

#include "server/base/slice.h"

struct gn_feed {
    const char *way;               /* "whole", "byte by byte", "split at 17": for messages */
    const struct gn_slice *pieces; /* n_pieces of them, none empty */
    size_t n_pieces;               /* 0 when the input is empty */
};

/** Called once per way; starts from a fresh decoder each time. */
typedef void (*gn_feed_fn)(const struct gn_feed *feed, void *arg);

/**
 * Calls `fn` for "whole", for "byte by byte", and for "split at k" with every
 * k in 1..len-1. The cost grows with the square of the length: keep inputs to
 * a few KiB, and use gn_feed_pieces for longer ones.
 */
void gn_feed_all_ways(struct gn_slice input, gn_feed_fn fn, void *arg);

/** Calls `fn` once, with the input cut into pieces of `piece_bytes` (the last may be shorter). */
void gn_feed_pieces(struct gn_slice input, size_t piece_bytes, gn_feed_fn fn, void *arg);

#endif
