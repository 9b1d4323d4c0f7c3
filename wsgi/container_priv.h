/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_CONTAINER_PRIV_H
#define GN_WSGI_CONTAINER_PRIV_H

/* What a container holds; shared by container.c, call.c and call_run.c. */

#include <Python.h>

#include "server/loop/timeout_list.h"
#include "server/proto/http_date.h"
#include "wsgi/container.h"

#include "wsgi/environ_priv.h"
#include "wsgi/header_list_priv.h"

#define GN_WSGI_CONTAINER_MAGIC 0x57531c01u

struct gn_wsgi_call;

struct gn_wsgi_mount {
    struct gn_slice prefix; /* heap; "" or "/name" without a final '/' */
    PyObject *application;
    bool streams_uploads;
    uint16_t family;   /* of its calls, for the executor */
    uint64_t key_seed; /* tells its kinds of requests from those of others */
    struct gn_wsgi_template environ;
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

    struct { /* under the GIL */
        PyTypeObject *bound_type;
        PyTypeObject *input_type;
        PyTypeObject *streamed_input_type;
        PyTypeObject *errors_type;
        PyTypeObject *file_wrapper_type;
        PyObject *errors;
        PyObject *close_name; /* "close" */
        struct gn_wsgi_environ environ;
        struct gn_wsgi_known known;
        struct gn_http_date_cache date;
        gn_deadline date_read_at; /* monotonic: when `date` was last compared with the clock */
        uint64_t warned_ids[2];   /* bits of hop-by-hop headers a warning was logged for */
    } python;
};

#endif
