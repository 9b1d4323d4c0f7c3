/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/program/paths.h"
#include "tests/support/test.h"

static struct gn_config config;

/* Words end with NULL. */
static void read_words(const char *const *words)
{
    struct gn_error err = {0};
    char *argv[12] = {(char *)(uintptr_t) "gustnado"};
    int argc = 1;

    (void)unsetenv("GUSTNADO_CMD_ARGS");
    cr_assert_eq(chdir("/usr"), 0);
    while (words[argc - 1] != NULL) {
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
        argc++;
    }
    cr_assert_eq(gn_config_read(&config, argc, argv, &err), GN_OK, "%s", err.message);
    gn_paths_anchor(&config);
}

#define READ(...) read_words((const char *const[]){"app", __VA_ARGS__, NULL})

Test(paths, start_where_the_program_was_started)
{
    READ("--certfile", "a.pem", "--keyfile", "keys/a.key", "--ca-certs", "/etc/ca.pem", "--module",
            "./fast.so", "--access-logfile", "access.log");
    cr_assert_str_eq(config.certfiles.items[0], "/usr/a.pem");
    cr_assert_str_eq(config.keyfiles.items[0], "/usr/keys/a.key");
    cr_assert_str_eq(config.ca_certs, "/etc/ca.pem");
    cr_assert_str_eq(config.modules.items[0], "/usr/fast.so");
    cr_assert_str_eq(config.access_log, "/usr/access.log");
    gn_config_fini(&config);
}

Test(paths, start_at_chdir)
{
    READ("--chdir", "/srv/site", "--access-logfile", "access.log", "-b", "unix:site.sock", "-b",
            "unix:/run/x.sock", "-b", "127.0.0.1:80");
    cr_assert_str_eq(config.access_log, "/srv/site/access.log");
    cr_assert_str_eq(config.binds.items[0], "unix:/srv/site/site.sock");
    cr_assert_str_eq(config.binds.items[1], "unix:/run/x.sock");
    cr_assert_str_eq(config.binds.items[2], "127.0.0.1:80");
    gn_config_fini(&config);
}

Test(paths, start_at_a_relative_chdir)
{
    READ("--chdir", "share/site", "--access-logfile", "access.log");
    cr_assert_str_eq(config.access_log, "/usr/share/site/access.log");
    gn_config_fini(&config);
}

Test(paths, leave_what_is_no_path)
{
    READ("--access-logfile", "-", "-b", "unix:@abstract", "-b", ":0");
    cr_assert_str_eq(config.access_log, "-");
    cr_assert_str_eq(config.binds.items[0], "unix:@abstract");
    cr_assert_str_eq(config.binds.items[1], ":0");
    gn_config_fini(&config);
}

Test(paths, leave_a_socket_that_would_become_too_long)
{
    char fits[108 + 5];
    char too_long[108 + 5];

    /* sun_path holds 107 characters and a NUL, "/usr/" is five of them. */
    (void)memset(fits, 'x', sizeof(fits));
    memcpy(fits, "unix:", 5);
    fits[5 + 102] = '\0';
    memcpy(too_long, fits, sizeof(fits));
    too_long[5 + 102] = 'x';
    too_long[5 + 103] = '\0';
    READ("-b", fits, "-b", too_long);
    cr_assert_eq(strncmp(config.binds.items[0], "unix:/usr/xxx", 13), 0);
    cr_assert_eq(strlen(config.binds.items[0]), 5 + 107);
    cr_assert_str_eq(config.binds.items[1], too_long);
    gn_config_fini(&config);
}

Test(paths, stay_when_the_directory_is_gone)
{
    char folder[] = "/tmp/gn-paths-XXXXXX";
    const char *argv[] = {"gustnado", "app", "--access-logfile", "access.log"};
    struct gn_error err = {0};

    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(rmdir(folder), 0);
    cr_assert_eq(gn_config_read(&config, 4, (char *const *)(uintptr_t)argv, &err), GN_OK);
    gn_paths_anchor(&config);
    cr_assert_str_eq(config.access_log, "access.log");
    gn_config_fini(&config);
}
