/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_STREAMED_INPUT_PRIV_H
#define GN_WSGI_STREAMED_INPUT_PRIV_H

/*
 * wsgi.input of a mount without request buffering: the body is read while it
 * arrives, and whoever reads waits for it, without the GIL. A binary file that
 * cannot seek; io.UnsupportedOperation says so.
 *
 * When the body cannot be had a read raises an OSError, again each time:
 *
 *   TimeoutError             it came too slowly (408), or the time to answer is over (504)
 *   ConnectionResetError     the client has gone
 *   ConnectionAbortedError   the server is stopping
 *   OSError(EFBIG)           it is longer than limits.body_bytes (413)
 *   OSError(EBADMSG)         its framing is wrong (400)
 *   RuntimeError             this process was forked by the call, and what had arrived is read
 *
 * Thread: any that holds the GIL. While one waits, a second that reads gets a
 * RuntimeError.
 */

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#include "bridge/exec/intake.h"
#include "bridge/py/pyexec.h"
#include "server/base/attr.h"

/** A body on its way, and what its reader must know of the request. */
struct gn_wsgi_upload {
    struct gn_intake *intake; /* the worker's half */
    struct gn_pyexec *pyexec; /* whose worker makes the call; borrowed */
    uint64_t length;          /* Content-Length, or GN_LENGTH_UNKNOWN */
    bool expects_continue;    /* the client waits to be asked */
    uint64_t drain_bytes;     /* so much unread content does not end the connection */
    bool *keep_alive;         /* of the response to be: kept false while too much is unread */
};

/** The heap type; a new reference, or NULL with an exception. */
GN_NEEDS_GIL PyTypeObject *gn_wsgi_streamed_input_type_create(void);

/**
 * An input over `upload`, whose intake it takes. On the worker that makes the
 * call. A new reference, or NULL with an exception (nothing was taken).
 */
GN_NEEDS_GIL PyObject *gn_wsgi_streamed_input_new(
        PyTypeObject *type, struct gn_wsgi_upload *upload);

/** Asks for the body before anything is read: an interim response is about to be written to the
 *  pipe and the loop woken for it, after which 100 (Continue) could not be sent. */
GN_NEEDS_GIL void gn_wsgi_streamed_input_ask(PyObject *input);

/** The request is over: lets the body go, and whoever else still waits for it. Later uses
 *  raise a ValueError. */
GN_NEEDS_GIL void gn_wsgi_streamed_input_finish(PyObject *input);

#endif
