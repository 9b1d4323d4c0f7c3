/* SPDX-License-Identifier: MIT */
#include "server/net/stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"

/*
 * What all kinds of stream share: the end. The kind frees itself first, the
 * descriptor is closed last, after its watcher has stopped.
 */

void gn_stream_destroy(struct gn_stream **s)
{
    void (*on_closed)(void *arg);
    void *closed_arg;
    int fd;

    if (*s == NULL) {
        return;
    }
    on_closed = (*s)->on_closed;
    closed_arg = (*s)->closed_arg;
    fd = gn_io_fd(&(*s)->io);
    gn_io_fini(&(*s)->io);
    (*s)->ops->destroy(*s);
    *s = NULL;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (on_closed != NULL) {
        on_closed(closed_arg);
    }
}

void gn_stream_abort(struct gn_stream **s)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    if (*s == NULL) {
        return;
    }
    (void)setsockopt(gn_io_fd(&(*s)->io), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    (*s)->is_aborted = true;
    gn_stream_destroy(s);
}
