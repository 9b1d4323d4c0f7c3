/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_CHILD_H
#define GN_DEPLOY_PROGRAM_CHILD_H

/*
 * A child that the application forks inherits every socket of ours. As long as
 * it keeps them, the port stays taken after we have gone and clients never see
 * the end of a connection we close. So the child closes them: the descriptors
 * whose own address is one we listen on.
 */

#include "server/net/addr.h"

#define GN_CHILD_ADDRESSES 16

/** The addresses we listen on; filled at start-up, read in children. */
struct gn_own_addresses {
    struct gn_addr list[GN_CHILD_ADDRESSES];
    unsigned n; /* beyond the array's size addresses are not remembered */
};

void gn_own_addresses_add(struct gn_own_addresses *own, const struct gn_addr *addr);

/** For gn_py_host_on_fork; `arg` is a struct gn_own_addresses. */
void gn_child_close_sockets(void *arg);

#endif
