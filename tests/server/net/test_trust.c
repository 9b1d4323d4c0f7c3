/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "server/net/trust.h"
#include "tests/support/test.h"

static struct gn_trust *trust_of(const char *list)
{
    struct gn_trust *trust = NULL;
    struct gn_error err = {0};

    cr_assert_eq(
            gn_trust_create(gn_slice_str(list), &trust, &err), GN_OK, "%s: %s", list, err.message);
    return trust;
}

static struct gn_addr addr_of(const char *text)
{
    struct gn_addr addr;
    struct gn_error err = {0};

    cr_assert_eq(gn_addr_parse(gn_slice_str(text), &addr, &err), GN_OK, "%s", err.message);
    return addr;
}

Test(trust, matches_addresses_networks_and_unix)
{
    static const struct {
        const char *list;
        const char *peer;
        bool is_peer;
        bool is_hop;
    } cases[] = {
            {"", "127.0.0.1:1", false, false},
            {"", "unix:/x", false, false},
            {"127.0.0.1", "127.0.0.1:1", true, true},
            {"127.0.0.1", "127.0.0.2:1", false, false},
            {"127.0.0.1", "[::ffff:127.0.0.1]:1", true, true},
            {"127.0.0.1", "[::1]:1", false, false},
            {"127.0.0.1,::1", "[::1]:1", true, true},
            {" 127.0.0.1 , ::1,", "[::1]:1", true, true},
            {"10.0.0.0/8", "10.255.255.255:1", true, true},
            {"10.0.0.0/8", "11.0.0.0:1", false, false},
            {"10.0.0.0/8", "9.255.255.255:1", false, false},
            {"192.0.2.64/26", "192.0.2.64:1", true, true},
            {"192.0.2.64/26", "192.0.2.127:1", true, true},
            {"192.0.2.64/26", "192.0.2.63:1", false, false},
            {"192.0.2.64/26", "192.0.2.128:1", false, false},
            {"192.0.2.7/32", "192.0.2.7:1", true, true},
            {"192.0.2.7/32", "192.0.2.6:1", false, false},
            {"0.0.0.0/0", "203.0.113.9:1", true, true},
            {"0.0.0.0/0", "[2001:db8::1]:1", false, false},
            {"::/0", "[2001:db8::1]:1", true, true},
            {"2001:db8::/33", "[2001:db8:7fff::1]:1", true, true},
            {"2001:db8::/33", "[2001:db8:8000::1]:1", false, false},
            {"::1/128", "[::1]:1", true, true},
            {"::1/128", "[::2]:1", false, false},
            {"::1/128", "[::3]:1", false, false},
            {"unix", "unix:/x", true, false},
            {"unix", "127.0.0.1:1", false, false},
            {"127.0.0.1", "unix:/x", false, false},
            {"*", "unix:/x", true, false},
            {"*", "203.0.113.9:1", true, false},
            {"*,203.0.113.9", "203.0.113.9:1", true, true},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_trust *trust = trust_of(cases[i].list);
        const struct gn_addr peer = addr_of(cases[i].peer);

        cr_assert_eq(gn_trust_has_peer(trust, &peer), cases[i].is_peer, "%s, %s", cases[i].list,
                cases[i].peer);
        cr_assert_eq(gn_trust_has_hop(trust, &peer), cases[i].is_hop, "%s, %s", cases[i].list,
                cases[i].peer);
        gn_trust_destroy(&trust);
        cr_assert_null(trust);
    }
}

Test(trust, no_list_and_no_address_are_no_trust)
{
    const struct gn_addr unknown = {.len = 0};
    const struct gn_addr peer = addr_of("127.0.0.1:1");
    struct gn_trust *none = NULL;
    struct gn_trust *all = trust_of("0.0.0.0/0 ::/0 unix");

    cr_assert(!gn_trust_has_peer(none, &peer));
    cr_assert(!gn_trust_has_hop(none, &peer));
    cr_assert(!gn_trust_has_peer(all, &unknown));
    gn_trust_destroy(&all);
    gn_trust_destroy(&none);
}

Test(trust, says_what_is_wrong)
{
    static const struct {
        const char *list;
        const char *says;
    } cases[] = {
            {"localhost", "'localhost'"},
            {"127.0.0.1,10.0.0.0/33", "'10.0.0.0/33'"},
            {"10.0.0.0/", "'10.0.0.0/'"},
            {"/8", "'/8'"},
            {"10.0.0.0/+8", "'10.0.0.0/+8'"},
            {"10.0.0.0/8/8", "'10.0.0.0/8/8'"},
            {"::1/129", "'::1/129'"},
            {"[::1]", "'[::1]'"},
            {"1.2.3", "'1.2.3'"},
            {"Unix", "'Unix'"},
            {"127.0.0.1;::1", "'127.0.0.1;::1'"},
            {"10.1.2.3/8", "write 10.0.0.0/8 "},
            {"2001:db8::1/32", "write 2001:db8::/32 "},
            {"192.0.2.65/26", "write 192.0.2.64/26 "},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_trust *trust = NULL;
        struct gn_error err = {0};

        cr_assert_eq(gn_trust_create(gn_slice_str(cases[i].list), &trust, &err), GN_ERR_INVALID,
                "%s", cases[i].list);
        cr_assert_not_null(strstr(err.message, cases[i].says), "%s", err.message);
        cr_assert_null(trust);
    }
}
