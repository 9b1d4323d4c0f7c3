/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/program/control.h"
#include "tests/support/test.h"

static struct gn_loop *loop;
static struct gn_control *control;
static char path[64];

static void begin(void)
{
    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    (void)snprintf(path, sizeof(path), "/tmp/gn-control-%d", (int)getpid());
    cr_assert_eq(gn_control_open(loop, path, &control, NULL), GN_OK);
    gn_control_start(control, NULL);
}

static void end(void)
{
    gn_assert_loop_thread(loop);
    gn_control_destroy(&control);
    gn_loop_destroy(&loop);
    cr_assert_neq(access(path, F_OK), 0, "the file goes with it");
}

static int reach(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    cr_assert_eq(connect(fd, (struct sockaddr *)(void *)&addr, sizeof(addr)), 0);
    return fd;
}

/* Runs the loop until the peer has said all; what it said, NUL-terminated. */
static void read_end(int fd, char *into, size_t size)
{
    size_t len = 0;
    ssize_t n;

    do {
        gn_loop_run_once(loop);
        n = recv(fd, into + len, size - 1 - len, MSG_DONTWAIT);
        len += n > 0 ? (size_t)n : 0;
        if (n < 0) {
            (void)usleep(500);
        }
    } while (n > 0 || (n < 0 && errno == EAGAIN));
    into[len] = '\0';
    (void)close(fd);
}

Test(control, answers_a_word_and_a_newline)
{
    static const struct {
        const char *question;
        const char *start; /* of the answer */
        const char *part;
    } cases[] = {
            {"version\n", "ok ", "gustnado "},
            {"stacks\n", "ok 32\nno Python", "no Python application is served\n"},
            {"stats\n", "ok 32\nno Python", "no Python application is served\n"},
            {"stacks\nmore", "ok 32\nno Python", ""},
            {"stack\n", "error ", "does not know \"stack\"; it knows stacks stats version"},
            {"\n", "error ", "does not know \"\""},
            {"0123456789012345678901234567890123456789012345678901234567890123", "error 24\n",
                    "the question is too long"},
    };

    begin();
    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char answer[512];
        int fd = reach();

        cr_assert_geq(send(fd, cases[i].question, strlen(cases[i].question), 0), 1);
        read_end(fd, answer, sizeof(answer));
        cr_assert_eq(strncmp(answer, cases[i].start, strlen(cases[i].start)), 0, "%s: %s",
                cases[i].question, answer);
        cr_assert_not_null(strstr(answer, cases[i].part), "%s: %s", cases[i].question, answer);
    }
    end();
}

Test(control, takes_a_question_byte_by_byte)
{
    char answer[512];
    int fd;

    begin();
    fd = reach();
    for (const char *c = "version\n"; *c != '\0'; c++) {
        cr_assert_eq(send(fd, c, 1, 0), 1);
        gn_loop_run_once(loop);
    }
    read_end(fd, answer, sizeof(answer));
    cr_assert_eq(strncmp(answer, "ok ", 3), 0);
    end();
}

Test(control, forgets_a_client_that_leaves_and_closes_one_too_many)
{
    char answer[512];
    int fds[GN_CONTROL_CLIENTS];
    int fd;

    begin();
    (void)close(reach());
    for (unsigned i = 0; i < GN_CONTROL_CLIENTS; i++) {
        gn_loop_run_once(loop);
        fds[i] = reach();
    }
    for (unsigned i = 0; i < 10; i++) {
        gn_loop_run_once(loop);
    }
    fd = reach();
    read_end(fd, answer, sizeof(answer));
    cr_assert_str_empty(answer);
    cr_assert_eq(send(fds[0], "version\n", 8, 0), 8);
    read_end(fds[0], answer, sizeof(answer));
    cr_assert_eq(strncmp(answer, "ok ", 3), 0, "the others are heard");
    end(); /* with clients that have not asked */
    for (unsigned i = 1; i < GN_CONTROL_CLIENTS; i++) {
        (void)close(fds[i]);
    }
}

Test(control, closes_who_does_not_ask_in_time)
{
    gn_deadline late;
    char answer[64];
    int fd;

    begin();
    fd = reach();
    late = gn_clock_now() + GN_CONTROL_ASK_MS * GN_NS_PER_MS;
    cr_assert_eq(send(fd, "vers", 4, 0), 4);
    read_end(fd, answer, sizeof(answer));
    cr_assert_str_empty(answer);
    cr_assert_geq(gn_clock_now(), late - 50 * GN_NS_PER_MS);
    end();
}

Test(control, is_private_and_replaces_only_what_is_dead)
{
    struct gn_control *other = NULL;
    struct gn_error err = {0};
    struct stat st;

    begin();
    gn_assert_loop_thread(loop);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    cr_assert_eq(gn_control_open(loop, path, &other, &err), GN_ERR_EXISTS);
    cr_assert_not_null(strstr(err.message, "another server answers there"), "%s", err.message);
    cr_assert_eq(access(path, F_OK), 0);
    end();

    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    {
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
        cr_assert_eq(bind(fd, (struct sockaddr *)(void *)&addr, sizeof(addr)), 0);
        (void)close(fd);
    }
    cr_assert_eq(gn_control_open(loop, path, &control, NULL), GN_OK, "a dead one is replaced");
    end();
}

Test(control, says_why_it_cannot_be_opened)
{
    char too_long[128];
    struct gn_error err = {0};

    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    memset(too_long, 'a', sizeof(too_long) - 1);
    too_long[0] = '/';
    too_long[108] = '\0';
    cr_assert_eq(gn_control_open(loop, too_long, &control, &err), GN_ERR_INVALID);
    cr_assert_not_null(strstr(err.message, "at most 107 bytes"), "%s", err.message);
    cr_assert_eq(gn_control_open(loop, "/nowhere/x.sock", &control, &err), GN_ERR_SYSTEM);
    cr_assert_not_null(strstr(err.message, "--control /nowhere/x.sock: "), "%s", err.message);
    gn_control_destroy(&control);
    gn_loop_destroy(&loop);
}
