/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_ASK_H
#define GN_DEPLOY_PROGRAM_ASK_H

/*
 * Asking a running server over its control socket (control.h):
 *
 *     gustnado stacks [PID] [--control PATH] [--timeout SECONDS]
 *     gustnado stats  likewise
 *
 * The word stands before all options; a module that is called like it is
 * served as `gustnado stacks:application` or `gustnado -- stacks`.
 *
 * Thread: a client's only one.
 */

#include <stdbool.h>

/** Whether the command line begins with a word that asks. */
bool gn_ask_is_meant(int argc, char *const *argv);

/** How a client ends; also in its --help. */
enum gn_ask_exit {
    GN_ASK_OK = 0,
    GN_ASK_NOBODY = 1,   /* no such socket, nobody answers there, or not permitted */
    GN_ASK_USAGE = 2,    /* the command line is wrong, or the server does not know the word */
    GN_ASK_NO_ANSWER = 6 /* reached, but no whole answer came in time */
};

/** Prints the answer, or one sentence to standard error; returns an enum gn_ask_exit. */
int gn_ask(int argc, char *const *argv);

#endif
