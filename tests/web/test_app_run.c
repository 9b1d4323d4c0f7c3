/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/test.h"
#include "web/app_run.h"
#include "web/reply.h"

/* A server that runs until a signal comes; the client is another thread. */

static char address[64]; /* a path in the working directory */
static char answer[512];

GN_LOOP_THREAD static enum gn_err hello(struct gn_request *r)
{
    return gn_reply_text(r, 200, GN_LIT("Hello"));
}

/** Connects as soon as somebody listens; 10 s at most. */
static int connect_to_server(void)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", address);
    for (int i = 0; i < 2000; i++) {
        if (connect(fd, (const struct sockaddr *)(const void *)&to, sizeof(to)) == 0) {
            return fd;
        }
        (void)nanosleep(&pause, NULL);
    }
    (void)close(fd);
    return -1;
}

/** Asks once, then tells the server to stop. */
static void *client(void *arg)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    int fd = connect_to_server();
    size_t len = 0;
    ssize_t n;

    (void)arg;
    if (fd >= 0 && send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0) {
        while (len < sizeof(answer) - 1 &&
                (n = read(fd, answer + len, sizeof(answer) - 1 - len)) > 0) {
            len += (size_t)n;
        }
    }
    (void)close(fd);
    (void)kill(getpid(), SIGTERM);
    return NULL;
}

Test(app_run, serves_until_it_is_told_to_stop)
{
    static char bind[160];
    const char *const binds[] = {bind, NULL};
    struct gn_run_options options = gn_run_options_default();
    struct gn_application *app = gn_app_create();
    pthread_t thread;

    (void)snprintf(address, sizeof(address), "test_app_run-%ld.sock", (long)getpid());
    (void)snprintf(bind, sizeof(bind), "unix:%s", address);
    options.bind = binds;
    options.is_quiet = true;
    gn_app_get(app, "/", hello);
    cr_assert_eq(pthread_create(&thread, NULL, client, NULL), 0);
    cr_assert_eq(gn_app_run(&app, &options), 0);
    cr_assert_null(app);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_not_null(strstr(answer, "\r\n\r\nHello"), "%s", answer);
    cr_assert_neq(access(address, F_OK), 0, "the socket's file is still there");
}

Test(app_run, says_what_is_wrong_with_an_address)
{
    const char *const binds[] = {"127.0.0.1:99999", NULL};
    struct gn_run_options options = gn_run_options_default();
    struct gn_application *app = gn_app_create();

    options.bind = binds;
    gn_app_get(app, "/", hello);
    cr_assert_eq(gn_app_run(&app, &options), 1);
    cr_assert_null(app);
}

Test(app_run, says_what_is_wrong_with_a_route)
{
    struct gn_application *app = gn_app_create();

    gn_app_get(app, "oops", hello);
    cr_assert_eq(gn_app_run(&app, NULL), 1);
    cr_assert_null(app);
}
