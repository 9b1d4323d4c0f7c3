/* SPDX-License-Identifier: MIT */
/*
 * One pass over the path, a multiplication per byte. Each segment collects what
 * it is made of while it is hashed; at its end it counts as itself or as '*'.
 */
#include "bridge/py/call_key.h"

#include <stdbool.h>

#define PRIME UINT64_C(0x9e3779b97f4a7c15)
#define FOLDED 0x2a
#define REST 0x2a2a
#define MANY_DIGITS 3
#define MANY_BREAKS 3
#define TOKEN_BYTES 8

/* What a byte is, as fields of ten bits that a segment adds up. */
#define FIELD(n) (UINT64_C(1) << (10 * (n)))
#define FIELD_OF(sum, n) ((unsigned)((sum) >> (10 * (n))) & 0x3ff)
enum {
    DIGITS,
    HEX, /* digits included */
    UPPER,
    LOWER,
    BREAKS, /* '-' and '_' */
    PLAIN,  /* whatever a plain word may hold */
};

#define AS_DIGIT (FIELD(DIGITS) + FIELD(HEX) + FIELD(PLAIN))
#define AS_LOWER (FIELD(LOWER) + FIELD(PLAIN))
#define AS_UPPER (FIELD(UPPER) + FIELD(PLAIN))
#define AS_BREAK (FIELD(BREAKS) + FIELD(PLAIN))
#define TEN(c, v)                                                                                  \
    [c] = (v), [(c) + 1] = (v), [(c) + 2] = (v), [(c) + 3] = (v), [(c) + 4] = (v),                 \
    [(c) + 5] = (v), [(c) + 6] = (v), [(c) + 7] = (v), [(c) + 8] = (v), [(c) + 9] = (v)
#define SIX(c, v)                                                                                  \
    [c] = (v), [(c) + 1] = (v), [(c) + 2] = (v), [(c) + 3] = (v), [(c) + 4] = (v), [(c) + 5] = (v)

static const uint64_t kinds_of[256] = {
        TEN('0', AS_DIGIT),
        SIX('a', AS_LOWER + FIELD(HEX)),
        TEN('g', AS_LOWER),
        TEN('q', AS_LOWER),
        SIX('A', AS_UPPER + FIELD(HEX)),
        TEN('G', AS_UPPER),
        TEN('Q', AS_UPPER),
        ['-'] = AS_BREAK,
        ['_'] = AS_BREAK,
        ['.'] = FIELD(PLAIN),
};

static bool is_variable(uint64_t kinds, size_t len)
{
    unsigned digits = FIELD_OF(kinds, DIGITS);
    unsigned breaks = FIELD_OF(kinds, BREAKS);

    return len > GN_CALL_KEY_SEGMENT_BYTES || FIELD_OF(kinds, PLAIN) != len ||
            digits >= MANY_DIGITS || breaks >= MANY_BREAKS || (digits > 0 && digits == len) ||
            (FIELD_OF(kinds, HEX) >= TOKEN_BYTES && FIELD_OF(kinds, HEX) + breaks == len) ||
            (len >= TOKEN_BYTES && digits > 0 && FIELD_OF(kinds, UPPER) > 0 &&
                    FIELD_OF(kinds, LOWER) > 0);
}

/* One segment, from `*at` to the next '/' or the end; returns its hash, or FOLDED. */
static uint64_t read_segment(struct gn_slice path, size_t *at)
{
    uint64_t kinds = 0;
    uint64_t hash = PRIME;
    size_t start = *at;
    size_t i = start;

    for (; i < path.len && path.ptr[i] != '/'; i++) {
        unsigned char c = (unsigned char)path.ptr[i];

        kinds += kinds_of[c];
        hash = (hash ^ c) * PRIME;
    }
    *at = i;
    return is_variable(kinds, i - start) ? FOLDED : hash;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * PRIME;
    return hash ^ (hash >> 32);
}

uint32_t gn_call_key(uint64_t seed, struct gn_slice path)
{
    uint64_t hash = mix(PRIME, seed);
    unsigned n = 0;

    for (size_t at = 0; at < path.len; at++) { /* past the '/' that ended the last one */
        if (at == 0 && path.ptr[0] == '/') {
            continue;
        }
        if (n++ == GN_CALL_KEY_SEGMENTS) {
            hash = mix(hash, REST);
            break;
        }
        hash = mix(hash, read_segment(path, &at));
    }
    hash = mix(hash, path.len > 0 && path.ptr[path.len - 1] == '/' ? '/' : 0);
    hash ^= seed >> 17;
    hash *= PRIME;
    return (uint32_t)(hash >> 32) | 1U;
}

void gn_call_key_text(struct gn_slice path, struct gn_buf *into)
{
    unsigned n = 0;
    size_t at = 0;

    while (at < path.len) {
        size_t start = at;
        struct gn_slice segment;

        if (path.ptr[at] == '/') {
            (void)!gn_buf_append(into, GN_LIT("/"));
            at++;
            continue;
        }
        if (n++ == GN_CALL_KEY_SEGMENTS) {
            (void)!gn_buf_append(into, GN_LIT("**"));
            break;
        }
        segment = read_segment(path, &at) == FOLDED ? GN_LIT("*")
                                                    : gn_slice_of(path.ptr + start, at - start);
        (void)!gn_buf_append(into, segment);
    }
}
