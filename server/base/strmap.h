/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_BASE_STRMAP_H
#define GN_SERVER_BASE_STRMAP_H

/*
 * A map from byte strings to pointers that remembers the order of insertion.
 * Keys are copied; values are the caller's. The hash is keyed with a secret of
 * the map, so that a peer who chooses keys cannot make them collide.
 *
 * Not for the handful of headers of a request: a list that is searched is
 * faster there. Not bounded: the owner looks at gn_strmap_n before adding what
 * a peer sent.
 *
 * Thread: one user at a time. A zeroed gn_strmap is empty and ready.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/attr.h"
#include "server/base/err.h"
#include "server/base/slice.h"

struct gn_strmap_entry;

struct gn_strmap {
    struct gn_strmap_entry *entries; /* in order of insertion, removed ones included */
    uint32_t *slots;                 /* hash table of entry numbers plus 1; 0: free */
    size_t n_slots;                  /* a power of two; 0 before the first insertion */
    size_t n_entries;                /* used in entries[], removed ones included */
    size_t n;                        /* in the map */
    uint64_t secret[2];
};

typedef void (*gn_strmap_free_fn)(void *value);

/** Calls `free_value` (NULL: nothing) with each value and empties the map. */
GN_ANY_THREAD void gn_strmap_fini(struct gn_strmap *map, gn_strmap_free_fn free_value);

static inline size_t gn_strmap_n(const struct gn_strmap *map)
{
    return map->n;
}

/** True and `*value_out` (may be NULL) set when the key is there. */
GN_ANY_THREAD bool gn_strmap_find(
        const struct gn_strmap *map, struct gn_slice key, void **value_out);
/** The value, or NULL when the key is not there. */
GN_ANY_THREAD void *gn_strmap_get(const struct gn_strmap *map, struct gn_slice key);

/**
 * Returns: GN_OK          added, behind all others
 *          GN_ERR_EXISTS  the key is there already; nothing changed
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_strmap_add(
        struct gn_strmap *map, struct gn_slice key, void *value);
/** Adds or replaces; returns the value replaced, or NULL. A replaced key keeps its place. */
GN_ANY_THREAD void *gn_strmap_set(struct gn_strmap *map, struct gn_slice key, void *value);
/** Returns the value removed, or NULL when the key was not there. */
GN_ANY_THREAD void *gn_strmap_remove(struct gn_strmap *map, struct gn_slice key);

/**
 * Walks in order of insertion: start with `*at` 0, until false. Removing any
 * key on the way is allowed, adding is not. The key is valid until it is removed.
 */
GN_ANY_THREAD bool gn_strmap_next(
        const struct gn_strmap *map, size_t *at, struct gn_slice *key_out, void **value_out);

#endif
