/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "tests/support/test.h"
#include "tests/wsgi/container_fixture.h"

Test(call_part, parts_from_a_view_that_waits_when_the_client_has_left)
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

Test(call_part, answers_504_and_goes_on)
{
    struct served_setup setup = served_usual(
            "def app(environ, start_response):\n"
            "    if environ['PATH_INFO'] == '/slow':\n"
            "        try:\n"
            "            while True: time.sleep(0.01)\n" /* not in a lock: it could stay locked */
            "        except TimeoutError: notes['late'] = time.monotonic()\n"
            "        gate.wait(60)\n"
            "        notes['over'] = environ['gustnado.deadline']\n"
            "        notes['input'] = environ['wsgi.input'].read()\n"
            "    start_response('200 OK', TEXT)\n"
            "    return [b'answer']\n");
    char *got;

    setup.pyexec.stack_signal = SIGURG;
    setup.timeout_ms = 100;
    served_begin(&setup);
    gn_assert_loop_thread(served.loop);
    do { /* a machine may even be too busy for the signal to be heeded in time */
        served_forget_log();
        got = talk_until("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
                         "Connection: close\r\n\r\nbody",
                "HTTP/1.1 504 ");
        gn_free(got);
        served_await_log("no answer within the timeout: POST /slow from 192.0.2.7:5678, queued ");
    } while (served_log_has("where it is could not be found out"));
    cr_assert(served_log_has("in app\n")); /* by Python or, on a busy machine, by the signal */
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

Test(call_part, answers_504_behind_early_hints)
{
    struct served_setup setup = served_usual(
            "def app(environ, start_response):\n"
            "    environ['wsgi.early_hints']([('Link', '</a.css>')])\n"
            "    if environ['PATH_INFO'] == '/slow':\n"
            "        try:\n"
            "            while True: time.sleep(0.01)\n" /* not in a lock: it could stay locked */
            "        except TimeoutError: pass\n"
            "    start_response('200 OK', TEXT)\n"
            "    return [b'answer']\n");
    char *got;

    setup.timeout_ms = 100;
    served_begin(&setup);
    gn_assert_loop_thread(served.loop);
    got = talk_until(KEEP("/slow") GET("/"), "HTTP/1.1 103 ");
    cr_assert_not_null(strstr(got, "\r\n\r\nHTTP/1.1 504 Gateway Timeout\r\n"), "%s", got);
    cr_assert_not_null(strstr(got, "</html>\nHTTP/1.1 "), "the connection goes on: %s", got);
    gn_free(got);
    served_end("");
}

/** Has a request answered by 504 and its view ended. */
static void be_late(const char *request)
{
    gn_assert_loop_thread(served.loop);
    served_forget_log();
    gn_free(talk_until(request, "HTTP/1.1 504 "));
    served_await_log("no answer within the timeout: GET /");
    served_await_log(" ended ");
    while (gn_wsgi_container_stats(served.container).running > 0) {
        gn_loop_run_once(served.loop);
    }
    cr_assert_not(served_log_has("Traceback"));
}

Test(call_part, raises_in_a_late_view_and_logs_it_once)
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

    setup.timeout_ms = 100;
    served_begin(&setup);
    gn_assert_loop_thread(served.loop);
    be_late(GET("/view"));
    do { /* on a busy machine it may be late before there is a body */
        be_late(GET("/body"));
    } while (!served_is("'closed' in notes"));
    served_end("assert notes == {'closed': True}, notes");
}

Test(call_part, interrupts_a_view_whose_client_has_left)
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

Test(call_part, a_stream_that_has_begun_is_not_timed_out)
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
