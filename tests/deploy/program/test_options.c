/* SPDX-License-Identifier: MIT */
#include "deploy/program/options.h"
#include "tests/support/test.h"

struct config {
    bool flag;
    bool other;
    const char *text;
    struct gn_text_list list;
    struct gn_text_list rest;
    unsigned count;
    size_t size;
    uint64_t size64;
    int64_t ms;
    enum { RED, GREEN, BLUE } word;
    char custom;
};

static enum gn_err parse_custom(void *into, struct gn_slice text, struct gn_error *err)
{
    if (text.len != 1) {
        return gn_error_set(err, GN_ERR_INVALID, 0, "expected one letter");
    }
    *(char *)into = text.ptr[0];
    return GN_OK;
}

static void show_custom(const void *from, struct gn_buf *text)
{
    (void)!gn_buf_append(text, gn_slice_of(from, 1));
}

#define AT(field) .offset = offsetof(struct config, field)

static const struct gn_option options[] = {
        {.group = "First", .name = "flag", .letter = 'f', .help = "A flag.", AT(flag)},
        {.name = "other", .letter = 'o', .help = "Another.", AT(other)},
        {.name = "text",
                .aliases = "words string",
                .letter = 't',
                .value = "TEXT",
                .help = "A text.",
                .kind = GN_OPTION_TEXT,
                AT(text)},
        {.group = "Second",
                .name = "list",
                .letter = 'l',
                .value = "ITEM",
                .help = "Several.",
                .kind = GN_OPTION_LIST,
                AT(list)},
        {.name = "count",
                .value = "N",
                .help = "A number.",
                .kind = GN_OPTION_COUNT,
                .min = 2,
                .max = 9,
                AT(count)},
        {.name = "size",
                .value = "SIZE",
                .help = "A size.",
                .kind = GN_OPTION_SIZE,
                .min = 1,
                .max = 65536,
                AT(size)},
        {.name = "size64",
                .value = "SIZE",
                .help = "A size.",
                .kind = GN_OPTION_SIZE64,
                .max = INT64_C(1) << 40,
                AT(size64)},
        {.name = "seconds",
                .value = "SECONDS",
                .help = "A time.",
                .kind = GN_OPTION_MS,
                .min = 1,
                .max = 60000,
                AT(ms)},
        {.name = "word",
                .value = "red|green|blue",
                .help = "A word.",
                .kind = GN_OPTION_WORD,
                .words = (const char *const[]){"red", "green 1 verde", "blue", NULL},
                AT(word)},
        {.name = "custom",
                .value = "LETTER",
                .help = "A letter, with a text so long that it does not fit into one line of the "
                        "help and must be broken.",
                .kind = GN_OPTION_CUSTOM,
                .parse = parse_custom,
                .show = show_custom,
                AT(custom)},
};

static const struct gn_option_hint hints[] = {
        {"workers w", "one process serves"},
        {"flaga", "a hint goes before a guess"},
};

static const struct gn_option_table table = {
        .options = options,
        .n = GN_ARRAY_LEN(options),
        .hints = hints,
        .n_hints = GN_ARRAY_LEN(hints),
        .positional_offset = offsetof(struct config, rest),
};

static struct config config;
static struct gn_error err;

#define PARSE(...)                                                                                 \
    gn_options_parse(&table, &config, (const char *const[]){__VA_ARGS__},                          \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), 0, &err)

static void begin(void)
{
    config = (struct config){0};
    err = (struct gn_error){0};
}

static void end(void)
{
    gn_text_list_fini(&config.list);
    gn_text_list_fini(&config.rest);
}

TestSuite(options, .init = begin, .fini = end);

Test(options, reads_every_kind)
{
    cr_assert_eq(
            PARSE("--flag", "--text", "a", "--list=x", "--list", "y", "--count", "9", "--size=64K",
                    "--size64", "1G", "--seconds=0.5", "--custom", "c", "--word", "Blue", "app"),
            GN_OK, "%s", err.message);
    cr_assert(config.flag);
    cr_assert_not(config.other);
    cr_assert_str_eq(config.text, "a");
    cr_assert_eq(config.list.n, 2);
    cr_assert_str_eq(config.list.items[0], "x");
    cr_assert_str_eq(config.list.items[1], "y");
    cr_assert_eq(config.count, 9);
    cr_assert_eq(config.size, 65536);
    cr_assert_eq(config.size64, UINT64_C(1) << 30);
    cr_assert_eq(config.ms, 500);
    cr_assert_eq(config.custom, 'c');
    cr_assert_eq(config.word, BLUE);
    cr_assert_eq(config.rest.n, 1);
    cr_assert_str_eq(config.rest.items[0], "app");
}

Test(options, reads_letters_and_aliases)
{
    cr_assert_eq(
            PARSE("-fo", "-tone", "-l", "x", "-l=y", "--string", "two"), GN_OK, "%s", err.message);
    cr_assert(config.flag && config.other);
    cr_assert_str_eq(config.text, "two");
    cr_assert_str_eq(config.list.items[1], "y");
}

