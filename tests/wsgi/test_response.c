/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/test.h"
#include "tests/wsgi/response_fixture.h"

#include "bridge/py/gil_priv.h"

TestSuite(response, .init = wsgi_python_start, .fini = wsgi_python_stop);

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_OLD "GET / HTTP/1.0\r\n\r\n"
#define HEAD "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"

static struct sunk s;

static PyObject *eval_list(const char *expression)
{
    PyObject *globals = wsgi_globals("unused", Py_None);
    PyObject *list = PyRun_String(expression, Py_eval_input, globals, globals);

    cr_assert_not_null(list, "%s", expression);
    Py_DECREF(globals);
    return list;
}

static enum gn_err send_all(const char *expression)
{
    gn_assert_gil();
    PyObject *list = eval_list(expression);
    enum gn_err rc = gn_wsgi_response_send_all(
            &s.response, PySequence_Fast_ITEMS(list), PySequence_Fast_GET_SIZE(list));

    Py_DECREF(list);
    return rc;
}

/** Sends each item as a piece, then ends; stops where an application's iteration would. */
static enum gn_err send_pieces(const char *expression)
{
    gn_assert_gil();
    PyObject *list = eval_list(expression);
    enum gn_err rc = GN_OK;

    for (Py_ssize_t i = 0; rc == GN_OK && i < PySequence_Fast_GET_SIZE(list); i++) {
        rc = gn_wsgi_response_send(
                &s.response, PySequence_Fast_GET_ITEM(list, i), GN_LENGTH_UNKNOWN);
    }
    Py_DECREF(list);
    if (rc == GN_OK || rc == GN_ERR_CLOSED || rc == GN_ERR_TOO_BIG) {
        rc = gn_wsgi_response_end(&s.response);
    }
    return rc;
}

static bool has(const char *text)
{
    return strstr(s.wire.ptr, text) != NULL;
}

struct body_case {
    const char *request;
    const char *status;
    const char *headers;
    const char *pieces;
    const char *framing; /* must be in the head, or NULL */
    const char *body;    /* on the wire, framing included */
    bool is_short;
    bool is_long;
    bool keeps;
};

static const struct body_case whole_cases[] = {
        {GET, "200 OK", "[]", "[b'hello']", "Content-Length: 5\r\n", "hello", 0, 0, 1},
        {GET, "200 OK", "[]", "[b'he', b'', b'llo']", "Content-Length: 5\r\n", "hello", 0, 0, 1},
        {GET, "200 OK", "[]", "(b'a', b'b')", "Content-Length: 2\r\n", "ab", 0, 0, 1},
        {GET, "200 OK", "[]", "[]", "Content-Length: 0\r\n", "", 0, 0, 1},
        {GET, "200 OK", "[]", "[b'']", "Content-Length: 0\r\n", "", 0, 0, 1},
        {GET, "404 No", "[('A', 'b')]", "[b'x']", "404 No\r\nA: b\r\n", "x", 0, 0, 1},
        {GET, "200", "[]", "[b'x']", "HTTP/1.1 200 OK\r\n", "x", 0, 0, 1},
        {GET, "200 OK", "[('Content-Length', '5')]", "[b'hello']", "Content-Length: 5\r\n", "hello",
                0, 0, 1},
        {GET, "200 OK", "[('Content-Length', '3')]", "[b'hello']", "Content-Length: 3\r\n", "hel",
                0, 1, 1},
        {GET, "200 OK", "[('Content-Length', '3')]", "[b'he', b'llo', b'x']", NULL, "hel", 0, 1, 1},
        {GET, "200 OK", "[('Content-Length', '9')]", "[b'hello']", "Content-Length: 9\r\n", "hello",
                1, 0, 0},
        {GET, "200 OK", "[('Content-Length', '0')]", "[b'x']", NULL, "", 0, 1, 1},
        {GET_OLD, "200 OK", "[]", "[b'hello']", "Content-Length: 5\r\n", "hello", 0, 0, 0},
        {HEAD, "200 OK", "[]", "[b'hello']", "Content-Length: 5\r\n", "", 0, 0, 1},
        {HEAD, "200 OK", "[('Content-Length', '7')]", "[]", "Content-Length: 7\r\n", "", 0, 0, 1},
        {GET, "204 No Content", "[]", "[b'x']", "204 No Content", "", 0, 0, 1},
        {GET, "304 Not Modified", "[('ETag', '\"x\"')]", "[]", "ETag", "", 0, 0, 1},
        {GET, "200 OK", "[('Connection', 'close')]", "[b'x']", "Connection: close\r\n", "x", 0, 0,
                0},
};

