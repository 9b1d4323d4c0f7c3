/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "server/net/addr.h"
#include "tests/support/test.h"

static const struct {
    const char *text;
    const char *formatted;
    const char *host;
    unsigned port;
} good[] = {
        {"127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1", 8080},
        {"127.0.0.1", "127.0.0.1:8000", "127.0.0.1", 8000},
        {"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1", 0},
        {"0.0.0.0:65535", "0.0.0.0:65535", "0.0.0.0", 65535},
        {"[::1]:81", "[::1]:81", "::1", 81},
        {"[::]", "[::]:8000", "::", 8000},
        {"[2001:db8::1]:443", "[2001:db8::1]:443", "2001:db8::1", 443},
        {"unix:/run/app.sock", "unix:/run/app.sock", "", 0},
        {"unix:///run/app.sock", "unix:/run/app.sock", "", 0},
        {"unix:app.sock", "unix:app.sock", "", 0},
        {"unix:@name", "unix:@name", "", 0},
};

Test(addr, parses_every_spelling_and_formats_it_back)
{
    for (size_t i = 0; i < GN_ARRAY_LEN(good); i++) {
        struct gn_addr addr;
        struct gn_error err = {0};
        char text[GN_ADDR_TEXT_BYTES];

        cr_assert_eq(gn_addr_parse(gn_slice_str(good[i].text), &addr, &err), GN_OK, "%s: %s",
                good[i].text, err.message);
        gn_addr_format(&addr, text);
        cr_assert_str_eq(text, good[i].formatted);
        cr_assert_eq(gn_addr_format_host(&addr, text), strlen(good[i].host));
        cr_assert_str_eq(text, good[i].host);
        cr_assert_eq(gn_addr_port(&addr), good[i].port, "%s", good[i].text);
        cr_assert_eq(gn_addr_is_unix(&addr), strncmp(good[i].text, "unix:", 5) == 0);
    }
}

Test(addr, says_what_is_wrong)
{
    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
            {"127.0.0.1:65536", "65535"},
            {"127.0.0.1:", "port"},
            {"127.0.0.1:x", "port"},
            {"127.0.0.1:-1", "port"},
            {"127.0.0.1:+1", "port"},
            {"8000", ":8000"},
            {"::1", "brackets"},
            {"::1:8000", "brackets"},
            {"[::1", "]"},
            {"[::1]8000", "PORT"},
            {"[127.0.0.1]:1", "IPv6"},
            {"[]:1", "IPv6"},
            {"unix:", "path"},
            {"unix:@", "path"},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(bad); i++) {
        struct gn_addr addr;
        struct gn_error err = {0};

        cr_assert_eq(gn_addr_parse(gn_slice_str(bad[i].text), &addr, &err), GN_ERR_INVALID, "%s",
                bad[i].text);
        cr_assert_not_null(strstr(err.message, bad[i].says), "%s: %s", bad[i].text, err.message);
    }
}

Test(addr, refuses_bytes_that_would_be_cut)
{
    struct gn_addr addr;

    cr_assert_eq(gn_addr_parse(GN_LIT("unix:/a\0b"), &addr, NULL), GN_ERR_INVALID);
    cr_assert_eq(gn_addr_parse(GN_LIT("127.0.0.1\0.evil:80"), &addr, NULL), GN_ERR_INVALID);
}

Test(addr, bounds_a_unix_path_by_what_the_system_takes)
{
    size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
    char text[256] = "unix:";
    struct gn_addr addr;

    memset(text + 5, 'p', max + 1);
    cr_assert_eq(gn_addr_parse(gn_slice_of(text, 5 + max), &addr, NULL), GN_OK);
    cr_assert_eq(gn_addr_parse(gn_slice_of(text, 5 + max + 1), &addr, NULL), GN_ERR_INVALID);
}

Test(addr, an_empty_host_is_every_address)
{
    struct gn_addr addr;
    char text[GN_ADDR_TEXT_BYTES];

    cr_assert_eq(gn_addr_parse(GN_LIT(":8000"), &addr, NULL), GN_OK);
    gn_addr_format_host(&addr, text);
    cr_assert(strcmp(text, "::") == 0 || strcmp(text, "0.0.0.0") == 0, "%s", text);
    cr_assert_eq(gn_addr_port(&addr), 8000);
}

Test(addr, a_name_is_resolved)
{
    struct gn_addr addr;
    struct gn_error err = {0};

    cr_assert_eq(gn_addr_parse(GN_LIT("localhost:81"), &addr, &err), GN_OK, "%s", err.message);
    cr_assert_eq(gn_addr_port(&addr), 81);
    cr_assert_eq(gn_addr_parse(GN_LIT("no..such..name:81"), &addr, &err), GN_ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.message, "no..such..name"));
}

Test(addr, an_unknown_address_has_no_parts)
{
    const struct gn_addr unknown = {0};
    char text[GN_ADDR_TEXT_BYTES];

    cr_assert_eq(gn_addr_format_host(&unknown, text), 0);
    cr_assert_eq(gn_addr_port(&unknown), 0);
    cr_assert_not(gn_addr_is_unix(&unknown));
    gn_addr_format(&unknown, text);
    cr_assert_str_eq(text, "unknown");
}

Test(addr, a_unix_client_without_a_name_is_unix)
{
    const struct gn_addr addr = {
            .u.un.sun_family = AF_UNIX, .len = offsetof(struct sockaddr_un, sun_path)};
    char text[GN_ADDR_TEXT_BYTES];

    gn_addr_format(&addr, text);
    cr_assert_str_eq(text, "unix");
}

Test(addr, reads_an_address_alone)
{
    static const struct {
        struct gn_slice text;
        const char *want; /* NULL: none */
    } cases[] = {
            {GN_LIT_INIT("192.0.2.1"), "192.0.2.1:7"},
            {GN_LIT_INIT("2001:DB8::1"), "[2001:db8::1]:7"},
            {GN_LIT_INIT("::ffff:192.0.2.1"), "192.0.2.1:7"},
            {GN_LIT_INIT("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"),
                    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:7"},
            {GN_LIT_INIT(""), NULL},
            {GN_LIT_INIT("192.0.2"), NULL},
            {GN_LIT_INIT("192.0.2.1:80"), NULL},
            {GN_LIT_INIT("192.0.2.01"), NULL},
            {GN_LIT_INIT("192.0.2.1\0"), NULL},
            {GN_LIT_INIT("[::1]"), NULL},
            {GN_LIT_INIT("fe80::1%eth0"), NULL},
            {GN_LIT_INIT("localhost"), NULL},
            {GN_LIT_INIT("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255:"), NULL},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char text[GN_ADDR_TEXT_BYTES];
        struct gn_addr addr;
        bool is_ip = gn_addr_parse_ip(cases[i].text, 7, &addr);

        cr_assert_eq(is_ip, cases[i].want != NULL, "%zu", i);
        if (is_ip) {
            gn_addr_format(&addr, text);
            cr_assert_str_eq(text, cases[i].want);
        }
    }
}
