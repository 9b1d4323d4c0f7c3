/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_ERROR_LOG_H
#define GN_DEPLOY_PROGRAM_ERROR_LOG_H

/*
 * --error-logfile FILE: the file takes the place of standard error, so that
 * whatever applications, Python and libraries print there is in it as well.
 *
 * Thread: the main thread.
 */

#include "server/base/err.h"

/**
 * Opens the file for appending, as standard error; again to open it anew. On
 * an error standard error stays what it was.
 *
 * Returns: GN_OK, GN_ERR_SYSTEM
 */
GN_MUST_CHECK enum gn_err gn_error_log_open(const char *path, struct gn_error *err);

#endif
