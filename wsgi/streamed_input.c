/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <errno.h>

#include "server/base/alloc.h"
#include "server/proto/http1_writer.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/reader_priv.h"
#include "wsgi/slots_priv.h"
#include "wsgi/streamed_input_priv.h"

/*
 * What the loop has given lies in `queue` until the application takes it. Only
 * when that is empty is the loop asked for more, first without waiting, for
 * mostly something is there; then without the GIL.
 *
 * `busy` is set during such a wait. A finish that comes meanwhile (another
 * thread of the application reads on while the call ends) cancels the wait and
 * leaves the rest to whoever waited.
 *
 * The response's keep_alive is decided when its head is made, mostly before
 * the body was read to its end. So it says at each moment what would be right:
 * false while the client may have to be cut off in the middle of its body.
 */

struct streamed {
    struct gn_wsgi_reader reader;
    struct gn_wsgi_upload upload;
    struct gn_bufq queue;
    uint64_t at;          /* bytes the application has read */
    unsigned long worker; /* the thread that makes the call */
    bool may_keep;        /* the connection may go on, as far as the request is concerned */
    bool has_asked;
    bool has_ended; /* everything was read */
};

static struct streamed *as_streamed(PyObject *object)
{
    return (struct streamed *)(void *)object;
}

/** In a child that the application forked nobody gives, and the lock may be held for ever. */
static bool is_in_child(const struct streamed *in)
{
    return in->upload.pyexec != NULL && gn_pyexec_is_forked(in->upload.pyexec);
}

/** Once only: an input that the application keeps may outlive the executor. */
static void let_go(struct streamed *in)
{
    if (in->upload.intake != NULL && GN_UNLIKELY(is_in_child(in))) {
        in->upload.intake = NULL;
    }
    gn_intake_close(&in->upload.intake);
    gn_bufq_clear(&in->queue);
    in->reader.finish_wanted = false;
}

static int check_open(const struct streamed *in)
{
    return gn_wsgi_reader_check(&in->reader);
}

/* ---- from the loop --------------------------------------------------------- */

/** Says whether the connection may go on if the response began now. */
static void judge(struct streamed *in)
{
    const struct gn_wsgi_upload *u = &in->upload;
    bool will_come = in->has_asked || !u->expects_continue;
    uint64_t left = u->length != GN_LENGTH_UNKNOWN ? u->length - in->at : 0;

    if (u->keep_alive != NULL) {
        *u->keep_alive = in->may_keep && (in->has_ended || (will_come && left <= u->drain_bytes));
    }
}

static int raise_in_child(void)
{
    PyErr_SetString(PyExc_RuntimeError,
            "wsgi.input arrives in the process that serves the request, not in one forked from "
            "it: read it there, before the fork or after");
    return -1;
}

static int raise_end(enum gn_err rc)
{
    static const struct {
        enum gn_err rc;
        int sys_errno; /* which class of OSError it becomes */
        const char *text;
    } ends[] = {
            {GN_ERR_GONE, ECONNRESET, "client disconnected"},
            {GN_ERR_TIMEOUT, ETIMEDOUT, "the request body came too slowly"},
            {GN_ERR_CLOSED, ETIMEDOUT, "the time to answer the request is over"},
            {GN_ERR_CANCELLED, ECONNABORTED, "the server is stopping"},
            {GN_ERR_TOO_BIG, EFBIG, "the request body is too long"},
            {GN_ERR_PROTOCOL, EBADMSG, "the request body is malformed"},
    };
    int sys_errno = EIO;
    const char *text = "the request body could not be read";
    PyObject *exception;

    for (size_t i = 0; i < GN_ARRAY_LEN(ends); i++) {
        if (ends[i].rc == rc) {
            sys_errno = ends[i].sys_errno;
            text = ends[i].text;
        }
    }
    exception = PyObject_CallFunction(PyExc_OSError, "is", sys_errno, text);
    if (exception != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        Py_DECREF(exception);
    }
    return -1;
}

struct waiting {
    struct gn_intake *intake;
    struct gn_bufq *into;
    enum gn_err result;
};

/** No deadline of its own: those of the connection and of the call end the intake. */
static void wait_blocking(void *arg)
{
    struct waiting *w = arg;

    w->result = gn_intake_read(w->intake, w->into, GN_NEVER);
}

static enum gn_err wait_for_content(struct streamed *in)
{
    struct waiting w = {.intake = in->upload.intake, .into = &in->queue};

    gn_assert_gil();
    in->reader.busy = true;
    if (PyThread_get_thread_ident() == in->worker) {
        gn_pyexec_without_gil(in->upload.pyexec, wait_blocking, &w);
    } else {
        Py_BEGIN_ALLOW_THREADS;
        wait_blocking(&w);
        Py_END_ALLOW_THREADS;
    }
    in->reader.busy = false;
    if (in->reader.finish_wanted) {
        let_go(in);
    }
    return w.result;
}

