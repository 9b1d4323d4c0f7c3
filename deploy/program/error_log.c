/* SPDX-License-Identifier: MIT */
#include "deploy/program/error_log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum gn_err gn_error_log_open(const char *path, struct gn_error *err)
{
    /* O_NONBLOCK for the opening alone: a named pipe that nobody reads is an error, not a wait. */
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
    int flags = fd >= 0 ? fcntl(fd, F_GETFL) : -1;
    int failure = 0;

    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0 || dup2(fd, STDERR_FILENO) < 0) {
        failure = errno;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (failure != 0) {
        return gn_error_set(err, GN_ERR_SYSTEM, failure, "cannot open the error log '%s'", path);
    }
    return GN_OK;
}
