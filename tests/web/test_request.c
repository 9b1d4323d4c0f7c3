/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "server/base/alloc.h"
#include "server/http/exchange.h"
#include "server/net/trust.h"
#include "tests/support/test.h"
#include "tests/web/web_fixture.h"
#include "web/reply.h"
#include "web/request.h"

/* Each test asks for one thing; the handler says what it saw. NULL slices show as "(none)". */

static struct gn_slice shown(struct gn_slice s)
{
    return s.ptr != NULL ? s : GN_LIT("(none)");
}

GN_LOOP_THREAD static enum gn_err say(struct gn_request *r, struct gn_slice s)
{
    return gn_reply_text(r, 200, shown(s));
}

static void expect(const struct web_answer *a, const char *body)
{
    cr_assert_eq(a->status, 200, "%d", a->status);
    cr_assert(gn_slice_eq(a->body, gn_slice_str(body)), "%.*s", (int)a->body.len, a->body.ptr);
}

/* ---- arguments -------------------------------------------------------------------- */

GN_LOOP_THREAD static enum gn_err say_args(struct gn_request *r)
{
    unsigned n;

    (void)gn_query_args(r, &n);
    return gn_reply_textf(r, 200, "%s|%.*s|%.*s|%u", gn_path_arg(r, "none").ptr == NULL ? "" : "?",
            GN_SLICE_ARG(gn_path_arg(r, "id")), GN_SLICE_ARG(shown(gn_query_arg(r, "q"))), n);
}

Test(request, has_path_and_query_arguments)
{
    struct web_fixture f;
    struct web_answer a;

    web_init(&f);
    gn_app_get(f.app, "/u/{id}", say_args);
    web_start(&f);
    a = web_get(&f, "/u/7?q=a+b&x&q=%C3%A9");
    expect(&a, "|7|\xc3\xa9|3");
    a = web_get(&f, "/u/%41?q");
    expect(&a, "|A||1");
    a = web_get(&f, "/u/7");
    expect(&a, "|7|(none)|0");
    web_end(&f);
}

GN_LOOP_THREAD static enum gn_err say_form(struct gn_request *r)
{
    const struct gn_arg *list;
    unsigned n = 0;
    enum gn_err rc = gn_form_args(r, &list, &n);

    return gn_reply_textf(
            r, 200, "%s|%u|%.*s", gn_err_name(rc), n, GN_SLICE_ARG(shown(gn_form_arg(r, "a"))));
}

Test(request, has_form_arguments)
{
    struct web_fixture f;
    struct web_answer a;
    struct gn_buf many;

    web_init(&f);
    gn_app_post(f.app, "/", say_form);
    web_start(&f);
    a = web_send(&f, "POST", "/", "Content-Type: application/x-www-form-urlencoded\r\n",
            "a=1&b=2&a=x+y");
    expect(&a, "ok|3|x y");
    a = web_send(&f, "POST", "/",
            "Content-Type: Application/X-WWW-Form-Urlencoded ; charset=utf-8\r\n", "");
    expect(&a, "ok|0|(none)");
    a = web_send(&f, "POST", "/", "Content-Type: text/plain\r\n", "a=1");
    expect(&a, "unsupported|0|(none)");
    a = web_send(&f, "POST", "/", "", "a=1");
    expect(&a, "unsupported|0|(none)");
    gn_buf_init(&many, 65536);
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(gn_buf_append(&many, GN_LIT("a=1&")), GN_OK);
    }
    cr_assert_eq(gn_buf_append(&many, gn_slice_of("\0", 1)), GN_OK);
    a = web_send(&f, "POST", "/", "Content-Type: application/x-www-form-urlencoded\r\n", many.ptr);
    expect(&a, "ok|1000|1");
    many.ptr[many.len - 1] = 'b';
    cr_assert_eq(gn_buf_append(&many, gn_slice_of("\0", 1)), GN_OK);
    a = web_send(&f, "POST", "/", "Content-Type: application/x-www-form-urlencoded\r\n", many.ptr);
    expect(&a, "too big|0|(none)");
    gn_buf_fini(&many);
    web_end(&f);
}

/* ---- headers ----------------------------------------------------------------------- */

