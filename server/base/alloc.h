/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_BASE_ALLOC_H
#define GN_SERVER_BASE_ALLOC_H

/*
 * Memory and broken contracts.
 *
 * Fixed-size allocations that fail end the process with a message: that
 * removes hundreds of branches no test would ever take. Anything whose size a
 * peer or an application influences is bounded first (GN_ERR_TOO_BIG) and may
 * use gn_try_alloc, which can fail.
 *
 * gn_assert is for contracts between modules. It stays in release builds.
 */

#include <stddef.h>

#include "server/base/attr.h"

/** `size` bytes, uninitialised; never NULL. Free with gn_free. */
GN_ANY_THREAD void *gn_xalloc(size_t size) __attribute__((malloc));
/** `size` zeroed bytes; never NULL. */
GN_ANY_THREAD void *gn_xcalloc(size_t size) __attribute__((malloc));
/** As realloc; never NULL for size > 0. */
GN_ANY_THREAD void *gn_xrealloc(void *ptr, size_t size);
/** A copy of `len` bytes with a NUL added; never NULL. */
GN_ANY_THREAD char *gn_xstrndup(const char *text, size_t len);
/** `size` bytes or NULL: for sizes a peer or an application chose, already bounded. */
GN_ANY_THREAD GN_MUST_CHECK void *gn_try_alloc(size_t size);
/** As realloc; NULL leaves `ptr` valid. */
GN_ANY_THREAD GN_MUST_CHECK void *gn_try_realloc(void *ptr, size_t size);
/** Frees; NULL is allowed. */
GN_ANY_THREAD void gn_free(void *ptr);

/** Prints `fmt` to standard error and aborts. */
GN_ANY_THREAD GN_COLD GN_NORETURN GN_PRINTF(3, 4) void gn_panic(
        const char *file, int line, const char *fmt, ...);

#define gn_assert(cond)                                                                            \
    do {                                                                                           \
        if (GN_UNLIKELY(!(cond))) {                                                                \
            gn_panic(__FILE__, __LINE__, "broken contract: %s", #cond);                            \
        }                                                                                          \
    } while (0)

#endif
