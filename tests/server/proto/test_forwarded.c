/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "server/proto/forwarded.h"
#include "tests/server/proto/head_run.h"
#include "tests/support/test.h"

/* Proxies are in 10.0.0.0/8 and at ::10. */
static bool is_trusted(void *arg, struct gn_slice address)
{
    (void)arg;
    return gn_slice_starts_with(address, GN_LIT("10.")) || gn_slice_eq(address, GN_LIT("::10"));
}

static void describe(const struct gn_forwarded *f, char out[256])
{
    (void)snprintf(out, 256, GN_SLICE_FMT ":%u %s " GN_SLICE_FMT ":%u " GN_SLICE_FMT,
            GN_SLICE_ARG(f->address), f->port,
            f->has_scheme ? (f->is_https ? "https" : "http") : "-", GN_SLICE_ARG(f->host),
            f->host_port, GN_SLICE_ARG(f->prefix));
}

#define ALL GN_FORWARDED_ALL
#define REQUEST(fields) GN_LIT_INIT("GET / HTTP/1.1\r\nHost: h\r\n" fields "\r\n")
#define FWD(value) REQUEST("Forwarded: " value "\r\n")
#define XFF(value) REQUEST("X-Forwarded-For: " value "\r\n")

Test(forwarded, believes_trusted_hops_only)
{
    static const struct {
        struct gn_slice request;
        const char *want; /* address:port scheme host:port prefix */
    } cases[] = {
            {REQUEST(""), ":0 - :0 "},
            {XFF("1.2.3.4"), "1.2.3.4:0 - :0 "},
            {XFF("1.2.3.4:99"), "1.2.3.4:99 - :0 "},
            {XFF("2001:db8::1"), "2001:db8::1:0 - :0 "},
            {XFF("[2001:db8::1]:99"), "2001:db8::1:99 - :0 "},
            {XFF("6.6.6.6, 1.2.3.4"), "1.2.3.4:0 - :0 "},
            {XFF("6.6.6.6, 1.2.3.4, 10.0.0.1"), "1.2.3.4:0 - :0 "},
            {XFF("1.2.3.4, 10.0.0.2,10.0.0.1"), "1.2.3.4:0 - :0 "},
            {XFF("10.0.0.2, 10.0.0.1"), "10.0.0.2:0 - :0 "},
            {XFF("1.2.3.4\r\nX-Forwarded-For: 10.0.0.1"), "1.2.3.4:0 - :0 "},
            {XFF("10.0.0.1\r\nX-Forwarded-For: 1.2.3.4"), "1.2.3.4:0 - :0 "},
            {XFF("1.2.3.4, unknown, 10.0.0.1"), "10.0.0.1:0 - :0 "},
            {XFF("unknown"), ":0 - :0 "},
            {XFF("evil.example"), ":0 - :0 "},
            {XFF("1.2.3"), ":0 - :0 "},
            {XFF("1.2.3.4:99999"), ":0 - :0 "},
            {XFF(",, 1.2.3.4 ,,"), "1.2.3.4:0 - :0 "},
            {REQUEST("X-Real-IP: 1.2.3.4\r\n"), "1.2.3.4:0 - :0 "},
            {REQUEST("X-Real-IP: 6.6.6.6\r\nX-Forwarded-For: 1.2.3.4\r\n"), "1.2.3.4:0 - :0 "},
            {REQUEST("X-Forwarded-Proto: HTTPS\r\nX-Forwarded-Host: a.example:8443\r\n"
                     "X-Forwarded-Port: 8443\r\nX-Forwarded-Prefix: /app/\r\n"),
                    ":0 https a.example:8443:8443 /app"},
            {REQUEST("X-Forwarded-Proto: https, http\r\nX-Forwarded-Host: evil, a.example\r\n"),
                    ":0 http a.example:0 "},
            {REQUEST("X-Forwarded-Proto: ftp\r\nX-Forwarded-Host: a b\r\nX-Forwarded-Port: x\r\n"
                     "X-Forwarded-Prefix: app\r\n"),
                    ":0 - :0 "},
            {REQUEST("X-Forwarded-Proto: wss\r\n"), ":0 https :0 "},
            {REQUEST("X-Forwarded-Proto: WS\r\n"), ":0 http :0 "},
            {REQUEST("X-Forwarded-Prefix: //evil\r\n"), ":0 - :0 "},
            {REQUEST("X-Forwarded-Prefix: /a?b\r\n"), ":0 - :0 "},
            {REQUEST("X-Forwarded-Prefix: /\r\n"), ":0 - :0 "},
            {FWD("for=1.2.3.4"), "1.2.3.4:0 - :0 "},
            {FWD("For=\"[2001:db8::1]:99\";Proto=https;Host=a.example;by=10.0.0.9"),
                    "2001:db8::1:99 https a.example:0 "},
            {FWD("for=6.6.6.6;proto=https;host=evil, for=1.2.3.4;proto=http"),
                    "1.2.3.4:0 http :0 "},
            {FWD("for=1.2.3.4;proto=https;host=a.example, for=10.0.0.1;proto=http"),
                    "1.2.3.4:0 https a.example:0 "},
            {FWD("for=1.2.3.4;proto=https, for=\"[::10]\";proto=http;host=b"),
                    "1.2.3.4:0 https b:0 "},
            {FWD("for=1.2.3.4, for=_hidden;proto=https"), ":0 https :0 "},
            {FWD("for=unknown"), ":0 - :0 "},
            {FWD("for=\"1.2.3.4:_port\""), "1.2.3.4:0 - :0 "},
            {FWD("for=1.2.3.4, nonsense"), ":0 - :0 "},
            {FWD("for=\"1.2.3.4"), ":0 - :0 "},
            {FWD("for=\"1.2.3.\\4\""), ":0 - :0 "},
            {FWD("for=\"; for=6.6.6.6, for=1.2.3.4"), "1.2.3.4:0 - :0 "},
            {REQUEST("Forwarded: for=1.2.3.4\r\nX-Forwarded-For: 6.6.6.6\r\n"), "1.2.3.4:0 - :0 "},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_forwarded f;
        struct head_run run;
        char got[256];

        head_run_text(&run, cases[i].request);
        cr_assert_eq(run.result, GN_HTTP1_DONE);
        gn_forwarded_resolve(&run.head, ALL, is_trusted, NULL, &f);
        describe(&f, got);
        cr_assert_str_eq(got, cases[i].want, "case %zu: %s", i, got);
        head_run_fini(&run);
    }
}

