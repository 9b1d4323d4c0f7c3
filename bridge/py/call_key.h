/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_CALL_KEY_H
#define GN_BRIDGE_PY_CALL_KEY_H

/*
 * What kind of call a request is: a number made of its path with the variable
 * segments folded, so that /orders/17 and /orders/18 are one kind. A segment
 * is variable when it
 *
 *   - is made of digits, or has three digits and more ("17", "2024-05-01"),
 *   - is eight hexadecimal digits and more, dashes aside ("9f86d081"),
 *   - mixes cases and digits over eight bytes and more ("dQw4w9WgXcQ"),
 *   - has three dashes or underscores and more ("ten-years-of-coffee"),
 *   - holds anything but letters, digits, '-', '_' and '.', or
 *   - is longer than GN_CALL_KEY_SEGMENT_BYTES.
 *
 * What is behind the first GN_CALL_KEY_SEGMENTS segments is folded into one.
 * The rules err on the side of folding too little: a path nobody has asked for
 * before costs nothing (bridge/py/call_cost.h).
 *
 * Thread: none of its own; a function of its arguments.
 */

#include <stdint.h>

#include "server/base/attr.h"
#include "server/base/buf.h"
#include "server/base/slice.h"

#define GN_CALL_KEY_SEGMENTS 8
#define GN_CALL_KEY_SEGMENT_BYTES 32

/** The kind of a path, mixed with `seed` (what else tells kinds apart, and a secret, so that
 *  nobody outside can make two kinds share a number). Never 0. */
GN_ANY_THREAD uint32_t gn_call_key(uint64_t seed, struct gn_slice path);

/** The same for people: "/orders/" and an asterisk. As much as `into` has room for. */
GN_ANY_THREAD void gn_call_key_text(struct gn_slice path, struct gn_buf *into);

#endif
