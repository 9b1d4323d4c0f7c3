/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "server/base/log.h"
#include "tests/support/test.h"

struct sink {
    char text[16 * 1024];
    size_t len;
    unsigned n_lines;
    enum gn_log_level level;
};

static void keep(void *arg, enum gn_log_level level, struct gn_slice line)
{
    struct sink *s = arg;

    cr_assert(s->len + line.len < sizeof(s->text));
    memcpy(s->text + s->len, line.ptr, line.len);
    s->len += line.len;
    s->text[s->len] = '\0';
    s->level = level;
    s->n_lines++;
}

static struct sink sink;

static void start_keeping(void)
{
    sink = (struct sink){.len = 0};
    gn_log_set_sink(keep, &sink);
    gn_log_set_level(GN_LOG_INFO);
}

static void stop_keeping(void)
{
    gn_log_set_sink(NULL, NULL);
    gn_log_set_level(GN_LOG_INFO);
}

TestSuite(log, .init = start_keeping, .fini = stop_keeping);

/** What follows "[stamp] [pid] [LEVEL] " on the first line. */
static const char *message(void)
{
    const char *at = sink.text;

    for (int i = 0; i < 3; i++) {
        at = strstr(at, "] ");
        cr_assert_not_null(at);
        at += 2;
    }
    return at;
}

Test(log, line_has_time_process_and_level)
{
    gn_log_warning("%s %d", "disk", 95);
    cr_assert_eq(sink.n_lines, 1);
    cr_assert_eq(sink.level, GN_LOG_WARNING);
    cr_assert_eq(sink.text[0], '[');
    cr_assert_not_null(strstr(sink.text, "] [WARNING] disk 95\n"));
    cr_assert_str_eq(message(), "disk 95\n");
}

Test(log, levels_below_the_threshold_are_dropped)
{
    gn_log_debug("no");
    cr_assert_eq(sink.n_lines, 0);
    cr_assert_not(gn_log_is_on(GN_LOG_DEBUG));
    gn_log_set_level(GN_LOG_DEBUG);
    gn_log_debug("yes");
    cr_assert_eq(sink.n_lines, 1);
    gn_log_set_level(GN_LOG_CRITICAL);
    gn_log_error("no");
    gn_log_block(GN_LOG_ERROR, GN_LIT("no"), GN_LIT("no"));
    cr_assert_eq(sink.n_lines, 1);
}

Test(log, control_bytes_cannot_forge_a_line)
{
    gn_log_info("a\nb\rc\033[2Jd\x7f%c\xc3\xa9", 1);
    cr_assert_str_eq(message(), "a\\x0ab\\x0dc\\x1b[2Jd\\x7f\\x01\xc3\xa9\n");
}

/* A terminal that takes UTF-8 begins a control sequence at U+009B as it does at ESC [. */
Test(log, controls_in_utf8_are_escaped_and_letters_are_not)
{
    gn_log_info("\xc2\x9b"
                "2J \xc2\x80 \xc2\xa0 \xc2\xbf \xc3\x9b \xe2\x82\xac \xc2");
    cr_assert_str_eq(message(),
            "\\xc2\\x9b"
            "2J \\xc2\\x80 \xc2\xa0 \xc2\xbf \xc3\x9b \xe2\x82\xac \xc2\n");
}

Test(log, long_lines_are_cut_and_still_end)
{
    static char text[8000];

    memset(text, '\n', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    gn_log_info("%s", text);
    cr_assert_eq(sink.n_lines, 1);
    cr_assert(sink.len < 2048);
    cr_assert_eq(sink.text[sink.len - 1], '\n');
    cr_assert_eq(strchr(sink.text, '\n'), sink.text + sink.len - 1, "one newline, the last byte");
}

Test(log, block_keeps_its_lines)
{
    gn_log_block(GN_LOG_ERROR, GN_LIT("trace\nback"), GN_LIT("line 1\n\tline 2\x01"));
    cr_assert_eq(sink.n_lines, 1);
    cr_assert_str_eq(message(), "trace\\x0aback\nline 1\n\tline 2\\x01\n");
}

Test(log, block_that_ends_in_a_newline_gets_no_other)
{
    gn_log_block(GN_LOG_ERROR, GN_LIT("h"), GN_LIT("x\n"));
    cr_assert_str_eq(message(), "h\nx\n");
    sink.len = 0;
    gn_log_block(GN_LOG_ERROR, GN_LIT("h"), GN_LIT(""));
    cr_assert_str_eq(message(), "h\n");
}

Test(log, block_may_be_long)
{
    static char text[3000];

    memset(text, '\x02', sizeof(text));
    gn_log_block(GN_LOG_ERROR, GN_LIT("h"), gn_slice_of(text, sizeof(text)));
    cr_assert_eq(strlen(message()), 2 + 4 * sizeof(text) + 1);
}

Test(log, level_names_are_read_in_any_case)
{
    static const struct {
        struct gn_slice name;
        bool known;
        enum gn_log_level level;
    } cases[] = {
            {GN_LIT_INIT("debug"), true, GN_LOG_DEBUG},
            {GN_LIT_INIT("Info"), true, GN_LOG_INFO},
            {GN_LIT_INIT("WARNING"), true, GN_LOG_WARNING},
            {GN_LIT_INIT("error"), true, GN_LOG_ERROR},
            {GN_LIT_INIT("critical"), true, GN_LOG_CRITICAL},
            {GN_LIT_INIT("warn"), false, GN_LOG_DEBUG},
            {GN_LIT_INIT(""), false, GN_LOG_DEBUG},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        enum gn_log_level level = GN_LOG_DEBUG;

        cr_assert_eq(gn_log_level_parse(cases[i].name, &level), cases[i].known, "case %zu", i);
        cr_assert_eq(level, cases[i].level, "case %zu", i);
    }
}
