/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "tests/support/test.h"
#include "tests/wsgi/container_fixture.h"

#define HELLO                                                                                      \
    "def app(environ, start_response):\n"                                                          \
    "    start_response('200 OK', TEXT)\n"                                                         \
    "    return [b'hello ', environ['PATH_INFO'].encode('latin-1')]\n"

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

Test(call, streams_with_back_pressure)
{
    struct served_setup setup = served_usual("def app(environ, start_response):\n"
                                             "    start_response('200 OK', TEXT)\n"
                                             "    write = None\n"
                                             "    for i in range(200):\n"
                                             "        yield bytes([97 + i % 26]) * 50000\n");
    struct served_client c;
    size_t n = 0;

    setup.limits.output_bytes = 100000;
    setup.limits.output_low_bytes = 10000;
    served_begin(&setup);
    c = served_talk_partly("GET / HTTP/1.0\r\n\r\n", SIZE_MAX);
    for (size_t i = 0; i < c.n_received; i++) {
        n += c.received[i] >= 'a' && c.received[i] <= 'z' ? 1 : 0;
    }
    cr_assert_geq(n, 200 * 50000);
    cr_assert_eq(c.received[c.n_received - 1], 'a' + 199 % 26);
    gn_free(c.received);
    served_end("");
}

Test(call, lets_go_when_the_client_has_left)
{
    struct served_setup setup =
            served_usual(TRACKED "import itertools\n"
                                 "def app(environ, start_response):\n"
                                 "    start_response('200 OK', TEXT)\n"
                                 "    notes['gone'] = environ['gustnado.client_disconnected']\n"
                                 "    notes['start'] = notes['gone']()\n"
                                 "    return Tracked(itertools.repeat(b'x' * 1000))\n");

    served_begin(&setup);
    gn_free(served_talk_partly(KEEP("/"), 5000).received);
    served_end("assert notes['closed'] == 1 and notes['start'] is False, notes");
    cr_assert(!served_log_has("Traceback"));
    cr_assert(!served_log_has("ERROR"));
}

Test(call, parts_from_a_view_that_waits_when_the_client_has_left)
{
    struct served_setup setup = served_usual("def app(environ, start_response):\n"
                                             "    gone = environ['gustnado.client_disconnected']\n"
                                             "    start_response('200 OK', TEXT)(b'head')\n"
                                             "    while not gone(): time.sleep(0.001)\n"
                                             "    notes['saw'] = True\n"
                                             "    notes['input'] = environ['wsgi.input'].read()\n"
                                             "    return [b'nobody listens']\n");

    served_begin(&setup);
    gn_free(served_talk_partly("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", 20)
                    .received);
    served_end("assert notes == {'saw': True, 'input': b'body'}, notes");
    cr_assert(!served_log_has("Traceback"));
}

/** Talks until the response begins so: a busy machine may not get a worker going in time. */
static char *talk_until(const char *request, const char *start)
{
    for (int tries = 0; tries < 100; tries++) {
        char *got = served_talk(request);

        if (strncmp(got, start, strlen(start)) == 0) {
            return got;
        }
        cr_assert_eq(strncmp(got, "HTTP/1.1 50", 11), 0, "%s", got);
        gn_free(got);
    }
    cr_assert(false, "never %s", start);
    return NULL;
}

