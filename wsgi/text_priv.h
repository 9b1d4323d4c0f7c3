/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_TEXT_PRIV_H
#define GN_WSGI_TEXT_PRIV_H

/*
 * Bytes of a request as Python strings: latin-1, as PEP 3333 wants ("native
 * strings"), and a cache for those that come again and again. Clients repeat
 * most of their headers word for word; handing out the same object saves the
 * allocation and gives dictionaries a string that knows its hash.
 *
 * Thread: any that holds the GIL.
 */

#include <Python.h>

#include "server/base/attr.h"
#include "server/base/slice.h"

/** The slice decoded as latin-1; a new reference, or NULL with MemoryError. */
GN_NEEDS_GIL PyObject *gn_wsgi_text(struct gn_slice bytes);

enum {
    GN_WSGI_TEXT_SLOTS = 256,     /* a power of two */
    GN_WSGI_TEXT_MAX_BYTES = 192, /* longer strings are not kept */
};

/** Direct-mapped: a peer can evict entries, never make it grow. Zeroed is empty. */
struct gn_wsgi_text_cache {
    PyObject *slots[GN_WSGI_TEXT_SLOTS];
};

/** As gn_wsgi_text, perhaps the object of last time. Not for secrets: they would linger. */
GN_NEEDS_GIL PyObject *gn_wsgi_text_cached(struct gn_wsgi_text_cache *cache, struct gn_slice bytes);

/** Drops every entry. */
GN_NEEDS_GIL void gn_wsgi_text_cache_fini(struct gn_wsgi_text_cache *cache);

/** A cheap hash of a few bytes at both ends and in the middle: for direct-mapped tables. */
static inline uint32_t gn_wsgi_text_hash(struct gn_slice bytes)
{
    uint64_t first = 0;
    uint64_t middle = 0;
    uint64_t last = 0;
    uint64_t h;

    if (bytes.len >= 8) {
        memcpy(&first, bytes.ptr, 8);
        memcpy(&middle, bytes.ptr + (bytes.len - 8) / 2, 8);
        memcpy(&last, bytes.ptr + bytes.len - 8, 8);
    } else {
        for (size_t i = 0; i < bytes.len; i++) {
            first = first << 8 | (unsigned char)bytes.ptr[i];
        }
    }
    h = (first * UINT64_C(0x9E3779B97F4A7C15)) ^ (middle * UINT64_C(0xC2B2AE3D27D4EB4F)) ^
            (last * UINT64_C(0x165667B19E3779F9)) ^ bytes.len;
    h *= UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(h >> 32);
}

#endif
