/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "tests/support/test.h"
#include "tests/wsgi/container_fixture.h"

#define HELLO                                                                                      \
    "def app(environ, start_response):\n"                                                          \
    "    start_response('200 OK', TEXT)\n"                                                         \
    "    return [b'hello ', environ['PATH_INFO'].encode('latin-1')]\n"

Test(call, answers_pipelined_requests_in_order)
{
    struct served_setup setup = served_usual(HELLO);
    char *got;

    served_begin(&setup);
    got = served_talk(KEEP("/1") KEEP("/2") KEEP("/3") GET("/4"));
    cr_assert_not_null(strstr(got, "hello /1HTTP/1.1 200 OK"));
    cr_assert_not_null(strstr(got, "hello /2HTTP/1.1 200 OK"));
    cr_assert_not_null(strstr(got, "hello /3HTTP/1.1 200 OK"));
    cr_assert_not_null(strstr(got, "hello /4"));
    gn_free(got);
    served_end("");
}

Test(call, refuses_when_the_queue_is_full)
{
    struct served_setup setup =
            served_usual("started = threading.Semaphore(0)\n"
                         "def app(environ, start_response):\n"
                         "    start_response('200 OK', TEXT)\n"
                         "    if environ['PATH_INFO'] == '/slow': gate.wait(10)\n"
                         "    return [b'answer']\n");
    struct served_client slow[8];
    unsigned n_refused = 0;

    setup.pyexec.max_threads = 1;
    setup.pyexec.queue_calls = 2;
    served_begin(&setup);
    gn_assert_loop_thread(served.loop);
    for (unsigned i = 0; i < GN_ARRAY_LEN(slow); i++) {
        served_client_start(&slow[i], GET("/slow"), SIZE_MAX);
    }
    while (gn_wsgi_container_stats(served.container).refused < GN_ARRAY_LEN(slow) - 3) {
        gn_loop_run_once(served.loop);
    }
    served_python("gate.set()");
    for (unsigned i = 0; i < GN_ARRAY_LEN(slow); i++) {
        char *got;

        served_client_join(&slow[i]);
        got = slow[i].received;
        if (strncmp(got, "HTTP/1.1 503 ", 13) == 0) {
            cr_assert_not_null(strstr(got, "Retry-After: "), "%s", got);
            n_refused++;
        } else {
            cr_assert_eq(strncmp(got, "HTTP/1.1 200 OK", 15), 0, "%s", got);
        }
        gn_free(got);
    }
    cr_assert_geq(n_refused, GN_ARRAY_LEN(slow) - 3);
    cr_assert_eq(n_refused, gn_wsgi_container_stats(served.container).refused);
    served_end("");
}

/** Gets /slow running; a worker that took too long to start refuses it, then again. */
static void start_slow(struct served_client *slow)
{
    gn_assert_loop_thread(served.loop);
    for (;;) {
        uint64_t refused = gn_wsgi_container_stats(served.container).refused;

        served_client_start(slow, GET("/slow"), SIZE_MAX);
        while (gn_pyexec_stats(served.pyexec).busy < 1 &&
                gn_wsgi_container_stats(served.container).refused == refused) {
            gn_loop_run_once(served.loop);
        }
        if (gn_pyexec_stats(served.pyexec).busy > 0) {
            return;
        }
        served_client_join(slow);
        gn_free(slow->received);
    }
}

Test(call, refuses_what_has_waited_too_long)
{
    struct served_setup setup =
            served_usual("def app(environ, start_response):\n"
                         "    start_response('200 OK', TEXT)\n"
                         "    notes.setdefault('calls', []).append(environ['PATH_INFO'])\n"
                         "    if environ['PATH_INFO'] == '/slow': gate.wait(10)\n"
                         "    return [b'answer']\n");
    struct served_client slow;

    setup.pyexec.max_threads = 1;
    setup.pyexec.queue_ms = 30;
    served_begin(&setup);
    gn_assert_loop_thread(served.loop);
    start_slow(&slow);
    served_assert(GET("/late"), "HTTP/1.1 503 ", "");
    served_python("gate.set()");
    served_client_join(&slow);
    cr_assert_eq(strncmp(slow.received, "HTTP/1.1 200 OK", 15), 0);
    gn_free(slow.received);
    served_end("assert notes['calls'] == ['/slow'], notes");
}

Test(call, sends_hints_and_still_a_500)
{
    struct served_setup setup =
            served_usual("def app(environ, start_response):\n"
                         "    environ['wsgi.early_hints']([('Link', '</a.css>')])\n"
                         "    if environ['PATH_INFO'] == '/fail': raise ValueError\n"
                         "    start_response('200 OK', TEXT)\n"
                         "    return [b'answer']\n");
    char *got;

    served_begin(&setup);
    served_assert(GET("/"), "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n",
            "answer");
    got = served_talk(GET("/fail"));
    cr_assert_not_null(strstr(got,
                               "\r\n\r\nHTTP/1.1 500 Internal Server Error\r\n"
                               "Content-Type: text/html; charset=utf-8\r\nDate: "),
            "%s", got);
    cr_assert_not_null(strstr(got, "<h1>500 Internal Server Error</h1>"), "%s", got);
    gn_free(got);
    served_end("");
}
