/* SPDX-License-Identifier: MIT */
#include "web/router.h"

#include "server/base/alloc.h"
#include "server/base/ascii.h"
#include "server/proto/uri.h"
#include "web/route_pattern.h"

/*
 * One node per distinct segment; a pattern is a path from the root. "/a/" has
 * the segments "a" and "", "/" has one empty segment. A node's literal
 * children are sorted (by length, then bytes) and found by bisection; it has
 * at most one child of each other kind.
 *
 * Matching walks depth first, literal before int before any before tail, on an
 * explicit stack as deep as the deepest pattern. Since this is a tree, each
 * node is entered at most once per match, whatever the path: there is no
 * input for which it explodes. Names of parameters belong to the route, not to
 * the node, so `/u/{id}` and `/u/{name}/x` share one.
 */

struct node {
    struct gn_slice text; /* GN_SEGMENT_LITERAL: decoded, owned */
    struct gn_route *routes[GN_METHOD_N + 1];
    unsigned methods; /* bits of routes that are there */
    void *mount;
    unsigned n_literals;
    struct node **literals; /* sorted */
    struct node *others[GN_SEGMENT_N_KINDS];
};

struct gn_router {
    struct node root;
    struct gn_arena arena; /* routes and texts */
};

/* ---- building ------------------------------------------------------------ */

static int compare(struct gn_slice a, struct gn_slice b)
{
    if (a.len != b.len) {
        return a.len < b.len ? -1 : 1;
    }
    return a.len == 0 ? 0 : memcmp(a.ptr, b.ptr, a.len);
}

