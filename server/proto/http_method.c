/* SPDX-License-Identifier: MIT */
#include "server/proto/http_method.h"

/* Few names of different lengths: a comparison by length finds the one candidate. */

static const struct gn_slice method_names[GN_METHOD_N] = {
        [GN_METHOD_OTHER] = GN_LIT_INIT(""),
        [GN_METHOD_GET] = GN_LIT_INIT("GET"),
        [GN_METHOD_HEAD] = GN_LIT_INIT("HEAD"),
        [GN_METHOD_POST] = GN_LIT_INIT("POST"),
        [GN_METHOD_PUT] = GN_LIT_INIT("PUT"),
        [GN_METHOD_DELETE] = GN_LIT_INIT("DELETE"),
        [GN_METHOD_CONNECT] = GN_LIT_INIT("CONNECT"),
        [GN_METHOD_OPTIONS] = GN_LIT_INIT("OPTIONS"),
        [GN_METHOD_TRACE] = GN_LIT_INIT("TRACE"),
        [GN_METHOD_PATCH] = GN_LIT_INIT("PATCH"),
};

enum gn_http_method gn_http_method_from(struct gn_slice name)
{
    for (unsigned m = GN_METHOD_GET; m < GN_METHOD_N; m++) {
        if (gn_slice_eq(method_names[m], name)) {
            return (enum gn_http_method)m;
        }
    }
    return GN_METHOD_OTHER;
}

struct gn_slice gn_http_method_name(enum gn_http_method method)
{
    return method < GN_METHOD_N ? method_names[method] : GN_LIT("");
}

bool gn_http_method_is_safe(enum gn_http_method method)
{
    return method == GN_METHOD_GET || method == GN_METHOD_HEAD || method == GN_METHOD_OPTIONS ||
            method == GN_METHOD_TRACE;
}

bool gn_http_method_is_idempotent(enum gn_http_method method)
{
    return gn_http_method_is_safe(method) || method == GN_METHOD_PUT || method == GN_METHOD_DELETE;
}