static void check_case(const struct body_case *c, enum gn_err (*send)(const char *), size_t i)
{

    sunk_begin(&s, c->request);
    sunk_start(&s, c->status, c->headers);
    cr_assert_eq(send(c->pieces), GN_OK, "case %zu", i);
    (void)sunk_end(&s);
    cr_assert(c->framing == NULL || has(c->framing), "case %zu: %s", i, s.wire.ptr);
    cr_assert_str_eq(sunk_body(&s), c->body, "case %zu: %s", i, s.wire.ptr);
    cr_assert_eq(s.response.is_short, c->is_short, "case %zu", i);
    cr_assert_eq(s.response.is_long, c->is_long, "case %zu", i);
    cr_assert_eq(s.response.writer.keep_alive, c->keeps, "case %zu", i);
    cr_assert_eq(s.response.stage, GN_WSGI_ENDED);
    sunk_fini(&s);
}

Test(response, whole_bodies)
{
    for (size_t i = 0; i < GN_ARRAY_LEN(whole_cases); i++) {
        check_case(&whole_cases[i], send_all, i);
    }
}

static const struct body_case stream_cases[] = {
        {GET, "200 OK", "[]", "[b'he', b'', b'llo']", "Transfer-Encoding: chunked\r\n",
                "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 0, 0, 1},
        {GET, "200 OK", "[]", "[]", "Content-Length: 0\r\n", "", 0, 0, 1},
        {GET, "200 OK", "[]", "[b'', b'']", "Content-Length: 0\r\n", "", 0, 0, 1},
        {GET_OLD, "200 OK", "[]", "[b'a', b'b']", "Connection: close\r\n", "ab", 0, 0, 0},
        {GET, "200 OK", "[('Content-Length', '5')]", "[b'he', b'llo']", "Content-Length: 5\r\n",
                "hello", 0, 0, 1},
        {GET, "200 OK", "[('Content-Length', '4')]", "[b'he', b'llo', b'x']", NULL, "hell", 0, 1,
                1},
        {GET, "200 OK", "[('Content-Length', '9')]", "[b'he', b'llo']", NULL, "hello", 1, 0, 0},
        {GET, "200 OK", "[('Content-Length', '9')]", "[]", NULL, "", 1, 0, 0},
        {HEAD, "200 OK", "[]", "[b'he', b'llo']", "200 OK", "", 0, 0, 1},
        {GET, "204 No Content", "[]", "[b'x', b'y']", "204", "", 0, 0, 1},
        {GET, "304 Not Modified", "[('Content-Length', '9')]", "[b'x']", "304", "", 0, 0, 1},
};

Test(response, streams)
{
    for (size_t i = 0; i < GN_ARRAY_LEN(stream_cases); i++) {
        check_case(&stream_cases[i], send_pieces, i);
    }
}

Test(response, each_piece_is_on_its_way_at_once)
{
    gn_assert_gil();
    PyObject *piece = PyBytes_FromString("part");
    PyObject *empty = PyBytes_FromString("");

    sunk_begin(&s, GET);
    sunk_start(&s, "200 OK", "[]");
    cr_assert_eq(gn_wsgi_response_send(&s.response, empty, GN_LENGTH_UNKNOWN), GN_OK);
    cr_assert_eq(s.n_sends, 0, "no head before the first byte");
    cr_assert_eq(s.response.stage, GN_WSGI_SET);
    for (int i = 1; i <= 3; i++) {
        cr_assert_eq(gn_wsgi_response_send(&s.response, piece, GN_LENGTH_UNKNOWN), GN_OK);
        cr_assert_eq(s.n_sends, i);
        cr_assert(s.response.bytes.len == 0 && gn_bufq_is_empty(&s.response.out));
    }
    cr_assert_eq(gn_wsgi_response_end(&s.response), GN_OK);
    cr_assert_eq(gn_wsgi_response_flush(&s.response), GN_OK);
    cr_assert_eq(s.n_sends, 4);
    cr_assert_eq(gn_wsgi_response_flush(&s.response), GN_OK);
    cr_assert_eq(s.n_sends, 4, "nothing to flush");
    (void)sunk_end(&s);
    cr_assert_str_eq(sunk_body(&s), "4\r\npart\r\n4\r\npart\r\n4\r\npart\r\n0\r\n\r\n");
    Py_DECREF(piece);
    Py_DECREF(empty);
    sunk_fini(&s);
}

Test(response, a_known_single_piece_has_a_length)
{
    gn_assert_gil();
    PyObject *piece = PyBytes_FromString("part");

    sunk_begin(&s, GET);
    sunk_start(&s, "200 OK", "[]");
    cr_assert_eq(gn_wsgi_response_send(&s.response, piece, 4), GN_OK);
    cr_assert_eq(gn_wsgi_response_end(&s.response), GN_OK);
    (void)sunk_end(&s);
    cr_assert(has("Content-Length: 4\r\n"));
    cr_assert_str_eq(sunk_body(&s), "part");
    Py_DECREF(piece);
    sunk_fini(&s);
}

Test(response, large_pieces_are_lent_and_let_go)
{
    gn_assert_gil();
    static const size_t sizes[] = {8191, 8192, 100000, 3000000};

    for (size_t i = 0; i < GN_ARRAY_LEN(sizes); i++) {
        PyObject *piece = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)sizes[i]);

        memset(PyBytes_AS_STRING(piece), 'x', sizes[i]);
        sunk_begin(&s, GET);
        sunk_start(&s, "200 OK", "[]");
        cr_assert_eq(gn_wsgi_response_send_all(&s.response, &piece, 1), GN_OK);
        cr_assert_eq(s.n_lent, sizes[i] >= 8192 ? 1 : 0);
        (void)sunk_end(&s);
        cr_assert_eq(s.n_lent, 0);
        cr_assert_eq(strlen(sunk_body(&s)), sizes[i]);
        cr_assert_eq(Py_REFCNT(piece), 1);
        Py_DECREF(piece);
        sunk_fini(&s);
    }
}

