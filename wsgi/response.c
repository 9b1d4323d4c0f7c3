/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <unistd.h>

#include "server/proto/http_status.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/response_priv.h"

/*
 * Two ways through. A list or tuple is a whole body: head and body become one
 * run of bytes in `bytes`, nothing is sent before the call is done, and the
 * length is known. Everything else streams: each piece goes into `out` and
 * through the sink before the application is asked for the next (PEP 3333,
 * "Buffering and Streaming").
 *
 * Invariant: on the wire `bytes` comes before `out`, so nothing is appended to
 * `bytes` while `out` holds something.
 *
 * Big pieces are lent: the bytes object is kept alive until the loop has
 * written it. Below LEND_MIN_BYTES a copy is cheaper than a reference to be
 * dropped later by another thread.
 */

#define BYTES_LIMIT (1024 * 1024) /* response head and small bodies */
#define BYTES_KEPT (16 * 1024)    /* of that memory stays for the next request */
#define LEND_MIN_BYTES 8192

void gn_wsgi_response_init(struct gn_wsgi_response *r, const struct gn_wsgi_sink *sink)
{
    *r = (struct gn_wsgi_response){.sink = sink};
    gn_buf_init(&r->bytes, BYTES_LIMIT);
}

void gn_wsgi_response_begin(
        struct gn_wsgi_response *r, const struct gn_http1_writer *writer, struct gn_slice date)
{
    r->stage = GN_WSGI_NONE;
    r->has_sent = false;
    r->is_over = false;
    r->is_short = false;
    r->is_long = false;
    r->dropped_id = 0;
    r->writer = *writer;
    r->date = date;
    r->request_id = gn_slice_of("", 0);
}

void gn_wsgi_response_release(struct gn_wsgi_response *r)
{
    gn_wsgi_headers_clear(&r->headers);
    Py_CLEAR(r->status_text);
}

void gn_wsgi_response_drop(struct gn_wsgi_response *r)
{
    if (r->bytes.cap > BYTES_KEPT) {
        gn_buf_fini(&r->bytes);
        gn_buf_init(&r->bytes, BYTES_LIMIT);
    }
    gn_buf_clear(&r->bytes);
    gn_bufq_clear(&r->out);
}

void gn_wsgi_response_fini(struct gn_wsgi_response *r)
{
    gn_wsgi_response_release(r);
    gn_wsgi_headers_fini(&r->headers);
    gn_buf_fini(&r->bytes);
    gn_bufq_clear(&r->out);
}

/* ---- bytes ------------------------------------------------------------------- */

static void append(struct gn_wsgi_response *r, struct gn_slice bytes)
{
    if (gn_bufq_is_empty(&r->out) && gn_buf_append(&r->bytes, bytes) == GN_OK) {
        return;
    }
    gn_bufq_append(&r->out, bytes);
}

static void lend(struct gn_wsgi_response *r, PyObject *object, size_t len)
{
    const struct gn_wsgi_sink *sink = r->sink;

    gn_bufq_lend(&r->out, gn_slice_of(PyBytes_AS_STRING(object), len), sink->release,
            sink->lend(sink->arg, object));
}

/** Frames and queues a piece. Returns: GN_OK, GN_ERR_TOO_BIG (the surplus was dropped) */
static enum gn_err put_piece(struct gn_wsgi_response *r, PyObject *object)
{
    struct gn_http1_piece piece;
    enum gn_err rc = gn_http1_writer_body(&r->writer, (size_t)PyBytes_GET_SIZE(object), &piece);

    gn_assert(rc == GN_OK || rc == GN_ERR_TOO_BIG);
    append(r, piece.prefix);
    if (piece.take >= LEND_MIN_BYTES) {
        lend(r, object, piece.take);
    } else {
        append(r, gn_slice_of(PyBytes_AS_STRING(object), piece.take));
    }
    append(r, piece.suffix);
    if (rc == GN_ERR_TOO_BIG) {
        r->is_long = true;
    }
    return rc;
}

static enum gn_err not_bytes(PyObject *object)
{
    PyErr_Format(PyExc_TypeError, "a WSGI application must yield bytes, not %.100s",
            Py_TYPE(object)->tp_name);
    return GN_ERR_PYTHON;
}

