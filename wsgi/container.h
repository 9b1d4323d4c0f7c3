/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_CONTAINER_H
#define GN_WSGI_CONTAINER_H

/*
 * The WSGI container: a handler whose exchanges are answered by Python WSGI
 * applications (PEP 3333), run on a Python executor. Several applications may
 * be mounted at prefixes; the longest prefix that matches whole segments wins,
 * and what it matches becomes SCRIPT_NAME.
 *
 * The loop is never in Python: it hands a request over, is told when bytes are
 * ready, and answers by itself when the queue is full (503), when a request
 * has waited too long (503) and when an application does not answer (504).
 *
 * Thread: the loop's. Create and destroy need the GIL as well: the main thread
 * before it gives the GIL up, and after it has taken it back.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bridge/py/pyexec.h"
#include "server/base/err.h"
#include "server/base/slice.h"
#include "server/http/handler.h"
#include "server/loop/loop.h"

struct gn_wsgi_container;

/** An application and where it lives. */
struct gn_wsgi_mount_options {
    struct gn_slice prefix; /* "" or "/" for the root, else "/name…"; a final '/' is ignored */
    void *application;      /* a PyObject as of gn_py_import; the container takes a reference
                               of its own */
    bool streams_uploads;   /* it is called at the head, and reads the body while it arrives; a
                               slow client then occupies a worker */
    uint16_t family;        /* of its calls (gn_pycall.family) */
};

struct gn_wsgi_container_options {
    struct gn_loop *loop;     /* borrowed */
    struct gn_pyexec *pyexec; /* borrowed; outlives every exchange, not the container */
    const struct gn_wsgi_mount_options *mounts;
    unsigned n_mounts;
    int64_t timeout_ms; /* until the application begins to answer; beyond: 504; 0: no limit */
    size_t pipe_bytes;  /* of a streamed response between worker and loop; then the worker waits;
                           0: 256 KiB */
    bool multithread;   /* the executor may run calls at the same time */
    bool multiprocess;  /* other processes run the same application */
    struct gn_slice server_software; /* environ's SERVER_SOFTWARE; empty: "gustnado" */
};

/**
 * Options without limits set are not an error; an executor, a loop and one
 * mount are needed.
 *
 * Returns: GN_OK
 *          GN_ERR_INVALID   a prefix is misspelled, or an application is not callable
 *          GN_ERR_EXISTS    two mounts share a prefix
 *          GN_ERR_PYTHON    Python refused; err says what
 */
GN_MUST_CHECK enum gn_err gn_wsgi_container_create(const struct gn_wsgi_container_options *options,
        struct gn_wsgi_container **container_out, struct gn_error *err);

/** Serves exchanges; lives as long as the container. */
struct gn_handler *gn_wsgi_container_handler(struct gn_wsgi_container *container);

/** Counts since the start; `calls` are those handed to the executor. */
struct gn_wsgi_stats {
    uint64_t calls;
    uint64_t failed;   /* the application raised, or broke the protocol */
    uint64_t refused;  /* 503 */
    uint64_t timeouts; /* late: 504, unless the client had left */
    uint64_t gone;     /* the client left before the answer was complete */
    unsigned running;  /* calls queued or running now */
    unsigned orphans;  /* of these, calls whose client has its answer already, or has left */
};

GN_LOOP_THREAD struct gn_wsgi_stats gn_wsgi_container_stats(
        const struct gn_wsgi_container *container);

/**
 * When no exchange is served any more and the executor has stopped. Calls that
 * never came back keep their memory.
 */
void gn_wsgi_container_destroy(struct gn_wsgi_container **container);

#endif
