/* SPDX-License-Identifier: MIT */
#include "server/base/buf.h"
#include "tests/support/test.h"
#include "web/router.h"

/* Targets are the patterns themselves. */

static struct gn_router *make(const char *const *patterns, size_t n)
{
    struct gn_router *router = gn_router_create();

    for (size_t i = 0; i < n; i++) {
        union {
            const char *in;
            void *out;
        } target = {.in = patterns[i]};
        struct gn_error err = {0};

        cr_assert_eq(gn_router_add(router, gn_slice_str(patterns[i]), GN_METHOD_BIT(GN_METHOD_GET),
                             target.out, &err),
                GN_OK, "%s", err.message);
    }
    return router;
}

struct route_case {
    const char *path;
    const char *pattern; /* NULL: none */
    const char *values;  /* joined by '|' */
};

static void check(const struct gn_router *router, const struct route_case *c)
{
    struct gn_arena arena = {0};
    struct gn_route_match m;
    struct gn_buf values;
    enum gn_route_result result =
            gn_router_match(router, &arena, gn_slice_str(c->path), GN_METHOD_GET, &m);

    if (c->pattern == NULL) {
        cr_assert_eq(result, GN_ROUTE_NONE, "%s: result %d", c->path, (int)result);
        gn_arena_fini(&arena);
        return;
    }
    cr_assert_eq(result, GN_ROUTE_FOUND, "%s: result %d", c->path, (int)result);
    cr_assert_str_eq(m.route->target, c->pattern, "%s", c->path);
    gn_buf_init(&values, 4096);
    for (unsigned i = 0; i < m.route->n_names; i++) {
        cr_assert_eq(gn_buf_printf(&values, "%s" GN_SLICE_FMT, i > 0 ? "|" : "",
                             GN_SLICE_ARG(m.values[i])),
                GN_OK);
    }
    cr_assert(gn_slice_eq(gn_buf_slice(&values), gn_slice_str(c->values)), "%s: %.*s", c->path,
            (int)values.len, values.ptr);
    gn_buf_fini(&values);
    gn_arena_fini(&arena);
}

Test(router, finds_the_most_literal_pattern)
{
    static const char *const patterns[] = {"/", "/a", "/a/", "/a/b", "/{x}", "/{n:int}", "/u/{id}",
            "/u/me", "/u/{id:int}/posts", "/u/{id}/posts/{post}", "/files/{rest:path}",
            "/files/new", "/caf%C3%A9", "/{a}/{b}/{c}/x"};
    static const struct route_case cases[] = {
            {"/", "/", ""},
            {"", "/", ""},
            {"/a", "/a", ""},
            {"/a/", "/a/", ""},
            {"/a/b", "/a/b", ""},
            {"/a/c", NULL, NULL},
            {"/%61", "/a", ""},
            {"/other", "/{x}", "other"},
            {"/17", "/{n:int}", "17"},
            {"/17a", "/{x}", "17a"},
            {"/u/me", "/u/me", ""},
            {"/u/you", "/u/{id}", "you"},
            {"/u/", NULL, NULL},
            {"/u/a%2Fb", "/u/{id}", "a/b"},
            {"/u/7/posts", "/u/{id:int}/posts", "7"},
            {"/u/x/posts", NULL, NULL},
            {"/u/7/posts/9", "/u/{id}/posts/{post}", "7|9"},
            {"/files/", "/files/{rest:path}", ""},
            {"/files", "/{x}", "files"},
            {"/files/new", "/files/new", ""},
            {"/files/a/b%20c/", "/files/{rest:path}", "a/b c/"},
            {"/caf\xc3\xa9", "/caf%C3%A9", ""},
            {"/caf%c3%a9", "/caf%C3%A9", ""},
            {"/1/2/3/x", "/{a}/{b}/{c}/x", "1|2|3"},
            {"/u/me/3/x", "/{a}/{b}/{c}/x", "u|me|3"},
            {"/1//3/x", NULL, NULL},
            {"//", NULL, NULL},
            {"no slash", NULL, NULL},
    };
    struct gn_router *router = make(patterns, GN_ARRAY_LEN(patterns));

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        check(router, &cases[i]);
    }
    gn_router_destroy(&router);
    cr_assert_null(router);
}

Test(router, refuses_an_escaped_nul)
{
    static const char *const patterns[] = {"/{x}", "/f/{rest:path}"};
    struct gn_router *router = make(patterns, GN_ARRAY_LEN(patterns));
    struct gn_arena arena = {0};
    struct gn_route_match m;

    cr_assert_eq(
            gn_router_match(router, &arena, GN_LIT("/a%00b"), GN_METHOD_GET, &m), GN_ROUTE_BAD);
    cr_assert_eq(
            gn_router_match(router, &arena, GN_LIT("/f/a%00b"), GN_METHOD_GET, &m), GN_ROUTE_BAD);
    gn_arena_fini(&arena);
    gn_router_destroy(&router);
}

