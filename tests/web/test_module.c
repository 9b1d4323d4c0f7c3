/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"
#include "web/application.h"
#include "web/module.h"

/* The shared objects come from modules.c; MODULE_FOLDER says where they are. */

GN_EXPORT extern unsigned test_module_n_setups;
GN_EXPORT extern unsigned test_module_n_starts;
GN_EXPORT extern unsigned test_module_n_teardowns;

unsigned test_module_n_setups;
unsigned test_module_n_starts;
unsigned test_module_n_teardowns;

Test(module, lives_with_its_application)
{
    struct gn_application *app = gn_app_create();
    const struct gn_module *module = NULL;
    struct gn_error err = {0};
    struct gn_loop *loop;

    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    cr_assert_eq(gn_module_load(app, MODULE_FOLDER "/module_right.so", &module, &err), GN_OK, "%s",
            err.message);
    cr_assert_str_eq(gn_module_name(module), "right");
    cr_assert_str_eq(gn_module_version(module), "1.2");
    cr_assert_eq(test_module_n_setups, 1);
    cr_assert_eq(test_module_n_starts, 0);
    cr_assert_eq(gn_app_start(app, loop, NULL, &err), GN_OK);
    cr_assert_eq(test_module_n_starts, 1);
    cr_assert_eq(test_module_n_teardowns, 0);
    gn_app_destroy(&app);
    cr_assert_eq(test_module_n_teardowns, 1);
    gn_loop_destroy(&loop);
}

Test(module, says_in_one_sentence_what_is_wrong)
{
    static const struct {
        const char *file;
        enum gn_err rc;
        const char *says;
    } cases[] = {
            {"no_such_file.so", GN_ERR_NOT_FOUND, "No such file"},
            {"CMakeFiles", GN_ERR_NOT_FOUND, "cannot load module"},
            {"module_unresolved.so", GN_ERR_NOT_FOUND, "nobody_has_this"},
            {"module_without_entry.so", GN_ERR_UNSUPPORTED, "gn_module_v1"},
            {"module_other_abi.so", GN_ERR_UNSUPPORTED, "interface 2"},
            {"module_other_size.so", GN_ERR_UNSUPPORTED, "GN_MODULE"},
            {"module_failing.so", GN_ERR_REFUSED, "no luck today"},
    };
    struct gn_application *app = gn_app_create();
    struct gn_loop *loop;

    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_error err = {0};
        char path[512];

        (void)snprintf(path, sizeof(path), "%s/%s", MODULE_FOLDER, cases[i].file);
        cr_assert_eq(
                gn_module_load(app, path, NULL, &err), cases[i].rc, "%s: %s", path, err.message);
        cr_assert_not_null(strstr(err.message, cases[i].says), "%s: %s", path, err.message);
        cr_assert_null(strchr(err.message, '\n'));
    }
    gn_app_destroy(&app);
    gn_loop_destroy(&loop);
}

Test(module, is_a_file_not_a_library_name)
{
    struct gn_application *app = gn_app_create();
    struct gn_error err = {0};
    struct gn_loop *loop;

    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    cr_assert_eq(gn_module_load(app, "libc.so.6", NULL, &err), GN_ERR_NOT_FOUND);
    gn_app_destroy(&app);
    gn_loop_destroy(&loop);
}
