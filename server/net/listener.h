/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_NET_LISTENER_H
#define GN_SERVER_NET_LISTENER_H

/*
 * A listening socket on a loop. Accepts a bounded number per turn; survives
 * every error of accept: ECONNABORTED and EINTR are skipped, and when
 * descriptors run out (EMFILE, ENFILE) it stops accepting for a moment, gives
 * the waiting client an orderly end through a reserved descriptor, logs at
 * most once a second, and resumes by itself.
 *
 * Thread: opening happens at start-up (any one thread), the rest on the loop
 * thread. Ownership: a listener owns its descriptor; an accepted descriptor is
 * the callback's. All descriptors are close-on-exec and non-blocking;
 * TCP_NODELAY is set on accepted TCP ones.
 */

#include "server/base/err.h"
#include "server/loop/loop.h"
#include "server/net/addr.h"

struct gn_listener;

/** `*fd` is the callback's: it takes it (sets -1) or it is closed after the call. */
typedef void (*gn_accept_fn)(
        struct gn_listener *listener, void *arg, int *fd, const struct gn_addr *peer);

struct gn_listener_options {
    int backlog; /* 2048 */
    bool reuse_port;
    int unix_mode; /* permissions of a Unix socket, 0666 masked by umask by default; -1: default */
};

/**
 * Binds and listens. A stale Unix socket (nobody answers on it) is replaced.
 *
 * Returns: GN_OK, GN_ERR_EXISTS (somebody listens there: err names the address
 *          and what to do), GN_ERR_SYSTEM
 */
GN_MUST_CHECK enum gn_err gn_listener_open(const struct gn_addr *addr,
        const struct gn_listener_options *options, struct gn_listener **listener_out,
        struct gn_error *err);
/** Adopts a descriptor that listens already (socket activation); takes it. */
GN_MUST_CHECK enum gn_err gn_listener_adopt(
        int *fd, struct gn_listener **listener_out, struct gn_error *err);
/** Starts accepting on the loop. */
GN_LOOP_THREAD void gn_listener_start(
        struct gn_listener *listener, struct gn_loop *loop, gn_accept_fn fn, void *arg);
/** Stops accepting; connections wait in the backlog. May be resumed. */
GN_LOOP_THREAD void gn_listener_pause(struct gn_listener *listener);
GN_LOOP_THREAD void gn_listener_resume(struct gn_listener *listener);
/** The bound address, with the real port when 0 was asked for. */
const struct gn_addr *gn_listener_addr(const struct gn_listener *listener);
/** Closes; removes a Unix socket it made itself. Not from its own accept callback. */
void gn_listener_destroy(struct gn_listener **listener);

#endif
