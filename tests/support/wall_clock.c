/* SPDX-License-Identifier: MIT */

/*
 * A preloaded library that moves the wall clock of a program, and no other: the
 * file that GN_TEST_WALL_CLOCK names holds seconds as a 64-bit integer, and may
 * change at any time. (libfaketime moves sleeps on the monotonic clock along.)
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *moved_s;

__attribute__((constructor)) static void map_clock(void)
{
    const char *path = getenv("GN_TEST_WALL_CLOCK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *at = MAP_FAILED;

    if (fd >= 0) {
        at = mmap(NULL, sizeof(*moved_s), PROT_READ, MAP_SHARED, fd, 0);
        (void)close(fd);
    }
    if (at != MAP_FAILED) {
        moved_s = at;
    }
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *out)
{
    long rc = syscall(SYS_clock_gettime, id, out);

    if (rc == 0 && moved_s != NULL && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        out->tv_sec += (time_t)*moved_s;
    }
    return (int)rc;
}

__attribute__((visibility("default"))) int gettimeofday(
        struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

__attribute__((visibility("default"))) time_t time(time_t *out)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}
