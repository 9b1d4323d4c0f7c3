/* SPDX-License-Identifier: MIT */
#ifndef GN_WEB_ROUTER_H
#define GN_WEB_ROUTER_H

/*
 * A tree of path segments that finds the route for a path and a method. The
 * pattern language stands in web/application.h.
 *
 * Thread: filled by one thread; matching changes nothing.
 * Ownership: the tree owns its routes; targets are the caller's.
 */

#include "server/base/arena.h"
#include "server/base/err.h"
#include "server/base/slice.h"
#include "server/proto/http_method.h"
#include "web/route_pattern.h"

struct gn_router;

/** Methods are sets of these bits; the last stands for all that have no route of their own, but
 * not for TRACE: who echoes fields that browsers hide from scripts must ask for it by name. */
#define GN_METHOD_BIT(method) (1u << (method))
#define GN_METHOD_ANY GN_METHOD_BIT(GN_METHOD_N)

/** Immutable once it was added. */
struct gn_route {
    void *target;
    unsigned n_names;
    struct gn_slice names[]; /* of its parameters, in order */
};

enum gn_route_result {
    GN_ROUTE_FOUND,     /* route and values are set */
    GN_ROUTE_NO_METHOD, /* the path has routes: `allowed` says for what methods */
    GN_ROUTE_MOUNT,     /* mount and mount_len are set */
    GN_ROUTE_NONE,      /* nothing there */
    GN_ROUTE_BAD,       /* the path holds %00 */
};

struct gn_route_match {
    const struct gn_route *route;
    unsigned allowed; /* GN_METHOD_BITs: those routed, HEAD with GET, and OPTIONS */
    void *mount;
    size_t mount_len; /* bytes of the path that the prefix took */
    struct gn_slice values[GN_ROUTE_PARAMS];
};

GN_ANY_THREAD struct gn_router *gn_router_create(void);
/** NULL is allowed. */
GN_ANY_THREAD void gn_router_destroy(struct gn_router **router);

/**
 * Adds a route for each method of the set.
 *
 * Returns: GN_OK
 *          GN_ERR_INVALID   the pattern is malformed; `err` says how
 *          GN_ERR_EXISTS    one of the methods has a route there already
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_router_add(struct gn_router *router,
        struct gn_slice pattern, unsigned methods, void *target, struct gn_error *err);
/** Adds a literal prefix. Errors as gn_router_add. */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_router_mount(
        struct gn_router *router, struct gn_slice prefix, void *target, struct gn_error *err);

/**
 * Finds what takes `path` (undecoded). Values are decoded; they are slices of
 * `path` or lie in the arena. A route beats a mount; of several mounts the
 * longest prefix wins.
 */
GN_ANY_THREAD GN_HOT enum gn_route_result gn_router_match(const struct gn_router *router,
        struct gn_arena *arena, struct gn_slice path, enum gn_http_method method,
        struct gn_route_match *out);

#endif