/** The index of the first literal child not below `text`. */
static unsigned lower_bound(const struct node *n, struct gn_slice text)
{
    unsigned low = 0;
    unsigned high = n->n_literals;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;

        if (compare(n->literals[mid]->text, text) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static struct node *find_literal(const struct node *n, struct gn_slice text)
{
    unsigned at = lower_bound(n, text);

    return at < n->n_literals && gn_slice_eq(n->literals[at]->text, text) ? n->literals[at] : NULL;
}

static struct node *insert_literal(struct gn_router *router, struct node *n, struct gn_slice text)
{
    unsigned at = lower_bound(n, text);
    struct node *child;

    if (at < n->n_literals && gn_slice_eq(n->literals[at]->text, text)) {
        return n->literals[at];
    }
    child = gn_arena_calloc(&router->arena, sizeof(*child));
    child->text = gn_arena_dup(&router->arena, text);
    n->literals = gn_xrealloc(n->literals, (n->n_literals + 1) * sizeof(struct node *));
    memmove(n->literals + at + 1, n->literals + at, (n->n_literals - at) * sizeof(struct node *));
    n->literals[at] = child;
    n->n_literals++;
    return child;
}

static struct node *insert(
        struct gn_router *router, struct node *n, const struct gn_route_segment *s)
{
    if (s->kind == GN_SEGMENT_LITERAL) {
        return insert_literal(router, n, s->text);
    }
    if (n->others[s->kind] == NULL) {
        n->others[s->kind] = gn_arena_calloc(&router->arena, sizeof(struct node));
    }
    return n->others[s->kind];
}

struct gn_router *gn_router_create(void)
{
    return gn_xcalloc(sizeof(struct gn_router));
}

/** Frees the arrays of literal children; depth is bounded by GN_ROUTE_DEPTH. */
static void free_children(struct node *root)
{
    struct node *stack[GN_ROUTE_DEPTH + 1];
    unsigned at[GN_ROUTE_DEPTH + 1];
    int depth = 0;

    stack[0] = root;
    at[0] = 0;
    while (depth >= 0) {
        struct node *n = stack[depth];
        unsigned i = at[depth]++;
        struct node *child = NULL;

        if (i < n->n_literals) {
            child = n->literals[i];
        } else if (i < n->n_literals + GN_SEGMENT_N_KINDS) {
            child = n->others[i - n->n_literals];
        } else {
            gn_free(n->literals);
            depth--;
        }
        if (child != NULL) {
            depth++;
            stack[depth] = child;
            at[depth] = 0;
        }
    }
}

void gn_router_destroy(struct gn_router **router)
{
    if (*router == NULL) {
        return;
    }
    free_children(&(*router)->root);
    gn_arena_fini(&(*router)->arena);
    gn_free(*router);
    *router = NULL;
}

static struct gn_route *make_route(
        struct gn_router *router, const struct gn_route_segment *segments, unsigned n, void *target)
{
    struct gn_route *route = gn_arena_alloc(
            &router->arena, sizeof(*route) + GN_ROUTE_PARAMS * sizeof(struct gn_slice));

    route->target = target;
    route->n_names = 0;
    for (unsigned i = 0; i < n; i++) {
        if (segments[i].kind != GN_SEGMENT_LITERAL) {
            route->names[route->n_names++] = gn_arena_dup(&router->arena, segments[i].text);
        }
    }
    return route;
}

enum gn_err gn_router_add(struct gn_router *router, struct gn_slice pattern, unsigned methods,
        void *target, struct gn_error *err)
{
    struct gn_route_segment segments[GN_ROUTE_DEPTH];
    struct node *n = &router->root;
    struct gn_route *route;
    unsigned n_segments;

    GN_TRY(gn_route_pattern_parse(&router->arena, pattern, segments, &n_segments, err));
    for (unsigned i = 0; i < n_segments; i++) {
        n = insert(router, n, &segments[i]);
    }
    if ((n->methods & methods) != 0) {
        return gn_error_set(err, GN_ERR_EXISTS, 0,
                "pattern '" GN_SLICE_FMT "' has a route for that method already",
                GN_SLICE_ARG(pattern));
    }
    route = make_route(router, segments, n_segments, target);
    for (unsigned m = 0; m <= GN_METHOD_N; m++) {
        if ((methods & GN_METHOD_BIT(m)) != 0) {
            n->routes[m] = route;
        }
    }
    n->methods |= methods;
    return GN_OK;
}

enum gn_err gn_router_mount(
        struct gn_router *router, struct gn_slice prefix, void *target, struct gn_error *err)
{
    struct gn_route_segment segments[GN_ROUTE_DEPTH];
    struct node *n = &router->root;
    unsigned n_segments;

    GN_TRY(gn_route_pattern_parse(&router->arena, prefix, segments, &n_segments, err));
    for (unsigned i = 0; i < n_segments; i++) {
        if (segments[i].kind != GN_SEGMENT_LITERAL || segments[i].text.len == 0) {
            return gn_error_set(err, GN_ERR_INVALID, 0,
                    "prefix '" GN_SLICE_FMT "' must be literal segments, without a / at the end",
                    GN_SLICE_ARG(prefix));
        }
        n = insert(router, n, &segments[i]);
    }
    if (n->mount != NULL) {
        return gn_error_set(err, GN_ERR_EXISTS, 0,
                "something is mounted at '" GN_SLICE_FMT "' already", GN_SLICE_ARG(prefix));
    }
    n->mount = target;
    return GN_OK;
}

/* ---- matching ------------------------------------------------------------ */

/** A node under way and the segment of the path that its children are tried on. */
struct frame {
    const struct node *node;
    struct gn_slice segment; /* decoded */
    size_t start;            /* of the segment in the path */
    size_t end;
    unsigned next_kind; /* of child to try */
    unsigned n_values;
    bool is_literal; /* reached by literal segments alone: mounts count */
};

struct walk {
    struct gn_arena *arena;
    struct gn_slice path;
    enum gn_http_method method;
    bool has_escapes;
    struct gn_route_match *out;
    struct frame frames[GN_ROUTE_DEPTH];
};

static bool is_digits(struct gn_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!gn_ascii_is_digit(s.ptr[i])) {
            return false;
        }
    }
    return s.len > 0;
}

static enum gn_err decode(const struct walk *w, struct gn_slice raw, struct gn_slice *out)
{
    if (GN_UNLIKELY(w->has_escapes)) {
        return gn_uri_decode(w->arena, raw, GN_URI_PATH, out);
    }
    *out = raw;
    return GN_OK;
}

/** Prepares the frame for the segment of the path that starts at `start`. */
static enum gn_err enter(const struct walk *w, struct frame *f, const struct node *node,
        size_t start, unsigned n_values, bool is_literal)
{
    struct gn_slice rest = gn_slice_skip(w->path, start);
    size_t len = gn_slice_find(rest, '/');

    f->node = node;
    f->start = start;
    f->end = start + len;
    f->next_kind = GN_SEGMENT_LITERAL;
    f->n_values = n_values;
    f->is_literal = is_literal;
    return decode(w, gn_slice_of(rest.ptr, len), &f->segment);
}