GN_LOOP_THREAD static enum gn_err say_headers(struct gn_request *r)
{
    return gn_reply_textf(r, 200, "%.*s|%.*s|%.*s|%.*s",
            GN_SLICE_ARG(shown(gn_request_header(r, "x-thing"))),
            GN_SLICE_ARG(shown(gn_request_header_id(r, GN_HDR_USER_AGENT))),
            GN_SLICE_ARG(gn_request_host(r)), GN_SLICE_ARG(gn_request_query(r)));
}

Test(request, has_headers)
{
    struct web_fixture f;
    struct web_answer a;

    web_init(&f);
    gn_app_get(f.app, "/", say_headers);
    web_start(&f);
    a = web_ask(&f,
            "GET /?a=%20 HTTP/1.1\r\nHost: b:80\r\nX-Thing:  t \r\nX-Thing: u\r\n"
            "User-Agent:\r\n\r\n");
    expect(&a, "t||b:80|a=%20");
    a = web_ask(&f, "GET / HTTP/1.1\r\nHost: b\r\n\r\n");
    expect(&a, "(none)|(none)|b|");
    web_end(&f);
}

GN_LOOP_THREAD static enum gn_err say_cookie(struct gn_request *r)
{
    return say(r, gn_request_cookie(r, "sid"));
}

Test(request, has_cookies)
{
    static const struct {
        const char *fields;
        const char *value;
    } cases[] = {
            {"", "(none)"},
            {"Cookie: sid=1\r\n", "1"},
            {"Cookie: a=b; sid=1; sid=2\r\n", "1"},
            {"Cookie: a=b\r\nCookie: sid=\"q\"\r\n", "q"},
            {"Cookie: xsid=1; sid2=3\r\n", "(none)"},
            {"Cookie: sid\r\n", "(none)"},
            {"Cookie: sid=\r\n", ""},
            {"Cookie: sid=a=b\r\n", "a=b"},
            {"Cookie: ;;; sid = v ;\r\n", "v"},
    };
    struct web_fixture f;

    web_init(&f);
    gn_app_get(f.app, "/", say_cookie);
    web_start(&f);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct web_answer a = web_send(&f, "GET", "/", cases[i].fields, "");

        cr_assert(gn_slice_eq(a.body, gn_slice_str(cases[i].value)), "%s: %.*s", cases[i].fields,
                (int)a.body.len, a.body.ptr);
    }
    web_end(&f);
}

/* ---- body ---------------------------------------------------------------------------- */

GN_LOOP_THREAD static enum gn_err say_body(struct gn_request *r)
{
    struct gn_slice body = gn_request_body(r);

    cr_assert_eq(gn_request_body(r).ptr, body.ptr, "asked twice");
    return gn_reply_bytes(r, 200, "application/octet-stream", body);
}

Test(request, has_its_whole_body_in_memory_or_mapped)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 300000};
    char *big = gn_xcalloc(300001);
    struct web_fixture f;

    web_init(&f);
    gn_app_post(f.app, "/", say_body);
    web_start(&f);
    for (size_t i = 0; i < GN_ARRAY_LEN(sizes); i++) {
        struct web_answer a;

        memset(big, 'a' + (int)i, sizes[i]);
        big[sizes[i]] = '\0';
        a = web_send(&f, "POST", "/", "", big);
        cr_assert_eq(a.status, 200);
        cr_assert(gn_slice_eq(a.body, gn_slice_str(big)), "%zu", sizes[i]);
    }
    gn_free(big);
    web_end(&f);
}

GN_LOOP_THREAD static enum gn_err count_body(struct gn_request *r)
{
    struct gn_bufq part = {0};
    uint64_t n_bytes = 0;
    bool ended = false;

    while (!ended) {
        GN_TRY(gn_request_read_await(r, &part, &ended, gn_after_ms(r, 10000)));
        n_bytes += part.n_bytes;
        gn_bufq_clear(&part);
    }
    return gn_reply_textf(r, 200, "%llu", (unsigned long long)n_bytes);
}

