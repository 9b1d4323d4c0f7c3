/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deploy/program/child.h"
#include "tests/support/test.h"

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int listening_tcp(struct gn_addr *addr)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    *addr = (struct gn_addr){.len = sizeof(addr->u.in)};
    addr->u.in.sin_family = AF_INET;
    addr->u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(fd, &addr->u.sa, addr->len), 0);
    cr_assert_eq(listen(fd, 8), 0);
    cr_assert_eq(getsockname(fd, &addr->u.sa, &addr->len), 0);
    return fd;
}

static int connected_tcp(const struct gn_addr *to)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(connect(fd, &to->u.sa, to->len), 0);
    return fd;
}

Test(child, closes_our_sockets_and_no_others)
{
    static struct gn_own_addresses own;
    struct gn_addr addr;
    struct gn_addr foreign_addr;
    int listener = listening_tcp(&addr);
    int foreign = listening_tcp(&foreign_addr);
    int client = connected_tcp(&addr);
    int accepted = accept(listener, NULL, NULL);
    int file = open("/dev/null", O_RDONLY);
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    gn_own_addresses_add(&own, &addr);
    gn_child_close_sockets(&own);
    cr_assert_not(is_open(listener));
    cr_assert_not(is_open(accepted));
    cr_assert(is_open(client)); /* its peer has our port, itself has not */
    cr_assert(is_open(foreign));
    cr_assert(is_open(file));
    cr_assert(is_open(pair[0]) && is_open(pair[1]));
}

Test(child, knows_unix_sockets)
{
    static struct gn_own_addresses own;
    struct gn_addr addr = {0};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    addr.u.un.sun_family = AF_UNIX;
    (void)snprintf(
            addr.u.un.sun_path, sizeof(addr.u.un.sun_path), "/tmp/gn-test-child-%d", (int)getpid());
    addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(addr.u.un.sun_path) + 1);
    cr_assert_eq(bind(fd, &addr.u.sa, addr.len), 0);
    cr_assert_eq(getsockname(fd, &addr.u.sa, &(socklen_t){sizeof(addr.u)}), 0);
    (void)unlink(addr.u.un.sun_path);
    gn_own_addresses_add(&own, &addr);
    gn_child_close_sockets(&own);
    cr_assert_not(is_open(fd));
}

Test(child, forgets_addresses_beyond_its_bound)
{
    static struct gn_own_addresses own;
    struct gn_addr addr = {0};

    for (unsigned i = 0; i < GN_CHILD_ADDRESSES + 5; i++) {
        gn_own_addresses_add(&own, &addr);
    }
    cr_assert_eq(own.n, GN_CHILD_ADDRESSES);
}
