/* SPDX-License-Identifier: MIT */
#include "deploy/program/options.h"

#include <string.h>

#include "deploy/program/values.h"
#include "server/base/alloc.h"
#include "server/base/ascii.h"

#define MAX_NAME 48

struct parser {
    const struct gn_option_table *table;
    char *config; /* bytes of the caller's struct */
    const char *const *words;
    unsigned n_words;
    unsigned at;
    unsigned source;
    struct gn_error *err;
};

/* ---- finding options -------------------------------------------------------- */

typedef bool (*equal_fn)(struct gn_slice a, struct gn_slice b);

/* True if `name` is one of the names, which are separated by spaces. */
static bool is_among(const char *names, struct gn_slice name, equal_fn is_equal)
{
    struct gn_slice rest = gn_slice_str(names);
    struct gn_slice one;

    while (rest.ptr != NULL && gn_slice_split(&rest, ' ', &one)) {
        if (is_equal(one, name)) {
            return true;
        }
    }
    return false;
}

static const struct gn_option *find_long(const struct gn_option_table *table, struct gn_slice name)
{
    for (unsigned i = 0; i < table->n; i++) {
        const struct gn_option *option = &table->options[i];

        if (gn_slice_eq(gn_slice_str(option->name), name) ||
                is_among(option->aliases, name, gn_slice_eq)) {
            return option;
        }
    }
    return NULL;
}

static const struct gn_option *find_letter(const struct gn_option_table *table, char letter)
{
    for (unsigned i = 0; i < table->n; i++) {
        if (table->options[i].letter == letter) {
            return &table->options[i];
        }
    }
    return NULL;
}

/* How many single-letter edits make `a` out of `b` (Levenshtein). */
static unsigned distance(struct gn_slice a, struct gn_slice b)
{
    unsigned row[MAX_NAME + 1];

    if (a.len > MAX_NAME || b.len > MAX_NAME) {
        return MAX_NAME;
    }
    for (unsigned k = 0; k <= b.len; k++) {
        row[k] = k;
    }
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned k = 1; k <= b.len; k++) {
            unsigned changed = diagonal + (a.ptr[i - 1] != b.ptr[k - 1] ? 1 : 0);

            diagonal = row[k];
            row[k] = GN_MIN(GN_MIN(row[k], row[k - 1]) + 1, changed);
        }
    }
    return row[b.len];
}

static const char *nearest(const struct gn_option_table *table, struct gn_slice name)
{
    const char *best = NULL;
    unsigned best_distance = (unsigned)(name.len / 3 + 1);

    for (unsigned i = 0; i < table->n; i++) {
        unsigned d = distance(name, gn_slice_str(table->options[i].name));

        if (d <= best_distance && (best == NULL || d < best_distance)) {
            best_distance = d;
            best = table->options[i].name;
        }
    }
    return best;
}

static enum gn_err unknown(struct parser *p, const char *dashes, struct gn_slice name)
{
    const char *guess = name.len > 1 ? nearest(p->table, name) : NULL;

    for (unsigned i = 0; i < p->table->n_hints; i++) {
        const struct gn_option_hint *hint = &p->table->hints[i];

        if (is_among(hint->names, name, gn_slice_eq)) {
            return gn_error_set(p->err, GN_ERR_INVALID, 0, "unknown option %s" GN_SLICE_FMT ": %s",
                    dashes, GN_SLICE_ARG(name), hint->advice);
        }
    }
    return gn_error_set(p->err, GN_ERR_INVALID, 0,
            guess != NULL ? "unknown option %s" GN_SLICE_FMT "; did you mean --%s?"
                          : "unknown option %s" GN_SLICE_FMT "; --help lists them",
            dashes, GN_SLICE_ARG(name), guess);
}

/* ---- storing values ----------------------------------------------------------- */

static void list_add(struct gn_text_list *list, const char *text, unsigned source)
{
    if (list->source != source + 1) {
        list->n = 0;
        list->source = source + 1;
    }
    list->items = gn_xrealloc(list->items, (list->n + 1) * sizeof(*list->items));
    list->items[list->n++] = text;
}

