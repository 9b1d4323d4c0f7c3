/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_OPTIONS_H
#define GN_DEPLOY_PROGRAM_OPTIONS_H

/*
 * A command line described by a table: parsing it into a struct, writing the
 * help from it, and naming the nearest option when one is misspelled. What the
 * options mean is config.h's business.
 *
 * Thread: start-up.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/base/slice.h"

/** What an option's value looks like, and the type of the field it goes to. */
enum gn_option_kind {
    GN_OPTION_FLAG,   /* no value; bool */
    GN_OPTION_TEXT,   /* const char *, borrowed from the command line */
    GN_OPTION_LIST,   /* struct gn_text_list; may be given several times */
    GN_OPTION_COUNT,  /* unsigned */
    GN_OPTION_SIZE,   /* size_t bytes; "64K", "8M", "1G" */
    GN_OPTION_SIZE64, /* uint64_t bytes, likewise */
    GN_OPTION_MS,     /* int64_t milliseconds; written in seconds: "30", "0.5", "500ms", "5m" */
    GN_OPTION_WORD,   /* an enum without negative values; one of `words`, in any case */
    GN_OPTION_CUSTOM, /* by the option's own function */
};

struct gn_text_list {
    const char **items;
    unsigned n;
    unsigned source; /* 1 + index of the source they came from; a later source replaces them */
};

struct gn_option {
    const char *group;   /* heading in the help; NULL: the same as before */
    const char *name;    /* without dashes */
    const char *aliases; /* other names, separated by spaces; may be NULL */
    char letter;         /* one-letter form; 0: none */
    const char *value;   /* what the help calls the value; NULL for flags */
    const char *help;    /* one or two sentences; wrapped */
    enum gn_option_kind kind;
    size_t offset; /* of the field */
    int64_t min;   /* for numbers; in the field's unit */
    int64_t max;
    /** GN_OPTION_WORD: by value of the enum, ended by NULL; other spellings behind spaces. */
    const char *const *words;
    /** GN_OPTION_CUSTOM: stores; errors say what was expected, without the option's name. */
    enum gn_err (*parse)(void *into, struct gn_slice text, struct gn_error *err);
    /** GN_OPTION_CUSTOM: the present value, for the help. */
    void (*show)(const void *from, struct gn_buf *text);
};

/** What other servers have, and what to do instead. */
struct gn_option_hint {
    const char *names;  /* without dashes, letters too; separated by spaces */
    const char *advice; /* goes behind "unknown option --name: " */
};

struct gn_option_table {
    const struct gn_option *options;
    unsigned n;
    const struct gn_option_hint *hints;
    unsigned n_hints;
    size_t positional_offset; /* a struct gn_text_list of what is no option */
};

/**
 * Reads `words` (without the program's name) into `config`. Texts and lists
 * borrow from `words`.
 *
 * Units:   source: 0 for the first source of options, 1 for the next …; lists of an earlier
 *          source are replaced, other values too
 * Returns: GN_OK, GN_ERR_INVALID (err names the option and says what is wrong)
 */
GN_MUST_CHECK enum gn_err gn_options_parse(const struct gn_option_table *table, void *config,
        const char *const *words, unsigned n_words, unsigned source, struct gn_error *err);

/** Appends the help of all options, with the values in `config` as defaults. */
void gn_options_help(const struct gn_option_table *table, const void *config, struct gn_buf *text);

/** How word number `index` of a GN_OPTION_WORD is spelled first; static. */
struct gn_slice gn_option_word(const struct gn_option *option, unsigned index);

/** Frees the list, not its texts. */
void gn_text_list_fini(struct gn_text_list *list);

#endif
