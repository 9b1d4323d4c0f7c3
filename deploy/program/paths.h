/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_PATHS_H
#define GN_DEPLOY_PROGRAM_PATHS_H

/*
 * Paths that options name. Applications change the working directory while
 * they are imported and later, so none of ours may depend on it.
 *
 * Thread: start-up.
 */

#include "deploy/program/config.h"

/**
 * Makes the paths of certificates, keys, modules, error page, logs, control
 * socket and Unix sockets absolute: relative ones start at --chdir, or where the
 * program was started. "-" for a log, and a path that has become too long for a
 * socket, stay as they are.
 */
void gn_paths_anchor(struct gn_config *config);

#endif