void gn_text_list_fini(struct gn_text_list *list)
{
    gn_free(list->items);
    *list = (struct gn_text_list){0};
}

static enum gn_err store_count(
        const struct gn_option *option, void *field, struct gn_slice text, struct gn_error *err)
{
    uint64_t value;

    if (gn_slice_to_u64(text, (uint64_t)option->max, &value) != GN_OK ||
            (int64_t)value < option->min) {
        return gn_error_set(err, GN_ERR_INVALID, 0, "expected a number from %lld to %lld",
                (long long)option->min, (long long)option->max);
    }
    *(unsigned *)field = (unsigned)value;
    return GN_OK;
}

static enum gn_err store_size(
        const struct gn_option *option, void *field, struct gn_slice text, struct gn_error *err)
{
    uint64_t value;

    if (!gn_value_parse_size(text, &value) || value < (uint64_t)option->min ||
            value > (uint64_t)option->max) {
        struct gn_buf range;

        gn_buf_init(&range, 128);
        gn_value_show_size((uint64_t)option->min, &range);
        (void)!gn_buf_append(&range, GN_LIT(" to "));
        gn_value_show_size((uint64_t)option->max, &range);
        (void)gn_error_set(err, GN_ERR_INVALID, 0,
                "expected a size like 8190, 64K or 8M, from " GN_SLICE_FMT,
                GN_SLICE_ARG(gn_buf_slice(&range)));
        gn_buf_fini(&range);
        return GN_ERR_INVALID;
    }
    if (option->kind == GN_OPTION_SIZE) {
        *(size_t *)field = (size_t)value;
    } else {
        *(uint64_t *)field = value;
    }
    return GN_OK;
}

static enum gn_err store_ms(
        const struct gn_option *option, void *field, struct gn_slice text, struct gn_error *err)
{
    int64_t value;

    if (!gn_value_parse_ms(text, &value) || value < option->min || value > option->max) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "expected seconds, like 30 or 0.5, from %g to %g", (double)option->min / 1e3,
                (double)option->max / 1e3);
    }
    *(int64_t *)field = value;
    return GN_OK;
}

struct gn_slice gn_option_word(const struct gn_option *option, unsigned index)
{
    struct gn_slice spellings = gn_slice_str(option->words[index]);
    struct gn_slice first;

    (void)gn_slice_split(&spellings, ' ', &first);
    return first;
}

/* "expected a, b or c" */
static enum gn_err expected_word(const struct gn_option *option, struct gn_error *err)
{
    struct gn_buf list;

    gn_buf_init(&list, 512);
    for (unsigned i = 0; option->words[i] != NULL; i++) {
        const char *before = i == 0 ? "" : option->words[i + 1] != NULL ? ", " : " or ";

        (void)!gn_buf_printf(
                &list, "%s" GN_SLICE_FMT, before, GN_SLICE_ARG(gn_option_word(option, i)));
    }
    (void)gn_error_set(
            err, GN_ERR_INVALID, 0, "expected " GN_SLICE_FMT, GN_SLICE_ARG(gn_buf_slice(&list)));
    gn_buf_fini(&list);
    return GN_ERR_INVALID;
}

static enum gn_err store_word(
        const struct gn_option *option, void *field, struct gn_slice text, struct gn_error *err)
{
    for (unsigned i = 0; option->words[i] != NULL; i++) {
        if (is_among(option->words[i], text, gn_slice_eq_nocase)) {
            *(unsigned *)field = i;
            return GN_OK;
        }
    }
    return expected_word(option, err);
}

static enum gn_err store_value(
        struct parser *p, const struct gn_option *option, const char *text, struct gn_error *why)
{
    void *field = p->config + option->offset;