Test(response, drop_lets_everything_go)
{
    gn_assert_gil();
    PyObject *piece = PyBytes_FromStringAndSize(NULL, 100000);

    memset(PyBytes_AS_STRING(piece), 'x', 100000);
    sunk_begin(&s, GET);
    sunk_start(&s, "200 OK", "[]");
    cr_assert_eq(gn_wsgi_response_send_all(&s.response, &piece, 1), GN_OK);
    cr_assert_eq(s.n_lent, 1);
    gn_wsgi_response_drop(&s.response);
    cr_assert_eq(s.n_lent, 0);
    cr_assert_eq(Py_REFCNT(piece), 1);
    Py_DECREF(piece);
    sunk_fini(&s);
}

Test(response, refuses_what_is_not_bytes)
{
    static const char *const cases[] = {"['text']", "[5]", "[None]", "[bytearray(b'x')]",
            "[memoryview(b'x')]", "[b'fine', 'text']"};

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {

        sunk_begin(&s, GET);
        sunk_start(&s, "200 OK", "[]");
        cr_assert_eq(send_all(cases[i]), GN_ERR_PYTHON, "%s", cases[i]);
        cr_assert(PyErr_ExceptionMatches(PyExc_TypeError));
        PyErr_Clear();
        cr_assert_eq(s.response.stage, GN_WSGI_SET, "nothing may have been made");
        cr_assert_eq(s.response.bytes.len, 0);
        cr_assert_eq(send_pieces(cases[i]), GN_ERR_PYTHON, "%s", cases[i]);
        cr_assert(PyErr_ExceptionMatches(PyExc_TypeError));
        PyErr_Clear();
        sunk_fini(&s);
    }
}

Test(response, needs_start_response)
{

    sunk_begin(&s, GET);
    cr_assert_eq(send_all("[b'x']"), GN_ERR_PYTHON);
    cr_assert(PyErr_ExceptionMatches(PyExc_AssertionError));
    PyErr_Clear();
    cr_assert_eq(send_pieces("[b'x']"), GN_ERR_PYTHON);
    PyErr_Clear();
    cr_assert_eq(send_pieces("[]"), GN_ERR_PYTHON);
    PyErr_Clear();
    cr_assert_eq(s.n_sends, 0);
    sunk_fini(&s);
}

Test(response, takes_nothing_behind_its_end)
{
    gn_assert_gil();
    static const char *const pieces[] = {"b'late'", "b''", "b'x' * 100000"};

    for (size_t i = 0; i < GN_ARRAY_LEN(pieces); i++) {
        PyObject *piece = eval_list(pieces[i]);

        sunk_begin(&s, GET);
        sunk_start(&s, "200 OK", "[]");
        cr_assert_eq(send_all("[b'all']"), GN_OK);
        cr_assert_eq(gn_wsgi_response_send(&s.response, piece, GN_LENGTH_UNKNOWN), GN_ERR_PYTHON);
        cr_assert(PyErr_ExceptionMatches(PyExc_RuntimeError), "%s", pieces[i]);
        PyErr_Clear();
        (void)sunk_end(&s);
        cr_assert_str_eq(sunk_body(&s), "all");
        sunk_fini(&s);
        Py_DECREF(piece);
    }
}

Test(response, stops_when_the_client_has_gone)
{

    sunk_begin(&s, GET);
    sunk_start(&s, "200 OK", "[]");
    s.is_gone = true;
    cr_assert_eq(send_pieces("[b'x' * 100000, b'y']"), GN_ERR_GONE);
    cr_assert_eq(s.n_sends, 1);
    cr_assert_eq(s.n_lent, 0);
    sunk_fini(&s);
}

