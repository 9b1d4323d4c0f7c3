/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <structmember.h>

#include "server/base/alloc.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/input_priv.h"
#include "wsgi/reader_priv.h"
#include "wsgi/slots_priv.h"

/*
 * Reading from memory is a copy from where the loop collected the bytes.
 * Reading from the spool file goes straight into the result for read(); for
 * lines there is one window of the file, found by its offset, which a read of
 * something else may replace at any time: position is ours, not the file's.
 *
 * `busy` is set while the GIL is given up around a read of the file. The body
 * must live that long, so a finish that comes meanwhile only leaves a note.
 */

#define WINDOW_BYTES 32768

struct input {
    struct gn_wsgi_reader reader;
    struct gn_body body; /* valid while has_body */
    bool has_body;       /* false also stands for an empty body */
    uint64_t at;         /* next byte to read; seek may put it beyond the end */
    char *window;
    uint64_t window_at;
    size_t window_len;
};

static struct input *as_input(PyObject *object)
{
    return (struct input *)(void *)object;
}

static uint64_t body_len(const struct input *in)
{
    return in->has_body ? in->body.len : 0;
}

static uint64_t bytes_left(const struct input *in)
{
    uint64_t len = body_len(in);

    return in->at < len ? len - in->at : 0;
}

static void drop_body(struct input *in)
{
    if (in->has_body) {
        gn_body_fini(&in->body);
        in->has_body = false;
    }
    in->window_len = 0;
    in->reader.finish_wanted = false;
}

static int check_open(const struct input *in)
{
    return gn_wsgi_reader_check(&in->reader);
}

/** Fills `into` from the spool file, without the GIL; 0, or -1 with OSError. */
static int read_file(struct input *in, uint64_t offset, char *into, size_t size)
{
    enum gn_err rc = GN_OK;
    size_t n = 0;

    in->reader.busy = true;
    Py_BEGIN_ALLOW_THREADS;
    while (rc == GN_OK && size > 0) {
        rc = gn_body_read(&in->body, offset, into, size, &n);
        if (rc == GN_OK && n == 0) {
            rc = GN_ERR_IO;
        }
        offset += n;
        into += n;
        size -= GN_MIN(n, size);
    }
    Py_END_ALLOW_THREADS;
    in->reader.busy = false;
    if (in->reader.finish_wanted) {
        drop_body(in);
    }
    if (rc != GN_OK) {
        PyErr_SetString(PyExc_OSError, "reading the spooled request body failed");
        return -1;
    }
    return 0;
}

static int copy_out(struct input *in, uint64_t offset, char *into, size_t size)
{
    struct gn_slice memory;

    if (size == 0) {
        return 0;
    }
    memory = gn_body_peek(&in->body);
    if (memory.ptr == NULL) {
        return read_file(in, offset, into, size);
    }
    memcpy(into, memory.ptr + offset, size);
    return 0;
}

/** The next `size` (at most what is left) bytes as a bytes object; moves on. */
static PyObject *take_bytes(struct input *in, uint64_t size)
{
    PyObject *bytes;

    if (size > PY_SSIZE_T_MAX) {
        return PyErr_NoMemory();
    }
    bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes == NULL) {
        return NULL;
    }
    if (copy_out(in, in->at, PyBytes_AS_STRING(bytes), (size_t)size) != 0) {
        Py_DECREF(bytes);
        return NULL;
    }
    in->at += size;
    return bytes;
}

static PyObject *input_read(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct input *in = as_input(self);
    uint64_t size;

    if (gn_wsgi_reader_size_arg(args, n_args, "read", &size) != 0 || check_open(in) != 0) {
        return NULL;
    }
    return take_bytes(in, GN_MIN(size, bytes_left(in)));
}

/** Makes the window hold the byte at `offset`, which lies before the end. */
static int load_window(struct input *in, uint64_t offset)
{
    size_t size = (size_t)GN_MIN((uint64_t)WINDOW_BYTES, in->body.len - offset);

    if (offset >= in->window_at && offset - in->window_at < in->window_len) {
        return 0;
    }
    if (in->window == NULL) {
        in->window = gn_xalloc(WINDOW_BYTES);
    }
    in->window_len = 0;
    if (read_file(in, offset, in->window, size) != 0) {
        return -1;
    }
    if (in->has_body) {
        in->window_at = offset;
        in->window_len = size;
    }
    return 0;
}

/** Memory that starts at `offset` (before the end): all of it, or what the window holds. */
static int peek_at(struct input *in, uint64_t offset, struct gn_slice *out)
{
    struct gn_slice memory = gn_body_peek(&in->body);

    if (memory.ptr != NULL) {
        *out = gn_slice_skip(memory, (size_t)offset);
        return 0;
    }
    if (load_window(in, offset) != 0) {
        return -1;
    }
    if (!in->has_body) {
        (void)check_open(in); /* it was finished while the window was read: says so */
        return -1;
    }
    *out = gn_slice_skip(gn_slice_of(in->window, in->window_len), (size_t)(offset - in->window_at));
    return 0;
}

/** The length of the line that starts here, its newline included, at most `max`. */
static int measure_line(struct input *in, uint64_t max, uint64_t *len_out)
{
    uint64_t limit = GN_MIN(max, bytes_left(in));
    uint64_t len = 0;

    while (len < limit) {
        struct gn_slice part;
        const char *newline;

        if (peek_at(in, in->at + len, &part) != 0) {
            return -1;
        }
        part.len = (size_t)GN_MIN((uint64_t)part.len, limit - len);
        newline = memchr(part.ptr, '\n', part.len);
        if (newline != NULL) {
            len += (uint64_t)(newline - part.ptr) + 1;
            break;
        }
        len += part.len;
    }
    *len_out = len;
    return 0;
}

