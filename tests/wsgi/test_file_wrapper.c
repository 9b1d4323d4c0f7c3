/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "tests/support/test.h"
#include "tests/wsgi/wsgi_fixture.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/file_wrapper_priv.h"

TestSuite(file_wrapper, .init = wsgi_python_start, .fini = wsgi_python_stop);

/** Globals with Wrapper, some modules, and `f`, a temporary file of "0123456789" at 0. */
static PyObject *wrapper_globals(void)
{
    gn_assert_gil();
    PyTypeObject *type = gn_wsgi_file_wrapper_type_create();
    PyObject *globals = wsgi_globals("Wrapper", (PyObject *)type);

    wsgi_run(globals,
            "import io, os, tempfile, gzip\n"
            "f = tempfile.TemporaryFile()\n"
            "f.write(b'0123456789'); f.flush(); f.seek(0)\n");
    Py_DECREF(type);
    return globals;
}

Test(file_wrapper, iterates_in_blocks)
{
    PyObject *globals = wrapper_globals();

    wsgi_run(globals,
            "assert list(Wrapper(f, 4)) == [b'0123', b'4567', b'89']\n"
            "assert list(Wrapper(io.BytesIO(b'abc'))) == [b'abc']\n"
            "assert list(Wrapper(io.BytesIO(b''), blksize=2)) == []\n"
            "assert list(Wrapper(io.BytesIO(b'x' * 8193), 0)) == [b'x' * 8192, b'x']\n"
            "w = Wrapper(f); assert iter(w) is w\n");
    cr_assert(wsgi_raises(globals, "Wrapper()", "TypeError"));
    cr_assert(wsgi_raises(globals, "Wrapper(f, 'x')", "TypeError"));
    cr_assert(wsgi_raises(globals, "next(Wrapper(5))", "AttributeError"));
    Py_DECREF(globals);
}

Test(file_wrapper, closes_what_can_be_closed)
{
    PyObject *globals = wrapper_globals();

    wsgi_run(globals,
            "Wrapper(f).close(); assert f.closed\n"
            "class NoClose:\n"
            "    def read(self, n): return b''\n"
            "Wrapper(NoClose()).close()\n"
            "class Raises(NoClose):\n"
            "    def close(self): raise KeyError('close')\n");
    cr_assert(wsgi_raises(globals, "Wrapper(Raises()).close()", "KeyError"));
    Py_DECREF(globals);
}

Test(file_wrapper, is_collected_in_a_cycle)
{
    PyObject *globals = wrapper_globals();

    wsgi_run(globals,
            "import gc, weakref\n"
            "class File:\n"
            "    def read(self, n): return b''\n"
            "file = File(); file.wrapper = Wrapper(file); watch = weakref.ref(file)\n"
            "del file; gc.collect(); assert watch() is None\n");
    Py_DECREF(globals);
}

static bool opens(PyObject *globals, const char *expression, struct gn_wsgi_file_range *range)
{
    gn_assert_gil();
    PyObject *wrapper = PyRun_String(expression, Py_eval_input, globals, globals);
    bool opened;

    cr_assert_not_null(wrapper, "%s", expression);
    opened = gn_wsgi_file_wrapper_open(wrapper, range);
    cr_assert_null(PyErr_Occurred());
    Py_DECREF(wrapper);
    return opened;
}

Test(file_wrapper, opens_regular_files_from_where_they_are)
{
    static const struct {
        const char *expression;
        uint64_t offset;
    } cases[] = {
            {"Wrapper(f)", 0},
            {"[f.seek(3), Wrapper(f)][1]", 3},
            {"[f.seek(0), f.read(2), Wrapper(f)][2]", 2}, /* the descriptor is at 10 by now */
            {"[f.seek(1), Wrapper(Proxy())][1]", 1},
            {"[Named.seek(4), Wrapper(Named)][1]", 4},
            {"[os.lseek(f.fileno(), 5, 0), Wrapper(OnlyFileno())][1]", 5},
    };
    PyObject *globals = wrapper_globals();

    wsgi_run(globals,
            "class OnlyFileno:\n"
            "    def fileno(self): return f.fileno()\n"
            "    def read(self, n): return f.read(n)\n"
            "class Proxy(OnlyFileno):\n"
            "    file = f\n"
            "    def tell(self): return f.tell()\n"
            "Named = tempfile.NamedTemporaryFile()\n"
            "Named.write(b'0123456789'); Named.flush()\n");
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_wsgi_file_range range;
        char byte;

        cr_assert(opens(globals, cases[i].expression, &range), "%s", cases[i].expression);
        cr_assert_eq(range.offset, cases[i].offset, "%s", cases[i].expression);
        cr_assert_eq(range.len, 10 - cases[i].offset, "%s", cases[i].expression);
        cr_assert_eq(pread(range.fd, &byte, 1, (off_t)range.offset), 1);
        cr_assert_eq(byte, (char)('0' + cases[i].offset));
        cr_assert_eq(close(range.fd), 0);
    }
    Py_DECREF(globals);
}

Test(file_wrapper, does_not_open_what_reads_otherwise)
{
    static const char *const cases[] = {
            "Wrapper(io.BytesIO(b'x'))", "Wrapper(open(os.pipe()[0], 'rb'))",
            "Wrapper(open('/proc/self/stat', 'rb'))",
            "Wrapper(gzip.GzipFile(fileobj=other, mode='rb'))",
            "Wrapper(Proxy(gzip.GzipFile(fileobj=other, mode='rb')))", "Wrapper(Broken())",
            "Wrapper(NoNumber())", "Wrapper(object())", "[f.seek(10), Wrapper(f)][1]",
            "[f.seek(100), Wrapper(f)][1]", "[f.close(), Wrapper(f)][1]",
            "Wrapper(open(os.open(Other.name, os.O_WRONLY), 'wb'))",
            "Wrapper(io.TextIOWrapper(other))", /* closes `other` when it goes */
    };
    PyObject *globals = wrapper_globals();
    struct gn_wsgi_file_range range;

    wsgi_run(globals,
            "other = open(os.dup(f.fileno()), 'rb')\n"
            "Other = tempfile.NamedTemporaryFile()\n"
            "Other.write(b'x'); Other.flush()\n"
            "class Proxy:\n"
            "    def __init__(self, file): self.file = file\n"
            "    def fileno(self): return self.file.fileno()\n"
            "    def read(self, n): return self.file.read(n)\n"
            "class Broken:\n"
            "    def fileno(self): raise RuntimeError\n"
            "class NoNumber:\n"
            "    def fileno(self): return 'three'\n");
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert(!opens(globals, cases[i], &range), "%s", cases[i]);
    }
    Py_DECREF(globals);
}
