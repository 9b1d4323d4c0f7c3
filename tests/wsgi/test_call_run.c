/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "tests/support/test.h"
#include "tests/wsgi/container_fixture.h"

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