static struct gn_wsgi_file_range temporary_file(uint64_t offset)
{
    char path[] = "/tmp/gn-wsgi-XXXXXX";
    int fd = mkstemp(path);

    cr_assert(fd >= 0);
    (void)unlink(path);
    cr_assert_eq(write(fd, "0123456789", 10), 10);
    return (struct gn_wsgi_file_range){.fd = fd, .offset = offset, .len = 10 - offset};
}

Test(response, sends_files)
{
    gn_assert_gil();
    static const struct {
        const char *request;
        const char *status;
        const char *headers;
        uint64_t offset;
        const char *framing;
        const char *body;
        bool is_short;
    } cases[] = {
            {GET, "200 OK", "[]", 0, "Content-Length: 10\r\n", "0123456789", false},
            {GET, "200 OK", "[]", 4, "Content-Length: 6\r\n", "456789", false},
            {GET, "200 OK", "[('Content-Length', '3')]", 4, "Content-Length: 3\r\n", "456", false},
            {GET, "200 OK", "[('Content-Length', '8')]", 4, "Content-Length: 8\r\n", "456789",
                    true},
            {HEAD, "200 OK", "[]", 0, "Content-Length: 10\r\n", "", false},
            {GET, "304 Not Modified", "[]", 0, "304", "", false},
            {GET_OLD, "200 OK", "[]", 0, "Content-Length: 10\r\n", "0123456789", false},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_wsgi_file_range range = temporary_file(cases[i].offset);
        enum gn_err rc;

        sunk_begin(&s, cases[i].request);
        sunk_start(&s, cases[i].status, cases[i].headers);
        rc = gn_wsgi_response_send_file(&s.response, &range);
        cr_assert_eq(rc, cases[i].body[0] != '\0' ? GN_OK : GN_ERR_CLOSED, "case %zu", i);
        cr_assert_eq(gn_wsgi_response_end(&s.response), GN_OK);
        (void)sunk_end(&s);
        cr_assert(has(cases[i].framing), "case %zu: %s", i, s.wire.ptr);
        cr_assert_str_eq(sunk_body(&s), cases[i].body, "case %zu", i);
        cr_assert_eq(s.response.is_short, cases[i].is_short, "case %zu", i);
        cr_assert_eq(fcntl(range.fd, F_GETFD), -1, "the descriptor is closed");
        sunk_fini(&s);
    }
}

Test(response, a_file_keeps_its_place_behind_what_was_written)
{
    gn_assert_gil();
    struct gn_wsgi_file_range range = temporary_file(7);
    PyObject *piece = PyBytes_FromString("before ");

    sunk_begin(&s, GET);
    sunk_start(&s, "200 OK", "[]");
    cr_assert_eq(gn_wsgi_response_send(&s.response, piece, GN_LENGTH_UNKNOWN), GN_OK);
    cr_assert_eq(gn_wsgi_response_send_file(&s.response, &range), GN_OK);
    cr_assert_eq(gn_wsgi_response_end(&s.response), GN_OK);
    (void)sunk_end(&s);
    cr_assert_str_eq(sunk_body(&s), "7\r\nbefore \r\n3\r\n789\r\n0\r\n\r\n");
    Py_DECREF(piece);
    sunk_fini(&s);
}

Test(response, hints_go_out_before_the_head)
{
    gn_assert_gil();
    PyObject *hints = eval_list("[('Link', '</a.css>; rel=preload')]");
    PyObject *bad = eval_list("[('Link', 'a\\r\\nEvil: 1')]");

    sunk_begin(&s, GET);
    cr_assert_eq(gn_wsgi_response_hint(&s.response, hints), GN_OK);
    cr_assert_eq(s.n_sends, 1);
    cr_assert_eq(gn_wsgi_response_hint(&s.response, bad), GN_ERR_PYTHON);
    PyErr_Clear();
    sunk_start(&s, "200 OK", "[]");
    cr_assert_eq(send_all("[b'x']"), GN_OK);
    cr_assert_eq(gn_wsgi_response_hint(&s.response, hints), GN_ERR_PYTHON);
    cr_assert(PyErr_ExceptionMatches(PyExc_RuntimeError));
    PyErr_Clear();
    (void)sunk_end(&s);
    cr_assert_eq(strncmp(s.wire.ptr, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>", 40), 0, "%s",
            s.wire.ptr);
    cr_assert(has("\r\n\r\nHTTP/1.1 200 OK\r\n"));
    cr_assert(!has("Evil"));
    Py_DECREF(hints);
    Py_DECREF(bad);
    sunk_fini(&s);
}
