/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/attr.h"

#include "wsgi/file_wrapper_priv.h"
#include "wsgi/slots_priv.h"

/*
 * fileno() alone is not to be trusted: a GzipFile answers with the descriptor
 * of the compressed file, a text file with that of undecoded bytes, and
 * wrappers (tempfile, Django's File) pass the question on. So wrappers are
 * looked through by their `file` attribute, and only then is the descriptor
 * believed. The position is the object's own tell(), since a buffered reader's
 * descriptor is ahead of it.
 *
 * The descriptor is duplicated, because the application may close its file as
 * soon as close() is called, while the loop still sends.
 */

#define BLOCK_BYTES 8192
#define WRAPPERS_MAX 4 /* how deep `file` attributes are followed */

struct file_wrapper {
    PyObject ob_base;
    PyObject *filelike;
    PyObject *block_size;
};

static struct file_wrapper *as_wrapper(PyObject *object)
{
    return (struct file_wrapper *)(void *)object;
}

static PyObject *wrapper_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char name_filelike[] = "filelike";
    static char name_blksize[] = "blksize";
    static char *names[] = {name_filelike, name_blksize, NULL};
    PyObject *filelike;
    Py_ssize_t block_size = BLOCK_BYTES;
    PyObject *self;

    if (!PyArg_ParseTupleAndKeywords(
                args, kwargs, "O|n:FileWrapper", names, &filelike, &block_size)) {
        return NULL;
    }
    self = PyType_GenericAlloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    as_wrapper(self)->filelike = Py_NewRef(filelike);
    as_wrapper(self)->block_size = PyLong_FromSsize_t(block_size > 0 ? block_size : BLOCK_BYTES);
    if (as_wrapper(self)->block_size == NULL) {
        Py_CLEAR(self);
    }
    return self;
}

static PyObject *wrapper_next(PyObject *self)
{
    struct file_wrapper *w = as_wrapper(self);
    PyObject *name = PyUnicode_InternFromString("read");
    PyObject *block;

    if (name == NULL) {
        return NULL;
    }
    block = PyObject_CallMethodOneArg(w->filelike, name, w->block_size);
    Py_DECREF(name);
    if (block != NULL && PyObject_Size(block) <= 0) {
        Py_CLEAR(block); /* empty: the end, StopIteration; negative: the exception is set */
    }
    return block;
}

static PyObject *wrapper_close(PyObject *self, PyObject *unused)
{
    PyObject *close = PyObject_GetAttrString(as_wrapper(self)->filelike, "close");
    PyObject *result;

    (void)unused;
    if (close == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return NULL;
        }
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    result = PyObject_CallNoArgs(close);
    Py_DECREF(close);
    return result;
}

static int wrapper_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_wrapper(self)->filelike);
    return 0;
}

static int wrapper_clear(PyObject *self)
{
    Py_CLEAR(as_wrapper(self)->filelike);
    return 0;
}

static void wrapper_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    (void)wrapper_clear(self);
    Py_CLEAR(as_wrapper(self)->block_size);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef wrapper_methods[] = {
        {"close", wrapper_close, METH_NOARGS, NULL},
        {NULL, NULL, 0, NULL},
};

PyTypeObject *gn_wsgi_file_wrapper_type_create(void)
{
    static PyType_Slot slots[] = {
            GN_WSGI_SLOT(Py_tp_new, wrapper_new),
            GN_WSGI_SLOT(Py_tp_dealloc, wrapper_dealloc),
            GN_WSGI_SLOT(Py_tp_traverse, wrapper_traverse),
            GN_WSGI_SLOT(Py_tp_clear, wrapper_clear),
            GN_WSGI_SLOT(Py_tp_iter, PyObject_SelfIter),
            GN_WSGI_SLOT(Py_tp_iternext, wrapper_next),
            {Py_tp_methods, wrapper_methods},
            {0, NULL},
    };
    static PyType_Spec spec = {
            .name = "gustnado.wsgi.FileWrapper",
            .basicsize = sizeof(struct file_wrapper),
            .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
            .slots = slots,
    };

    return (PyTypeObject *)(void *)PyType_FromSpec(&spec);
}

/** 1 when `object` is an instance of a class that is already imported, 0 when not, -1 raised. */
static int is_instance_of(PyObject *object, const char *module_name, const char *class_name)
{
    PyObject *name = PyUnicode_FromString(module_name);
    PyObject *module;
    PyObject *cls;
    int result;

    if (name == NULL) {
        return -1;
    }
    module = PyImport_GetModule(name);
    Py_DECREF(name);
    if (module == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    cls = PyObject_GetAttrString(module, class_name);
    Py_DECREF(module);
    if (cls == NULL) {
        return -1;
    }
    result = PyObject_IsInstance(object, cls);
    Py_DECREF(cls);
    return result;
}

/** 1 when read() gives other bytes than the descriptor does, 0 when not, -1 raised. */
static int changes_bytes(PyObject *file)
{
    static const char *const classes[][2] = {
            {"io", "TextIOBase"}, {"_compression", "BaseStream"}, /* gzip, bz2, lzma to 3.13 */
            {"compression._common._streams", "BaseStream"},       /* the same from 3.14 */
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(classes); i++) {
        int result = is_instance_of(file, classes[i][0], classes[i][1]);

        if (result != 0) {
            return result;
        }
    }
    return 0;
}

/** The descriptor whose bytes reading the object yields, or -1 (perhaps with an exception). */
static int trusted_fileno(PyObject *filelike)
{
    PyObject *file = Py_NewRef(filelike);
    int changed = changes_bytes(file);

    for (int depth = 0; changed == 0 && depth < WRAPPERS_MAX; depth++) {
        PyObject *inner = PyObject_GetAttrString(file, "file");

        if (inner == NULL) {
            PyErr_Clear();
            break;
        }
        Py_SETREF(file, inner);
        changed = changes_bytes(file);
    }
    Py_DECREF(file);
    if (changed != 0 || !PyObject_HasAttrString(filelike, "fileno")) {
        return -1;
    }
    return PyObject_AsFileDescriptor(filelike);
}

/** Where reading would go on; negative when that is not known. */
static int64_t position_of(PyObject *filelike, int fd)
{
    PyObject *position;
    long long value;

    if (!PyObject_HasAttrString(filelike, "tell")) {
        return (int64_t)lseek(fd, 0, SEEK_CUR);
    }
    position = PyObject_CallMethod(filelike, "tell", NULL);
    if (position == NULL) {
        return -1;
    }
    value = PyLong_AsLongLong(position);
    Py_DECREF(position);
    return value;
}

/** Opened for writing alone it is no file to send: read() shall say so in the application. */
static bool is_readable(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_ACCMODE) != O_WRONLY;
}

bool gn_wsgi_file_wrapper_open(PyObject *wrapper, struct gn_wsgi_file_range *range_out)
{
    PyObject *filelike = as_wrapper(wrapper)->filelike;
    int fd = trusted_fileno(filelike);
    int64_t offset = fd >= 0 ? position_of(filelike, fd) : -1;
    struct stat st;

    PyErr_Clear();
    if (offset < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !is_readable(fd)) {
        return false;
    }
    if (offset >= st.st_size) {
        return false; /* at its end, or a file of /proc, which has no size but can be read */
    }
    range_out->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    range_out->offset = (uint64_t)offset;
    range_out->len = (uint64_t)(st.st_size - offset);
    return range_out->fd >= 0;
}