/* X-Client-IP from anybody was left in the environment. */
Test(forwarded, mod_wsgi_cve_2022_2255_knows_every_field_to_drop)
{
    static const struct {
        struct gn_slice name;
        bool want;
    } cases[] = {
            {GN_LIT_INIT("Forwarded"), true},
            {GN_LIT_INIT("x-forwarded-for"), true},
            {GN_LIT_INIT("X-Forwarded-Host"), true},
            {GN_LIT_INIT("X-Forwarded-Port"), true},
            {GN_LIT_INIT("X-Forwarded-Prefix"), true},
            {GN_LIT_INIT("X-Forwarded-Proto"), true},
            {GN_LIT_INIT("X-Forwarded-Server"), true},
            {GN_LIT_INIT("X-FORWARDED-SSL"), true},
            {GN_LIT_INIT("X-Forwarded-Scheme"), true},
            {GN_LIT_INIT("X-Forwarded-Protocol"), true},
            {GN_LIT_INIT("X-Forwarded"), true},
            {GN_LIT_INIT("X-Forwarded-User"), true},
            {GN_LIT_INIT("x-forwarded-anything"), true},
            {GN_LIT_INIT("X-Cluster-Client-IP"), true},
            {GN_LIT_INIT("X-Url-Scheme"), true},
            {GN_LIT_INIT("X-Scheme"), true},
            {GN_LIT_INIT("X-Real-Ip"), true},
            {GN_LIT_INIT("X-Client-IP"), true},
            {GN_LIT_INIT("Host"), false},
            {GN_LIT_INIT("X-Own"), false},
            {GN_LIT_INIT("X-Forwardedness"), false},
            {GN_LIT_INIT("X-Forwarde"), false},
            {GN_LIT_INIT("X-Request-ID"), false},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_header h = {
                .name = cases[i].name, .id = (uint16_t)gn_header_lookup(cases[i].name)};

        cr_assert_eq(gn_forwarded_is_field(&h), cases[i].want, "%zu", i);
    }
}

