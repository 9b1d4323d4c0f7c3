/* SPDX-License-Identifier: MIT */
#ifndef GN_WEB_ARGS_H
#define GN_WEB_ARGS_H

/*
 * Arguments of queries and forms (application/x-www-form-urlencoded), decoded.
 * The functions for handlers are in web/request.h. Pure; any thread.
 */

#include "server/base/arena.h"
#include "server/base/err.h"
#include "server/base/slice.h"
#include "web/request.h"

enum { GN_FORM_FIELDS = 1000 }; /* the most a form may have; queries are bounded already */

/**
 * Decodes all pairs of `text` into an array in the arena, in order.
 *
 * Returns: GN_OK            `*list_out` (never NULL) holds `*n_out`
 *          GN_ERR_TOO_BIG   more than `max`
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_args_parse(struct gn_arena *arena, struct gn_slice text,
        unsigned max, const struct gn_arg **list_out, unsigned *n_out);
/** The value of the last pair of that name; ptr NULL when there is none. */
GN_ANY_THREAD struct gn_slice gn_args_last(
        const struct gn_arg *list, unsigned n, struct gn_slice name);

#endif
