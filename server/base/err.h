/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_BASE_ERR_H
#define GN_SERVER_BASE_ERR_H

/*
 * How functions of this project fail.
 *
 * A function that can fail returns `enum gn_err`, marked GN_MUST_CHECK; GN_OK
 * is 0. Start-up and configuration code also takes a `struct gn_error *`,
 * which the innermost function that knows fills with one plain sentence.
 * Errors are returned or logged, never both. There is no thread-local "last
 * error": many tasks share a thread.
 */

#include "server/base/attr.h"

enum gn_err {
    GN_OK = 0,

    /* streams and waits */
    GN_ERR_WANT_READ,  /* not now: wait until the descriptor is readable */
    GN_ERR_WANT_WRITE, /* not now: wait until the descriptor is writable */
    GN_ERR_EOF,        /* the peer closed its side */
    GN_ERR_IO,         /* the descriptor is dead; errno was kept where it failed */
    GN_ERR_TIMEOUT,    /* the deadline passed */
    GN_ERR_CANCELLED,  /* this task or call is being cancelled; unwind at once */
    GN_ERR_CLOSED,     /* the object was closed by this side */
    GN_ERR_GONE,       /* the client has gone away */

    /* limits */
    GN_ERR_TOO_BIG,   /* beyond the size the caller allowed */
    GN_ERR_FULL,      /* a bounded queue is full; nothing was taken */
    GN_ERR_NO_MEMORY, /* a peer-sized allocation could not be had */
    GN_ERR_NO_SPACE,  /* ENOSPC, EDQUOT: the disk is full */

    /* input */
    GN_ERR_PROTOCOL,    /* the peer broke the protocol */
    GN_ERR_INVALID,     /* an argument or option makes no sense */
    GN_ERR_NOT_FOUND,   /* no such thing */
    GN_ERR_EXISTS,      /* there is one already */
    GN_ERR_UNSUPPORTED, /* well-formed, but not something we do */
    GN_ERR_REFUSED,     /* policy says no */

    /* the system and the program */
    GN_ERR_SYSTEM, /* a system call failed; see gn_error.sys_errno */
    GN_ERR_PYTHON, /* a Python exception; it has been logged or described */
    GN_ERR_BUG,    /* something that cannot happen did; the request failed, not the process */

    GN_ERR_N_CODES
};

/** The name of a code without its prefix, "timeout"; never NULL. */
GN_ANY_THREAD const char *gn_err_name(enum gn_err code);

/** What went wrong at start-up, in one sentence a user can act on. */
struct gn_error {
    enum gn_err code;
    int sys_errno;     /* 0 when no system call was involved */
    char message[512]; /* NUL-terminated; empty when nothing was said */
};

/**
 * Fills `err` (NULL is allowed) and returns `code`, so that a failing path is
 * one line: `return gn_error_set(err, GN_ERR_INVALID, 0, "port %d …", port);`
 * A sys_errno other than 0 appends ": " and its text.
 */
GN_ANY_THREAD GN_PRINTF(4, 5) enum gn_err
        gn_error_set(struct gn_error *err, enum gn_err code, int sys_errno, const char *fmt, ...);

#if defined(__clang_analyzer__)
/* clang-tidy sees one file at a time: tell it that the failing path fails. */
#define gn_error_set(err, code, ...) ((void)(gn_error_set)(err, code, __VA_ARGS__), (code))
#endif

/**
 * Returns the failure of `expr` to the caller. Only in functions that have
 * nothing to undo: never together with an `out:` label.
 */
#define GN_TRY(expr)                                                                               \
    do {                                                                                           \
        enum gn_err gn_try_rc_ = (expr);                                                           \
        if (GN_UNLIKELY(gn_try_rc_ != GN_OK)) {                                                    \
            return gn_try_rc_;                                                                     \
        }                                                                                          \
    } while (0)

#endif