/* ---- the head ---------------------------------------------------------------- */

static struct gn_http1_response describe(const struct gn_wsgi_response *r, uint64_t length)
{
    return (struct gn_http1_response){
            .status = r->status,
            .reason = r->reason,
            .headers = r->headers.items,
            .n_headers = r->headers.n,
            .body_length = r->headers.has_length ? GN_LENGTH_UNKNOWN : length,
            .date = r->date,
            .request_id = r->request_id,
    };
}

static enum gn_err head_failed(const struct gn_wsgi_response *r, enum gn_err rc)
{
    if (rc == GN_ERR_INVALID) {
        PyErr_Format(PyExc_ValueError, "invalid response head: %s", r->writer.error);
    } else {
        PyErr_Format(PyExc_ValueError, "response head cannot be sent: %s", gn_err_name(rc));
    }
    return GN_ERR_PYTHON;
}

/** What may be said about a body of that length: not "0" where there is none by rule. */
static uint64_t honest_length(const struct gn_wsgi_response *r, uint64_t length)
{
    if (!gn_http_status_has_body(r->status) || (r->writer.is_head && length == 0)) {
        return GN_LENGTH_UNKNOWN;
    }
    return length;
}

static enum gn_err make_head(struct gn_wsgi_response *r, uint64_t length)
{
    struct gn_http1_response response = describe(r, honest_length(r, length));
    enum gn_err rc = gn_http1_writer_head(&r->writer, &response, &r->bytes);

    if (rc != GN_OK) {
        return head_failed(r, rc);
    }
    r->stage = GN_WSGI_SENT;
    r->dropped_id = r->writer.dropped_id;
    return GN_OK;
}

static enum gn_err require_start(const struct gn_wsgi_response *r)
{
    if (r->stage != GN_WSGI_NONE) {
        return GN_OK;
    }
    PyErr_SetString(PyExc_AssertionError, "start_response() was not called before the body");
    return GN_ERR_PYTHON;
}

/* ---- whole bodies ------------------------------------------------------------ */

static enum gn_err measure(PyObject *const *items, Py_ssize_t n, uint64_t *total_out)
{
    uint64_t total = 0;

    for (Py_ssize_t i = 0; i < n; i++) {
        if (!PyBytes_Check(items[i])) {
            return not_bytes(items[i]);
        }
        total += (uint64_t)PyBytes_GET_SIZE(items[i]);
    }
    *total_out = total;
    return GN_OK;
}

/** The common case: one small piece, no length declared, a body allowed. */
static enum gn_err send_one(struct gn_wsgi_response *r, PyObject *object)
{
    struct gn_http1_response response = describe(r, GN_LENGTH_UNKNOWN);
    struct gn_slice body = gn_slice_of(PyBytes_AS_STRING(object), (size_t)PyBytes_GET_SIZE(object));
    enum gn_err rc = gn_http1_writer_reply(&r->writer, &response, body, &r->bytes);

    if (rc != GN_OK) {
        return head_failed(r, rc);
    }
    r->stage = GN_WSGI_ENDED;
    r->dropped_id = r->writer.dropped_id;
    return GN_OK;
}

enum gn_err gn_wsgi_response_send_all(
        struct gn_wsgi_response *r, PyObject *const *items, Py_ssize_t n)
{
    uint64_t total;

    GN_TRY(require_start(r));
    GN_TRY(measure(items, n, &total));
    if (n == 1 && total < LEND_MIN_BYTES && !r->headers.has_length && !r->writer.is_head &&
            gn_http_status_has_body(r->status)) {
        return send_one(r, items[0]);
    }
    GN_TRY(make_head(r, total));
    for (Py_ssize_t i = 0; i < n && gn_http1_writer_has_body(&r->writer); i++) {
        if (put_piece(r, items[i]) != GN_OK) {
            break;
        }
    }
    return gn_wsgi_response_end(r);
}

/* ---- streams ----------------------------------------------------------------- */

enum gn_err gn_wsgi_response_flush(struct gn_wsgi_response *r)
{
    struct gn_bufq all = {0};

