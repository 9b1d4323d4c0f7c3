/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_CLI_H
#define GN_DEPLOY_PROGRAM_CLI_H

/*
 * The options of the program: what reads them and explains them.
 *
 * Thread: start-up.
 */

#include "deploy/program/config.h"
#include "deploy/program/options.h"

/** For a struct gn_config; what it points to is static. */
struct gn_option_table gn_cli_table(void);
/** What holds without any option. */
struct gn_config gn_cli_defaults(void);
/** Appends the whole text of --help. */
void gn_cli_help(struct gn_buf *text);

#endif
