/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_ERROR_PAGE_H
#define GN_DEPLOY_PROGRAM_ERROR_PAGE_H

/*
 * --error-page FILE: the operator's own page instead of the built-in one.
 *
 * Thread: start-up.
 */

#include "server/base/err.h"
#include "server/http/error_page.h"

/** Returns: GN_OK, GN_ERR_SYSTEM (it cannot be read), or as gn_error_template_create */
GN_MUST_CHECK enum gn_err gn_error_page_read(
        const char *path, struct gn_error_template **template_out, struct gn_error *err);

#endif