Test(request, streams_its_body)
{
    struct web_fixture f;
    struct web_answer a;

    web_init(&f);
    gn_app_route_with(
            f.app, "POST", "/", count_body, &(struct gn_route_options){.stream_body = true});
    web_start(&f);
    a = web_send(&f, "POST", "/", "", "12345");
    expect(&a, "5");
    web_put(&f, &f.client,
            GN_LIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"));
    web_put(&f, &f.client, GN_LIT("4\r\ndefg\r\n"));
    web_put(&f, &f.client, GN_LIT("0\r\n\r\n"));
    a = web_take(&f, &f.client);
    expect(&a, "7");
    a = web_send(&f, "POST", "/", "", "");
    expect(&a, "0");
    web_end(&f);
}

/* ---- around ------------------------------------------------------------------------------ */

GN_LOOP_THREAD static enum gn_err say_facts(struct gn_request *r)
{
    struct gn_tls_facts facts = {.refs = 1};

    cr_assert(gn_request_is_connected(r));
    cr_assert_not(gn_request_is_tls(r));
    cr_assert_null(gn_request_tls(r));
    gn_request_exchange(r)->tls = &facts;
    cr_assert_eq(gn_request_tls(r), &facts);
    gn_request_exchange(r)->tls = NULL; /* this one is not the connection's to count */
    cr_assert_not_null(gn_request_exchange(r));
    cr_assert_eq(gn_app_loop(gn_request_app(r)), gn_request_loop(r));
    cr_assert_not_null(gn_app_executor(gn_request_app(r)));
    cr_assert_eq(gn_request_method(r), GN_METHOD_GET);
    cr_assert_not_null(gn_request_peer(r));
    cr_assert_gt(gn_after_ms(r, 5), gn_after_ms(r, 0));
    return say(r, gn_request_client(r));
}

GN_LOOP_THREAD static enum gn_err say_origin(struct gn_request *r)
{
    struct gn_slice host = gn_request_host(r);
    struct gn_slice prefix = gn_request_prefix(r);
    struct gn_slice client = gn_request_client(r);

    return say(r,
            gn_arena_printf(gn_request_arena(r),
                    "%s " GN_SLICE_FMT " " GN_SLICE_FMT " " GN_SLICE_FMT ":%u %s %s",
                    gn_request_is_tls(r) ? "https" : "http", GN_SLICE_ARG(host),
                    GN_SLICE_ARG(prefix), GN_SLICE_ARG(client), gn_addr_port(gn_request_peer(r)),
                    gn_request_proxy(r) != NULL ? "proxy" : "direct",
                    gn_request_header(r, "X-Forwarded-For").ptr != NULL ? "shown" : "removed"));
}

Test(request, believes_a_trusted_proxy_alone)
{
    static const char fields[] = "X-Forwarded-For: 192.0.2.9:55\r\nX-Forwarded-Proto: https\r\n"
                                 "X-Forwarded-Host: a.example\r\nX-Forwarded-Prefix: /p/\r\n";
    static const struct {
        const char *list;
        unsigned wanted;
        const char *says;
    } cases[] = {
            {"*", GN_FORWARDED_ALL, "https a.example /p 192.0.2.9:55 proxy shown"},
            {"*", GN_FORWARDED_DEFAULT, "https test  192.0.2.9:55 proxy shown"},
            {"*", 0, "http test  :0 direct shown"},
            {"127.0.0.1", GN_FORWARDED_ALL, "http test  :0 direct removed"},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_trust *trust = NULL;
        struct web_fixture f;
        struct web_answer a;

        web_init(&f);
        cr_assert_eq(gn_trust_create(gn_slice_str(cases[i].list), &trust, NULL), GN_OK);
        f.proxies.forwarded = trust;
        f.proxies.forwarded_fields = cases[i].wanted;
        gn_app_get(f.app, "/", say_origin);
        web_start(&f);
        a = web_send(&f, "GET", "/", fields, "");
        expect(&a, cases[i].says);
        web_end(&f);
        gn_trust_destroy(&trust);
    }
}

Test(request, knows_what_is_around_it)
{
    struct web_fixture f;
    struct web_answer a;

    web_init(&f);
    gn_app_get(f.app, "/", say_facts);
    web_start(&f);
    a = web_get(&f, "/");
    expect(&a, "");
    web_end(&f);
}