/** The child of that kind that takes the frame's segment, or NULL. */
static const struct node *child_for(const struct frame *f, unsigned kind)
{
    const struct node *child = f->node->others[kind];

    switch (kind) {
    case GN_SEGMENT_LITERAL:
        return find_literal(f->node, f->segment);
    case GN_SEGMENT_INT:
        return child != NULL && is_digits(f->segment) ? child : NULL;
    case GN_SEGMENT_ANY:
        return f->segment.len > 0 ? child : NULL;
    default:
        return child;
    }
}

/** The pattern ends at this node: is there a route for the method? */
static bool take_route(const struct walk *w, const struct node *n)
{
    const struct gn_route *route = n->routes[w->method];

    if (route == NULL && w->method == GN_METHOD_HEAD) {
        route = n->routes[GN_METHOD_GET];
    }
    if (route == NULL && w->method != GN_METHOD_TRACE) {
        route = n->routes[GN_METHOD_N];
    }
    w->out->route = route;
    w->out->allowed |= n->methods;
    return route != NULL;
}

static void note_mount(const struct walk *w, const struct frame *f, const struct node *child)
{
    if (child->mount != NULL && f->is_literal && f->end > w->out->mount_len) {
        w->out->mount = child->mount;
        w->out->mount_len = f->end;
    }
}

static enum gn_route_result no_route(const struct gn_route_match *out)
{
    if (out->allowed != 0) {
        return GN_ROUTE_NO_METHOD;
    }
    return out->mount != NULL ? GN_ROUTE_MOUNT : GN_ROUTE_NONE;
}

/** Tries children of the top frame in turn. */
static enum gn_route_result walk(struct walk *w)
{
    int depth = 0;

    while (depth >= 0) {
        struct frame *f = &w->frames[depth];
        unsigned kind = f->next_kind++;
        const struct node *child;
        unsigned n_values = f->n_values;

        if (kind == GN_SEGMENT_N_KINDS) {
            depth--;
            continue;
        }
        child = child_for(f, kind);
        if (child == NULL) {
            continue;
        }
        if (kind == GN_SEGMENT_LITERAL) {
            note_mount(w, f, child);
        } else if (kind == GN_SEGMENT_TAIL) {
            if (decode(w, gn_slice_skip(w->path, f->start), &w->out->values[n_values]) != GN_OK) {
                return GN_ROUTE_BAD;
            }
        } else {
            w->out->values[n_values++] = f->segment;
        }
        if (kind == GN_SEGMENT_TAIL || f->end == w->path.len) {
            if (take_route(w, child)) {
                return GN_ROUTE_FOUND;
            }
            continue;
        }
        if (depth + 1 < GN_ROUTE_DEPTH) {
            depth++;
            if (enter(w, &w->frames[depth], child, f->end + 1, n_values,
                        f->is_literal && kind == GN_SEGMENT_LITERAL) != GN_OK) {
                return GN_ROUTE_BAD;
            }
        }
    }
    return no_route(w->out);
}

enum gn_route_result gn_router_match(const struct gn_router *router, struct gn_arena *arena,
        struct gn_slice path, enum gn_http_method method, struct gn_route_match *out)
{
    struct walk w;
    enum gn_route_result result;

    w.arena = arena;
    w.path = path.len > 0 ? path : GN_LIT("/");
    w.method = method;
    w.out = out;
    w.has_escapes = gn_slice_find(path, '%') < path.len;
    out->route = NULL;
    out->allowed = 0;
    out->mount = NULL;
    out->mount_len = 0;
    if (w.path.ptr[0] != '/') {
        return GN_ROUTE_NONE;
    }
    if (enter(&w, &w.frames[0], &router->root, 1, 0, true) != GN_OK) {
        return GN_ROUTE_BAD;
    }
    result = walk(&w);
    if ((out->allowed & GN_METHOD_BIT(GN_METHOD_GET)) != 0) {
        out->allowed |= GN_METHOD_BIT(GN_METHOD_HEAD);
    }
    out->allowed |= GN_METHOD_BIT(GN_METHOD_OPTIONS);
    return result;
}
