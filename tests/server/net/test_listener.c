/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/net/listener.h"
#include "tests/support/test.h"

#define MAX_ACCEPTED 256

static const struct gn_listener_options options = {.unix_mode = -1};

struct fixture {
    struct gn_loop *loop;
    struct gn_listener *listener;
    int accepted[MAX_ACCEPTED];
    int n_accepted;
    struct gn_addr peer; /* of the last one */
    bool leaves;         /* the callback leaves the descriptor: the listener closes it */
    bool pauses;
};

static void on_accept(struct gn_listener *listener, void *arg, int *fd, const struct gn_addr *peer)
{
    struct fixture *f = arg;

    gn_assert_loop_thread(f->loop);
    cr_assert(f->n_accepted < MAX_ACCEPTED);
    f->peer = *peer;
    f->accepted[f->n_accepted++] = *fd;
    if (!f->leaves) {
        *fd = -1;
    }
    if (f->pauses) {
        gn_listener_pause(listener);
    }
}

static struct gn_addr parse(const char *text)
{
    struct gn_addr addr;
    struct gn_error err = {0};

    cr_assert_eq(gn_addr_parse(gn_slice_str(text), &addr, &err), GN_OK, "%s", err.message);
    return addr;
}

static void setup(struct fixture *f, const char *text)
{
    struct gn_addr addr = parse(text);
    struct gn_error err = {0};

    *f = (struct fixture){.n_accepted = 0};
    cr_assert_eq(gn_loop_create(&f->loop, NULL), GN_OK);
    gn_assert_loop_thread(f->loop);
    cr_assert_eq(gn_listener_open(&addr, &options, &f->listener, &err), GN_OK, "%s", err.message);
    gn_listener_start(f->listener, f->loop, on_accept, f);
}

static void teardown(struct fixture *f)
{
    gn_listener_destroy(&f->listener);
    cr_assert_null(f->listener);
    for (int i = 0; i < f->n_accepted && !f->leaves; i++) {
        (void)close(f->accepted[i]);
    }
    gn_loop_destroy(&f->loop);
}

static int dial(const struct fixture *f)
{
    const struct gn_addr *addr = gn_listener_addr(f->listener);
    int fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert(fd >= 0);
    cr_assert_eq(connect(fd, &addr->u.sa, addr->len), 0, "errno %d", errno);
    return fd;
}

/** Turns of the loop until so many were accepted; each accept takes a bounded number of turns. */
static void accept_until(struct fixture *f, int n)
{
    for (int i = 0; i < 1000 && f->n_accepted < n; i++) {
        gn_loop_run_once(f->loop);
    }
    cr_assert_eq(f->n_accepted, n);
}

