/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "tests/support/test.h"
#include "tests/wsgi/container_fixture.h"

#define TRACKED                                                                                    \
    "class Tracked:\n"                                                                             \
    "    def __init__(self, parts):\n"                                                             \
    "        self.parts, self.thread = iter(parts), threading.get_ident()\n"                       \
    "        notes.update(closed=0, taken=0)\n"                                                    \
    "    def __iter__(self): return self\n"                                                        \
    "    def __next__(self):\n"                                                                    \
    "        assert threading.get_ident() == self.thread\n"                                        \
    "        part = next(self.parts)\n"                                                            \
    "        notes['taken'] += 1\n"                                                                \
    "        if isinstance(part, Exception): raise part\n"                                         \
    "        return part\n"                                                                        \
    "    def close(self):\n"                                                                       \
    "        assert threading.get_ident() == self.thread\n"                                        \
    "        notes['closed'] += 1\n"                                                               \
    "        notes['open'].set() if 'open' in notes else None\n"

Test(call_run, turns_what_goes_wrong_into_a_500)
{
    static const struct {
        const char *path;
        const char *logged;
    } cases[] = {
            {"/raise", "ValueError: on purpose"},
            {"/exit", "SystemExit"},
            {"/interrupt", "KeyboardInterrupt"},
            {"/started", "KeyError: 'started'"},
            {"/none", "not None"},
            {"/str", "not str"},
            {"/bytes", "not bytes"},
            {"/int", "int"},
            {"/yield_str", "must yield bytes, not str"},
            {"/list_str", "must yield bytes, not str"},
            {"/no_start", "start_response() was not called"},
            {"/no_start_empty", "start_response() was not called"},
            {"/twice", "called twice without exc_info"},
            {"/bad_header", "invalid control character in response header X"},
    };
    struct served_setup setup = served_usual(
            "def app(environ, start_response):\n"
            "    name = environ['PATH_INFO']\n"
            "    if name == '/raise': raise ValueError('on purpose')\n"
            "    if name == '/exit': sys.exit(3)\n"
            "    if name == '/interrupt': raise KeyboardInterrupt\n"
            "    if name == '/no_start': return [b'x']\n"
            "    if name == '/no_start_empty': return []\n"
            "    if name == '/bad_header': start_response('200 OK', [('X', 'a\\r\\nB: c')])\n"
            "    start_response('200 OK', TEXT)\n"
            "    if name == '/started': raise KeyError('started')\n"
            "    if name == '/twice': start_response('200 OK', TEXT)\n"
            "    return {'/none': None, '/str': 'x', '/bytes': b'x', '/int': 5,\n"
            "            '/yield_str': iter(['x']), '/list_str': ['x'],\n"
            "            '/fine': [b'fine']}[name]\n");

    served_begin(&setup);
    gn_assert_loop_thread(served.loop);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char request[300];
        char heading[100];
        char *got;

        served_forget_log();
        (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n" GET("/fine"),
                cases[i].path);
        got = served_talk(request);
        cr_assert_eq(strncmp(got, "HTTP/1.1 500 ", 13), 0, "%s: %s", cases[i].path, got);
        cr_assert_not_null(strstr(got, "HTTP/1.1 200 OK\r\n"), "%s: %s", cases[i].path, got);
        cr_assert_not_null(strstr(got, "\r\n\r\nfine"));
        cr_assert(served_log_has(cases[i].logged), "%s", cases[i].path);
        (void)snprintf(heading, sizeof(heading),
                "exception in the WSGI application: GET %s from 192.0.2.7:5678", cases[i].path);
        cr_assert(served_log_has(heading), "%s", heading);
        gn_free(got);
    }
    cr_assert_eq(gn_wsgi_container_stats(served.container).failed, GN_ARRAY_LEN(cases));
    served_end("");
}

Test(call_run, aborts_what_fails_after_its_head)
{
    struct served_setup setup = served_usual("def app(environ, start_response):\n"
                                             "    start_response('200 OK', TEXT)\n"
                                             "    yield b'first'\n"
                                             "    raise ValueError('too late')\n");
    char *got;

    served_begin(&setup);
    got = served_talk(KEEP("/"));
    cr_assert_eq(strncmp(got, "HTTP/1.1 200 OK\r\n", 17), 0, "%s", got);
    cr_assert_null(strstr(got, "\r\n0\r\n"), "not falsely complete: %s", got);
    cr_assert(served_log_has("ValueError: too late"));
    gn_free(got);
    served_end("");
}

Test(call_run, closes_once_whatever_happens)
{
    static const struct {
        const char *path;
        const char *start;
        const char *finish;
    } cases[] = {
            {"GET", "HTTP/1.1 200 OK\r\n", "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"},
            {"HEAD", "HTTP/1.1 200 OK\r\n", "\r\n\r\n"},
    };
    struct served_setup setup = served_usual(TRACKED "total = 0\n"
                                                     "def app(environ, start_response):\n"
                                                     "    start_response('200 OK', TEXT)\n"
                                                     "    return Tracked([b'one', b'two'])\n");

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char request[100];

        served_begin(&setup);
        (void)snprintf(request, sizeof(request),
                "%s / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", cases[i].path);
        served_assert(request, cases[i].start, cases[i].finish);
        served_end("assert notes['closed'] == 1, notes");
    }
    setup.code = TRACKED "def app(environ, start_response):\n"
                         "    start_response('200 OK', TEXT)\n"
                         "    return Tracked([b'one', ValueError('failed'), b'two'])\n";
    served_begin(&setup);
    gn_free(served_talk(KEEP("/")));
    served_end("assert notes['closed'] == 1 and notes['taken'] == 2, notes");
    setup.code = TRACKED "def app(environ, start_response):\n"
                         "    return Tracked([b'one'])\n";
    served_begin(&setup);
    served_assert(GET("/"), "HTTP/1.1 500 ", "");
    served_end("assert notes['closed'] == 1, notes");
}

