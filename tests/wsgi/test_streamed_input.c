/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/proto/http1_writer.h"
#include "tests/support/test.h"
#include "tests/wsgi/wsgi_fixture.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/streamed_input_priv.h"

/*
 * Python code gets `make(pieces, length=-1, end=0, expects=False)`,
 * which gives a stream whose loop has given `pieces` already and then ended with
 * that code (not with None), `finish(stream)`, and `keep()`: what a response whose
 * head is made now would say.
 */

#define DRAIN_BYTES 10

static struct gn_loop *loop;
static struct gn_pyexec *pyexec;
static PyTypeObject *type;
static bool keep_alive;

static void on_wanted(struct gn_intake *intake, void *owner)
{
    (void)intake;
    (void)owner;
    cr_assert(false, "nobody may be asked");
}

/** Gives everything in `pieces`; then the loop's half ends, or stays open for good. */
static void fill(struct gn_intake *intake, PyObject *pieces)
{
    gn_assert_loop_thread(loop);
    for (Py_ssize_t i = 0; i < PyList_Size(pieces); i++) {
        PyObject *piece = PyList_GetItem(pieces, i);
        struct gn_bufq q = {.first = NULL};

        gn_bufq_append(&q, gn_slice_of(PyBytes_AsString(piece), (size_t)PyBytes_Size(piece)));
        cr_assert_eq(gn_intake_put(intake, &q), GN_OK);
    }
}

static struct gn_intake *left_open[16];
static size_t n_left_open;

static PyObject *make(PyObject *self, PyObject *args)
{
    PyObject *pieces;
    long long length;
    PyObject *end;
    int expects;
    struct gn_intake *intake;
    struct gn_wsgi_upload upload;

    (void)self;
    gn_assert_gil();
    gn_assert_loop_thread(loop);
    if (!PyArg_ParseTuple(args, "OLOp", &pieces, &length, &end, &expects)) {
        return NULL;
    }
    intake = gn_intake_create(loop, 1 << 30, on_wanted, &keep_alive);
    upload = (struct gn_wsgi_upload){
            .intake = intake,
            .pyexec = pyexec,
            .length = length >= 0 ? (uint64_t)length : GN_LENGTH_UNKNOWN,
            .expects_continue = expects != 0,
            .drain_bytes = DRAIN_BYTES,
            .keep_alive = &keep_alive,
    };
    fill(intake, pieces);
    if (end == Py_None) {
        left_open[n_left_open++] = intake;
    } else {
        gn_intake_end(&intake, (enum gn_err)PyLong_AsLong(end));
    }
    keep_alive = true;
    return gn_wsgi_streamed_input_new(type, &upload);
}

static PyObject *finish(PyObject *self, PyObject *stream)
{
    (void)self;
    gn_assert_gil();
    gn_wsgi_streamed_input_finish(stream);
    Py_RETURN_NONE;
}

static PyObject *keep(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyBool_FromLong(keep_alive);
}

static PyMethodDef functions[] = {
        {"make_", make, METH_VARARGS, NULL},
        {"finish", finish, METH_O, NULL},
        {"keep", keep, METH_NOARGS, NULL},
};

static PyObject *globals;

static void setup(void)
{
    const struct gn_pyexec_options options = gn_pyexec_options_default();

    wsgi_python_start();
    gn_assert_gil();
    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    pyexec = gn_pyexec_create(loop, &options);
    type = gn_wsgi_streamed_input_type_create();
    globals = wsgi_globals("unused", Py_None);
    for (size_t i = 0; i < GN_ARRAY_LEN(functions); i++) {
        PyObject *function = PyCFunction_New(&functions[i], NULL);

        wsgi_set(globals, functions[i].ml_name, function);
        Py_DECREF(function);
    }
    wsgi_run(globals,
            "import io, threading, time\n"
            "def make(pieces, length=-1, end=0, expects=False):\n"
            "    return make_(pieces, length, end, expects)\n"
            "def split(data, size):\n"
            "    return [data[i:i + size] for i in range(0, len(data), size)]\n");
}

static void end_executor(void)
{
    PyThreadState *python = PyEval_SaveThread();

    cr_assert_eq(gn_pyexec_stop(pyexec, GN_NEVER), GN_OK);
    PyEval_RestoreThread(python);
    gn_pyexec_destroy(&pyexec);
}

