/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_SERVE_H
#define GN_DEPLOY_PROGRAM_SERVE_H

/*
 * The life of the program, composed of everything below it: load, listen,
 * serve until a signal, end.
 *
 * Thread: the main thread.
 */

#include "deploy/program/config.h"

/**
 * Runs to the end and returns the process's exit status (enum gn_exit in
 * site.h); a sentence about what went wrong has been written. Ends the process
 * itself when threads of Python cannot be brought to an end.
 */
int gn_serve(const struct gn_config *config, int argc, char *const *argv);

#endif
