/* SPDX-License-Identifier: MIT */
#include "server/http/body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/base/alloc.h"

/*
 * Either everything is in memory or everything is in the file, never half and
 * half: readers look in one place. The file has no name from the start
 * (O_TMPFILE) or loses it at once, so nothing is left behind however the
 * process ends.
 *
 * A client chooses in which pieces its body comes, down to chunks of one byte.
 * So that it cannot make each of them a system call, small pieces are gathered
 * before they are written; what is large enough, as nearly always, is written
 * from where it lies. The file is `gathered.len` bytes shorter than the body.
 */

#define PATH_BYTES 512
#define KEPT_BYTES 8192

void gn_body_init(struct gn_body *body, size_t memory_limit_bytes)
{
    *body = (struct gn_body){.spool_fd = -1, .memory_limit_bytes = memory_limit_bytes};
    gn_buf_init(&body->memory, memory_limit_bytes);
    gn_buf_init(&body->gathered, GN_BODY_GATHERED_BYTES);
}

static void close_spool(struct gn_body *body)
{
    if (body->spool_fd >= 0) {
        (void)close(body->spool_fd);
        body->spool_fd = -1;
        gn_buf_fini(&body->gathered);
        gn_buf_init(&body->gathered, GN_BODY_GATHERED_BYTES);
    }
}

void gn_body_fini(struct gn_body *body)
{
    close_spool(body);
    gn_buf_fini(&body->memory);
    body->len = 0;
}

/** The bound stays that of init, whatever memory_limit_bytes was set to since. */
static void free_memory(struct gn_body *body)
{
    size_t limit = body->memory.limit;

    gn_buf_fini(&body->memory);
    gn_buf_init(&body->memory, limit);
}

void gn_body_reset(struct gn_body *body)
{
    close_spool(body);
    body->len = 0;
    if (body->memory.cap > KEPT_BYTES || GN_ASAN) {
        free_memory(body);
    } else {
        gn_buf_clear(&body->memory);
    }
}

void gn_body_move(struct gn_body *from, struct gn_body *to)
{
    *to = *from;
    gn_body_init(from, to->memory.limit);
}

static const char *spool_directory(void)
{
    const char *dir = getenv("TMPDIR");

    return dir != NULL && dir[0] == '/' ? dir : "/tmp";
}

/** Not every file system knows O_TMPFILE. */
static int open_named(const char *dir)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof(path), "%s/gustnado-body-XXXXXX", dir);
    int fd;

    if (n < 0 || (size_t)n >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        (void)unlink(path);
    }
    return fd;
}

static enum gn_err disk_failure(int sys_errno)
{
    /* EFBIG: as much as the process may write to one file. */
    return sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EFBIG ? GN_ERR_NO_SPACE
                                                                            : GN_ERR_IO;
}

static enum gn_err write_all(int fd, struct gn_slice bytes, uint64_t offset)
{
    while (bytes.len > 0) {
        ssize_t n = pwrite(fd, bytes.ptr, bytes.len, (off_t)offset);

        if (n < 0 && errno != EINTR) {
            return disk_failure(errno);
        }
        if (n == 0) {
            return GN_ERR_IO;
        }
        if (n > 0) {
            bytes = gn_slice_skip(bytes, (size_t)n);
            offset += (uint64_t)n;
        }
    }
    return GN_OK;
}

static enum gn_err open_spool(struct gn_body *body)
{
    const char *dir = spool_directory();
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT)) {
        fd = open_named(dir);
    }
    if (fd < 0) {
        return disk_failure(errno);
    }
    body->spool_fd = fd;
    GN_TRY(write_all(fd, gn_buf_slice(&body->memory), 0));
    free_memory(body);
    return GN_OK;
}

static enum gn_err write_gathered(struct gn_body *body)
{
    struct gn_slice bytes = gn_buf_slice(&body->gathered);

    GN_TRY(write_all(body->spool_fd, bytes, body->len - bytes.len));
    gn_buf_clear(&body->gathered);
    return GN_OK;
}

static enum gn_err append_to_spool(struct gn_body *body, struct gn_slice bytes)
{
    if (body->gathered.len + bytes.len > GN_BODY_GATHERED_BYTES) {
        GN_TRY(write_gathered(body));
    }
    if (bytes.len >= GN_BODY_GATHERED_BYTES) {
        return write_all(body->spool_fd, bytes, body->len);
    }
    return gn_buf_append(&body->gathered, bytes);
}

enum gn_err gn_body_append(struct gn_body *body, struct gn_slice bytes)
{
    size_t limit = GN_MIN(body->memory_limit_bytes, body->memory.limit);

    if (body->spool_fd < 0 && body->len + bytes.len > limit) {
        GN_TRY(open_spool(body));
    }
    if (body->spool_fd >= 0) {
        GN_TRY(append_to_spool(body, bytes));
    } else {
        GN_TRY(gn_buf_append(&body->memory, bytes));
    }
    body->len += bytes.len;
    return GN_OK;
}

enum gn_err gn_body_complete(struct gn_body *body)
{
    if (body->gathered.len > 0) {
        GN_TRY(write_gathered(body));
    }
    if (body->gathered.cap > 0) {
        gn_buf_fini(&body->gathered);
        gn_buf_init(&body->gathered, GN_BODY_GATHERED_BYTES);
    }
    return GN_OK;
}

enum gn_err gn_body_read(
        const struct gn_body *body, uint64_t offset, char *into, size_t size, size_t *n_out)
{
    uint64_t left = offset < body->len ? body->len - offset : 0;
    size_t n = (size_t)GN_MIN(left, (uint64_t)size);

    gn_assert(body->gathered.len == 0);
    *n_out = 0;
    if (body->spool_fd < 0) {
        if (n > 0) {
            memcpy(into, body->memory.ptr + offset, n);
        }
        *n_out = n;
        return GN_OK;
    }
    while (*n_out < n) {
        ssize_t part = pread(body->spool_fd, into + *n_out, n - *n_out, (off_t)(offset + *n_out));

        if (part < 0 && errno == EINTR) {
            continue;
        }
        if (part <= 0) {
            return GN_ERR_IO;
        }
        *n_out += (size_t)part;
    }
    return GN_OK;
}

struct gn_slice gn_body_peek(const struct gn_body *body)
{
    if (body->spool_fd >= 0) {
        return gn_slice_of(NULL, 0);
    }
    return gn_slice_of(body->memory.ptr != NULL ? body->memory.ptr : "", body->memory.len);
}
