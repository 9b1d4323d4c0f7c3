/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "deploy/program/ask.h"
#include "server/base/attr.h"
#include "tests/support/test.h"

static char path[64];

/* A server that answers one question with `answer`; NULL: it keeps silent. */
struct fake {
    int fd;
    const char *answer;
    char question[64];
    pthread_t thread;
};

static void *serve_one(void *arg)
{
    struct fake *fake = arg;
    int fd = accept(fake->fd, NULL, NULL);
    char byte;

    if (recv(fd, fake->question, sizeof(fake->question) - 1, 0) > 0 && fake->answer != NULL) {
        (void)send(fd, fake->answer, strlen(fake->answer), MSG_NOSIGNAL);
        (void)shutdown(fd, SHUT_WR);
    }
    while (recv(fd, &byte, 1, 0) > 0) {
    }
    (void)close(fd);
    return NULL;
}

static void start(struct fake *fake, const char *answer)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    *fake = (struct fake){.fd = socket(AF_UNIX, SOCK_STREAM, 0), .answer = answer};
    (void)snprintf(path, sizeof(path), "/tmp/gn-ask-%d", (int)getpid());
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    cr_assert_eq(bind(fake->fd, (struct sockaddr *)(void *)&addr, sizeof(addr)), 0);
    cr_assert_eq(listen(fake->fd, 1), 0);
    cr_assert_eq(pthread_create(&fake->thread, NULL, serve_one, fake), 0);
}

static void stop(struct fake *fake)
{
    cr_assert_eq(pthread_join(fake->thread, NULL), 0);
    (void)close(fake->fd);
    (void)unlink(path);
}

static char *const *argv_of(const char *const *words)
{
    return (char *const *)(uintptr_t)words;
}

Test(ask, is_meant_by_the_first_word_alone)
{
    static const struct {
        const char *words[4];
        bool is_meant;
    } cases[] = {
            {{"gustnado", "stacks", NULL}, true},
            {{"gustnado", "stats", "123", NULL}, true},
            {{"gustnado", "stacks:application", NULL}, false},
            {{"gustnado", "--", "stacks", NULL}, false},
            {{"gustnado", "--threads", "stacks", NULL}, false},
            {{"gustnado", "", NULL}, false},
            {{"gustnado", NULL}, false},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        int n = 0;

        while (cases[i].words[n] != NULL) {
            n++;
        }
        cr_assert_eq(gn_ask_is_meant(n, argv_of(cases[i].words)), cases[i].is_meant, "%u", i);
    }
}

Test(ask, tells_a_whole_answer_from_others)
{
    static const struct {
        const char *answer;
        int status;
    } cases[] = {
            {"ok 3\nabc", GN_ASK_OK},
            {"ok 0\n", GN_ASK_OK},
            {"error 2\nno", GN_ASK_USAGE},
            {"ok 4\nabc", GN_ASK_NO_ANSWER},
            {"ok 2\nabc", GN_ASK_NO_ANSWER},
            {"ok\nabc", GN_ASK_NO_ANSWER},
            {"fine 3\nabc", GN_ASK_NO_ANSWER},
            {"ok x\nabc", GN_ASK_NO_ANSWER},
            {"", GN_ASK_NO_ANSWER},
            {NULL, GN_ASK_NO_ANSWER},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct fake fake;
        const char *words[] = {"gustnado", "stats", "--timeout", "0.3", "--control", path, NULL};

        start(&fake, cases[i].answer);
        words[3] = cases[i].answer == NULL ? "0.1" : "20";
        cr_assert_eq(gn_ask(6, argv_of(words)), cases[i].status, "%s", cases[i].answer);
        stop(&fake);
        cr_assert_str_eq(fake.question, "stats\n");
    }
}

Test(ask, says_when_nobody_is_there_or_the_line_is_wrong)
{
    static const struct {
        const char *words[6];
        int status;
    } cases[] = {
            {{"gustnado", "stacks", "--control", "/nowhere/x.sock", NULL}, GN_ASK_NOBODY},
            {{"gustnado", "stacks", "2000000000", NULL}, GN_ASK_NOBODY},
            {{"gustnado", "stacks", "zero", NULL}, GN_ASK_USAGE},
            {{"gustnado", "stacks", "0", NULL}, GN_ASK_USAGE},
            {{"gustnado", "stacks", "1", "2", NULL}, GN_ASK_USAGE},
            {{"gustnado", "stacks", "1", "--control", "/x", NULL}, GN_ASK_USAGE},
            {{"gustnado", "stacks", "--timeout", "0", NULL}, GN_ASK_USAGE},
            {{"gustnado", "stacks", "--timeout", "3601", NULL}, GN_ASK_USAGE},
            {{"gustnado", "stacks", "--wrong", NULL}, GN_ASK_USAGE},
            {{"gustnado", "stacks", "--help", NULL}, GN_ASK_OK},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        int n = 0;

        while (cases[i].words[n] != NULL) {
            n++;
        }
        cr_assert_eq(gn_ask(n, argv_of(cases[i].words)), cases[i].status, "%u", i);
    }
}
