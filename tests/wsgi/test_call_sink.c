/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "tests/support/test.h"
#include "tests/wsgi/container_fixture.h"

Test(call_sink, streams_with_back_pressure)
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

Test(call_sink, lets_go_when_the_client_has_left)
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

Test(call_sink, lets_go_of_what_is_written_while_it_streams)
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
