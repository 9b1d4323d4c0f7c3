/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_BASE_OBJ_H
#define GN_SERVER_BASE_OBJ_H

/*
 * Objects that travel through `void *` start with `unsigned magic` and are
 * recovered by a checked cast, so that a wrong or freed object dies at its
 * first touch, with its name.
 *
 *     struct gn_thing { unsigned magic; … };
 *     #define GN_THING_MAGIC 0x7419a2f1u
 *
 *     thing->magic = GN_THING_MAGIC;                          at creation
 *     struct gn_thing *t = GN_CAST(struct gn_thing, GN_THING_MAGIC, arg);
 *     thing->magic = 0;                                       before the free
 */

#include "server/base/alloc.h"

/** Checks pointer and magic of an object already typed. */
#define GN_CHECK_OBJ(ptr, magic_value) gn_assert((ptr) != NULL && (ptr)->magic == (magic_value))

static inline void *gn_obj_checked(void *ptr, unsigned magic, const char *type)
{
    if (GN_UNLIKELY(ptr == NULL || *(const unsigned *)ptr != magic)) {
        gn_panic(__FILE__, __LINE__, "%p is not a live %s", ptr, type);
    }
    return ptr;
}

/** `void *` to `type *`, checked. */
#define GN_CAST(type, magic_value, ptr) ((type *)gn_obj_checked((ptr), (magic_value), #type))

#endif
