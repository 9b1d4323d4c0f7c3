/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_CONTAINER_PRIV_H
#define GN_WSGI_CONTAINER_PRIV_H

/* What a container holds; shared by container.c, desk.c, call.c and call_run.c. */

#include <Python.h>

#include <stdatomic.h>

#include "server/loop/timeout_list.h"
#include "wsgi/container.h"

#include "wsgi/desk_priv.h"

#define GN_WSGI_CONTAINER_MAGIC 0x57531c01u

struct gn_wsgi_call;

struct gn_wsgi_mount {
    struct gn_slice prefix; /* heap; "" or "/name" without a final '/' */
    PyObject *application;
    bool streams_uploads;
    uint16_t family;   /* of its calls, for the executor */
    uint64_t key_seed; /* tells its kinds of requests from those of others */
    unsigned number;   /* among the mounts */
};

struct gn_wsgi_container {
    struct gn_handler handler; /* first */
    unsigned magic;
    struct gn_loop *loop;
    struct gn_pyexec *pyexec;
    struct gn_wsgi_mount *mounts; /* longest prefix first; constant once created */
    unsigned n_mounts;
    size_t pipe_bytes; /* likewise constant */

    struct {                             /* loop thread only */
        struct gn_timeout_list timeouts; /* calls that have not begun to answer */
        struct gn_timeout_list retries;  /* calls to be let go as soon as they allow it */
        struct gn_wsgi_call *free_calls;
        unsigned n_free;
        struct gn_wsgi_stats stats;
    } loop_side;

    struct { /* constant once created */
        PyTypeObject *bound_type;
        PyTypeObject *input_type;
        PyTypeObject *streamed_input_type;
        PyTypeObject *errors_type;
        PyTypeObject *file_wrapper_type;
        PyObject *close_name; /* "close" */
        struct gn_wsgi_environ_facts facts;
    } python;

    _Atomic uint64_t warned_ids[2]; /* bits of hop-by-hop headers a warning was logged for */

#ifdef Py_GIL_DISABLED
    unsigned n_desks;
    struct gn_wsgi_desk *desks; /* one per worker */
#else
    struct gn_wsgi_desk desks[1];
#endif
};

/** Where a worker (gn_pycall.worker) makes its calls. */
static inline struct gn_wsgi_desk *gn_wsgi_desk_of(
        struct gn_wsgi_container *container, unsigned worker)
{
#ifdef Py_GIL_DISABLED
    return &container->desks[worker];
#else
    (void)worker;
    return container->desks;
#endif
}

#endif