/** 1: the queue holds something; 0: there is no more; -1 with an exception. */
static int await_content(struct streamed *in)
{
    enum gn_err rc;

    if (!gn_bufq_is_empty(&in->queue)) {
        return 1;
    }
    if (in->has_ended) {
        return 0;
    }
    if (GN_UNLIKELY(is_in_child(in))) {
        return raise_in_child();
    }
    in->has_asked = true;
    judge(in);
    rc = gn_intake_read(in->upload.intake, &in->queue, 0);
    if (rc == GN_ERR_TIMEOUT) {
        rc = wait_for_content(in);
        if (check_open(in) != 0) {
            return -1;
        }
    }
    if (rc == GN_ERR_EOF) {
        in->has_ended = true;
        judge(in);
        return 0;
    }
    return rc == GN_OK ? 1 : raise_end(rc);
}

static struct gn_slice front(const struct streamed *in)
{
    struct iovec iov = {0};

    (void)gn_bufq_peek(&in->queue, &iov, 1);
    return gn_slice_of(iov.iov_base, iov.iov_len);
}

static void consume(struct streamed *in, size_t n)
{
    gn_bufq_consume(&in->queue, n);
    in->at += n;
    in->has_ended = in->has_ended || in->at == in->upload.length;
    judge(in);
}

/* ---- to the application ---------------------------------------------------- */

/** A bytes object that grows by doubling: a length that a client claims is not believed. */
struct collector {
    PyObject *bytes;
    size_t len;
};

static int collect(struct collector *c, struct gn_slice part)
{
    size_t cap = c->bytes != NULL ? (size_t)PyBytes_GET_SIZE(c->bytes) : 0;
    size_t needed = c->len + part.len;

    if (c->bytes == NULL) {
        c->bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)part.len);
    } else if (needed > cap) {
        (void)_PyBytes_Resize(&c->bytes, (Py_ssize_t)GN_MAX(2 * cap, needed));
    }
    if (c->bytes == NULL) {
        return -1;
    }
    memcpy(PyBytes_AS_STRING(c->bytes) + c->len, part.ptr, part.len);
    c->len = needed;
    return 0;
}

static PyObject *collected(struct collector *c)
{
    if (c->bytes == NULL) {
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    if (c->len < (size_t)PyBytes_GET_SIZE(c->bytes)) {
        (void)_PyBytes_Resize(&c->bytes, (Py_ssize_t)c->len);
    }
    return c->bytes;
}

/** The next `max` bytes, fewer only at the end of the body or, for a line, of the line. */
static PyObject *take_bytes(struct streamed *in, uint64_t max, bool is_line)
{
    struct collector c = {.bytes = NULL};
    const char *newline = NULL;
    int more = 1;

    while (more > 0 && newline == NULL && c.len < max) {
        struct gn_slice part;

        more = await_content(in);
        if (more <= 0) {
            break;
        }
        part = front(in);
        part.len = (size_t)GN_MIN((uint64_t)part.len, max - c.len);
        newline = is_line ? memchr(part.ptr, '\n', part.len) : NULL;
        if (newline != NULL) {
            part.len = (size_t)(newline - part.ptr) + 1;
        }
        more = collect(&c, part) == 0 ? 1 : -1;
        consume(in, part.len);
    }
    if (more < 0) {
        Py_CLEAR(c.bytes);
        return NULL;
    }
    return collected(&c);
}

static PyObject *streamed_read(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct streamed *in = as_streamed(self);
    uint64_t size;

    if (gn_wsgi_reader_size_arg(args, n_args, "read", &size) != 0 || check_open(in) != 0) {
        return NULL;
    }
    return take_bytes(in, size, false);
}

/** What is there, and only when nothing is, a wait. */
static PyObject *streamed_read1(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct streamed *in = as_streamed(self);
    uint64_t size;
    int more;

    if (gn_wsgi_reader_size_arg(args, n_args, "read1", &size) != 0 || check_open(in) != 0) {
        return NULL;
    }
    more = size > 0 ? await_content(in) : 0;
    if (more < 0) {
        return NULL;
    }
    return take_bytes(in, more > 0 ? GN_MIN(size, (uint64_t)front(in).len) : 0, false);
}

static PyObject *take_line(struct gn_wsgi_reader *reader, uint64_t max)
{
    return take_bytes(GN_CONTAINER_OF(reader, struct streamed, reader), max, true);
}

/** Fills `view`, or takes what one wait gives; -1 with an exception. */
static Py_ssize_t fill(struct streamed *in, const Py_buffer *view, bool is_patient)
{
    Py_ssize_t n = 0;
    int more = 1;

    while (n < view->len && (n == 0 || is_patient) && (more = await_content(in)) > 0) {
        struct gn_slice part = front(in);

        part.len = GN_MIN(part.len, (size_t)(view->len - n));
        memcpy((char *)view->buf + n, part.ptr, part.len);
        consume(in, part.len);
        n += (Py_ssize_t)part.len;
    }
    return more < 0 ? -1 : n;
}

static PyObject *read_into(PyObject *self, PyObject *target, bool is_patient)
{
    struct streamed *in = as_streamed(self);
    Py_buffer view;
    Py_ssize_t n;

    if (check_open(in) != 0 || PyObject_GetBuffer(target, &view, PyBUF_WRITABLE) != 0) {
        return NULL;
    }
    n = fill(in, &view, is_patient);
    PyBuffer_Release(&view);
    return n >= 0 ? PyLong_FromSsize_t(n) : NULL;
}

static PyObject *streamed_readinto(PyObject *self, PyObject *target)
{
    return read_into(self, target, true);
}

static PyObject *streamed_readinto1(PyObject *self, PyObject *target)
{
    return read_into(self, target, false);
}

/* ---- what is no reading ---------------------------------------------------- */

static PyObject *raise_unsupported(PyObject *self, const char *what)
{
    PyObject *io = check_open(as_streamed(self)) == 0 ? PyImport_ImportModule("io") : NULL;
    PyObject *type = io != NULL ? PyObject_GetAttrString(io, "UnsupportedOperation") : NULL;

    if (type != NULL) {
        PyErr_Format(type, "%s: this wsgi.input is read while it arrives", what);
    }
    Py_XDECREF(type);
    Py_XDECREF(io);
    return NULL;
}

static PyObject *streamed_seek(PyObject *self, PyObject *unused)
{
    (void)unused;
    return raise_unsupported(self, "seek");
}

static PyObject *streamed_tell(PyObject *self, PyObject *unused)
{
    (void)unused;
    return raise_unsupported(self, "tell");
}

/* ---- life ------------------------------------------------------------------ */

static void streamed_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    let_go(as_streamed(self));
    PyObject_Free(self);
    Py_DECREF(type);
}

