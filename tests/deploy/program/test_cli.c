/* SPDX-License-Identifier: MIT */
#include "deploy/program/cli.h"
#include "tests/support/test.h"

Test(cli, names_are_unique_and_explained)
{
    const struct gn_option_table table = gn_cli_table();

    for (unsigned i = 0; i < table.n; i++) {
        const struct gn_option *a = &table.options[i];

        cr_assert(a->help != NULL && a->help[0] != '\0', "%s", a->name);
        cr_assert_eq(a->value == NULL, a->kind == GN_OPTION_FLAG, "%s", a->name);
        cr_assert_eq(
                a->kind == GN_OPTION_CUSTOM, a->parse != NULL && a->show != NULL, "%s", a->name);
        cr_assert_eq(a->kind == GN_OPTION_WORD, a->words != NULL, "%s", a->name);
        cr_assert(a->min <= a->max, "%s", a->name);
        for (unsigned k = 0; k < i; k++) {
            const struct gn_option *b = &table.options[k];

            cr_assert_str_neq(a->name, b->name);
            cr_assert(a->letter == 0 || a->letter != b->letter, "%s %s", a->name, b->name);
            cr_assert_neq(a->offset, b->offset, "%s %s", a->name, b->name);
        }
    }
}

/* An option is found before a hint is looked for. */
Test(cli, hints_are_about_what_is_no_option)
{
    const struct gn_option_table table = gn_cli_table();

    for (unsigned i = 0; i < table.n_hints; i++) {
        struct gn_slice names = gn_slice_str(table.hints[i].names);
        struct gn_slice name;

        while (gn_slice_split(&names, ' ', &name)) {
            for (unsigned k = 0; k < table.n; k++) {
                const struct gn_option *option = &table.options[k];
                struct gn_slice ours = gn_slice_str(option->aliases);
                struct gn_slice alias;

                cr_assert(!gn_slice_eq(name, gn_slice_str(option->name)), "%s", option->name);
                cr_assert(name.len != 1 || name.ptr[0] != option->letter, "-%c", option->letter);
                while (ours.ptr != NULL && gn_slice_split(&ours, ' ', &alias)) {
                    cr_assert(!gn_slice_eq(name, alias), "%s", option->aliases);
                }
            }
        }
    }
}

/* Every field of the limits is somebody's: none can be added without an option. */
Test(cli, covers_every_limit)
{
    const struct gn_option_table table = gn_cli_table();
    const size_t start = offsetof(struct gn_config, limits);
    size_t covered = 0;

    for (unsigned i = 0; i < table.n; i++) {
        const struct gn_option *option = &table.options[i];

        if (option->offset >= start && option->offset < start + sizeof(struct gn_http_limits)) {
            covered += option->kind == GN_OPTION_COUNT ? sizeof(unsigned) : sizeof(int64_t);
        }
    }
    /* The padding behind `fields` is nobody's; the four counts at the end need none. */
    cr_assert_eq(covered + sizeof(unsigned), sizeof(struct gn_http_limits), "%zu of %zu bytes",
            covered, sizeof(struct gn_http_limits));
}

Test(cli, defaults_lie_within_their_bounds)
{
    const struct gn_option_table table = gn_cli_table();
    const struct gn_config config = gn_cli_defaults();

    for (unsigned i = 0; i < table.n; i++) {
        const struct gn_option *option = &table.options[i];
        const void *field = (const char *)&config + option->offset;
        int64_t value;

        switch (option->kind) {
        case GN_OPTION_COUNT:
            value = *(const unsigned *)field;
            break;
        case GN_OPTION_SIZE:
            value = (int64_t) * (const size_t *)field;
            break;
        case GN_OPTION_SIZE64:
        case GN_OPTION_MS:
            value = *(const int64_t *)field;
            break;
        default:
            continue;
        }
        cr_assert(value >= option->min && value <= option->max, "%s: %lld", option->name,
                (long long)value);
    }
}

Test(cli, help_documents_exit_codes_and_signals)
{
    struct gn_buf text;

    gn_buf_init(&text, 65536);
    gn_cli_help(&text);
    cr_assert_eq(gn_buf_append(&text, gn_slice_of("", 1)), GN_OK);
    cr_assert_not_null(strstr(text.ptr, "Usage: gustnado"));
    cr_assert_not_null(strstr(text.ptr, "Exit status:"));
    cr_assert_not_null(strstr(text.ptr, "Signals:"));
    cr_assert_not_null(strstr(text.ptr, "[8190]"));
    gn_buf_fini(&text);
}