static enum gn_route_result match(const struct gn_router *router, const char *path,
        enum gn_http_method method, struct gn_route_match *m)
{
    struct gn_arena arena = {0};
    enum gn_route_result result = gn_router_match(router, &arena, gn_slice_str(path), method, m);

    gn_arena_fini(&arena);
    return result;
}

static void add(struct gn_router *router, const char *pattern, unsigned methods, int *target)
{
    cr_assert_eq(gn_router_add(router, gn_slice_str(pattern), methods, target, NULL), GN_OK);
}

Test(router, tells_methods_apart)
{
    const unsigned get = GN_METHOD_BIT(GN_METHOD_GET);
    const unsigned post = GN_METHOD_BIT(GN_METHOD_POST);
    struct gn_router *router = gn_router_create();
    struct gn_route_match m;
    int targets[4];

    add(router, "/a", get, &targets[0]);
    add(router, "/a", post, &targets[1]);
    add(router, "/me", post, &targets[2]);
    add(router, "/{x}", get, &targets[3]);
    cr_assert_eq(match(router, "/a", GN_METHOD_GET, &m), GN_ROUTE_FOUND);
    cr_assert_eq(m.route->target, &targets[0]);
    cr_assert_eq(match(router, "/a", GN_METHOD_HEAD, &m), GN_ROUTE_FOUND);
    cr_assert_eq(m.route->target, &targets[0]);
    cr_assert_eq(match(router, "/a", GN_METHOD_POST, &m), GN_ROUTE_FOUND);
    cr_assert_eq(m.route->target, &targets[1]);
    cr_assert_eq(match(router, "/me", GN_METHOD_GET, &m), GN_ROUTE_FOUND);
    cr_assert_eq(m.route->target, &targets[3], "a pattern that has the method");
    cr_assert_eq(match(router, "/me", GN_METHOD_PUT, &m), GN_ROUTE_NO_METHOD);
    cr_assert_eq(m.allowed,
            get | post | GN_METHOD_BIT(GN_METHOD_HEAD) | GN_METHOD_BIT(GN_METHOD_OPTIONS));
    cr_assert_eq(match(router, "/a", GN_METHOD_OTHER, &m), GN_ROUTE_NO_METHOD);
    gn_router_destroy(&router);
}

Test(router, routes_any_method_behind_those_with_their_own)
{
    struct gn_router *router = gn_router_create();
    struct gn_route_match m;
    int targets[2];

    add(router, "/a", GN_METHOD_ANY, &targets[0]);
    add(router, "/a", GN_METHOD_BIT(GN_METHOD_PUT), &targets[1]);
    cr_assert_eq(match(router, "/a", GN_METHOD_OTHER, &m), GN_ROUTE_FOUND);
    cr_assert_eq(m.route->target, &targets[0]);
    cr_assert_eq(match(router, "/a", GN_METHOD_PUT, &m), GN_ROUTE_FOUND);
    cr_assert_eq(m.route->target, &targets[1]);
    cr_assert_eq(match(router, "/a", GN_METHOD_TRACE, &m), GN_ROUTE_NO_METHOD);
    add(router, "/a", GN_METHOD_BIT(GN_METHOD_TRACE), &targets[1]);
    cr_assert_eq(match(router, "/a", GN_METHOD_TRACE, &m), GN_ROUTE_FOUND);
    gn_router_destroy(&router);
}

Test(router, prefers_routes_to_mounts_and_long_mounts_to_short)
{
    static const struct {
        const char *path;
        int mount; /* -1: none */
        size_t len;
    } cases[] = {
            {"/blog", 0, 5},
            {"/blog/", 0, 5},
            {"/blog/x/y", 0, 5},
            {"/%62log/x", 0, 7},
            {"/blogger", -1, 0},
            {"/blog/api", 1, 9},
            {"/blog/api/x", 1, 9},
            {"/", -1, 0},
    };
    struct gn_router *router = gn_router_create();
    struct gn_route_match m;
    int mounts[2];
    int target;

    cr_assert_eq(gn_router_mount(router, GN_LIT("/blog"), &mounts[0], NULL), GN_OK);
    cr_assert_eq(gn_router_mount(router, GN_LIT("/blog/api"), &mounts[1], NULL), GN_OK);
    add(router, "/blog/native", GN_METHOD_BIT(GN_METHOD_GET), &target);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        enum gn_route_result result = match(router, cases[i].path, GN_METHOD_GET, &m);

        if (cases[i].mount < 0) {
            cr_assert_eq(result, GN_ROUTE_NONE, "%s", cases[i].path);
            continue;
        }
        cr_assert_eq(result, GN_ROUTE_MOUNT, "%s", cases[i].path);
        cr_assert_eq(m.mount, &mounts[cases[i].mount], "%s", cases[i].path);
        cr_assert_eq(m.mount_len, cases[i].len, "%s", cases[i].path);
    }
    cr_assert_eq(match(router, "/blog/native", GN_METHOD_GET, &m), GN_ROUTE_FOUND);
    cr_assert_eq(match(router, "/blog/native", GN_METHOD_PUT, &m), GN_ROUTE_NO_METHOD);
    gn_router_destroy(&router);
}