Test(call, answers_504_and_goes_on)
{
    struct served_setup setup =
            served_usual("def app(environ, start_response):\n"
                         "    if environ['PATH_INFO'] == '/slow':\n"
                         "        try: gate.wait(10)\n"
                         "        except TimeoutError: notes['late'] = time.monotonic()\n"
                         "        notes['over'] = environ['gustnado.deadline']\n"
                         "        notes['input'] = environ['wsgi.input'].read()\n"
                         "    start_response('200 OK', TEXT)\n"
                         "    return [b'answer']\n");
    char *got;

    setup.pyexec.stack_signal = SIGURG;
    setup.timeout_ms = 100;
    served_begin(&setup);
    gn_assert_loop_thread(served.loop);
    got = talk_until("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
                     "Connection: close\r\n\r\nbody",
            "HTTP/1.1 504 ");
    gn_free(got);
    served_await_log("no answer within the timeout: POST /slow from 192.0.2.7:5678, queued ");
    served_await_log("in app\n"); /* by Python or, on a busy machine, by the signal */
    got = talk_until(GET("/fast"), "HTTP/1.1 200 OK\r\n");
    cr_assert_not_null(strstr(got, "\r\n\r\nanswer"), "%s", got);
    gn_free(got);
    cr_assert_geq(gn_wsgi_container_stats(served.container).timeouts, 1);
    cr_assert_geq(gn_wsgi_container_stats(served.container).orphans, 1);
    served_python("gate.set()");
    served_await_log("POST /slow from 192.0.2.7:5678 ended ");
    cr_assert_not(served_log_has("Traceback"));
    served_end("assert notes['input'] == b'body', notes\n"
               "assert 0 < notes['late'] - notes['over'] < 60, notes\n");
}

Test(call, raises_in_a_late_view_and_logs_it_once)
{
    struct served_setup setup =
            served_usual("class Body:\n"
                         "    def __iter__(self): return self\n"
                         "    def __next__(self):\n"
                         "        while True: pass\n"
                         "    def close(self): notes['closed'] = True\n"
                         "def app(environ, start_response):\n"
                         "    start_response('200 OK', TEXT)\n"
                         "    if environ['PATH_INFO'] == '/body': return Body()\n"
                         "    while True: pass\n");
    const char *requests[] = {GET("/view"), GET("/body")};

    setup.timeout_ms = 100;
    served_begin(&setup);
    gn_assert_loop_thread(served.loop);
    for (unsigned i = 0; i < GN_ARRAY_LEN(requests); i++) {
        char *got = talk_until(requests[i], "HTTP/1.1 504 ");

        gn_free(got);
        served_await_log("no answer within the timeout: GET /");
        served_await_log(" ended ");
        while (gn_wsgi_container_stats(served.container).running > 0) {
            gn_loop_run_once(served.loop);
        }
        cr_assert_not(served_log_has("Traceback"));
        served_forget_log();
    }
    served_end("assert notes == {'closed': True}, notes");
}

Test(call, interrupts_a_view_whose_client_has_left)
{
    struct served_setup setup = served_usual("def app(environ, start_response):\n"
                                             "    while True: pass\n");
    struct served_client c;

    setup.timeout_ms = 200;
    served_begin(&setup);
    gn_assert_loop_thread(served.loop);
    c = served_talk_partly(GET("/gone"), 0);
    gn_free(c.received);
    /* One that leaves before a worker has begun is never run: again. */
    while (gn_wsgi_container_stats(served.container).timeouts == 0) {
        if (gn_wsgi_container_stats(served.container).running == 0) {
            served_client_start(&c, KEEP("/gone"), SIZE_MAX);
            for (unsigned i = 0; i < 50; i++) {
                gn_loop_run_once(served.loop);
                (void)usleep(1000);
            }
            (void)shutdown(c.fd, SHUT_RDWR);
            served_client_join(&c);
            gn_free(c.received);
        }
        gn_loop_run_once(served.loop);
    }
    served_await_log("no answer within the timeout: GET /gone from 192.0.2.7:5678, ");
    served_await_log("GET /gone from 192.0.2.7:5678 ended ");
    cr_assert_not(served_log_has("Traceback"));
    cr_assert_eq(gn_wsgi_container_stats(served.container).orphans, 0);
    served_end("");
}

Test(call, a_stream_that_has_begun_is_not_timed_out)
{
    struct served_setup setup = served_usual("def app(environ, start_response):\n"
                                             "    start_response('200 OK', TEXT)\n"
                                             "    yield b'first'\n"
                                             "    time.sleep(0.5)\n"
                                             "    yield b'last'\n");
    char *got;

    setup.timeout_ms = 200;
    served_begin(&setup);
    got = talk_until(GET("/"), "HTTP/1.1 200 OK\r\n");
    cr_assert_not_null(strstr(got, "5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n"), "%s", got);
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
