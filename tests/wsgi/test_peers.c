/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"
#include "tests/wsgi/wsgi_fixture.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/peers_priv.h"

TestSuite(peers, .init = wsgi_python_start, .fini = wsgi_python_stop);

static struct gn_wsgi_peers peers;

static const struct gn_wsgi_peer *find(const char *text)
{
    gn_assert_gil();
    struct gn_addr addr = wsgi_addr(text);
    const struct gn_wsgi_peer *peer = gn_wsgi_peers_find(&peers, &addr);

    cr_assert_not_null(peer);
    cr_assert_eq(PyUnicode_CompareWithASCIIString(peer->text, text), 0, "%s", text);
    return peer;
}

static void end(void)
{
    gn_assert_gil();
    gn_wsgi_peers_fini(&peers);
}

Test(peers, spell_each_kind_of_address)
{
    static const struct {
        const char *text;
        const char *host;
        const char *port;
    } cases[] = {
            {"192.0.2.7:5678", "192.0.2.7", "5678"},
            {"192.0.2.7:0", "192.0.2.7", ""},
            {"[2001:db8::7]:1", "2001:db8::7", "1"},
            {"unix:/run/x", "", ""},
            {"unix:/run/y", "", ""},
    };

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
            const struct gn_wsgi_peer *peer = find(cases[i].text);

            cr_assert_eq(PyUnicode_CompareWithASCIIString(peer->host, cases[i].host), 0);
            cr_assert_eq(PyUnicode_CompareWithASCIIString(peer->port, cases[i].port), 0);
        }
    }
    end();
}

Test(peers, are_the_same_objects_while_they_are_kept)
{
    PyObject *host = find("192.0.2.7:5678")->host;

    (void)find("192.0.2.7:5679");
    cr_assert_eq(find("192.0.2.7:5678")->host, host);
    end();
}

Test(peers, beyond_their_number_are_still_right)
{
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3 * GN_WSGI_PEER_SETS * GN_WSGI_PEER_WAYS; i++) {
            char text[40];

            (void)snprintf(text, sizeof(text), "10.0.%d.%d:%d", i / 256, i % 256, 1024 + i);
            (void)find(text);
        }
    }
    end();
}
