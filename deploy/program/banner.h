/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_BANNER_H
#define GN_DEPLOY_PROGRAM_BANNER_H

/*
 * What the program says about itself: a few lines in the log at start-up, and
 * --version.
 */

#include "deploy/program/config.h"
#include "deploy/program/site.h"
#include "server/net/addr.h"

/** "gustnado 0.1.0 (Python 3.11.2)" with a newline, on standard output. */
void gn_banner_version(void);

/** Versions, what is served where, and on how many threads. */
void gn_banner_start(const struct gn_config *config, const struct gn_site *site);
/** One address that is ready. */
void gn_banner_listening(const struct gn_addr *addr, bool is_tls);

#endif
