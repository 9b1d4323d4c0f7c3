/* SPDX-License-Identifier: MIT */
#include "deploy/program/child.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/ascii.h"

void gn_own_addresses_add(struct gn_own_addresses *own, const struct gn_addr *addr)
{
    if (own->n < GN_CHILD_ADDRESSES) {
        own->list[own->n++] = *addr;
    }
}

/* The port decides for TCP: an accepted connection has its own host where we listen on all. */
static bool is_same(const struct gn_addr *own, const struct gn_addr *of_fd)
{
    if (own->u.sa.sa_family != of_fd->u.sa.sa_family) {
        return false;
    }
    if (gn_addr_is_unix(own)) {
        return own->len == of_fd->len && memcmp(&own->u, &of_fd->u, own->len) == 0;
    }
    return gn_addr_port(own) == gn_addr_port(of_fd);
}

static bool is_ours(const struct gn_own_addresses *own, int fd)
{
    struct gn_addr addr = {.len = sizeof(addr.u)};

    if (getsockname(fd, &addr.u.sa, &addr.len) != 0 || addr.len > sizeof(addr.u)) {
        return false;
    }
    for (unsigned i = 0; i < own->n; i++) {
        if (is_same(&own->list[i], &addr)) {
            return true;
        }
    }
    return false;
}

void gn_child_close_sockets(void *arg)
{
    const struct gn_own_addresses *own = arg;
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;

    if (folder == NULL) {
        return;
    }
    while ((entry = readdir(folder)) != NULL) {
        int fd = gn_ascii_is_digit(entry->d_name[0]) ? (int)strtol(entry->d_name, NULL, 10) : -1;

        if (fd > STDERR_FILENO && fd != dirfd(folder) && is_ours(own, fd)) {
            (void)close(fd);
        }
    }
    (void)closedir(folder);
}
