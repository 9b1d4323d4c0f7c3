/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_CLI_PRIV_H
#define GN_DEPLOY_PROGRAM_CLI_PRIV_H

/*
 * The options themselves (cli_options.c); what surrounds them is in cli.c.
 */

#include "deploy/program/config.h"
#include "deploy/program/options.h"

/** Those of a struct gn_config, in the order of the help. */
extern const struct gn_option gn_cli_options[];
extern const unsigned gn_cli_n_options;

#endif
