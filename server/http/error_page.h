/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_ERROR_PAGE_H
#define GN_SERVER_HTTP_ERROR_PAGE_H

/*
 * The one small page behind every error the server answers by itself: HTML,
 * or JSON for clients that ask for it and not for HTML.
 */

#include "server/base/buf.h"
#include "server/proto/http1_writer.h"

enum { GN_ERROR_PAGE_BYTES = 4608 }; /* the longest page */

/**
 * Appends the page alone to `page`, which has room for GN_ERROR_PAGE_BYTES, and
 * returns its content type: for responses with fields of their own.
 */
struct gn_slice gn_error_page_make(
        const struct gn_http1_head *head, int status, struct gn_slice detail, struct gn_buf *page);

/**
 * Appends a complete response to `out`. `head` may be NULL (it could not be
 * read); `detail` is one sentence for the reader, escaped here, and may be empty.
 */
void gn_error_page_write(struct gn_http1_writer *writer, const struct gn_http1_head *head,
        int status, struct gn_slice detail, struct gn_slice date, struct gn_buf *out);

#endif
