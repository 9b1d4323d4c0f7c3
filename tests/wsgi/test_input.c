/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "tests/support/test.h"
#include "tests/wsgi/wsgi_fixture.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/input_priv.h"

TestSuite(input, .init = wsgi_python_start, .fini = wsgi_python_stop);

/** Runs code with `stream` over `bytes` and `model`, a BytesIO of the same. */
static void with_input(struct gn_slice bytes, bool in_file, const char *code)
{
    gn_assert_gil();
    PyTypeObject *type = gn_wsgi_input_type_create();
    PyObject *input = gn_wsgi_input_new(type);
    PyObject *globals = wsgi_globals("stream", input);
    PyObject *data = PyBytes_FromStringAndSize(bytes.ptr, (Py_ssize_t)bytes.len);
    struct gn_body body;

    wsgi_body_fill(&body, bytes, in_file);
    gn_wsgi_input_start(input, &body);
    gn_body_fini(&body);
    wsgi_set(globals, "data", data);
    wsgi_run(globals, "import io\nmodel = io.BytesIO(data)");
    wsgi_run(globals, code);
    gn_wsgi_input_finish(input);
    cr_assert(wsgi_raises(globals, "stream.read()", "ValueError"));
    Py_DECREF(data);
    Py_DECREF(globals);
    Py_DECREF(input);
    Py_DECREF(type);
}

static void with_both(struct gn_slice bytes, const char *code)
{
    with_input(bytes, false, code);
    with_input(bytes, true, code);
}

static const char lines[] = "one\ntwo\n\nfour\nlast";

Test(input, reads_as_bytes_io_does)
{
    with_both(gn_slice_str(lines),
            "steps = ['read()', 'read(-1)', 'read(None)', 'read(0)', 'read(3)', 'read(100)',\n"
            "  'read1(2)', 'readline()', 'readline(2)', 'readline(-1)', 'readline(0)',\n"
            "  'readlines()', 'readlines(5)', 'readlines(0)', 'tell()', 'seek(4)', 'seek(0, 2)',\n"
            "  'seek(-4, 2)', 'seek(-100, 2)', 'seek(2, 1)', 'seek(-2, 1)', 'seek(100)',\n"
            "  'readinto(bytearray(5))', 'list(stream)', 'readable()', 'seekable()',\n"
            "  'closed']\n"
            "def apply(stream, step):\n"
            "    return eval('stream.' + step if not step.startswith('list') else step,\n"
            "                {'stream': stream})\n"
            "for a in steps:\n"
            "    for b in steps:\n"
            "        for c in ('read(4)', 'readline()', 'tell()'):\n"
            "            stream.seek(0); model.seek(0)\n"
            "            for step in (a, b, c):\n"
            "                x, y = apply(stream, step), apply(model, step)\n"
            "                assert x == y, (a, b, c, step, x, y)\n"
            "            assert stream.tell() == model.tell(), (a, b, c)\n");
}

Test(input, iterates_by_line)
{
    with_both(gn_slice_str(lines),
            "assert list(stream) == [b'one\\n', b'two\\n', b'\\n', b'four\\n', b'last']\n"
            "assert next(stream, None) is None\n"
            "stream.seek(0)\n"
            "assert next(stream) == b'one\\n' and stream.read(3) == b'two'\n");
}

Test(input, is_exact_across_the_windows_of_a_file)
{
    size_t len = 200000;
    char *bytes = gn_xalloc(len);

    for (size_t i = 0; i < len; i++) {
        bytes[i] = (char)(i % 30011 == 0 || i % 97 == 3 ? '\n' : 'a' + i % 26);
    }
    memset(bytes + 50000, 'x', 70000); /* a line longer than a window */
    with_both(gn_slice_of(bytes, len),
            "assert stream.readlines() == model.readlines()\n"
            "for size in (1000, 32767, 32768, 32769, 100000):\n"
            "    stream.seek(0); model.seek(0)\n"
            "    while True:\n"
            "        a, b = stream.readline(size), model.readline(size)\n"
            "        assert a == b\n"
            "        if not a: break\n"
            "        assert stream.read(size // 3) == model.read(size // 3)\n"
            "        assert stream.tell() == model.tell()\n"
            "for at in range(0, 200000, 7919):\n"
            "    stream.seek(at); model.seek(at)\n"
            "    assert stream.readline() == model.readline()\n"
            "    into, other = bytearray(1234), bytearray(1234)\n"
            "    assert stream.readinto(into) == model.readinto(other) and into == other\n");
    gn_free(bytes);
}