static PyObject *take_line(struct gn_wsgi_reader *reader, uint64_t max)
{
    struct input *in = GN_CONTAINER_OF(reader, struct input, reader);
    struct gn_slice part;
    uint64_t len;
    PyObject *line;

    if (measure_line(in, max, &len) != 0) {
        return NULL;
    }
    if (len == 0) {
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    if (peek_at(in, in->at, &part) != 0) {
        return NULL;
    }
    if (part.len < len) {
        return take_bytes(in, len);
    }
    line = PyBytes_FromStringAndSize(part.ptr, (Py_ssize_t)len);
    if (line != NULL) {
        in->at += len;
    }
    return line;
}

static PyObject *input_readinto(PyObject *self, PyObject *target)
{
    struct input *in = as_input(self);
    Py_buffer view;
    uint64_t size;
    int failed;

    if (check_open(in) != 0 || PyObject_GetBuffer(target, &view, PyBUF_WRITABLE) != 0) {
        return NULL;
    }
    size = GN_MIN((uint64_t)view.len, bytes_left(in));
    failed = copy_out(in, in->at, view.buf, (size_t)size);
    PyBuffer_Release(&view);
    if (failed) {
        return NULL;
    }
    in->at += size;
    return PyLong_FromUnsignedLongLong(size);
}

static int seek_base(struct input *in, int whence, uint64_t *base_out)
{
    switch (whence) {
    case 0:
        *base_out = 0;
        return 0;
    case 1:
        *base_out = in->at;
        return 0;
    case 2:
        *base_out = body_len(in);
        return 0;
    default:
        PyErr_Format(PyExc_ValueError, "invalid whence (%d, should be 0, 1 or 2)", whence);
        return -1;
    }
}

static PyObject *input_seek(PyObject *self, PyObject *args)
{
    struct input *in = as_input(self);
    long long offset;
    int whence = 0;
    uint64_t base;

    if (!PyArg_ParseTuple(args, "L|i:seek", &offset, &whence) || check_open(in) != 0 ||
            seek_base(in, whence, &base) != 0) {
        return NULL;
    }
    if (whence == 0 && offset < 0) {
        return PyErr_Format(PyExc_ValueError, "negative seek value %lld", offset);
    }
    if (offset < 0) {
        uint64_t back = (uint64_t) - (offset + 1) + 1;

        in->at = back < base ? base - back : 0; /* as io.BytesIO: never before the start */
    } else if ((uint64_t)offset > (uint64_t)INT64_MAX - base) {
        return PyErr_Format(PyExc_OverflowError, "new position too large");
    } else {
        in->at = base + (uint64_t)offset;
    }
    return PyLong_FromUnsignedLongLong(in->at);
}

static PyObject *input_tell(PyObject *self, PyObject *unused)
{
    struct input *in = as_input(self);

    (void)unused;
    return check_open(in) == 0 ? PyLong_FromUnsignedLongLong(in->at) : NULL;
}

static void input_dealloc(PyObject *self)
{
    struct input *in = as_input(self);
    PyTypeObject *type = Py_TYPE(self);

    drop_body(in);
    gn_free(in->window);
    PyObject_Free(self);
    Py_DECREF(type);
}

GN_WSGI_GUARDED_FASTCALL(input_read)
GN_WSGI_GUARDED_METHOD(input_readinto)
GN_WSGI_GUARDED_METHOD(input_seek)
GN_WSGI_GUARDED_METHOD(input_tell)

static PyMethodDef input_methods[] = {
        {"read", GN_WSGI_FASTCALL(input_read_guarded), METH_FASTCALL, NULL},
        {"read1", GN_WSGI_FASTCALL(input_read_guarded), METH_FASTCALL, NULL},
        {"readinto", input_readinto_guarded, METH_O, NULL},
        {"readinto1", input_readinto_guarded, METH_O, NULL},
        {"seek", input_seek_guarded, METH_VARARGS, NULL},
        {"tell", input_tell_guarded, METH_NOARGS, NULL},
        {"seekable", gn_wsgi_reader_true, METH_NOARGS, NULL},
        {NULL, NULL, 0, NULL},
};

PyTypeObject *gn_wsgi_input_type_create(void)
{
    static PyType_Slot slots[] = {
            GN_WSGI_SLOT(Py_tp_dealloc, input_dealloc),
            {Py_tp_methods, input_methods},
            {0, NULL},
    };
    static PyType_Spec spec = {
            .name = "gustnado.wsgi.Input",
            .basicsize = sizeof(struct input),
            .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
            .slots = slots,
    };

    return gn_wsgi_reader_derive(&spec);
}

PyObject *gn_wsgi_input_new(PyTypeObject *type)
{
    PyObject *object = PyType_GenericAlloc(type, 0);

    if (object != NULL) {
        gn_wsgi_reader_of(object)->take_line = take_line;
    }
    return object; /* otherwise zeroed: finished, without a body */
}

void gn_wsgi_input_start(PyObject *input, struct gn_body *take)
{
    struct input *in = as_input(input);

    gn_assert(in->reader.state == GN_WSGI_READER_FINISHED && !in->reader.busy);
    in->reader.state = GN_WSGI_READER_OPEN;
    in->at = 0;
    if (take != NULL) {
        gn_body_move(take, &in->body);
        in->has_body = true;
    }
}

void gn_wsgi_input_finish(PyObject *input)
{
    struct input *in = as_input(input);
    struct gn_py_section section;

    gn_py_section_begin(&section, input);
    in->reader.state = GN_WSGI_READER_FINISHED;
    if (in->reader.busy) {
        in->reader.finish_wanted = true;
    } else {
        drop_body(in);
    }
    gn_py_section_end(&section);
}
