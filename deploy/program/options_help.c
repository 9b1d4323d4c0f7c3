/* SPDX-License-Identifier: MIT */
/*
 * The help is written from the table alone: names in one column, what they mean
 * and their present values, wrapped, in the other.
 */
#include "deploy/program/options.h"
#include "deploy/program/values.h"

#define HELP_COLUMN 32
#define HELP_WIDTH 96

static void add(struct gn_buf *text, const char *part)
{
    (void)!gn_buf_append(text, gn_slice_str(part));
}

static void add_spaces(struct gn_buf *text, size_t n)
{
    (void)!gn_buf_printf(text, "%*s", (int)n, "");
}

/* Appends words, breaking lines before HELP_WIDTH, each line starting at HELP_COLUMN. */
static void add_wrapped(struct gn_buf *text, struct gn_slice words, size_t column)
{
    struct gn_slice word;

    while (gn_slice_split(&words, ' ', &word)) {
        if (column + 1 + word.len > HELP_WIDTH) {
            add(text, "\n");
            add_spaces(text, HELP_COLUMN);
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            add(text, " ");
            column++;
        }
        (void)!gn_buf_append(text, word);
        column += word.len;
    }
}

/* The present value as a user would write it; nothing when there is none. */
static void show_value(const struct gn_option *option, const void *config, struct gn_buf *text)
{
    const void *field = (const char *)config + option->offset;

    switch (option->kind) {
    case GN_OPTION_COUNT:
        (void)!gn_buf_printf(text, "%u", *(const unsigned *)field);
        break;
    case GN_OPTION_SIZE:
        gn_value_show_size(*(const size_t *)field, text);
        break;
    case GN_OPTION_SIZE64:
        gn_value_show_size(*(const uint64_t *)field, text);
        break;
    case GN_OPTION_MS:
        (void)!gn_buf_printf(text, "%g", (double)*(const int64_t *)field / 1e3);
        break;
    case GN_OPTION_WORD:
        (void)!gn_buf_append(text, gn_option_word(option, *(const unsigned *)field));
        break;
    case GN_OPTION_CUSTOM:
        option->show(field, text);
        break;
    case GN_OPTION_FLAG:
    case GN_OPTION_TEXT:
    case GN_OPTION_LIST:
        break;
    }
}

static void add_option(const struct gn_option *option, const void *config, struct gn_buf *text)
{
    size_t start = text->len;
    struct gn_buf help;
    struct gn_buf value;

    add(text, "  ");
    if (option->letter != 0) {
        (void)!gn_buf_printf(text, "-%c, ", option->letter);
    }
    (void)!gn_buf_printf(text, "--%s%s%s", option->name, option->value != NULL ? " " : "",
            option->value != NULL ? option->value : "");
    if (text->len - start + 2 > HELP_COLUMN) {
        add(text, "\n");
        start = text->len;
    }
    add_spaces(text, HELP_COLUMN - (text->len - start));

    gn_buf_init(&help, 2048);
    gn_buf_init(&value, 128);
    add(&help, option->help);
    show_value(option, config, &value);
    if (value.len > 0) {
        (void)!gn_buf_printf(&help, " [" GN_SLICE_FMT "]", GN_SLICE_ARG(gn_buf_slice(&value)));
    }
    add_wrapped(text, gn_buf_slice(&help), HELP_COLUMN);
    add(text, "\n");
    gn_buf_fini(&help);
    gn_buf_fini(&value);
}

void gn_options_help(const struct gn_option_table *table, const void *config, struct gn_buf *text)
{
    for (unsigned i = 0; i < table->n; i++) {
        if (table->options[i].group != NULL) {
            (void)!gn_buf_printf(text, "\n%s:\n", table->options[i].group);
        }
        add_option(&table->options[i], config, text);
    }
}