Test(forwarded, rivals_of_forwarded_are_all_but_itself_and_the_prefix)
{
    static const struct {
        struct gn_slice name;
        bool want;
    } cases[] = {
            {GN_LIT_INIT("Forwarded"), false},
            {GN_LIT_INIT("X-Forwarded-Prefix"), false},
            {GN_LIT_INIT("X-Forwarded-For"), true},
            {GN_LIT_INIT("X-Forwarded-Ssl"), true},
            {GN_LIT_INIT("X-Real-IP"), true},
            {GN_LIT_INIT("Via"), false},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_header h = {
                .name = cases[i].name, .id = (uint16_t)gn_header_lookup(cases[i].name)};

        cr_assert_eq(gn_forwarded_is_rival(&h), cases[i].want, "%zu", i);
    }
}

Test(forwarded, looks_at_the_fields_it_was_told_of_alone)
{
    static const struct {
        unsigned fields;
        const char *want;
        bool is_rfc7239;
    } cases[] = {
            {0, ":0 - :0 ", false},
            {GN_FORWARDED_FOR, "1.1.1.1:0 - :0 ", false},
            {GN_FORWARDED_REAL_IP, "2.2.2.2:0 - :0 ", false},
            {GN_FORWARDED_FOR | GN_FORWARDED_REAL_IP, "1.1.1.1:0 - :0 ", false},
            {GN_FORWARDED_PROTO, ":0 https :0 ", false},
            {GN_FORWARDED_HOST, ":0 - x.example:0 ", false},
            {GN_FORWARDED_PORT, ":0 - :99 ", false},
            {GN_FORWARDED_PREFIX, ":0 - :0 /p", false},
            {GN_FORWARDED_DEFAULT, "1.1.1.1:0 https :0 ", false},
            {ALL, "3.3.3.3:0 http f.example:0 /p", true},
            {GN_FORWARDED_RFC7239, "3.3.3.3:0 http f.example:0 ", true},
    };
    struct head_run run;

    head_run_text(&run,
            GN_LIT("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\n"
                   "X-Real-IP: 2.2.2.2\r\nX-Forwarded-Proto: https\r\n"
                   "X-Forwarded-Host: x.example\r\nX-Forwarded-Port: 99\r\n"
                   "X-Forwarded-Prefix: /p\r\n"
                   "Forwarded: for=3.3.3.3;proto=http;host=f.example\r\n\r\n"));
    cr_assert_eq(run.result, GN_HTTP1_DONE);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_forwarded f;
        char got[256];

        gn_forwarded_resolve(&run.head, cases[i].fields, is_trusted, NULL, &f);
        describe(&f, got);
        cr_assert_str_eq(got, cases[i].want, "case %zu: %s", i, got);
        cr_assert_eq(f.is_rfc7239, cases[i].is_rfc7239, "case %zu", i);
    }
    head_run_fini(&run);
}

Test(forwarded, parses_nodes)
{
    struct gn_slice address;
    uint16_t port;

    cr_assert_eq(gn_forwarded_parse_node(GN_LIT("[::1]"), &address, &port), GN_OK);
    cr_assert(gn_slice_eq(address, GN_LIT("::1")));
    cr_assert_eq(gn_forwarded_parse_node(GN_LIT("[::1"), &address, &port), GN_ERR_INVALID);
    cr_assert_eq(gn_forwarded_parse_node(GN_LIT("[::1]x"), &address, &port), GN_ERR_INVALID);
    cr_assert_eq(gn_forwarded_parse_node(GN_LIT("[1.2.3.4]"), &address, &port), GN_ERR_INVALID);
    cr_assert_eq(gn_forwarded_parse_node(GN_LIT("1.2.3.4:"), &address, &port), GN_ERR_INVALID);
    cr_assert_eq(gn_forwarded_parse_node(GN_LIT(""), &address, &port), GN_ERR_INVALID);
    cr_assert_eq(gn_forwarded_parse_node(GN_LIT("1.2.3.4\0"), &address, &port), GN_ERR_INVALID);
}