GN_WSGI_GUARDED_FASTCALL(streamed_read)
GN_WSGI_GUARDED_FASTCALL(streamed_read1)
GN_WSGI_GUARDED_METHOD(streamed_readinto)
GN_WSGI_GUARDED_METHOD(streamed_readinto1)
GN_WSGI_GUARDED_METHOD(streamed_seek)
GN_WSGI_GUARDED_METHOD(streamed_tell)

static PyMethodDef streamed_methods[] = {
        {"read", GN_WSGI_FASTCALL(streamed_read_guarded), METH_FASTCALL, NULL},
        {"read1", GN_WSGI_FASTCALL(streamed_read1_guarded), METH_FASTCALL, NULL},
        {"readinto", streamed_readinto_guarded, METH_O, NULL},
        {"readinto1", streamed_readinto1_guarded, METH_O, NULL},
        {"seek", streamed_seek_guarded, METH_VARARGS, NULL},
        {"tell", streamed_tell_guarded, METH_NOARGS, NULL},
        {"seekable", gn_wsgi_reader_false, METH_NOARGS, NULL},
        {NULL, NULL, 0, NULL},
};

PyTypeObject *gn_wsgi_streamed_input_type_create(void)
{
    static PyType_Slot slots[] = {
            GN_WSGI_SLOT(Py_tp_dealloc, streamed_dealloc),
            {Py_tp_methods, streamed_methods},
            {0, NULL},
    };
    static PyType_Spec spec = {
            .name = "gustnado.wsgi.StreamedInput",
            .basicsize = sizeof(struct streamed),
            .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
            .slots = slots,
    };

    return gn_wsgi_reader_derive(&spec);
}

PyObject *gn_wsgi_streamed_input_new(PyTypeObject *type, struct gn_wsgi_upload *upload)
{
    PyObject *object = PyType_GenericAlloc(type, 0);
    struct streamed *in = as_streamed(object);

    if (object != NULL) {
        in->reader.take_line = take_line;
        in->upload = *upload;
        upload->intake = NULL;
        in->worker = PyThread_get_thread_ident();
        in->may_keep = *upload->keep_alive;
        in->reader.state = GN_WSGI_READER_OPEN;
        judge(in);
    }
    return object;
}

void gn_wsgi_streamed_input_ask(PyObject *input)
{
    struct streamed *in = as_streamed(input);
    struct gn_py_section section;

    gn_py_section_begin(&section, input);
    if (!in->reader.busy && !in->has_asked) {
        in->has_asked = true;
        judge(in);
        gn_intake_ask_quietly(in->upload.intake);
    }
    gn_py_section_end(&section);
}

void gn_wsgi_streamed_input_finish(PyObject *input)
{
    struct streamed *in = as_streamed(input);
    struct gn_py_section section;

    gn_py_section_begin(&section, input);
    in->reader.state = GN_WSGI_READER_FINISHED;
    in->upload.keep_alive = NULL;
    if (in->reader.busy && !is_in_child(in)) {
        in->reader.finish_wanted = true;
        gn_intake_cancel(in->upload.intake);
    } else {
        let_go(in);
    }
    gn_py_section_end(&section);
}
