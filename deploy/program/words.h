/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_WORDS_H
#define GN_DEPLOY_PROGRAM_WORDS_H

/*
 * A line of options, as an environment variable holds it, as words.
 *
 * Thread: start-up.
 */

#include "server/base/err.h"

/**
 * Splits a line as a shell would: blanks separate, quotes ('…', "…") and
 * backslashes protect.
 *
 * Returns: GN_OK (`*words_out`: gn_words_free), GN_ERR_INVALID (a quote is left open)
 */
GN_MUST_CHECK enum gn_err gn_words_split(
        const char *line, char ***words_out, unsigned *n_out, struct gn_error *err);
void gn_words_free(char **words, unsigned n);

#endif
