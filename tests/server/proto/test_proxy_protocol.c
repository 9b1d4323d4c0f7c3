/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdio.h>

#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/proto/proxy_protocol.h"
#include "tests/support/test.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\x0a\x00\x00\x01\x0a\x00\x00\x02\x04\xd2\x00\x50"
#define V6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"

static void describe(const struct gn_proxy_header *h, char out[200])
{
    char source[INET6_ADDRSTRLEN] = "-";
    char destination[INET6_ADDRSTRLEN] = "-";
    int family = h->family == GN_PROXY_IPV4 ? AF_INET : AF_INET6;

    if (h->family != GN_PROXY_UNKNOWN) {
        inet_ntop(family, h->source, source, sizeof(source));
        inet_ntop(family, h->destination, destination, sizeof(destination));
    }
    (void)snprintf(out, 200, "%s %u %s %u%s [" GN_SLICE_FMT "][" GN_SLICE_FMT "]", source,
            h->source_port, destination, h->destination_port, h->is_tls ? " tls" : "",
            GN_SLICE_ARG(h->authority), GN_SLICE_ARG(h->unique_id));
}

/* Nothing but the whole header may decide, and what follows it must not matter. */
static void check_good(struct gn_slice header, const char *want)
{
    struct gn_proxy_header h;
    char got[200];
    size_t n;
    char *longer = gn_xalloc(header.len + 3);

    for (size_t len = 0; len < header.len; len++) {
        char *exact = gn_xstrndup(header.ptr, len);

        cr_assert_eq(gn_proxy_header_parse(gn_slice_of(exact, len), &h, &n), GN_PROXY_MORE,
                "%s at %zu", want, len);
        gn_free(exact);
    }
    memcpy(longer, header.ptr, header.len);
    memcpy(longer + header.len, "GET", 3);
    cr_assert_eq(gn_proxy_header_parse(gn_slice_of(longer, header.len + 3), &h, &n), GN_PROXY_DONE,
            "%s", want);
    cr_assert_eq(n, header.len, "%s", want);
    describe(&h, got);
    cr_assert_str_eq(got, want);
    gn_free(longer);
}

