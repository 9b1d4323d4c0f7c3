/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/py/venv.h"
#include "tests/support/test.h"

#define OUR_MINOR Py_STRINGIFY(PY_MAJOR_VERSION) "." Py_STRINGIFY(PY_MINOR_VERSION)

static char folder[64];

static void in_new_folder(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/gn-test-venv-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    (void)unsetenv("VIRTUAL_ENV");
}

static void leave_folder(void)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(system(command), 0);
}

TestSuite(venv, .init = in_new_folder, .fini = leave_folder);

static void make_venv(const char *name, const char *cfg, bool has_python)
{
    char path[128];
    FILE *file;

    cr_assert_eq(mkdir(name, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/bin", name);
    cr_assert_eq(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/pyvenv.cfg", name);
    file = fopen(path, "w");
    cr_assert_not_null(file);
    (void)fputs(cfg, file);
    (void)fclose(file);
    if (has_python) {
        (void)snprintf(path, sizeof(path), "%s/bin/python", name);
        cr_assert_eq(symlink("/bin/sh", path), 0);
    }
}

Test(venv, reads_what_each_tool_writes)
{
    static const struct {
        const char *name;
        const char *cfg;
        enum gn_err rc;
    } cases[] = {
            {"venv", "home = /usr/bin\nversion = " OUR_MINOR ".2\n", GN_OK},
            {"virtualenv", "home = /usr/bin\nversion_info = " OUR_MINOR ".2.final.0\n", GN_OK},
            {"uv", "home = /usr/bin\nuv = 0.4\nversion_info = " OUR_MINOR ".2\n", GN_OK},
            {"both", "version = 20.1\nversion_info = " OUR_MINOR ".2\n", GN_OK},
            {"both_turned", "version_info = " OUR_MINOR ".2\nversion = 20.1\n", GN_OK},
            {"no_newline", "version=" OUR_MINOR, GN_OK},
            {"older", "version = 3.7.4\n", GN_ERR_UNSUPPORTED},
            {"longer", "version = " OUR_MINOR "1.4\n", GN_ERR_UNSUPPORTED},
            {"silent", "home = /usr/bin\n", GN_ERR_UNSUPPORTED},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gn_py_venv venv;
        struct gn_error err = {0};

        make_venv(cases[i].name, cases[i].cfg, true);
        cr_assert_eq(gn_py_venv_find(cases[i].name, &venv, &err), cases[i].rc, "%s: %s",
                cases[i].name, err.message);
        if (cases[i].rc == GN_OK) {
            cr_assert_not_null(strstr(venv.path, cases[i].name));
            cr_assert_not_null(strstr(venv.python, "/bin/python"));
        } else {
            cr_assert_not_null(strstr(err.message, "embeds Python " OUR_MINOR), "%s", err.message);
        }
        gn_py_venv_fini(&venv);
    }
}

Test(venv, says_both_versions)
{
    struct gn_py_venv venv;
    struct gn_error err = {0};

    make_venv("old", "version = 3.7.4\n", true);
    cr_assert_eq(gn_py_venv_find("old", &venv, &err), GN_ERR_UNSUPPORTED);
    cr_assert_not_null(strstr(err.message, "is for Python 3.7,"), "%s", err.message);
    cr_assert_not_null(strstr(err.message, "python" OUR_MINOR " -m venv"), "%s", err.message);
    gn_py_venv_fini(&venv);
    make_venv("silent", "home = /usr/bin\n", true);
    cr_assert_eq(gn_py_venv_find("silent", &venv, &err), GN_ERR_UNSUPPORTED);
    cr_assert_not_null(strstr(err.message, "for another version of Python,"), "%s", err.message);
    gn_py_venv_fini(&venv);
}

Test(venv, refuses_what_is_none)
{
    struct gn_py_venv venv;
    struct gn_error err = {0};

    cr_assert_eq(gn_py_venv_find("nowhere", &venv, &err), GN_ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.message, "--venv"));
    make_venv("inside", "version = " OUR_MINOR "\n", true);
    for (unsigned i = 0; i < 3; i++) {
        static const char *const paths[3] = {"inside/bin", "inside/bin/", "./inside/bin/python"};

        cr_assert_eq(gn_py_venv_find(paths[i], &venv, &err), GN_ERR_NOT_FOUND);
        cr_assert_not_null(strstr(err.message, "name the environment itself: "), "%s", err.message);
        cr_assert_str_eq(strrchr(err.message, '/') != NULL ? strrchr(err.message, ' ') : "",
                i == 2 ? " ./inside" : " inside");
    }
    make_venv("broken", "version = " OUR_MINOR "\n", false);
    cr_assert_eq(gn_py_venv_find("broken", &venv, &err), GN_ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.message, "no working bin/python"));
    gn_py_venv_fini(&venv);
}

Test(venv, looks_around_when_none_is_named)
{
    struct gn_py_venv venv;

    cr_assert_eq(gn_py_venv_find(NULL, &venv, NULL), GN_OK);
    cr_assert_null(venv.path);
    gn_py_venv_fini(&venv);

    make_venv(".venv", "version = " OUR_MINOR "\n", true);
    cr_assert_eq(gn_py_venv_find(NULL, &venv, NULL), GN_OK);
    cr_assert_not_null(strstr(venv.path, "/.venv"));
    gn_py_venv_fini(&venv);

    make_venv("active", "version = " OUR_MINOR "\n", true);
    (void)setenv("VIRTUAL_ENV", "active", 1);
    cr_assert_eq(gn_py_venv_find(NULL, &venv, NULL), GN_OK);
    cr_assert_not_null(strstr(venv.path, "/active"));
    gn_py_venv_fini(&venv);

    cr_assert_eq(gn_py_venv_find("", &venv, NULL), GN_OK);
    cr_assert_null(venv.path);
    gn_py_venv_fini(&venv);
}

Test(venv, stands_for_an_interpreter_of_our_version)
{
    struct gn_py_venv venv;

    cr_assert_eq(gn_py_venv_find("", &venv, NULL), GN_OK);
    cr_assert_not_null(venv.python);
    cr_assert_not_null(strstr(venv.python, "/python" OUR_MINOR));
    gn_py_venv_fini(&venv);
}
