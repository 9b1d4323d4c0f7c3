/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/net/listener.h"
#include "tests/support/test.h"

/*
 * What accept(2) may answer besides a connection, and what the listener makes
 * of it: the linker puts our accept4 in the place of the system's.
 */

int __real_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);

static int failure;        /* what accept4 fails with; 0: nothing */
static unsigned n_failing; /* how often it still does */
static unsigned n_calls;
static unsigned n_accepted;
static unsigned n_warnings;

int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    n_calls++;
    if (n_failing > 0) {
        n_failing--;
        errno = failure;
        return -1;
    }
    return __real_accept4(fd, addr, len, flags);
}

static void count_warnings(void *arg, enum gn_log_level level, struct gn_slice line)
{
    (void)arg;
    (void)line;
    n_warnings += level >= GN_LOG_WARNING;
}

static void on_accept(struct gn_listener *listener, void *arg, int *fd, const struct gn_addr *peer)
{
    (void)listener, (void)arg, (void)fd, (void)peer;
    n_accepted++;
}

struct fixture {
    struct gn_loop *loop;
    struct gn_listener *listener;
    int client;
};

static void setup(struct fixture *f, int what, unsigned times)
{
    const struct gn_listener_options options = {.unix_mode = -1};
    const struct gn_addr *addr;
    struct gn_addr any;

    gn_log_set_sink(count_warnings, NULL);
    failure = what;
    n_failing = times;
    n_calls = n_accepted = n_warnings = 0;
    cr_assert_eq(gn_loop_create(&f->loop, NULL), GN_OK);
    gn_assert_loop_thread(f->loop);
    cr_assert_eq(gn_addr_parse(GN_LIT("127.0.0.1:0"), &any, NULL), GN_OK);
    cr_assert_eq(gn_listener_open(&any, &options, &f->listener, NULL), GN_OK);
    gn_listener_start(f->listener, f->loop, on_accept, NULL);
    addr = gn_listener_addr(f->listener);
    f->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(f->client, &addr->u.sa, addr->len), 0);
}

static void teardown(struct fixture *f)
{
    gn_assert_loop_thread(f->loop);
    gn_listener_destroy(&f->listener);
    gn_loop_destroy(&f->loop);
    (void)close(f->client);
}

/** Turns until the client was accepted, `ms` at most. */
static void run(struct fixture *f, int64_t ms)
{
    gn_deadline end = gn_deadline_after_ms(gn_clock_now(), ms);

    while (n_accepted == 0 && gn_clock_now() < end) {
        gn_loop_run_once(f->loop);
        (void)usleep(500);
    }
}

/* The connection's own misfortune: the next one is taken in the same turn, without a word. */
Test(accept_errors, of_one_client_are_skipped)
{
    static const int failures[] = {ECONNABORTED, EINTR, EPROTO, ENETDOWN, EHOSTUNREACH, ETIMEDOUT,
            EPERM, EOPNOTSUPP, ENETUNREACH, EHOSTDOWN, ENONET, ENOPROTOOPT};

    for (size_t i = 0; i < GN_ARRAY_LEN(failures); i++) {
        struct fixture f;

        setup(&f, failures[i], 5);
        run(&f, 10000);
        cr_assert_eq(n_accepted, 1, "errno %d", failures[i]);
        cr_assert_eq(n_warnings, 0, "errno %d", failures[i]);
        teardown(&f);
    }
}

/* The system's: accepting rests, says so once, does not spin, and goes on by itself. */
Test(accept_errors, of_the_system_are_waited_out)
{
    static const int failures[] = {ENOMEM, ENOBUFS, EIO};

    for (size_t i = 0; i < GN_ARRAY_LEN(failures); i++) {
        struct fixture f;

        setup(&f, failures[i], 3);
        run(&f, 50);
        cr_assert_eq(n_accepted, 0);
        cr_assert_leq(n_calls, 2, "errno %d: it spins", failures[i]);
        run(&f, 10000);
        cr_assert_eq(n_accepted, 1, "errno %d", failures[i]);
        cr_assert_eq(n_warnings, 1, "errno %d: %u", failures[i], n_warnings);
        teardown(&f);
    }
}

/* No descriptor left, in the process or the system: a waiting client is given an end. */
Test(accept_errors, for_want_of_descriptors_turn_one_client_away)
{
    static const int failures[] = {EMFILE, ENFILE};

    for (size_t i = 0; i < GN_ARRAY_LEN(failures); i++) {
        struct fixture f;
        char byte;

        setup(&f, failures[i], 1);
        run(&f, 50);
        cr_assert_eq(n_accepted, 0);
        cr_assert_eq(n_warnings, 1);
        cr_assert_eq(n_calls, 2, "one that fails, one that takes the client by the reserve");
        cr_assert_eq(read(f.client, &byte, 1), 0);
        teardown(&f);
    }
}
