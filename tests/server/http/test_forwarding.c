/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "server/base/log.h"
#include "server/http/exchange.h"
#include "server/net/trust.h"
#include "tests/server/http/http_fixture.h"
#include "tests/support/test.h"

#define GET "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"

/* The fixture's client connects from 192.0.2.1:40000. */
static struct gn_trust *trust_of(const char *list)
{
    struct gn_trust *trust = NULL;

    cr_assert_eq(gn_trust_create(gn_slice_str(list), &trust, NULL), GN_OK);
    return trust;
}

static void note_trust(struct http_fixture *f, struct gn_exchange *ex)
{
    bool *is_trusted = f->data;

    gn_assert_loop_thread(f->loop);
    *is_trusted = ex->peer_is_trusted;
    http_fixture_reply(ex, "ok");
}

static bool is_trusted_by(struct gn_trust *trust)
{
    struct http_fixture f;
    bool is_trusted = false;

    http_fixture_init(&f);
    f.serve = note_trust;
    f.data = &is_trusted;
    f.proxies.forwarded = trust;
    http_fixture_start(&f);
    http_fixture_feed(&f, GET);
    cr_assert_eq(f.n_serve, 1);
    http_fixture_fini(&f);
    gn_trust_destroy(&trust);
    return is_trusted;
}

Test(forwarding, says_whether_the_peer_is_trusted)
{
    cr_assert(!is_trusted_by(NULL));
    cr_assert(!is_trusted_by(trust_of("")));
    cr_assert(!is_trusted_by(trust_of("127.0.0.1")));
    cr_assert(is_trusted_by(trust_of("192.0.2.0/24")));
    cr_assert(is_trusted_by(trust_of("*")));
}

/* ---- what a handler sees ---------------------------------------------------------- */

/** "peer via-proxy scheme host server-port prefix: fields left", into f->data. */
static void describe(struct http_fixture *f, struct gn_exchange *ex)
{
    struct gn_buf *into = f->data;
    char peer[GN_ADDR_TEXT_BYTES];
    char conn[GN_ADDR_TEXT_BYTES];

    gn_assert_loop_thread(f->loop);
    gn_addr_format(&ex->peer, peer);
    gn_addr_format(gn_exchange_conn_peer(ex), conn);
    cr_assert_str_eq(conn, "192.0.2.1:40000");
    cr_assert_eq(ex->proxy != NULL, strcmp(peer, conn) != 0);
    gn_buf_clear(into);
    cr_assert_eq(gn_buf_printf(into, "%s %s " GN_SLICE_FMT " %u '" GN_SLICE_FMT "':", peer,
                         ex->is_tls ? "https" : "http", GN_SLICE_ARG(ex->head->host),
                         ex->server_port, GN_SLICE_ARG(ex->script_name)),
            GN_OK);
    for (unsigned i = 0; i < ex->head->n_headers; i++) {
        const struct gn_header *h = &ex->head->headers[i];

        if (h->id == GN_HDR_HOST) {
            cr_assert(gn_slice_eq(h->value, ex->head->host));
        } else {
            cr_assert_eq(gn_buf_printf(into, " " GN_SLICE_FMT, GN_SLICE_ARG(h->name)), GN_OK);
        }
    }
    http_fixture_reply(ex, "ok");
}

static void quiet(void *arg, enum gn_log_level level, struct gn_slice line)
{
    unsigned *n_told = arg;

    (void)level;
    if (n_told != NULL && memmem(line.ptr, line.len, "removed X-Forwarded-For", 23) != NULL) {
        ++*n_told;
    }
}

struct request_case {
    const char *fields; /* behind the request line */
    const char *want;
};

static void check_all(
        const char *list, unsigned fields, const struct request_case *cases, size_t n_cases)
{
    struct gn_trust *trust = trust_of(list);
    struct http_fixture f;
    struct gn_buf seen;

    gn_log_set_sink(quiet, NULL);
    gn_buf_init(&seen, 4096);
    http_fixture_init(&f);
    f.serve = describe;
    f.data = &seen;
    f.proxies = (struct gn_http_proxies){.forwarded = trust, .forwarded_fields = fields};
    http_fixture_start(&f);
    for (size_t i = 0; i < n_cases; i++) {
        char request[1024];

        (void)snprintf(request, sizeof(request), "GET /a HTTP/1.1\r\n%s\r\n", cases[i].fields);
        http_fixture_feed(&f, request);
        cr_assert_eq(f.n_serve, i + 1);
        cr_assert_eq(gn_buf_append(&seen, gn_slice_of("", 1)), GN_OK);
        cr_assert_str_eq(seen.ptr, cases[i].want, "%s: %s", cases[i].fields, seen.ptr);
    }
    http_fixture_fini(&f);
    gn_buf_fini(&seen);
    gn_trust_destroy(&trust);
}

#define DIRECT "192.0.2.1:40000 http h 0 '':"

/* One of them was forgotten. */
Test(forwarding, mod_wsgi_cve_2022_2255_ghsa_7527_8855_9cf8_removes_every_such_field)
{
    static const struct request_case cases[] = {
            {"Host: h\r\n", DIRECT},
            {"Host: h\r\nX-Forwarded-For: 6.6.6.6\r\n", DIRECT},
            {"X-Forwarded-For: 6.6.6.6\r\nHost: h\r\nA: b\r\nForwarded: for=6.6.6.6\r\n"
             "X-Forwarded-Proto: https\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-Host: e\r\nB: c\r\n"
             "X-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /e\r\nX-Client-IP: 6.6.6.6\r\n"
             "X-Forwarded-Ssl: on\r\nX-Scheme: https\r\n",
                    DIRECT " A B"},
            {"Host: h\r\nA: b\r\n", DIRECT " A"},
    };

    check_all("127.0.0.1", GN_FORWARDED_ALL, cases, GN_ARRAY_LEN(cases));
}