Test(listener, accepts_with_the_right_flags_and_addresses)
{
    struct fixture f;
    char text[GN_ADDR_TEXT_BYTES];
    int on = 0;
    socklen_t len = sizeof(on);
    int client;

    setup(&f, "127.0.0.1:0");
    cr_assert_neq(gn_addr_port(gn_listener_addr(f.listener)), 0);
    client = dial(&f);
    accept_until(&f, 1);
    cr_assert(fcntl(f.accepted[0], F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(f.accepted[0], F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(getsockopt(f.accepted[0], IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    cr_assert_neq(on, 0);
    gn_addr_format_host(&f.peer, text);
    cr_assert_str_eq(text, "127.0.0.1");
    (void)close(client);
    teardown(&f);
}

Test(listener, shows_an_ipv4_client_of_a_common_socket_as_ipv4)
{
    struct fixture f;
    struct gn_addr v4;
    char text[GN_ADDR_TEXT_BYTES];
    int client;

    setup(&f, ":0");
    v4 = parse("127.0.0.1:0");
    v4.u.in.sin_port = htons(gn_addr_port(gn_listener_addr(f.listener)));
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(client, &v4.u.sa, v4.len), 0);
    accept_until(&f, 1);
    gn_addr_format_host(&f.peer, text);
    cr_assert_str_eq(text, "127.0.0.1");
    (void)close(client);
    teardown(&f);
}

Test(listener, closes_what_the_callback_leaves)
{
    struct fixture f;
    char byte;
    int client;

    setup(&f, "127.0.0.1:0");
    f.leaves = true;
    client = dial(&f);
    accept_until(&f, 1);
    cr_assert_eq(read(client, &byte, 1), 0);
    (void)close(client);
    teardown(&f);
}

Test(listener, takes_a_bounded_number_per_turn_and_all_in_the_end)
{
    struct fixture f;
    int clients[150];

    setup(&f, "127.0.0.1:0");
    for (int i = 0; i < 150; i++) {
        clients[i] = dial(&f);
    }
    gn_loop_run_once(f.loop);
    cr_assert(f.n_accepted > 0 && f.n_accepted < 150, "%d", f.n_accepted);
    accept_until(&f, 150);
    for (int i = 0; i < 150; i++) {
        (void)close(clients[i]);
    }
    teardown(&f);
}

Test(listener, pauses_from_its_callback_and_resumes)
{
    struct fixture f;
    int a;
    int b;

    setup(&f, "127.0.0.1:0");
    gn_assert_loop_thread(f.loop);
    f.pauses = true;
    a = dial(&f);
    b = dial(&f);
    accept_until(&f, 1);
    gn_loop_run_once(f.loop);
    cr_assert_eq(f.n_accepted, 1);
    gn_listener_resume(f.listener);
    accept_until(&f, 2);
    (void)close(a);
    (void)close(b);
    teardown(&f);
}

Test(listener, says_who_is_in_the_way)
{
    struct fixture f;
    struct gn_listener *second = NULL;
    struct gn_error err = {0};

    setup(&f, "127.0.0.1:0");
    cr_assert_eq(
            gn_listener_open(gn_listener_addr(f.listener), &options, &second, &err), GN_ERR_EXISTS);
    cr_assert_null(second);
    cr_assert_not_null(strstr(err.message, "in use"), "%s", err.message);
    teardown(&f);
}

Test(listener, does_not_replace_a_file_that_is_no_socket)
{
    struct gn_listener *listener = NULL;
    struct gn_error err = {0};
    struct gn_addr addr;

    cr_assert_eq(gn_addr_parse(GN_LIT("unix:/etc/passwd"), &addr, NULL), GN_OK);
    cr_assert_eq(gn_listener_open(&addr, &options, &listener, &err), GN_ERR_EXISTS);
    cr_assert_not_null(
            strstr(err.message, "/etc/passwd exists and is no socket"), "%s", err.message);
}

Test(listener, says_what_an_address_lacks)
{
    static const struct {
        const char *address;
        const char *says;
        const char *advises;
    } cases[] = {
            {"192.0.2.1:8000", "192.0.2.1:8000: this machine has no such address", "name one of"},
            {"unix:/no/such/folder/socket", "there is no such directory", "another path"},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_listener *listener = NULL;
        struct gn_error err = {0};
        struct gn_addr addr;

        cr_assert_eq(gn_addr_parse(gn_slice_str(cases[i].address), &addr, NULL), GN_OK);
        cr_assert_eq(gn_listener_open(&addr, &options, &listener, &err), GN_ERR_SYSTEM);
        cr_assert_not_null(strstr(err.message, cases[i].says), "%s", err.message);
        cr_assert_not_null(strstr(err.message, cases[i].advises), "%s", err.message);
    }
}

static void temporary_path(char path[64], const char *name)
{
    char dir[] = "/tmp/gn-listener-XXXXXX";

    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, 64, "%s/%s", dir, name);
}

static void remove_directory_of(char path[64])
{
    *strrchr(path, '/') = '\0';
    cr_assert_eq(rmdir(path), 0, "something was left in %s", path);
}

Test(listener, makes_and_removes_a_unix_socket)
{
    struct fixture f;
    struct stat st;
    char path[64];
    char text[80];
    int client;

    temporary_path(path, "s");
    (void)snprintf(text, sizeof(text), "unix:%s", path);
    setup(&f, text);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert(S_ISSOCK(st.st_mode));
    client = dial(&f);
    accept_until(&f, 1);
    cr_assert(gn_addr_is_unix(&f.peer));
    (void)close(client);
    teardown(&f);
    cr_assert_eq(access(path, F_OK), -1);
    remove_directory_of(path);
}

Test(listener, replaces_a_stale_unix_socket_but_no_live_one_and_no_file)
{
    struct fixture f;
    struct gn_listener *second = NULL;
    struct gn_error err = {0};
    struct gn_addr addr;
    char path[64];
    char text[80];
    int stale;
    int file;

    temporary_path(path, "s");
    (void)snprintf(text, sizeof(text), "unix:%s", path);
    addr = parse(text);
    stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(stale, &addr.u.sa, addr.len), 0);
    (void)close(stale);
    setup(&f, text);
    cr_assert_eq(gn_listener_open(&addr, &options, &second, &err), GN_ERR_EXISTS);
    teardown(&f);

    file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    (void)close(file);
    cr_assert_eq(gn_listener_open(&addr, &options, &second, &err), GN_ERR_EXISTS);
    cr_assert_eq(access(path, F_OK), 0, "a file that is no socket was removed");
    (void)unlink(path);
    remove_directory_of(path);
}

Test(listener, leaves_the_socket_of_its_successor)
{
    struct fixture f;
    struct gn_listener *second = NULL;
    struct gn_addr addr;
    char path[64];
    char text[80];

    temporary_path(path, "s");
    (void)snprintf(text, sizeof(text), "unix:%s", path);
    addr = parse(text);
    setup(&f, text);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(gn_listener_open(&addr, &options, &second, NULL), GN_OK);
    teardown(&f);
    cr_assert_eq(access(path, F_OK), 0);
    gn_listener_destroy(&second);
    cr_assert_eq(access(path, F_OK), -1);
    remove_directory_of(path);
}

Test(listener, sets_the_permissions_that_were_asked_for)
{
    const struct gn_listener_options private_options = {.unix_mode = 0600};
    struct gn_listener *listener = NULL;
    struct gn_addr addr;
    struct stat st;
    char path[64];
    char text[80];

    temporary_path(path, "s");
    (void)snprintf(text, sizeof(text), "unix:%s", path);
    addr = parse(text);
    cr_assert_eq(gn_listener_open(&addr, &private_options, &listener, NULL), GN_OK);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    gn_listener_destroy(&listener);
    remove_directory_of(path);
}

Test(listener, adopts_only_listening_sockets)
{
    struct gn_listener *listener = NULL;
    struct gn_error err = {0};
    struct gn_addr addr = parse("127.0.0.1:0");
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int adopted;

    cr_assert_eq(gn_listener_adopt(&fd, &listener, &err), GN_ERR_SYSTEM);
    cr_assert(fd >= 0);
    cr_assert_eq(bind(fd, &addr.u.sa, addr.len), 0);
    cr_assert_eq(listen(fd, 8), 0);
    adopted = fd;
    cr_assert_eq(gn_listener_adopt(&fd, &listener, &err), GN_OK);
    cr_assert_eq(fd, -1);
    cr_assert(fcntl(adopted, F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(adopted, F_GETFD) & FD_CLOEXEC);
    cr_assert_neq(gn_addr_port(gn_listener_addr(listener)), 0);
    gn_listener_destroy(&listener);
}

static void on_tick(struct gn_timer *timer)
{
    gn_assert_loop_thread(timer->loop);
    gn_loop_stop(timer->loop);
}

/** Runs the loop for a while, sleeping where it sleeps. */
static void run_for(struct gn_loop *loop, int64_t ms)
{
    struct gn_timer timer;

    gn_assert_loop_thread(loop);
    gn_timer_init(&timer, loop, on_tick);
    gn_timer_start(&timer, gn_deadline_after_ms(gn_clock_now(), ms));
    gn_loop_run(loop);
}

Test(listener, survives_running_out_of_descriptors)
{
    struct fixture f;
    struct rlimit before;
    struct rlimit tight;
    int64_t cpu;
    char byte;
    int first;
    int second;

    setup(&f, "127.0.0.1:0");
    first = dial(&f);
    second = dial(&f);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)second + 1; /* every number below is taken */
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);

    cpu = gn_clock_thread_cpu();
    run_for(f.loop, 150);
    cpu = gn_clock_thread_cpu() - cpu;
    cr_assert_eq(f.n_accepted, 0);
    cr_assert(cpu < 100 * GN_NS_PER_MS, "it spins");
    cr_assert_eq(read(first, &byte, 1), 0, "the first client was not turned away");

    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    (void)close(first);
    first = dial(&f);
    for (int i = 0; i < 50 && f.n_accepted == 0; i++) {
        run_for(f.loop, 100);
    }
    cr_assert(f.n_accepted > 0, "it did not resume");
    (void)close(first);
    (void)close(second);
    teardown(&f);
}
