/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_FILE_WRAPPER_PRIV_H
#define GN_WSGI_FILE_WRAPPER_PRIV_H

/*
 * wsgi.file_wrapper (PEP 3333, "Optional Platform-Specific File Handling"): a
 * file in a form the server knows. When the file behind it is a regular file
 * the response goes by sendfile from the file's current position; otherwise
 * the wrapper is an iterator like any other.
 *
 * Thread: any that holds the GIL.
 */

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#include "server/base/attr.h"

/** The heap type, to be called as type(filelike, block_size=8192); new reference or NULL. */
GN_NEEDS_GIL PyTypeObject *gn_wsgi_file_wrapper_type_create(void);

/** What can be sent of a file: from `offset` to its end. */
struct gn_wsgi_file_range {
    int fd; /* a duplicate: the owner closes it */
    uint64_t offset;
    uint64_t len;
};

/**
 * Whether the wrapper's file can be sent by the kernel: it has a descriptor of
 * a regular file, and reading it yields that file's very bytes (not text, not
 * a decompressor).
 *
 * Returns: true    `*range_out` is set; its fd is the caller's
 *          false   iterate instead; no exception is set
 */
GN_NEEDS_GIL bool gn_wsgi_file_wrapper_open(
        PyObject *wrapper, struct gn_wsgi_file_range *range_out);

#endif
