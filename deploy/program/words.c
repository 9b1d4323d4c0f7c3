/* SPDX-License-Identifier: MIT */
#include "deploy/program/words.h"

#include <stdbool.h>
#include <string.h>

#include "server/base/alloc.h"
#include "server/base/buf.h"

struct splitter {
    const char *at;
    struct gn_buf word;
    bool has_word; /* even an empty one, as "" is */
};

/* One character or quoted part of a word; false when a quote is left open. */
static bool take_part(struct splitter *s)
{
    char quote = *s->at;
    const char *end;

    s->has_word = true;
    if (quote == '\\' && s->at[1] != '\0') {
        (void)!gn_buf_append(&s->word, gn_slice_of(s->at + 1, 1));
        s->at += 2;
        return true;
    }
    if (quote != '\'' && quote != '"') {
        (void)!gn_buf_append(&s->word, gn_slice_of(s->at, 1));
        s->at++;
        return true;
    }
    end = strchr(s->at + 1, quote);
    if (end == NULL) {
        return false;
    }
    (void)!gn_buf_append(&s->word, gn_slice_of(s->at + 1, (size_t)(end - s->at - 1)));
    s->at = end + 1;
    return true;
}

static void end_word(struct splitter *s, char ***words, unsigned *n)
{
    if (!s->has_word) {
        return;
    }
    *words = gn_xrealloc(*words, (*n + 1) * sizeof(**words));
    (*words)[(*n)++] = gn_xstrndup(s->word.len > 0 ? s->word.ptr : "", s->word.len);
    gn_buf_clear(&s->word);
    s->has_word = false;
}

enum gn_err gn_words_split(
        const char *line, char ***words_out, unsigned *n_out, struct gn_error *err)
{
    struct splitter s = {.at = line};
    enum gn_err rc = GN_OK;

    *words_out = NULL;
    *n_out = 0;
    gn_buf_init(&s.word, strlen(line) + 1);
    while (*s.at != '\0' && rc == GN_OK) {
        if (*s.at == ' ' || *s.at == '\t' || *s.at == '\n') {
            end_word(&s, words_out, n_out);
            s.at++;
        } else if (!take_part(&s)) {
            rc = gn_error_set(err, GN_ERR_INVALID, 0, "a quote is left open");
        }
    }
    end_word(&s, words_out, n_out);
    gn_buf_fini(&s.word);
    if (rc != GN_OK) {
        gn_words_free(*words_out, *n_out);
        *words_out = NULL;
        *n_out = 0;
    }
    return rc;
}

void gn_words_free(char **words, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        gn_free(words[i]);
    }
    gn_free(words);
}