Test(forwarding, takes_what_a_trusted_peer_says)
{
    static const struct request_case cases[] = {
            {"Host: h\r\n", DIRECT},
            {"Host: h\r\nX-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4:0 http h 0 '': X-Forwarded-For"},
            {"Host: h\r\nX-Forwarded-For: 6.6.6.6, 1.2.3.4:77, 192.0.2.200\r\n",
                    "1.2.3.4:77 http h 0 '': X-Forwarded-For"},
            {"Host: h\r\nX-Forwarded-For: ::ffff:1.2.3.4\r\n",
                    "1.2.3.4:0 http h 0 '': X-Forwarded-For"},
            {"Host: h\r\nX-Forwarded-For: unknown\r\n", DIRECT " X-Forwarded-For"},
            {"Host: h\r\nX-Forwarded-Proto: https\r\n",
                    "192.0.2.1:40000 https h 443 '': X-Forwarded-Proto"},
            {"Host: h:8443\r\nX-Forwarded-Proto: https\r\n",
                    "192.0.2.1:40000 https h:8443 8443 '': X-Forwarded-Proto"},
            {"Host: h\r\nX-Forwarded-Proto: gopher\r\n", DIRECT " X-Forwarded-Proto"},
            {"Host: h\r\nX-Forwarded-Host: a.example:81\r\n",
                    "192.0.2.1:40000 http a.example:81 81 '': X-Forwarded-Host"},
            {"Host: h\r\nX-Forwarded-Host: a/b\r\n", DIRECT " X-Forwarded-Host"},
            {"Host: h\r\nX-Forwarded-Port: 8443\r\n",
                    "192.0.2.1:40000 http h:8443 8443 '': X-Forwarded-Port"},
            {"Host: h\r\nX-Forwarded-Port: 80\r\n",
                    "192.0.2.1:40000 http h 80 '': X-Forwarded-Port"},
            {"Host: h:81\r\nX-Forwarded-Port: 8443\r\n",
                    "192.0.2.1:40000 http h:81 81 '': X-Forwarded-Port"},
            {"Host: h\r\nX-Forwarded-Port: 65536\r\n", DIRECT " X-Forwarded-Port"},
            {"Host: h\r\nX-Forwarded-Prefix: /p/\r\n",
                    "192.0.2.1:40000 http h 0 '/p': X-Forwarded-Prefix"},
            {"Host: h\r\nX-Forwarded-Prefix: p\r\n", DIRECT " X-Forwarded-Prefix"},
            {"Host: h\r\nForwarded: for=\"[2001:db8::9]:5\";proto=https;host=b.example\r\n"
             "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: http\r\nA: b\r\n"
             "X-Forwarded-Prefix: /p\r\n",
                    "[2001:db8::9]:5 https b.example 443 '/p': Forwarded A X-Forwarded-Prefix"},
            {"Host: h\r\nForwarded: for=_secret\r\n", DIRECT " Forwarded"},
            {"Host: h\r\n", DIRECT},
    };

    check_all("192.0.2.0/24", GN_FORWARDED_ALL, cases, GN_ARRAY_LEN(cases));
}

Test(forwarding, leaves_fields_alone_that_the_proxy_does_not_write)
{
    static const struct request_case cases[] = {
            {"Host: h\r\nForwarded: for=6.6.6.6;host=evil\r\nX-Forwarded-Host: evil\r\n"
             "X-Forwarded-For: 1.2.3.4\r\n",
                    "1.2.3.4:0 http h 0 '': Forwarded X-Forwarded-Host X-Forwarded-For"},
    };

    check_all("*", GN_FORWARDED_DEFAULT, cases, GN_ARRAY_LEN(cases));
}

Test(forwarding, of_one_request_does_not_show_in_the_next_of_its_connection)
{
    static const struct request_case cases[] = {
            {"Host: h\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n"
             "X-Forwarded-Prefix: /p\r\n",
                    "1.2.3.4:0 https h 443 '/p': X-Forwarded-For X-Forwarded-Proto "
                    "X-Forwarded-Prefix"},
            {"Host: h\r\n", DIRECT},
    };

    check_all("*", GN_FORWARDED_ALL, cases, GN_ARRAY_LEN(cases));
}

Test(forwarding, says_once_that_it_removed_something)
{
    struct http_fixture f;
    unsigned n_told = 0;

    gn_log_set_sink(quiet, &n_told);
    http_fixture_init(&f);
    http_fixture_start(&f);
    http_fixture_feed(&f, GET);
    cr_assert_eq(n_told, 0);
    http_fixture_feed(&f, "GET /a HTTP/1.1\r\nHost: h\r\nX-Real-IP: 1.2.3.4\r\n\r\n");
    http_fixture_feed(&f, "GET /a HTTP/1.1\r\nHost: h\r\nX-Real-IP: 1.2.3.4\r\n\r\n");
    cr_assert_eq(f.n_serve, 3);
    cr_assert_eq(n_told, 1);
    http_fixture_fini(&f);
}