    if (r->bytes.len == 0 && gn_bufq_is_empty(&r->out)) {
        return GN_OK;
    }
    gn_bufq_append(&all, gn_buf_slice(&r->bytes));
    gn_buf_clear(&r->bytes);
    gn_bufq_move(&all, &r->out);
    r->has_sent = true;
    return r->sink->send(r->sink->arg, &all);
}

/** There is no place for a piece behind the end, as write() in close() would want. */
static enum gn_err require_open(const struct gn_wsgi_response *r)
{
    if (r->stage != GN_WSGI_ENDED && !r->is_over) {
        return require_start(r);
    }
    PyErr_SetString(PyExc_RuntimeError, "write() after the end of the response");
    return GN_ERR_PYTHON;
}

/** Readies the head and the buffers for a piece. Returns: GN_OK, GN_ERR_CLOSED, GN_ERR_PYTHON */
static enum gn_err start_streaming(struct gn_wsgi_response *r, uint64_t length)
{
    GN_TRY(require_open(r));
    if (r->stage == GN_WSGI_SET) {
        GN_TRY(make_head(r, length));
    }
    if (!gn_http1_writer_has_body(&r->writer)) {
        return GN_ERR_CLOSED;
    }
    if (r->bytes.len > 0) {
        gn_bufq_append(&r->out, gn_buf_slice(&r->bytes)); /* `out` is empty: order is kept */
        gn_buf_clear(&r->bytes);
    }
    return GN_OK;
}

enum gn_err gn_wsgi_response_send(struct gn_wsgi_response *r, PyObject *piece, uint64_t length_hint)
{
    enum gn_err rc;
    enum gn_err sent;

    if (!PyBytes_Check(piece)) {
        return not_bytes(piece);
    }
    if (PyBytes_GET_SIZE(piece) == 0) {
        return require_open(r);
    }
    GN_TRY(start_streaming(r, length_hint));
    rc = put_piece(r, piece);
    sent = gn_wsgi_response_flush(r);
    return sent != GN_OK ? sent : rc;
}

static void close_fd(void *arg)
{
    (void)close((int)(intptr_t)arg);
}

enum gn_err gn_wsgi_response_send_file(struct gn_wsgi_response *r, struct gn_wsgi_file_range *range)
{
    struct gn_http1_piece piece;
    uint64_t len = range->len;
    enum gn_err rc = start_streaming(r, len);

    if (rc == GN_OK && r->writer.declared != GN_LENGTH_UNKNOWN) {
        len = GN_MIN(len, r->writer.declared - r->writer.n_body); /* PEP 3333: no further */
    }
    if (rc == GN_OK) {
        rc = gn_http1_writer_body(&r->writer, (size_t)len, &piece);
    }
    if (rc != GN_OK) {
        (void)close(range->fd);
        return rc;
    }
    gn_bufq_append(&r->out, piece.prefix);
    gn_bufq_lend_file(
            &r->out, range->fd, range->offset, piece.take, close_fd, (void *)(intptr_t)range->fd);
    gn_bufq_append(&r->out, piece.suffix);
    return GN_OK;
}

enum gn_err gn_wsgi_response_end(struct gn_wsgi_response *r)
{
    struct gn_slice tail;

    GN_TRY(require_start(r));
    if (r->stage == GN_WSGI_SET) {
        GN_TRY(make_head(r, 0));
    }
    if (gn_http1_writer_end(&r->writer, &tail) != GN_OK) {
        r->is_short = true;
    }
    append(r, tail);
    r->stage = GN_WSGI_ENDED;
    return GN_OK;
}

enum gn_err gn_wsgi_response_hint(struct gn_wsgi_response *r, PyObject *list)
{
    struct gn_wsgi_headers headers = {0};
    enum gn_err rc = GN_ERR_PYTHON;

    if (r->stage >= GN_WSGI_SENT) {
        PyErr_SetString(PyExc_RuntimeError, "early hints after the response's headers were sent");
        return GN_ERR_PYTHON;
    }
    if (gn_wsgi_headers_set(&headers, list) == 0) {
        rc = gn_http1_writer_interim(&r->writer, 103, headers.items, headers.n, &r->bytes);
        rc = rc == GN_OK ? gn_wsgi_response_flush(r) : head_failed(r, rc);
    }
    gn_wsgi_headers_fini(&headers);
    return rc;
}
