/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deploy/program/control_path.h"
#include "tests/support/test.h"

static char dir[64]; /* the test's $XDG_RUNTIME_DIR */

static void begin(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/gn-path-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    (void)unsetenv("RUNTIME_DIRECTORY");
    (void)setenv("XDG_RUNTIME_DIR", dir, 1);
}

static void end(void)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

/* A socket file; listening when `is_alive`. */
static int make_socket(const char *path, bool is_alive)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    cr_assert_eq(bind(fd, (struct sockaddr *)(void *)&addr, sizeof(addr)), 0);
    cr_assert_eq(is_alive ? listen(fd, 4) : close(fd), 0);
    return fd;
}

static pid_t pid_of_the_dead(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    return pid;
}

Test(control_path, is_in_a_directory_of_our_own)
{
    char path[GN_CONTROL_PATH_BYTES];
    char expected[128];
    char dead[128];
    struct gn_error err = {0};
    struct stat st;

    begin();
    cr_assert_eq(gn_control_path_make(path, &err), GN_OK, "%s", err.message);
    (void)snprintf(expected, sizeof(expected), "%s/gustnado/%d.sock", dir, (int)getpid());
    cr_assert_str_eq(path, expected);
    (void)snprintf(expected, sizeof(expected), "%s/gustnado", dir);
    cr_assert_eq(stat(expected, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0700);

    (void)snprintf(dead, sizeof(dead), "%s/gustnado/%d.sock", dir, (int)pid_of_the_dead());
    (void)make_socket(dead, false);
    cr_assert_eq(gn_control_path_make(path, &err), GN_OK);
    cr_assert_neq(access(dead, F_OK), 0, "what the dead left is removed");

    cr_assert_eq(chmod(expected, 0770), 0);
    cr_assert_eq(gn_control_path_make(path, &err), GN_ERR_INVALID);
    cr_assert_not_null(strstr(err.message, "belongs to this user alone"), "%s", err.message);
    end();
}

Test(control_path, prefers_what_the_supervisor_made)
{
    char path[GN_CONTROL_PATH_BYTES];
    char two[160];

    begin();
    (void)snprintf(two, sizeof(two), "%s:/elsewhere", dir);
    (void)setenv("RUNTIME_DIRECTORY", two, 1);
    cr_assert_eq(gn_control_path_make(path, NULL), GN_OK);
    cr_assert_eq(strncmp(path, dir, strlen(dir)), 0);
    cr_assert_null(strstr(path, "gustnado"));
    end();
}

Test(control_path, finds_servers_that_answer)
{
    char path[GN_CONTROL_PATH_BYTES];
    char ours[GN_CONTROL_PATH_BYTES];
    char others[128];
    char dead[128];
    struct gn_error err = {0};
    int fd;
    int other;

    begin();
    cr_assert_eq(gn_control_path_make(ours, &err), GN_OK);
    (void)snprintf(dead, sizeof(dead), "%s/gustnado/77.sock", dir);
    (void)make_socket(dead, false);
    cr_assert_eq(gn_control_path_find(getpid(), path, &err), GN_ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.message, "name it by --control"), "%s", err.message);
    cr_assert_eq(gn_control_path_find(77, path, &err), GN_ERR_NOT_FOUND, "nobody answers");

    fd = make_socket(ours, true);
    cr_assert_eq(gn_control_path_find(getpid(), path, &err), GN_OK);
    cr_assert_str_eq(path, ours);
    (void)snprintf(others, sizeof(others), "%s/gustnado/%d.sock", dir, (int)getppid());
    other = make_socket(others, true);
    cr_assert_eq(gn_control_path_find(0, path, &err), GN_ERR_EXISTS);
    cr_assert_not_null(strstr(err.message, "several servers run"), "%s", err.message);
    (void)close(other);
    (void)close(fd);
    end();
}