Test(call_run, a_failing_close_leaves_the_response)
{
    struct served_setup setup = served_usual("class Fails:\n"
                                             "    def __iter__(self): return iter([b'fine'])\n"
                                             "    def close(self): raise OSError('close failed')\n"
                                             "def app(environ, start_response):\n"
                                             "    start_response('200 OK', TEXT)\n"
                                             "    return Fails()\n");

    served_begin(&setup);
    served_assert(GET("/"), "HTTP/1.1 200 OK\r\n", "\r\n\r\nfine");
    cr_assert(
            served_log_has("exception in close() of the WSGI application's iterable: GET / from"));
    cr_assert(served_log_has("OSError: close failed"));
    served_end("");
}

/* As Django's responses are: an object whose iterator is that of a list. */
Test(call_run, takes_what_a_list_iterator_has_left_as_the_whole_body)
{
    struct served_setup setup = served_usual("class Response:\n"
                                             "    def __init__(self, *parts): self.parts = parts\n"
                                             "    def __iter__(self):\n"
                                             "        left = iter([b'gone', *self.parts])\n"
                                             "        next(left)\n"
                                             "        return left\n"
                                             "    def close(self): notes['closed'] = True\n"
                                             "def app(environ, start_response):\n"
                                             "    write = start_response('200 OK', TEXT)\n"
                                             "    name = environ['PATH_INFO']\n"
                                             "    if name == '/written': write(b'first ')\n"
                                             "    if name == '/str': return Response(b'a', 'b')\n"
                                             "    if name == '/empty': return Response()\n"
                                             "    return Response(b'fi', b'ne')\n");

    served_begin(&setup);
    served_assert(
            GET("/"), "HTTP/1.1 200 OK\r\n", "Content-Length: 4\r\nConnection: close\r\n\r\nfine");
    served_assert(
            GET("/empty"), "HTTP/1.1 200 OK\r\n", "Content-Length: 0\r\nConnection: close\r\n\r\n");
    served_assert(GET("/written"), "HTTP/1.1 200 OK\r\n",
            "6\r\nfirst \r\n2\r\nfi\r\n2\r\nne\r\n0\r\n\r\n");
    served_assert(GET("/str"), "HTTP/1.1 500 ", "");
    cr_assert(served_log_has("must yield bytes, not str"));
    served_end("assert notes['closed']\n");
}

Test(call_run, sends_files)
{
    struct served_setup setup = served_usual("import tempfile\n"
                                             "def app(environ, start_response):\n"
                                             "    f = tempfile.TemporaryFile()\n"
                                             "    f.write(b'x' * 500000 + b'end'); f.seek(100)\n"
                                             "    start_response('200 OK', TEXT)\n"
                                             "    return environ['wsgi.file_wrapper'](f)\n");
    struct served_client c;

    served_begin(&setup);
    c = served_talk_partly(GET("/"), SIZE_MAX);
    cr_assert_not_null(strstr(c.received, "Content-Length: 499903\r\n"), "%.300s", c.received);
    cr_assert_str_eq(c.received + c.n_received - 4, "xend");
    cr_assert_eq(c.n_received - (size_t)(strstr(c.received, "\r\n\r\n") + 4 - c.received), 499903);
    gn_free(c.received);
    served_end("");
}

Test(call_run, lets_go_of_what_is_written_while_it_streams)
{
    struct served_setup setup = served_usual("import sys\n"
                                             "piece = b'x' * 16384\n"
                                             "def app(environ, start_response):\n"
                                             "    start_response('200 OK', TEXT)\n"
                                             "    notes['most'] = 0\n"
                                             "    for _ in range(2000):\n"
                                             "        held = sys.getrefcount(piece)\n"
                                             "        notes['most'] = max(notes['most'], held)\n"
                                             "        yield piece\n");

    served_begin(&setup);
    gn_free(served_talk(GET("/")));
    /* What fills the pipe and the connection's queue, and what one turn of the loop wrote. */
    served_end("assert 2 < notes['most'] < 200, notes");
}

Test(call_run, each_call_has_a_context_of_its_own)
{
    struct served_setup setup =
            served_usual("import contextvars\n"
                         "var = contextvars.ContextVar('var', default='fresh')\n"
                         "def app(environ, start_response):\n"
                         "    before = var.get()\n"
                         "    var.set('used')\n"
                         "    start_response('200 OK', TEXT)\n"
                         "    yield before.encode()\n"
                         "    yield var.get().encode()\n");

    served_begin(&setup);
    for (int i = 0; i < 3; i++) {
        served_assert(GET("/"), "HTTP/1.1 200 OK\r\n", "5\r\nfresh\r\n4\r\nused\r\n0\r\n\r\n");
    }
    served_end("");
}
