/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_DESK_PRIV_H
#define GN_WSGI_DESK_PRIV_H

/*
 * What a worker has in front of it while it makes calls: whatever calls change
 * and the next one finds again. A GIL lets one worker at a time be at it, so
 * that one desk is enough for all; in a free-threaded build each worker has its
 * own, laid with its first call. So nothing on it needs a lock.
 *
 * Thread: with a GIL any that holds it; else the worker whose desk it is.
 */

#include <Python.h>

#include "server/base/attr.h"
#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/proto/http_date.h"

#include "wsgi/environ_priv.h"
#include "wsgi/header_list_priv.h"

struct gn_wsgi_container;

/** Zeroed, it has not been laid. */
struct gn_wsgi_desk {
    PyObject *errors; /* wsgi.errors; NULL: not laid */
    struct gn_wsgi_environ environ;
    struct gn_wsgi_template *templates; /* one per mount, by its number */
    unsigned n_templates;
    struct gn_wsgi_known known;
    struct gn_http_date_cache date;
    gn_deadline date_read_at; /* monotonic: when `date` was last compared with the clock */
};

/** Returns: GN_OK, GN_ERR_PYTHON (an exception is set, and it is as before) */
GN_NEEDS_GIL GN_MUST_CHECK enum gn_err gn_wsgi_desk_lay(
        struct gn_wsgi_desk *desk, const struct gn_wsgi_container *container);

/** Accepts one that has not been laid; it has not been afterwards. */
GN_NEEDS_GIL void gn_wsgi_desk_clear(struct gn_wsgi_desk *desk);

#endif
