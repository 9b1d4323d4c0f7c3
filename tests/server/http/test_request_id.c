/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "server/http/http_server.h"
#include "server/http/request_id.h"
#include "server/net/trust.h"
#include "tests/server/http/http_fixture.h"
#include "tests/support/test.h"

/* Ids by themselves, and those of exchanges: taken over, made, shown. */

#define N_IDS 20000

static int by_text(const void *a, const void *b)
{
    return memcmp(a, b, GN_REQUEST_ID_BYTES);
}

Test(request_id, makes_no_id_twice)
{
    static char ids[N_IDS][GN_REQUEST_ID_BYTES];
    struct gn_request_ids one;
    struct gn_request_ids other;

    gn_request_ids_init(&one);
    gn_request_ids_init(&other);
    cr_assert_neq(one.server, other.server);
    for (unsigned i = 0; i < N_IDS; i++) {
        gn_request_id_make(&one, i, ids[i]);
        cr_assert(gn_request_id_is_good(gn_slice_of(ids[i], GN_REQUEST_ID_BYTES)));
        cr_assert_eq(memcmp(ids[i], ids[0], GN_REQUEST_ID_BYTES / 2), 0);
    }
    qsort(ids, N_IDS, GN_REQUEST_ID_BYTES, by_text);
    for (unsigned i = 1; i < N_IDS; i++) {
        cr_assert_neq(by_text(ids[i - 1], ids[i]), 0, "%u", i);
    }
}

Test(request_id, knows_ids_that_can_be_taken_over)
{
    static const struct {
        struct gn_slice id;
        bool is_good;
    } cases[] = {
            {GN_LIT_INIT("a"), true},
            {GN_LIT_INIT("0123456789abcdef-ABCXYZ_.~+/=:@"), true},
            {GN_LIT_INIT("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), true},
            {GN_LIT_INIT(""), false},
            {GN_LIT_INIT("a b"), false},
            {GN_LIT_INIT("a\tb"), false},
            {GN_LIT_INIT("a\"b"), false},
            {GN_LIT_INIT("a\\b"), false},
            {GN_LIT_INIT("a,b"), false},
            {GN_LIT_INIT("<b>"), false},
            {GN_LIT_INIT("a\0b"), false},
            {GN_LIT_INIT("a\x7f"), false},
            {GN_LIT_INIT("caf\xc3\xa9"), false},
    };
    char text[GN_REQUEST_ID_MAX_BYTES + 1];

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert_eq(gn_request_id_is_good(cases[i].id), cases[i].is_good, GN_SLICE_FMT,
                GN_SLICE_ARG(cases[i].id));
    }
    memset(text, 'x', sizeof(text));
    cr_assert(gn_request_id_is_good(gn_slice_of(text, GN_REQUEST_ID_MAX_BYTES)));
    cr_assert_not(gn_request_id_is_good(gn_slice_of(text, sizeof(text))));
}

/* ---- of exchanges ------------------------------------------------------- */

static char seen[GN_REQUEST_ID_MAX_BYTES + 1];

static void copy_id(struct http_fixture *f, struct gn_exchange *ex)
{
    struct gn_slice id;
    struct gn_slice again;

    gn_assert_loop_thread(f->loop);
    id = gn_exchange_request_id(ex);
    again = gn_exchange_request_id(ex);
    cr_assert(again.ptr == id.ptr && again.len == id.len, "made once");
    cr_assert(ex->request_id.len == 0 || gn_slice_eq(ex->request_id, id));
    memcpy(seen, id.ptr, id.len);
    seen[id.len] = '\0';
    http_fixture_reply(ex, "ok");
}

static struct gn_trust *trust;

static void start(struct http_fixture *f, bool is_trusted, bool shows)
{
    struct gn_error err = {0};

    http_fixture_init(f);
    f->serve = copy_id;
    f->shows_request_ids = shows;
    if (is_trusted) {
        cr_assert_eq(gn_trust_create(GN_LIT("*"), &trust, &err), GN_OK, "%s", err.message);
        f->proxies.forwarded = trust;
    }
    http_fixture_start(f);
}

Test(request_id, is_taken_over_from_trusted_peers_alone)
{
    static const struct {
        bool is_trusted;
        const char *fields;
        const char *id; /* NULL: made */
    } cases[] = {
            {true, "X-Request-ID: from-proxy.1\r\n", "from-proxy.1"},
            {true, "x-request-id:   spaced  \r\n", "spaced"},
            {true, "X-Request-ID: not good\r\n", NULL},
            {true, "X-Request-ID:\r\n", NULL},
            {true, "", NULL},
            {false, "X-Request-ID: from-client\r\n", NULL},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char request[128];
        struct http_fixture f;

        start(&f, cases[i].is_trusted, false);
        (void)snprintf(
                request, sizeof(request), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", cases[i].fields);
        http_fixture_feed(&f, request);
        if (cases[i].id != NULL) {
            cr_assert_str_eq(seen, cases[i].id);
        } else {
            cr_assert_eq(strlen(seen), GN_REQUEST_ID_BYTES, "%s: %s", cases[i].fields, seen);
        }
        cr_assert_null(strstr(http_fixture_output(&f), "X-Request-ID"));
        http_fixture_fini(&f);
        gn_trust_destroy(&trust);
    }
}

Test(request_id, is_shown_when_that_is_asked_for)
{
    struct http_fixture f;
    char first[sizeof(seen)];
    char field[sizeof(seen) + 32];

    start(&f, false, true);
    http_fixture_feed(&f, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    memcpy(first, seen, sizeof(first));
    (void)snprintf(field, sizeof(field), "\r\nX-Request-ID: %s\r\n", seen);
    cr_assert_not_null(strstr(http_fixture_output(&f), field), "%s", http_fixture_output(&f));
    http_fixture_feed(&f, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_assert_str_neq(seen, first);
    http_fixture_clear_output(&f);
    http_fixture_feed(
            &f, "nonsense\r\n\r\n"); /* no handler saw it, and it has an id all the same */
    cr_assert_not_null(strstr(http_fixture_output(&f), "\r\nX-Request-ID: "));
    cr_assert_not_null(strstr(http_fixture_output(&f), "<p><small>"));
    http_fixture_fini(&f);
}

static void reply_with_own_id(struct http_fixture *f, struct gn_exchange *ex)
{
    const struct gn_header header = {.name = GN_LIT("x-request-id"), .value = GN_LIT("mine")};
    const struct gn_response response = {.status = 200, .headers = &header, .n_headers = 1};

    gn_assert_loop_thread(f->loop);
    gn_exchange_reply(ex, &response);
}

Test(request_id, of_the_handler_comes_first)
{
    struct http_fixture f;

    start(&f, false, true);
    f.serve = reply_with_own_id;
    http_fixture_feed(&f, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_assert_not_null(strstr(http_fixture_output(&f), "x-request-id: mine\r\n"));
    cr_assert_null(strstr(http_fixture_output(&f), "X-Request-ID"));
    http_fixture_fini(&f);
}