Test(proxy_protocol, reads_version_1)
{
    check_good(
            GN_LIT("PROXY TCP4 10.0.0.1 10.0.0.2 1234 80\r\n"), "10.0.0.1 1234 10.0.0.2 80 [][]");
    check_good(GN_LIT("PROXY TCP6 2001:db8::1 2001:db8::2 1234 80\r\n"),
            "2001:db8::1 1234 2001:db8::2 80 [][]");
    check_good(GN_LIT("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n"),
            "255.255.255.255 65535 0.0.0.0 0 [][]");
    check_good(GN_LIT("PROXY UNKNOWN\r\n"), "- 0 - 0 [][]");
    check_good(GN_LIT("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), "- 0 - 0 [][]");
}

Test(proxy_protocol, reads_version_2)
{
    check_good(GN_LIT(SIG "\x21\x11\x00\x0c" V4), "10.0.0.1 1234 10.0.0.2 80 [][]");
    check_good(GN_LIT(SIG "\x21\x21\x00\x24" V6 "\x04\xd2\x00\x50"),
            "2001:db8::1 1234 2001:db8::2 80 [][]");
    check_good(GN_LIT(SIG "\x20\x00\x00\x00"), "- 0 - 0 [][]");
    check_good(GN_LIT(SIG "\x20\x11\x00\x03xyz"), "- 0 - 0 [][]");
    check_good(GN_LIT(SIG "\x21\x00\x00\x02xy"), "- 0 - 0 [][]");
    check_good(GN_LIT(SIG "\x21\x31\x00\x02xy"), "- 0 - 0 [][]");
    check_good(GN_LIT(SIG "\x21\x12\x00\x0c" V4), "- 0 - 0 [][]");
    check_good(GN_LIT(SIG "\x21\x11\x00\x1e" V4 "\x02\x00\x03sni\x05\x00\x01i\x04\x00\x00"
                          "\x20\x00\x02\x01\x00"),
            "10.0.0.1 1234 10.0.0.2 80 tls [sni][i]");
    check_good(
            GN_LIT(SIG "\x21\x11\x00\x10" V4 "\x20\x00\x01\x00"), "10.0.0.1 1234 10.0.0.2 80 [][]");
}

Test(proxy_protocol, refuses_everything_else)
{
    static const struct gn_slice cases[] = {
            GN_LIT_INIT("GET / HTTP/1.1\r\n"),
            GN_LIT_INIT("P0"),
            GN_LIT_INIT("PROXY\r\n"),
            GN_LIT_INIT("PROXY \r\n"),
            GN_LIT_INIT("proxy TCP4 10.0.0.1 10.0.0.2 1234 80\r\n"),
            GN_LIT_INIT("PROXY TCP5 10.0.0.1 10.0.0.2 1234 80\r\n"),
            GN_LIT_INIT("PROXY TCP4 ::1 ::2 1234 80\r\n"),
            GN_LIT_INIT("PROXY TCP6 10.0.0.1 10.0.0.2 1234 80\r\n"),
            GN_LIT_INIT("PROXY TCP4 10.0.0 10.0.0.2 1234 80\r\n"),
            GN_LIT_INIT("PROXY TCP4 192.168.0.1 192.16...\r\n"),
            GN_LIT_INIT("PROXY TCP4 10.0.0.1 10.0.0.2 1234\r\n"),
            GN_LIT_INIT("PROXY TCP4 10.0.0.1 10.0.0.2 1234 80 \r\n"),
            GN_LIT_INIT("PROXY TCP4  10.0.0.1 10.0.0.2 1234 80\r\n"),
            GN_LIT_INIT("PROXY TCP4 10.0.0.1 10.0.0.2 01234 80\r\n"),
            GN_LIT_INIT("PROXY TCP4 10.0.0.1 10.0.0.2 65536 80\r\n"),
            GN_LIT_INIT("PROXY TCP4 10.0.0.1 10.0.0.2 65iii 80\r\n"),
            GN_LIT_INIT("PROXY TCP4 10.0.0.1 10.0.0.2 -1 80\r\n"),
            GN_LIT_INIT("PROXY TCP4 10.0.0.1 10.0.0.2 1 80\rX"),
            GN_LIT_INIT("PROXY TCP6 "
                        "1111111111111111111111111111111111111111111111111111111111111111111111111"
                        "111111111111111111111111111111"),
            GN_LIT_INIT("\r\n\r\n\r\n"),
            GN_LIT_INIT("\r\nGET"),
            GN_LIT_INIT(SIG "\x11\x11\x00\x0c" V4),
            GN_LIT_INIT(SIG "\x22\x11\x00\x0c" V4),
            GN_LIT_INIT(SIG "\x21\x41\x00\x00"),
            GN_LIT_INIT(SIG "\x21\x13\x00\x0c" V4),
            GN_LIT_INIT(SIG "\x21\x11\x00\x0b\x0a\x00\x00\x01\x0a\x00\x00\x02\x04\xd2\x00"),
            GN_LIT_INIT(SIG "\x21\x21\x00\x0c" V4),
            GN_LIT_INIT(SIG "\x21\x11\x10\x01"),
            GN_LIT_INIT(SIG "\x21\x11\xff\xff"),
            GN_LIT_INIT(SIG "\x21\x11\x00\x0e" V4 "\x02\x00"),
            GN_LIT_INIT(SIG "\x21\x11\x00\x10" V4 "\x02\x00\x02x"),
    };
    struct gn_proxy_header h;
    size_t n;

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert_eq(gn_proxy_header_parse(cases[i], &h, &n), GN_PROXY_ERROR, "case %zu", i);
        cr_assert_eq(n, 0);
    }
}
