/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "tests/support/test.h"
#include "tests/wsgi/container_fixture.h"

/* Bodies that their application reads while they arrive, over a whole server. */

#define SUM                                                                                        \
    "def app(environ, start_response):\n"                                                          \
    "    body = environ['wsgi.input'].read()\n"                                                    \
    "    start_response('200 OK', TEXT)\n"                                                         \
    "    length = environ.get('CONTENT_LENGTH')\n"                                                 \
    "    ends = environ['wsgi.input_terminated']\n"                                                \
    "    return [f'{len(body)} {sum(body)} {length} {ends}'.encode()]\n"

#define RECORDS                                                                                    \
    "def app(environ, start_response):\n"                                                          \
    "    notes['called'] = True\n"                                                                 \
    "    try:\n"                                                                                   \
    "        notes['read'] = environ['wsgi.input'].read()\n"                                       \
    "    except OSError as e:\n"                                                                   \
    "        notes['raised'] = type(e).__name__\n"                                                 \
    "        raise\n"                                                                              \
    "    start_response('200 OK', TEXT)\n"                                                         \
    "    return [b'read']\n"

#define IGNORES                                                                                    \
    "def app(environ, start_response):\n"                                                          \
    "    start_response('200 OK', TEXT)\n"                                                         \
    "    return [b'hello ', environ['PATH_INFO'].encode('latin-1')]\n"

#define POST(path) "POST " path " HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define CLOSE "Connection: close\r\n"

static struct served_setup streamed(const char *code)
{
    struct served_setup setup = served_usual(code);

    setup.streams_uploads = true;
    setup.limits.linger_ms = 20;
    return setup;
}

/** A request with a body of `n` letters a; the caller's (gn_free). */
static char *with_body(const char *head, size_t n)
{
    size_t len = strlen(head);
    char *text = gn_xcalloc(len + n + 1);

    memcpy(text, head, len);
    memset(text + len, 'a', n);
    return text;
}

Test(call_upload, is_read_with_a_length_and_in_chunks)
{
    struct served_setup setup = streamed(SUM);
    char *large = with_body(POST("/") CLOSE "Content-Length: 3000000\r\n\r\n", 3000000);

    served_begin(&setup);
    served_assert(POST("/") CLOSE "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 200 OK\r\n",
            "\r\n\r\n3 294 3 True");
    served_assert(POST("/") CLOSE CHUNKED "\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n", "\r\n\r\n3 294 None True");
    served_assert(POST("/") CLOSE CHUNKED "\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\n",
            "\r\n\r\n0 0 None True");
    served_assert(POST("/") CLOSE "Content-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n",
            "\r\n\r\n0 0 0 True");
    served_assert(GET("/"), "HTTP/1.1 200 OK\r\n", "\r\n\r\n0 0 None True");
    served_assert(large, "HTTP/1.1 200 OK\r\n", "\r\n\r\n3000000 291000000 3000000 True");
    served_end("");
    gn_free(large);
}

Test(call_upload, is_bounded_on_its_way)
{
    struct served_setup setup = streamed("def app(environ, start_response):\n"
                                         "    n, stream = 0, environ['wsgi.input']\n"
                                         "    while part := stream.read1():\n"
                                         "        n += len(part)\n"
                                         "        notes['most'] = max(len(part),\n"
                                         "                            notes.get('most', 0))\n"
                                         "        time.sleep(0.0005)\n"
                                         "    start_response('200 OK', TEXT)\n"
                                         "    return [str(n).encode()]\n");
    char *large = with_body(POST("/") CLOSE "Content-Length: 1000000\r\n\r\n", 1000000);

    setup.limits.pipeline_bytes = 8192;
    served_begin(&setup);
    served_assert(large, "HTTP/1.1 200 OK\r\n", "\r\n\r\n1000000");
    served_end("assert notes['most'] <= 2 * (8192 + 65536), notes");
    gn_free(large);
}

Test(call_upload, keeps_pipelined_requests_in_step)
{
    struct served_setup setup = streamed(IGNORES);
    char *got;

    setup.limits.drain_bytes = 10;
    served_begin(&setup);
    got = served_talk(POST("/1") "Content-Length: 3\r\n\r\nabc" /**/
            POST("/2") CHUNKED "\r\n3\r\nabc\r\n0\r\n\r\n"      /**/
            POST("/3") "Content-Length: 10\r\n\r\n0123456789"   /**/
            POST("/4") "Content-Length: 11\r\n\r\n01234567890" GET("/never"));
    cr_assert_not_null(strstr(got, "hello /1HTTP/1.1 200 OK"), "%s", got);
    cr_assert_not_null(strstr(got, "hello /2HTTP/1.1 200 OK"), "%s", got);
    cr_assert_not_null(strstr(got, "hello /3HTTP/1.1 200 OK"), "%s", got);
    cr_assert_not_null(strstr(got, "Connection: close\r\n"), "%s", got);
    cr_assert_not_null(strstr(got, "hello /4"), "%s", got);
    cr_assert_null(strstr(got, "never"), "%s", got);
    gn_free(got);
    served_end("");
}