Test(options, ends_at_two_dashes)
{
    cr_assert_eq(PARSE("--", "--flag", "-x", "-"), GN_OK);
    cr_assert_not(config.flag);
    cr_assert_eq(config.rest.n, 3);
}

Test(options, takes_values_that_begin_with_a_dash)
{
    cr_assert_eq(PARSE("--text", "-1", "--list", "--no-option"), GN_OK, "%s", err.message);
    cr_assert_str_eq(config.text, "-1");
    cr_assert_str_eq(config.list.items[0], "--no-option");
}

Test(options, words_may_have_several_spellings)
{
    static const struct {
        const char *text;
        unsigned value;
    } cases[] = {{"red", RED}, {"GREEN", GREEN}, {"1", GREEN}, {"verde", GREEN}, {"blue", BLUE}};

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        config.word = cases[i].value == RED ? BLUE : RED;
        cr_assert_eq(PARSE("--word", cases[i].text), GN_OK, "%s", err.message);
        cr_assert_eq(config.word, cases[i].value, "%s", cases[i].text);
    }
}

Test(options, says_what_is_wrong)
{
    static const struct {
        const char *words[3];
        const char *says;
    } cases[] = {
            {{"--flga"}, "unknown option --flga; did you mean --flag?"},
            {{"--cuont=3"}, "did you mean --count?"},
            {{"--zzzzzzzz"}, "unknown option --zzzzzzzz; --help"},
            {{"-z"}, "unknown option -z"},
            {{"-fz"}, "unknown option -z"},
            {{"--workers", "4"}, "unknown option --workers: one process serves"},
            {{"--workers=4"}, "unknown option --workers: one process serves"},
            {{"-w4"}, "unknown option -w: one process serves"},
            {{"--flaga"}, "unknown option --flaga: a hint goes before a guess"},
            {{"--flag=yes"}, "--flag takes no value"},
            {{"--text"}, "--text needs a value: --text TEXT"},
            {{"-t"}, "--text needs a value"},
            {{"--text", "--flag"}, "--text needs a value"},
            {{"--count", "1"}, "--count 1: expected a number from 2 to 9"},
            {{"--count", "10"}, "from 2 to 9"},
            {{"--count", "two"}, "from 2 to 9"},
            {{"--count", ""}, "from 2 to 9"},
            {{"--size", "0"}, "from 1 to 64K"},
            {{"--size", "65537"}, "from 1 to 64K"},
            {{"--seconds", "0"}, "from 0.001 to 60"},
            {{"--seconds", "61"}, "from 0.001 to 60"},
            {{"--seconds", "-1"}, "--seconds -1: expected seconds"},
            {{"--word", "pink"}, "--word pink: expected red, green or blue"},
            {{"--word", "green 1"}, "--word green 1: expected red, green or blue"},
            {{"--word", ""}, "expected red, green or blue"},
            {{"--custom", "xy"}, "--custom xy: expected one letter"},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        unsigned n = 0;

        while (n < 3 && cases[i].words[n] != NULL) {
            n++;
        }
        cr_assert_eq(gn_options_parse(&table, &config, cases[i].words, n, 0, &err), GN_ERR_INVALID);
        cr_assert_not_null(strstr(err.message, cases[i].says), "%s", err.message);
    }
}

Test(options, a_later_source_replaces_lists)
{
    static const char *const first[] = {"-l", "a", "-l", "b", "--count", "3"};
    static const char *const second[] = {"-l", "c"};

    cr_assert_eq(gn_options_parse(&table, &config, first, 6, 0, &err), GN_OK);
    cr_assert_eq(gn_options_parse(&table, &config, second, 2, 1, &err), GN_OK);
    cr_assert_eq(config.list.n, 1);
    cr_assert_str_eq(config.list.items[0], "c");
    cr_assert_eq(config.count, 3);
}

Test(options, help_names_everything_and_its_default)
{
    struct gn_buf text;
    struct gn_slice rest;
    struct gn_slice line;

    config = (struct config){.count = 5, .size = 65536, .ms = 500, .custom = 'q', .word = GREEN};
    gn_buf_init(&text, 8192);
    gn_options_help(&table, &config, &text);
    cr_assert_eq(gn_buf_append(&text, gn_slice_of("", 1)), GN_OK);
    cr_assert_not_null(strstr(text.ptr, "\nSecond:\n"));
    cr_assert_not_null(strstr(text.ptr, "  -f, --flag "));
    cr_assert_not_null(strstr(text.ptr, "--count N"));
    cr_assert_not_null(strstr(text.ptr, "[5]"));
    cr_assert_not_null(strstr(text.ptr, "[64K]"));
    cr_assert_not_null(strstr(text.ptr, "[0.5]"));
    cr_assert_not_null(strstr(text.ptr, "[q]"));
    cr_assert_not_null(strstr(text.ptr, "A word. [green]"));
    rest = gn_slice_of(text.ptr, text.len - 1);
    while (gn_slice_split(&rest, '\n', &line)) {
        cr_assert_leq(line.len, 96, GN_SLICE_FMT, GN_SLICE_ARG(line));
    }
    gn_buf_fini(&text);
}
