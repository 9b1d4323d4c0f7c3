/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_ACCESS_FORMAT_PRIV_H
#define GN_SERVER_HTTP_ACCESS_FORMAT_PRIV_H

/*
 * What the two files of the format language share: access_format.c compiles
 * and runs, access_format_atoms.c knows what each atom writes.
 */

#include "server/http/access_format.h"

struct gn_access_context {
    const struct gn_exchange *ex;
    const struct gn_access_facts *facts;
    struct gn_buf *out;
};

struct gn_access_step;
/** Appends one value; errors as gn_buf_reserve. */
typedef enum gn_err (*gn_access_fn)(
        const struct gn_access_context *c, const struct gn_access_step *step);

struct gn_access_step {
    gn_access_fn fn;
    struct gn_slice text; /* of a literal, or the name in braces */
    unsigned note;        /* index of a response header */
};

/** The atom of that single letter, or NULL. */
gn_access_fn gn_access_atom(struct gn_slice name);
/** The atom of that letter behind a name in braces: i, o, e or x; or NULL. */
gn_access_fn gn_access_named_atom(char letter, struct gn_slice name);
/** Appends a response header's value. */
enum gn_err gn_access_response_header(
        const struct gn_access_context *c, const struct gn_access_step *step);
/** Text of the format itself. */
enum gn_err gn_access_literal(const struct gn_access_context *c, const struct gn_access_step *step);

#endif