static void teardown(void)
{
    gn_assert_gil();
    gn_assert_loop_thread(loop);
    PyDict_Clear(globals);
    Py_CLEAR(globals);
    Py_CLEAR(type);
    while (n_left_open > 0) {
        gn_intake_end(&left_open[--n_left_open], GN_OK);
    }
    if (pyexec != NULL) {
        end_executor();
    }
    gn_loop_run_once(loop);
    gn_loop_destroy(&loop);
    wsgi_python_stop();
}

TestSuite(streamed_input, .init = setup, .fini = teardown);

Test(streamed_input, reads_as_bytes_io_does)
{
    wsgi_run(globals,
            "steps = ['read()', 'read(-1)', 'read(None)', 'read(0)', 'read(3)', 'read(100)',\n"
            "  'readline()', 'readline(2)', 'readline(-1)', 'readline(0)', 'readlines()',\n"
            "  'readlines(5)', 'readlines(0)', 'readinto(bytearray(5))', 'read1(0)', 'closed']\n"
            "data = b'one\\ntwo\\n\\nfour\\nlast'\n"
            "for size in (1, 2, 3, 5, 100):\n"
            "    for length in (-1, len(data)):\n"
            "        for a in steps:\n"
            "            for b in steps:\n"
            "                stream, model = make(split(data, size), length), io.BytesIO(data)\n"
            "                for step in (a, b, 'read(4)', 'readline()', 'read()'):\n"
            "                    x, y = eval('stream.' + step), eval('model.' + step)\n"
            "                    assert x == y, (size, a, b, step, x, y)\n"
            "                assert stream.read() == b'' == stream.readline()\n"
            "    assert list(make(split(data, size))) == list(io.BytesIO(data))\n");
}

Test(streamed_input, grows_with_what_has_come)
{
    wsgi_run(globals,
            "data = bytes(range(256)) * 2000\n"
            "for size in (100, 4096, 65536, 1000000):\n"
            "    stream = make(split(data, size), len(data))\n"
            "    assert stream.read(len(data) - 1) == data[:-1] and stream.read() == data[-1:]\n"
            "    assert make(split(data, size)).read() == data\n"
            "    into, stream = bytearray(len(data) + 5), make(split(data, size))\n"
            "    assert stream.readinto(into) == len(data) and into[:-5] == data\n");
}

Test(streamed_input, gives_what_is_there_when_that_is_asked)
{
    wsgi_run(globals,
            "stream = make([b'a' * 5000, b'b' * 5000])\n"
            "parts = iter(lambda: stream.read1(), b'')\n"
            "assert b''.join(parts) == b'a' * 5000 + b'b' * 5000\n"
            "stream, into = make([b'ab'], end=None), bytearray(9)\n"
            "assert stream.read1(1) == b'a' and stream.readinto1(into) == 1 and into[:1] == b'b'\n"
            "assert make([]).read1() == b'' and make([]).readinto1(into) == 0\n");
}

Test(streamed_input, knows_its_end_by_the_length)
{
    wsgi_run(globals,
            "assert make([b'ab', b'cde'], 5, end=None).read() == b'abcde'\n"
            "assert list(make([b'ab\\n', b'cd'], 5, end=None)) == [b'ab\\n', b'cd']\n");
}

Test(streamed_input, says_why_there_is_no_more)
{
    static const struct {
        enum gn_err end;
        const char *raises;
        const char *says;
    } cases[] = {
            {GN_ERR_GONE, "ConnectionResetError", "client disconnected"},
            {GN_ERR_TIMEOUT, "TimeoutError", "too slowly"},
            {GN_ERR_CLOSED, "TimeoutError", "time to answer"},
            {GN_ERR_CANCELLED, "ConnectionAbortedError", "stopping"},
            {GN_ERR_TOO_BIG, "OSError", "too long"},
            {GN_ERR_PROTOCOL, "OSError", "malformed"},
            {GN_ERR_NO_MEMORY, "OSError", "could not be read"},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char code[500];

        (void)snprintf(code, sizeof(code),
                "stream = make([b'abc'], 9, end=%d)\n"
                "assert stream.read(2) == b'ab'\n"
                "for use in ('read()', 'readline()', 'readlines()', 'read1()', 'read(1)',\n"
                "            '__next__()', 'readinto(bytearray(2))'):\n"
                "    try:\n"
                "        eval('stream.' + use)\n"
                "    except OSError as e:\n"
                "        assert type(e) is %s and '%s' in str(e) and e.errno, repr(e)\n"
                "    else:\n"
                "        assert False, use\n",
                (int)cases[i].end, cases[i].raises, cases[i].says);
        wsgi_run(globals, code);
    }
}