Test(input, of_an_empty_body_is_at_its_end)
{
    with_input(GN_LIT(""), false,
            "assert stream.read() == b'' and stream.readline() == b''\n"
            "assert stream.readlines() == [] and list(stream) == []\n"
            "assert stream.readinto(bytearray(3)) == 0 and stream.tell() == 0\n"
            "assert stream.seek(0, 2) == 0\n");
}

Test(input, refuses_wrong_arguments)
{
    gn_assert_gil();
    PyTypeObject *type = gn_wsgi_input_type_create();
    PyObject *input = gn_wsgi_input_new(type);
    PyObject *globals = wsgi_globals("stream", input);
    static const char *const cases[][2] = {
            {"stream.read('x')", "TypeError"},
            {"stream.read(1, 2)", "TypeError"},
            {"stream.read(1.5)", "TypeError"},
            {"stream.read(2**70)", "OverflowError"},
            {"stream.readline('x')", "TypeError"},
            {"stream.readlines('x')", "TypeError"},
            {"stream.readinto(b'abc')", "BufferError"},
            {"stream.readinto(5)", "TypeError"},
            {"stream.seek('x')", "TypeError"},
            {"stream.seek(-1)", "ValueError"},
            {"stream.seek(0, 3)", "ValueError"},
            {"stream.seek(0, 'x')", "TypeError"},
            {"stream.seek(2**62, 0); stream.seek(2**62, 1)", "OverflowError"},
            {"type(stream)()", "TypeError"},
    };

    gn_wsgi_input_start(input, NULL);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        if (strcmp(cases[i][1], "BufferError") == 0) { /* BytesIO says TypeError or BufferError */
            cr_assert(wsgi_raises(globals, cases[i][0], "BufferError") ||
                    wsgi_raises(globals, cases[i][0], "TypeError"));
            continue;
        }
        cr_assert(wsgi_raises(globals, cases[i][0], cases[i][1]), "%s", cases[i][0]);
    }
    Py_DECREF(globals);
    Py_DECREF(input);
    Py_DECREF(type);
}

Test(input, works_under_the_wrappers_of_io)
{
    with_both(GN_LIT("caf\xc3\xa9\nb\n"),
            "text = io.TextIOWrapper(io.BufferedReader(stream), encoding='utf-8')\n"
            "assert text.readline() == 'caf\\xe9\\n' and text.read() == 'b\\n'\n"
            "text.detach()\n");
}

Test(input, can_be_closed_by_the_application)
{
    gn_assert_gil();
    PyTypeObject *type = gn_wsgi_input_type_create();
    PyObject *input = gn_wsgi_input_new(type);
    PyObject *globals = wsgi_globals("stream", input);

    gn_wsgi_input_start(input, NULL);
    wsgi_run(globals, "assert not stream.closed\nstream.close()\nassert stream.closed");
    cr_assert(wsgi_raises(globals, "stream.read()", "ValueError"));
    gn_wsgi_input_finish(input);
    Py_DECREF(globals);
    Py_DECREF(input);
    Py_DECREF(type);
}

Test(input, serves_again_after_finish)
{
    gn_assert_gil();
    PyTypeObject *type = gn_wsgi_input_type_create();
    PyObject *input = gn_wsgi_input_new(type);
    PyObject *globals = wsgi_globals("stream", input);

    for (int i = 0; i < 3; i++) {
        struct gn_body body;

        cr_assert(wsgi_raises(globals, "stream.readline()", "ValueError"));
        cr_assert(wsgi_raises(globals, "iter(stream)", "ValueError"));
        cr_assert(wsgi_raises(globals, "stream.tell()", "ValueError"));
        wsgi_body_fill(&body, gn_slice_str(lines), i == 1);
        gn_wsgi_input_start(input, &body);
        gn_body_fini(&body);
        wsgi_run(globals, "assert stream.read() == b'one\\ntwo\\n\\nfour\\nlast'");
        gn_wsgi_input_finish(input);
    }
    Py_DECREF(globals);
    Py_DECREF(input);
    Py_DECREF(type);
}
