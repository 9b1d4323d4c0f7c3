/* SPDX-License-Identifier: MIT */
#include "server/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct gn_role gn_role_loop;
struct gn_role gn_role_gil;

static const char *const names[GN_ERR_N_CODES] = {
        [GN_OK] = "ok",
        [GN_ERR_WANT_READ] = "want read",
        [GN_ERR_WANT_WRITE] = "want write",
        [GN_ERR_EOF] = "end of stream",
        [GN_ERR_IO] = "i/o error",
        [GN_ERR_TIMEOUT] = "timeout",
        [GN_ERR_CANCELLED] = "cancelled",
        [GN_ERR_CLOSED] = "closed",
        [GN_ERR_GONE] = "client gone",
        [GN_ERR_TOO_BIG] = "too big",
        [GN_ERR_FULL] = "queue full",
        [GN_ERR_NO_MEMORY] = "out of memory",
        [GN_ERR_NO_SPACE] = "no space left",
        [GN_ERR_PROTOCOL] = "protocol error",
        [GN_ERR_INVALID] = "invalid",
        [GN_ERR_NOT_FOUND] = "not found",
        [GN_ERR_EXISTS] = "already exists",
        [GN_ERR_UNSUPPORTED] = "unsupported",
        [GN_ERR_REFUSED] = "refused",
        [GN_ERR_SYSTEM] = "system error",
        [GN_ERR_PYTHON] = "python exception",
        [GN_ERR_BUG] = "internal error",
};

const char *gn_err_name(enum gn_err code)
{
    if ((unsigned)code >= GN_ERR_N_CODES || names[code] == NULL) {
        return "unknown error";
    }
    return names[code];
}

/** Appends ": <text of sys_errno>"; strerror_r is the thread-safe GNU form. */
static void append_errno(struct gn_error *err)
{
    char text[128];
    size_t used = strlen(err->message);

    if (used < sizeof(err->message)) {
        (void)snprintf(err->message + used, sizeof(err->message) - used, ": %s",
                strerror_r(err->sys_errno, text, sizeof(text)));
    }
}

/* The parentheses keep the analyser's macro of the same name out. */
enum gn_err(gn_error_set)(
        struct gn_error *err, enum gn_err code, int sys_errno, const char *fmt, ...)
{
    va_list args;

    if (err == NULL) {
        return code;
    }
    err->code = code;
    err->sys_errno = sys_errno;
    va_start(args, fmt);
    (void)vsnprintf(err->message, sizeof(err->message), fmt, args);
    va_end(args);
    if (sys_errno != 0) {
        append_errno(err);
    }
    return code;
}
