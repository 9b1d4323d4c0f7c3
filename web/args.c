/* SPDX-License-Identifier: MIT */
#include "web/args.h"

#include <limits.h>

#include "server/base/alloc.h"
#include "server/proto/uri.h"

#include "web/web_priv.h"

/* Two passes: the first counts, so that the array is allocated once, at its size. */

static unsigned count_pairs(struct gn_slice text, unsigned max)
{
    struct gn_slice name;
    struct gn_slice value;
    unsigned n = 0;

    while (n <= max && gn_query_next(&text, &name, &value)) {
        n++;
    }
    return n;
}

/** Never with ptr NULL. In a query %00 is a byte like any other, so decoding cannot fail. */
static struct gn_slice decoded(struct gn_arena *arena, struct gn_slice raw)
{
    struct gn_slice text;

    if (raw.len == 0 || gn_uri_decode(arena, raw, GN_URI_QUERY, &text) != GN_OK) {
        return GN_LIT("");
    }
    return text;
}

enum gn_err gn_args_parse(struct gn_arena *arena, struct gn_slice text, unsigned max,
        const struct gn_arg **list_out, unsigned *n_out)
{
    unsigned n = count_pairs(text, max);
    struct gn_arg *list;
    struct gn_slice name;
    struct gn_slice value;

    if (n > max) {
        return GN_ERR_TOO_BIG;
    }
    list = gn_arena_alloc(arena, (n + 1) * sizeof(*list));
    *list_out = list;
    *n_out = n;
    while (gn_query_next(&text, &name, &value)) {
        list->name = decoded(arena, name);
        list->value = decoded(arena, value);
        list++;
    }
    return GN_OK;
}

struct gn_slice gn_args_last(const struct gn_arg *list, unsigned n, struct gn_slice name)
{
    while (n > 0) {
        n--;
        if (gn_slice_eq(list[n].name, name)) {
            return list[n].value;
        }
    }
    return gn_slice_of(NULL, 0);
}

/* ---- of a request ------------------------------------------------------------ */

struct gn_slice gn_path_arg(const struct gn_request *r, const char *name)
{
    const struct gn_slice wanted = gn_slice_str(name);

    for (unsigned i = 0; i < r->names->n_names; i++) {
        if (gn_slice_eq(r->names->names[i], wanted)) {
            return r->path_values[i];
        }
    }
    return gn_slice_of(NULL, 0);
}

const struct gn_arg *gn_query_args(struct gn_request *r, unsigned *n_out)
{
    struct gn_args *query = &r->query;

    if (query->list == NULL) {
        enum gn_err rc = gn_args_parse(
                &r->ex->arena, r->ex->head->query, UINT_MAX - 1, &query->list, &query->n);

        gn_assert(rc == GN_OK);
    }
    *n_out = query->n;
    return query->list;
}

struct gn_slice gn_query_arg(struct gn_request *r, const char *name)
{
    unsigned n;
    const struct gn_arg *list = gn_query_args(r, &n);

    return gn_args_last(list, n, gn_slice_str(name));
}

GN_LOOP_THREAD static bool is_form(const struct gn_request *r)
{
    struct gn_slice type = gn_request_header_id(r, GN_HDR_CONTENT_TYPE);

    type = gn_slice_trim_ows(gn_slice_of(type.ptr, gn_slice_find(type, ';')));
    return gn_slice_eq_nocase(type, GN_LIT("application/x-www-form-urlencoded"));
}

enum gn_err gn_form_args(struct gn_request *r, const struct gn_arg **args_out, unsigned *n_out)
{
    if (r->form.list == NULL) {
        if (!is_form(r)) {
            return GN_ERR_UNSUPPORTED;
        }
        GN_TRY(gn_args_parse(
                &r->ex->arena, gn_request_body(r), GN_FORM_FIELDS, &r->form.list, &r->form.n));
    }
    *args_out = r->form.list;
    *n_out = r->form.n;
    return GN_OK;
}

struct gn_slice gn_form_arg(struct gn_request *r, const char *name)
{
    const struct gn_arg *list;
    unsigned n;

    if (gn_form_args(r, &list, &n) != GN_OK) {
        return gn_slice_of(NULL, 0);
    }
    return gn_args_last(list, n, gn_slice_str(name));
}
