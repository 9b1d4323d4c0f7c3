/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_RESPONSE_PRIV_H
#define GN_WSGI_RESPONSE_PRIV_H

/*
 * The response of one call, made on the worker: from what start_response was
 * given and the bytes the application yields to bytes for the wire. It knows
 * nothing of threads and connections: finished bytes lie in `bytes` and `out`
 * until the call ends, or go through the sink when the application streams.
 *
 * Thread: the worker, holding the GIL, until the call is done; then the loop,
 * which takes `bytes`, `out` and `writer`.
 */

#include <Python.h>

#include <stdbool.h>

#include "server/base/attr.h"
#include "server/base/buf.h"
#include "server/base/bufq.h"
#include "server/base/err.h"
#include "server/proto/http1_writer.h"

#include "wsgi/file_wrapper_priv.h"
#include "wsgi/header_list_priv.h"

struct gn_wsgi_response;

/** Where streamed bytes go. May give the GIL up while it waits for a slow client. */
struct gn_wsgi_sink {
    /** Takes everything. Returns: GN_OK, GN_ERR_GONE (the client has left; take is cleared) */
    enum gn_err (*send)(void *arg, struct gn_bufq *take);
    /** A bytes object to be kept alive while its bytes are lent; `release(token)` lets it go. */
    void *(*lend)(void *arg, PyObject *bytes);
    gn_bufq_release_fn release;
    void *arg;
};

enum gn_wsgi_stage {
    GN_WSGI_NONE = 0, /* start_response has not been called */
    GN_WSGI_SET,      /* it has; nothing is final yet */
    GN_WSGI_SENT,     /* the head is serialised, for good */
    GN_WSGI_ENDED,    /* the body as well */
};

struct gn_wsgi_response {
    enum gn_wsgi_stage stage;
    bool has_sent;       /* something went through the sink */
    bool is_over;        /* nothing more is taken from the application, be it before the end */
    bool is_short;       /* fewer bytes than declared */
    bool is_long;        /* more than declared: the surplus was dropped */
    uint16_t dropped_id; /* a hop-by-hop header that was left out, or 0 */

    int status;
    struct gn_slice reason; /* into status_text */
    PyObject *status_text;  /* held while set */
    struct gn_wsgi_headers headers;

    struct gn_slice date;       /* 29 bytes; valid until the head is made */
    struct gn_slice request_id; /* for the head; likewise; mostly empty */
    struct gn_http1_writer writer;
    struct gn_buf bytes; /* for the wire, before what is in `out` */
    struct gn_bufq out;
    const struct gn_wsgi_sink *sink;
};

/** Prepares the storage once; `sink` must outlive it. */
void gn_wsgi_response_init(struct gn_wsgi_response *r, const struct gn_wsgi_sink *sink);
/** Starts a response; `writer` is copied. `date` as in the struct. */
GN_NEEDS_GIL void gn_wsgi_response_begin(
        struct gn_wsgi_response *r, const struct gn_http1_writer *writer, struct gn_slice date);
/** Lets go of everything Python; bytes for the wire stay. */
GN_NEEDS_GIL void gn_wsgi_response_release(struct gn_wsgi_response *r);
GN_NEEDS_GIL void gn_wsgi_response_fini(struct gn_wsgi_response *r);

/** Forgets bytes that were not sent, on any thread: the call came to nothing. */
void gn_wsgi_response_drop(struct gn_wsgi_response *r);

/**
 * A whole body of `n` bytes objects, all there already: its length is known.
 * The stage must be SET.
 *
 * Returns: GN_OK           ENDED; is_short and is_long tell of a wrong Content-Length
 *          GN_ERR_PYTHON   an item is not bytes, or the head is invalid: the exception is
 *                          set, and the stage is SET
 */
GN_NEEDS_GIL GN_HOT GN_MUST_CHECK enum gn_err gn_wsgi_response_send_all(
        struct gn_wsgi_response *r, PyObject *const *items, Py_ssize_t n);

/**
 * Sends one piece of the body, the head before the first that is not empty.
 * Nothing is left behind: when it returns the bytes are on their way.
 * length_hint: the length of the whole body if this piece is known to be all of
 * it and none was declared, else GN_LENGTH_UNKNOWN.
 *
 * Returns: GN_OK
 *          GN_ERR_TOO_BIG  beyond the declared length: what fitted was sent
 *          GN_ERR_CLOSED   this response has no body (HEAD, 204, 304): no use going on
 *          GN_ERR_GONE     the client has left
 *          GN_ERR_PYTHON   not bytes, start_response not called, an invalid head, or ENDED
 *                          already: the exception is set
 */
GN_NEEDS_GIL GN_MUST_CHECK enum gn_err gn_wsgi_response_send(
        struct gn_wsgi_response *r, PyObject *piece, uint64_t length_hint);

/** Sends a file to its end or to the declared length; takes range->fd. Returns as _send. */
GN_NEEDS_GIL GN_MUST_CHECK enum gn_err gn_wsgi_response_send_file(
        struct gn_wsgi_response *r, struct gn_wsgi_file_range *range);

/**
 * The application has nothing more: completes head and framing.
 *
 * Returns: GN_OK           ENDED; is_short tells
 *          GN_ERR_PYTHON   start_response was never called, or an invalid head: the exception
 *                          is set
 */
GN_NEEDS_GIL GN_MUST_CHECK enum gn_err gn_wsgi_response_end(struct gn_wsgi_response *r);

/** Pushes what has been made through the sink. Returns: GN_OK, GN_ERR_GONE */
GN_NEEDS_GIL GN_MUST_CHECK enum gn_err gn_wsgi_response_flush(struct gn_wsgi_response *r);

/**
 * 103 (Early Hints) with those headers, sent at once.
 *
 * Returns: GN_OK, GN_ERR_GONE, GN_ERR_PYTHON (headers were sent, or are invalid)
 */
GN_NEEDS_GIL GN_MUST_CHECK enum gn_err gn_wsgi_response_hint(
        struct gn_wsgi_response *r, PyObject *list);

#endif
