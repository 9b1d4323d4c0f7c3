/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_BASE_SLICE_H
#define GN_SERVER_BASE_SLICE_H

/*
 * Borrowed bytes: a pointer and a length, passed by value. A slice owns
 * nothing; whoever hands one out says until when it is valid. The bytes need
 * not be text and carry no NUL.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "server/base/attr.h"
#include "server/base/err.h"

struct gn_slice {
    const char *ptr; /* may be NULL when len is 0 */
    size_t len;
};

/** A slice of a string literal. */
#define GN_LIT(text) ((struct gn_slice){.ptr = ("" text), .len = sizeof(text) - 1})
/** The same in a static initialiser. */
#define GN_LIT_INIT(text)                                                                          \
    {                                                                                              \
        .ptr = ("" text), .len = sizeof(text) - 1                                                  \
    }

#define GN_SLICE_FMT "%.*s"
#define GN_SLICE_ARG(s) (int)(s).len, (s).ptr

static inline struct gn_slice gn_slice_of(const char *ptr, size_t len)
{
    return (struct gn_slice){.ptr = ptr, .len = len};
}

/** A slice of a NUL-terminated string; NULL gives the empty slice. */
static inline struct gn_slice gn_slice_str(const char *text)
{
    return (struct gn_slice){.ptr = text, .len = text != NULL ? strlen(text) : 0};
}

static inline bool gn_slice_eq(struct gn_slice a, struct gn_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool gn_slice_starts_with(struct gn_slice s, struct gn_slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool gn_slice_ends_with(struct gn_slice s, struct gn_slice suffix)
{
    return s.len >= suffix.len &&
            (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/** The slice without its first `n` bytes; `n` is clipped to its length. */
static inline struct gn_slice gn_slice_skip(struct gn_slice s, size_t n)
{
    size_t k = GN_MIN(n, s.len);

    return gn_slice_of(s.len > 0 ? s.ptr + k : s.ptr, s.len - k);
}

/** Index of the first `c`, or s.len when there is none. */
static inline size_t gn_slice_find(struct gn_slice s, char c)
{
    const char *at = s.len > 0 ? memchr(s.ptr, c, s.len) : NULL;

    return at != NULL ? (size_t)(at - s.ptr) : s.len;
}

/** Equal, ASCII letters compared without case. */
GN_ANY_THREAD bool gn_slice_eq_nocase(struct gn_slice a, struct gn_slice b);

/** The slice without leading and trailing SP and HTAB (RFC 9110 5.6.3, OWS). */
GN_ANY_THREAD struct gn_slice gn_slice_trim_ows(struct gn_slice s);

/**
 * Splits off what stands before the first `sep`.
 *
 * Returns: true   `*token_out` is the part before, `*rest` what follows the separator
 *          false  `*rest` was exhausted (its ptr is NULL)
 * After the last token `*rest` becomes the exhausted slice.
 */
GN_ANY_THREAD bool gn_slice_split(struct gn_slice *rest, char sep, struct gn_slice *token_out);

/**
 * Decimal digits only, no sign, no space; an empty slice is an error.
 *
 * Returns: GN_OK            `*value_out` is set
 *          GN_ERR_INVALID   not 1*DIGIT
 *          GN_ERR_TOO_BIG   beyond `max`
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_slice_to_u64(
        struct gn_slice s, uint64_t max, uint64_t *value_out);

/**
 * A NUL-terminated copy for the operating-system edge.
 *
 * Returns: GN_OK            `*text_out` is heap memory, the caller's (gn_free)
 *          GN_ERR_INVALID   the slice holds a NUL byte
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_slice_to_cstr(struct gn_slice s, char **text_out);

#endif