    switch (option->kind) {
    case GN_OPTION_FLAG:
        *(bool *)field = true;
        return GN_OK;
    case GN_OPTION_TEXT:
        *(const char **)field = text;
        return GN_OK;
    case GN_OPTION_LIST:
        list_add(field, text, p->source);
        return GN_OK;
    case GN_OPTION_COUNT:
        return store_count(option, field, gn_slice_str(text), why);
    case GN_OPTION_SIZE:
    case GN_OPTION_SIZE64:
        return store_size(option, field, gn_slice_str(text), why);
    case GN_OPTION_MS:
        return store_ms(option, field, gn_slice_str(text), why);
    case GN_OPTION_WORD:
        return store_word(option, field, gn_slice_str(text), why);
    case GN_OPTION_CUSTOM:
        return option->parse(field, gn_slice_str(text), why);
    }
    return GN_ERR_BUG;
}

static enum gn_err store(struct parser *p, const struct gn_option *option, const char *text)
{
    struct gn_error why = {0};
    enum gn_err rc = store_value(p, option, text, &why);

    if (rc != GN_OK) {
        return gn_error_set(
                p->err, rc, 0, "--%s %s: %s", option->name, text != NULL ? text : "", why.message);
    }
    return GN_OK;
}

/* ---- reading words --------------------------------------------------------------- */

/* A value may begin with dashes ("-1"), but an option's name is no value. */
static bool is_option(const struct gn_option_table *table, const char *word)
{
    return word[0] == '-' && word[1] == '-' && find_long(table, gn_slice_str(word + 2)) != NULL;
}

/* The value of an option: what follows in the same word, else the next word. */
static enum gn_err store_with(
        struct parser *p, const struct gn_option *option, const char *attached)
{
    if (option->kind == GN_OPTION_FLAG) {
        if (attached != NULL) {
            return gn_error_set(p->err, GN_ERR_INVALID, 0, "--%s takes no value", option->name);
        }
        return store(p, option, NULL);
    }
    if (attached == NULL) {
        if (p->at == p->n_words || is_option(p->table, p->words[p->at])) {
            return gn_error_set(p->err, GN_ERR_INVALID, 0, "--%s needs a value: --%s %s",
                    option->name, option->name, option->value);
        }
        attached = p->words[p->at++];
    }
    return store(p, option, attached);
}

static enum gn_err read_long(struct parser *p, const char *word)
{
    struct gn_slice name = gn_slice_str(word);
    const char *value = NULL;
    const struct gn_option *option;
    size_t equals = gn_slice_find(name, '=');

    if (equals < name.len) {
        value = word + equals + 1;
        name.len = equals;
    }
    option = find_long(p->table, name);
    return option != NULL ? store_with(p, option, value) : unknown(p, "--", name);
}

/* "-b value", "-bvalue", "-b=value", or several flags in one word. */
static enum gn_err read_letters(struct parser *p, const char *word)
{
    while (*word != '\0') {
        const struct gn_option *option = find_letter(p->table, *word);

        if (option == NULL) {
            return unknown(p, "-", gn_slice_of(word, 1));
        }
        word++;
        if (option->kind != GN_OPTION_FLAG) {
            word += *word == '=' ? 1 : 0;
            return store_with(p, option, *word != '\0' ? word : NULL);
        }
        GN_TRY(store(p, option, NULL));
    }
    return GN_OK;
}

static enum gn_err read_word(struct parser *p, const char *word, bool *is_plain)
{
    if (!*is_plain && strcmp(word, "--") == 0) {
        *is_plain = true;
        return GN_OK;
    }
    if (!*is_plain && word[0] == '-' && word[1] == '-') {
        return read_long(p, word + 2);
    }
    if (!*is_plain && word[0] == '-' && word[1] != '\0') {
        return read_letters(p, word + 1);
    }
    list_add((struct gn_text_list *)(void *)(p->config + p->table->positional_offset), word,
            p->source);
    return GN_OK;
}

enum gn_err gn_options_parse(const struct gn_option_table *table, void *config,
        const char *const *words, unsigned n_words, unsigned source, struct gn_error *err)
{
    struct parser p = {
            .table = table,
            .config = config,
            .words = words,
            .n_words = n_words,
            .source = source,
            .err = err,
    };
    bool is_plain = false;

    while (p.at < p.n_words) {
        const char *word = p.words[p.at++];

        GN_TRY(read_word(&p, word, &is_plain));
    }
    return GN_OK;
}
