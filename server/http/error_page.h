/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_ERROR_PAGE_H
#define GN_SERVER_HTTP_ERROR_PAGE_H

/*
 * The one small page behind every error the server answers by itself: HTML,
 * or JSON for clients that ask for it and not for HTML. Where the head itself was
 * refused, its Accept counts if it came before what was wrong; where not even
 * the request line could be read, it is HTML. The HTML may be
 * replaced by a template of the operator's; nothing of the server is in either.
 *
 * A template is HTML with names in double braces: {{status}} is the number,
 * {{reason}} its phrase, {{detail}} a sentence for the reader or nothing,
 * {{request_id}} the request's id. What is put in is escaped.
 *
 * Thread: any; a template is not changed once it is made.
 */

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/proto/http1_writer.h"

enum { GN_ERROR_TEMPLATE_BYTES = 65536 }; /* the longest template */

struct gn_error_template;

/**
 * Compiles a template; `text` is copied.
 *
 * Returns: GN_OK
 *          GN_ERR_INVALID   a name in braces is not known, or not closed; err names it
 *          GN_ERR_TOO_BIG   beyond GN_ERROR_TEMPLATE_BYTES, or more than 64 names
 */
GN_MUST_CHECK enum gn_err gn_error_template_create(
        struct gn_slice text, struct gn_error_template **template_out, struct gn_error *err);
/** Accepts NULL inside. */
void gn_error_template_destroy(struct gn_error_template **t);

/** Whether it holds {{request_id}}; NULL does not. */
bool gn_error_template_names_id(const struct gn_error_template *t);

/** What a page says. */
struct gn_error_facts {
    const struct gn_http1_head *head; /* or the part that could be read; NULL: nothing of it */
    int status;
    struct gn_slice detail;     /* one sentence for the reader; may be empty */
    struct gn_slice request_id; /* may be empty */
    bool shows_id;              /* on the built-in page, in JSON and as X-Request-ID */
};

/**
 * Makes the page alone: inits `page` and fills it (gn_buf_fini is the caller's),
 * returns its content type. `t` may be NULL: the built-in page.
 */
struct gn_slice gn_error_page_make(
        const struct gn_error_template *t, const struct gn_error_facts *facts, struct gn_buf *page);

/** Appends a complete response to `out`; nothing is refused. */
void gn_error_page_write(const struct gn_error_template *t, const struct gn_error_facts *facts,
        struct gn_slice date, struct gn_http1_writer *writer, struct gn_buf *out);

#endif