/* A client that would send three bytes if it were asked to, and never does. */
static void check_expecting(const struct served_setup *setup, const char *begins_with,
        const char *has, const char *python)
{
    char *got;

    served_begin(setup);
    got = served_talk(POST("/") "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    cr_assert_eq(strncmp(got, begins_with, strlen(begins_with)), 0, "%s", got);
    cr_assert_not_null(strstr(got, has), "%s", got);
    gn_free(got);
    served_end(python);
}

Test(call_upload, asks_for_the_body_when_it_is_read)
{
    struct served_setup setup = streamed(RECORDS);
    struct served_setup ignores = streamed(IGNORES);

    setup.limits.body_idle_ms = 100;
    check_expecting(&setup, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408 ", "",
            "assert notes == {'called': True, 'raised': 'TimeoutError'}, notes");
    check_expecting(
            &ignores, "HTTP/1.1 200 OK\r\n", "Connection: close\r\n", ""); /* it may never come */
}

Test(call_upload, is_asked_for_before_early_hints)
{
    struct served_setup setup =
            streamed("def app(environ, start_response):\n"
                     "    environ['wsgi.early_hints']([('Link', '</a>; rel=preload')])\n"
                     "    try: environ['wsgi.input'].read()\n"
                     "    except TimeoutError: pass\n"
                     "    start_response('200 OK', TEXT)\n"
                     "    return []\n");

    setup.limits.body_idle_ms = 100;
    check_expecting(&setup, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 ", "", "");
}

Test(call_upload, that_cannot_be_had_raises)
{
    static const struct {
        const char *request;
        const char *answer;
        const char *raised;
    } cases[] = {
            {POST("/") CHUNKED "\r\n8\r\n01234567\r\n9\r\n012345678\r\n", "HTTP/1.1 413 ",
                    "OSError"},
            {POST("/") CHUNKED "\r\n8\r\n01234567\r\n?\r\n", "HTTP/1.1 400 ", "OSError"},
            {POST("/") "Content-Length: 9\r\n\r\n012", "HTTP/1.1 408 ", "TimeoutError"},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct served_setup setup = streamed(RECORDS);
        char code[200];

        setup.limits.body_bytes = 16;
        setup.limits.body_idle_ms = 200;
        served_begin(&setup);
        served_assert(cases[i].request, cases[i].answer, "");
        (void)snprintf(code, sizeof(code),
                "assert notes in ({}, {'called': True, 'raised': '%s'}), notes", cases[i].raised);
        served_end(code);
        cr_assert(!served_log_has("Traceback"), "%s", cases[i].raised);
    }
}

Test(call_upload, that_is_announced_too_long_is_refused_at_once)
{
    struct served_setup setup = streamed(RECORDS);

    setup.limits.body_bytes = 16;
    served_begin(&setup);
    served_assert(POST("/") CLOSE "Content-Length: 17\r\n\r\n", "HTTP/1.1 413 ", "");
    served_assert(POST("/") CLOSE "Content-Length: 16\r\n\r\n0123456789abcdef",
            "HTTP/1.1 200 OK\r\n", "");
    served_end("");
}

Test(call_upload, whose_client_vanishes_wakes_its_reader)
{
    struct served_setup setup = streamed(RECORDS);

    served_begin(&setup);
    gn_assert_loop_thread(served.loop);
    while (gn_wsgi_container_stats(served.container).gone == 0) {
        gn_free(served_talk_partly(POST("/") "Content-Length: 9\r\n\r\n012", 0).received);
    }
    while (gn_wsgi_container_stats(served.container).running > 0) {
        gn_loop_run_once(served.loop);
    }
    served_end("assert notes in ({}, {'called': True, 'raised': 'ConnectionResetError'}), notes");
    cr_assert(!served_log_has("Traceback"));
}

Test(call_upload, that_takes_longer_than_the_call_may_ends_it)
{
    struct served_setup setup = streamed(RECORDS);
    char *got;
    bool is_504 = false;

    setup.timeout_ms = 200;
    setup.limits.linger_ms = 20;
    served_begin(&setup);
    for (int tries = 0; tries < 50 && !is_504; tries++) { /* a busy machine answers 503 */
        got = served_talk(POST("/") CLOSE "Content-Length: 9\r\n\r\n012");
        is_504 = strncmp(got, "HTTP/1.1 504 ", 13) == 0;
        gn_free(got);
    }
    cr_assert(is_504);
    served_end("assert notes == {'called': True, 'raised': 'TimeoutError'}, notes");
    cr_assert(!served_log_has("Traceback"));
}

Test(call_upload, may_be_answered_while_it_is_read)
{
    struct served_setup setup = streamed("def app(environ, start_response):\n"
                                         "    start_response('200 OK', TEXT)\n"
                                         "    for line in environ['wsgi.input']:\n"
                                         "        yield line.upper()\n");

    served_begin(&setup);
    served_assert(POST("/") CLOSE CHUNKED "\r\n3\r\na\nb\r\n4\r\ncd\ne\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n", "2\r\nA\n\r\n4\r\nBCD\n\r\n1\r\nE\r\n0\r\n\r\n");
    served_end("");
}

Test(call_upload, mounts_choose_for_themselves)
{
    struct served_setup setup =
            served_usual("def named(environ, start_response):\n"
                         "    start_response('200 OK', TEXT)\n"
                         "    return [type(environ['wsgi.input']).__name__.encode(),\n"
                         "            environ['wsgi.input'].read()]\n"
                         "app = other = named\n");
    static const char *const mounts[] = {"/a", "app", "/a/b", "other", NULL};

    setup.mounts = mounts;
    setup.streams_only = "/a/b";
    served_begin(&setup);
    served_assert(POST("/a") CLOSE "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 200 ", "\nInputabc");
    served_assert(POST("/%61/b/c") CLOSE "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 200 ",
            "\nStreamedInputabc");
    served_assert(POST("/a/%00") CLOSE "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 400 ", "");
    served_assert(POST("/c") CLOSE "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 404 ", "");
    served_end("");
}
