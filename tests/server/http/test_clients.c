/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "server/http/clients.h"
#include "tests/support/test.h"

static struct gn_clients clients;

static struct gn_addr addr_of(const char *text)
{
    struct gn_addr addr;

    cr_assert_eq(gn_addr_parse(gn_slice_str(text), &addr, NULL), GN_OK);
    return addr;
}

static enum gn_err take(const char *text, unsigned max, struct gn_client **client_out)
{
    const struct gn_addr addr = addr_of(text);

    return gn_clients_take(&clients, &addr, max, client_out);
}

Test(clients, count_up_to_the_limit_and_down_again)
{
    struct gn_client *a[3];
    struct gn_client *over;

    cr_assert_eq(take("192.0.2.1:1", 3, &a[0]), GN_OK);
    cr_assert_eq(take("192.0.2.1:2", 3, &a[1]), GN_OK);
    cr_assert_eq(take("192.0.2.1:3", 3, &a[2]), GN_OK);
    cr_assert_eq(take("192.0.2.1:4", 3, &over), GN_ERR_FULL);
    cr_assert_null(over);
    cr_assert_eq(gn_strmap_n(&clients.counts), 1);
    gn_clients_give_back(&clients, &a[1]);
    cr_assert_null(a[1]);
    cr_assert_eq(take("192.0.2.1:5", 3, &a[1]), GN_OK);
    cr_assert_eq(take("192.0.2.1:6", 3, &over), GN_ERR_FULL);
    for (int i = 0; i < 3; i++) {
        gn_clients_give_back(&clients, &a[i]);
        gn_clients_give_back(&clients, &a[i]);
    }
    cr_assert_eq(gn_strmap_n(&clients.counts), 0);
    gn_clients_fini(&clients);
}

Test(clients, are_told_apart_by_address_and_ipv6_network)
{
    static const struct {
        const char *one;
        const char *other;
        bool is_same;
    } cases[] = {
            {"192.0.2.1:1", "192.0.2.2:1", false},
            {"192.0.2.1:1", "192.0.2.1:9", true},
            {"[2001:db8:0:1::1]:1", "[2001:db8:0:1:ffff:ffff:ffff:ffff]:1", true},
            {"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false},
            {"[::1]:1", "0.0.0.1:1", false},
            {"[::]:1", "0.0.0.0:1", false},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_client *one;
        struct gn_client *other;
        enum gn_err rc;

        cr_assert_eq(take(cases[i].one, 1, &one), GN_OK);
        rc = take(cases[i].other, 1, &other);
        cr_assert_eq(
                rc, cases[i].is_same ? GN_ERR_FULL : GN_OK, "%s, %s", cases[i].one, cases[i].other);
        gn_clients_give_back(&clients, &one);
        gn_clients_give_back(&clients, &other);
    }
    gn_clients_fini(&clients);
}

Test(clients, without_an_address_are_not_counted)
{
    const struct gn_addr unknown = {.len = 0};
    struct gn_client *client;

    cr_assert_eq(take("unix:/x", 1, &client), GN_OK);
    cr_assert_null(client);
    cr_assert_eq(gn_clients_take(&clients, &unknown, 1, &client), GN_OK);
    cr_assert_null(client);
    gn_clients_give_back(&clients, &client);
    gn_clients_fini(&clients);
}

Test(clients, come_and_go_without_leaving_anything)
{
    struct gn_client *client;
    char text[32];

    for (unsigned i = 0; i < 10000; i++) {
        (void)snprintf(text, sizeof(text), "10.1.%u.%u:1", i >> 8 & 255, i & 255);
        cr_assert_eq(take(text, 1, &client), GN_OK);
        gn_clients_give_back(&clients, &client);
    }
    cr_assert_leq(clients.counts.n_slots, 64);
    cr_assert_leq(clients.counts.n_entries, 64);
    gn_clients_fini(&clients);
}
