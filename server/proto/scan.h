/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_SCAN_H
#define GN_SERVER_PROTO_SCAN_H

/*
 * Finding the byte that ends something: the inner loops of the parser and the
 * writer. The same two functions exist as plain C and, on x86-64, with SSE4.2
 * and AVX2; gn_scan_best() picks what the CPU has. Every variant reads only
 * between its two pointers and gives the same answer; the tests compare them.
 * Pure; safe on every thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "server/base/slice.h"

/**
 * A set of ASCII bytes: b belongs to it when b < 0x80 and bit (b >> 4) of
 * rows[b & 15] is set. This shape suits both a table and a byte shuffle.
 */
struct gn_byte_set {
    uint8_t rows[16];
};

extern const struct gn_byte_set gn_scan_token; /* tchar, RFC 9110 5.6.2 */
extern const struct gn_byte_set gn_scan_path;  /* of a request target, see scan.c */
extern const struct gn_byte_set gn_scan_query;
extern const struct gn_byte_set gn_scan_host; /* of a reg-name, '%' aside */

struct gn_scan {
    const char *name; /* "scalar", "sse4.2", "avx2" */
    /** The first control byte other than HTAB (0x00..0x1f, 0x7f) in [p, end), or end. */
    const char *(*find_ctl)(const char *p, const char *end);
    /** The first byte in [p, end) that is not in the set, or end. */
    const char *(*skip)(const char *p, const char *end, const struct gn_byte_set *set);
};

/** The fastest variant this CPU has. Never NULL, static storage. */
GN_ANY_THREAD const struct gn_scan *gn_scan_best(void);
/** Variant number `index`, from 0 (scalar) upwards; NULL when the CPU has no such one. */
GN_ANY_THREAD const struct gn_scan *gn_scan_variant(unsigned index);

static inline bool gn_byte_set_has(const struct gn_byte_set *set, char c)
{
    unsigned b = (unsigned char)c;

    return ((unsigned)set->rows[b & 15] >> (b >> 4) & 1) != 0;
}

/** Index of the first byte that is not in the set, or s.len. */
static inline size_t gn_scan_skip(struct gn_slice s, const struct gn_byte_set *set)
{
    return s.len > 0 ? (size_t)(gn_scan_best()->skip(s.ptr, s.ptr + s.len, set) - s.ptr) : 0;
}

/** Index of the first control byte other than HTAB, or s.len. */
static inline size_t gn_scan_find_ctl(struct gn_slice s)
{
    return s.len > 0 ? (size_t)(gn_scan_best()->find_ctl(s.ptr, s.ptr + s.len) - s.ptr) : 0;
}

#endif