Test(streamed_input, cannot_seek)
{
    wsgi_run(globals,
            "stream = make([b'abc'])\n"
            "assert stream.readable() and not stream.seekable() and not stream.writable()\n"
            "for use in (stream.tell, lambda: stream.seek(0), lambda: stream.seek(0, 2)):\n"
            "    try: use()\n"
            "    except io.UnsupportedOperation: pass\n"
            "    else: assert False\n"
            "assert stream.read() == b'abc'\n");
}

Test(streamed_input, refuses_wrong_arguments)
{
    static const char *const cases[][2] = {
            {"make([]).read('x')", "TypeError"},
            {"make([]).read(1, 2)", "TypeError"},
            {"make([]).read1(1.5)", "TypeError"},
            {"make([]).read(2**70)", "OverflowError"},
            {"make([]).readline('x')", "TypeError"},
            {"make([]).readlines('x')", "TypeError"},
            {"make([]).readinto(5)", "TypeError"},
            {"type(make([]))()", "TypeError"},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert(wsgi_raises(globals, cases[i][0], cases[i][1]), "%s", cases[i][0]);
    }
}

Test(streamed_input, works_under_the_wrappers_of_io)
{
    wsgi_run(globals,
            "stream = make(split('caf\\xe9\\nb\\n'.encode(), 2))\n"
            "text = io.TextIOWrapper(io.BufferedReader(stream), encoding='utf-8')\n"
            "assert text.readline() == 'caf\\xe9\\n' and text.read() == 'b\\n'\n"
            "text.close()\n"
            "assert stream.closed\n");
    cr_assert(wsgi_raises(globals, "stream.read()", "ValueError"));
}

Test(streamed_input, is_cut_off_when_its_request_ends)
{
    static const char *const uses[] = {"read()", "readline()", "readlines()", "read1()",
            "readinto(bytearray(3))", "seek(0)", "readable()", "flush()", "__iter__()"};

    wsgi_run(globals, "stream = make([b'abc'])\nfinish(stream)\nassert stream.closed");
    for (size_t i = 0; i < GN_ARRAY_LEN(uses); i++) {
        char code[100];

        (void)snprintf(code, sizeof(code), "stream.%s", uses[i]);
        cr_assert(wsgi_raises(globals, code, "ValueError"), "%s", uses[i]);
    }
}

/** As one in a cycle does, which the collector finds when the interpreter ends. */
Test(streamed_input, may_outlive_the_executor_when_its_request_has_ended)
{
    wsgi_run(globals, "stream = make([b'abc'])\nfinish(stream)");
    end_executor();
    wsgi_run(globals, "del stream");
}

Test(streamed_input, its_end_wakes_another_thread_that_reads)
{
    wsgi_run(globals,
            "seen = []\n"
            "def reads_on():\n"
            "    try: seen.append(stream.read())\n"
            "    except ValueError as e: seen.append(e)\n"
            "def is_busy():\n"
            "    try: stream.readable()\n"
            "    except RuntimeError: return True\n"
            "stream = make([b'abc', b'd'], end=None)\n"
            "thread = threading.Thread(target=reads_on)\n"
            "thread.start()\n"
            "while not is_busy(): time.sleep(0.001)\n"
            "finish(stream)\n"
            "thread.join()\n"
            "assert 'after its request had ended' in str(seen[0]), seen\n");
}

Test(streamed_input, says_whether_the_connection_can_go_on)
{
    /* The bound is ten bytes of unread content. */
    wsgi_run(globals,
            "make([], 10); assert keep()\n"
            "make([], 11); assert not keep()\n"
            "s = make([b'x' * 12], 12); s.read(1); assert not keep(); s.read(1); assert keep()\n"
            "make([]); assert keep()\n" /* chunked: nobody knows */
            "s = make([b'x'], 1, expects=True); assert not keep(); s.read(0); assert not keep()\n"
            "s.read(1); assert keep()\n"
            "s = make([b'x'], 2, expects=True, end=None); s.read(1); assert keep()\n"
            "s = make([b'x' * 20], expects=True); assert not keep(); s.read(); assert keep()\n");
}