Test(router, refuses_malformed_patterns)
{
    static const char *const patterns[] = {"", "a", "/{", "/{}", "/a{x}", "/{x}b", "/{x:float}",
            "/{x-y}", "/{rest:path}/more", "/{x}/{x}", "/%00"};

    for (size_t i = 0; i < GN_ARRAY_LEN(patterns); i++) {
        struct gn_router *router = gn_router_create();
        struct gn_error err = {0};
        int target;

        cr_assert_eq(gn_router_add(router, gn_slice_str(patterns[i]), GN_METHOD_BIT(GN_METHOD_GET),
                             &target, &err),
                GN_ERR_INVALID, "%s", patterns[i]);
        cr_assert_str_neq(err.message, "", "%s", patterns[i]);
        gn_router_destroy(&router);
    }
}

Test(router, refuses_duplicates)
{
    struct gn_router *router = gn_router_create();
    struct gn_error err = {0};
    int target;

    add(router, "/u/{id}", GN_METHOD_BIT(GN_METHOD_GET), &target);
    cr_assert_eq(
            gn_router_add(router, GN_LIT("/u/{name}"),
                    GN_METHOD_BIT(GN_METHOD_GET) | GN_METHOD_BIT(GN_METHOD_PUT), &target, &err),
            GN_ERR_EXISTS);
    cr_assert_str_neq(err.message, "");
    cr_assert_eq(gn_router_mount(router, GN_LIT("/m"), &target, NULL), GN_OK);
    cr_assert_eq(gn_router_mount(router, GN_LIT("/m"), &target, NULL), GN_ERR_EXISTS);
    cr_assert_eq(gn_router_mount(router, GN_LIT("/m/"), &target, NULL), GN_ERR_INVALID);
    cr_assert_eq(gn_router_mount(router, GN_LIT("/{x}"), &target, NULL), GN_ERR_INVALID);
    gn_router_destroy(&router);
}

/** "/{p1}/{p2}…" or "/s/s…" with `n` segments. */
static enum gn_err add_deep(unsigned n, bool with_parameters)
{
    struct gn_router *router = gn_router_create();
    struct gn_buf pattern;
    enum gn_err rc;
    int target;

    gn_buf_init(&pattern, 4096);
    for (unsigned i = 0; i < n; i++) {
        cr_assert_eq(with_parameters ? gn_buf_printf(&pattern, "/{p%u}", i)
                                     : gn_buf_append(&pattern, GN_LIT("/s")),
                GN_OK);
    }
    rc = gn_router_add(router, gn_buf_slice(&pattern), GN_METHOD_BIT(GN_METHOD_GET), &target, NULL);
    if (rc == GN_OK) {
        struct gn_route_match m;
        struct gn_arena arena = {0};

        cr_assert_eq(gn_router_match(router, &arena, gn_buf_slice(&pattern), GN_METHOD_GET, &m),
                GN_ROUTE_FOUND);
        cr_assert_eq(gn_buf_append(&pattern, GN_LIT("/s")), GN_OK);
        cr_assert_eq(gn_router_match(router, &arena, gn_buf_slice(&pattern), GN_METHOD_GET, &m),
                GN_ROUTE_NONE);
        gn_arena_fini(&arena);
    }
    gn_buf_fini(&pattern);
    gn_router_destroy(&router);
    return rc;
}

Test(router, bounds_patterns)
{
    cr_assert_eq(add_deep(GN_ROUTE_DEPTH, false), GN_OK);
    cr_assert_eq(add_deep(GN_ROUTE_DEPTH + 1, false), GN_ERR_INVALID);
    cr_assert_eq(add_deep(GN_ROUTE_PARAMS, true), GN_OK);
    cr_assert_eq(add_deep(GN_ROUTE_PARAMS + 1, true), GN_ERR_INVALID);
}
