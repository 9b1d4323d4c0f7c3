/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "tests/support/test.h"
#include "tests/wsgi/container_fixture.h"

Test(call_fault, turns_what_goes_wrong_into_a_500)
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

Test(call_fault, aborts_what_fails_after_its_head)
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

Test(call_fault, a_failing_close_leaves_the_response)
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
