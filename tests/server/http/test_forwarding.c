/* SPDX-License-Identifier: MIT */
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
