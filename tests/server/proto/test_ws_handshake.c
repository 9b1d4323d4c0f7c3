/* SPDX-License-Identifier: MIT */
#include "server/proto/ws_handshake.h"
#include "tests/server/proto/head_run.h"
#include "tests/support/test.h"

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define GET(fields) GN_LIT_INIT("GET /chat HTTP/1.1\r\nHost: h.example\r\n" fields "\r\n")

static const struct gn_slice ours[] = {GN_LIT_INIT("v2"), GN_LIT_INIT("v1")};
static const struct gn_slice friends[] = {
        GN_LIT_INIT("https://app.example"), GN_LIT_INIT("http://other.example:8080")};

static const struct gn_ws_handshake_options options = {
        .protocols = ours, .n_protocols = 2, .origins = friends, .n_origins = 2};

static enum gn_err judge(struct head_run *run, struct gn_slice request,
        const struct gn_ws_handshake_options *o, struct gn_ws_handshake *out)
{
    head_run_text(run, request);
    cr_assert_eq(run->result, GN_HTTP1_DONE, "%s", run->parser.error.reason);
    return gn_ws_handshake_check(&run->head, o, out);
}

Test(ws_handshake, computes_the_accept_key_of_the_rfc)
{
    char accept[GN_WS_ACCEPT_BYTES];

    gn_ws_accept_key(GN_LIT("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    cr_assert(gn_slice_eq(
            gn_slice_of(accept, sizeof(accept)), GN_LIT("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
}

Test(ws_handshake, judges_requests)
{
    static const struct {
        const char *name;
        struct gn_slice request;
        int status;
    } cases[] = {
            {"good", GET(UPGRADE KEY VERSION), 101},
            {"in other case",
                    GET("connection: keep-alive, UPGRADE\r\nupgrade: WebSocket\r\n" KEY VERSION),
                    101},
            {"with Content-Length: 0", GET(UPGRADE KEY VERSION "Content-Length: 0\r\n"), 101},
            {"plain GET", GET(""), 426},
            {"no Connection", GET("Upgrade: websocket\r\n" KEY VERSION), 426},
            {"no Upgrade", GET("Connection: Upgrade\r\n" KEY VERSION), 426},
            {"another protocol", GET("Connection: Upgrade\r\nUpgrade: h2c\r\n" KEY VERSION), 426},
            {"HTTP/1.0", GN_LIT_INIT("GET / HTTP/1.0\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n"),
                    426},
            {"no version", GET(UPGRADE KEY), 426},
            {"version 8", GET(UPGRADE KEY "Sec-WebSocket-Version: 8\r\n"), 426},
            {"version list", GET(UPGRADE KEY "Sec-WebSocket-Version: 13, 8\r\n"), 426},
            {"two versions", GET(UPGRADE KEY VERSION VERSION), 426},
            {"POST", GN_LIT_INIT("POST / HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n"), 400},
            {"content", GET(UPGRADE KEY VERSION "Content-Length: 1\r\n"), 400},
            {"chunks", GET(UPGRADE KEY VERSION "Transfer-Encoding: chunked\r\n"), 400},
            {"no key", GET(UPGRADE VERSION), 400},
            {"two keys", GET(UPGRADE KEY KEY VERSION), 400},
            {"short key", GET(UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n"),
                    400},
            {"key of 17 bytes",
                    GET(UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZXk=\r\n"), 400},
            {"key not base64",
                    GET(UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbX-sZSBub25jZQ==\r\n"), 400},
            {"protocol not a token, granian CVE-2026-42544 GHSA-vrg7-482j-p6f6",
                    GET(UPGRADE KEY VERSION "Sec-WebSocket-Protocol: caf\xc3\xa9\r\n"), 400},
            {"own origin", GET(UPGRADE KEY VERSION "Origin: http://H.example:80\r\n"), 101},
            {"friend's origin", GET(UPGRADE KEY VERSION "Origin: https://app.example\r\n"), 101},
            {"friend's origin, port written",
                    GET(UPGRADE KEY VERSION "Origin: https://APP.example:443\r\n"), 101},
            {"other scheme", GET(UPGRADE KEY VERSION "Origin: https://h.example\r\n"), 403},
            {"other port", GET(UPGRADE KEY VERSION "Origin: http://h.example:81\r\n"), 403},
            {"other host", GET(UPGRADE KEY VERSION "Origin: http://evil.example\r\n"), 403},
            {"longer host", GET(UPGRADE KEY VERSION "Origin: http://h.example.evil\r\n"), 403},
            {"null", GET(UPGRADE KEY VERSION "Origin: null\r\n"), 403},
            {"empty", GET(UPGRADE KEY VERSION "Origin:\r\n"), 403},
            {"with a path", GET(UPGRADE KEY VERSION "Origin: http://h.example/\r\n"), 403},
            {"two origins",
                    GET(UPGRADE KEY VERSION
                            "Origin: http://h.example\r\nOrigin: http://evil.example\r\n"),
                    400},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_ws_handshake h;
        struct head_run run;
        enum gn_err rc = judge(&run, cases[i].request, &options, &h);

        cr_assert_eq(h.status, cases[i].status, "%s: %d %s", cases[i].name, h.status,
                h.reason != NULL ? h.reason : "");
        cr_assert_eq(rc, h.status == 101 ? GN_OK : GN_ERR_REFUSED, "%s", cases[i].name);
        cr_assert_eq(h.reason == NULL, h.status == 101, "%s", cases[i].name);
        head_run_fini(&run);
    }
}

Test(ws_handshake, origins_can_be_opened_up)
{
    static const struct gn_slice all[] = {GN_LIT_INIT("*")};
    struct gn_ws_handshake_options o = {.origins = all, .n_origins = 1};
    static const struct gn_slice request = GET(UPGRADE KEY VERSION "Origin: null\r\n");
    struct gn_ws_handshake h;
    struct head_run run;

    cr_assert_eq(judge(&run, request, &o, &h), GN_OK);
    head_run_fini(&run);
    o = (struct gn_ws_handshake_options){.any_origin = true};
    cr_assert_eq(judge(&run, request, &o, &h), GN_OK);
    head_run_fini(&run);
}

Test(ws_handshake, the_servers_preferred_protocol_wins)
{
    static const struct {
        struct gn_slice request;
        const char *protocol;
    } cases[] = {
            {GET(UPGRADE KEY VERSION), ""},
            {GET(UPGRADE KEY VERSION "Sec-WebSocket-Protocol: v1, v2\r\n"), "v2"},
            {GET(UPGRADE KEY VERSION "Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: v1\r\n"),
                    "v1"},
            {GET(UPGRADE KEY VERSION "Sec-WebSocket-Protocol: V1\r\n"), ""},
    };
    struct gn_ws_handshake_options strict = options;

    strict.require_protocol = true;
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        bool has_one = cases[i].protocol[0] != '\0';
        struct gn_ws_handshake h;
        struct head_run run;

        cr_assert_eq(judge(&run, cases[i].request, &options, &h), GN_OK);
        cr_assert(gn_slice_eq(h.protocol, gn_slice_str(cases[i].protocol)), "case %zu", i);
        cr_assert_eq(gn_ws_handshake_check(&run.head, &strict, &h),
                has_one ? GN_OK : GN_ERR_REFUSED, "case %zu", i);
        head_run_fini(&run);
    }
}

Test(ws_handshake, makes_the_fields_of_the_answer)
{
    static const struct gn_slice good = GET(UPGRADE KEY VERSION "Sec-WebSocket-Protocol: v1\r\n");
    static const struct gn_slice plain = GET("");
    static const struct gn_slice bad = GET(UPGRADE VERSION);
    struct gn_header f[GN_WS_HANDSHAKE_HEADERS];
    struct gn_ws_handshake h;
    struct head_run run;

    cr_assert_eq(judge(&run, good, &options, &h), GN_OK);
    h.extensions = GN_LIT("permessage-deflate");
    cr_assert_eq(gn_ws_handshake_headers(&h, f), 4);
    cr_assert(gn_slice_eq(gn_headers_value(f, 4, GN_HDR_UPGRADE), GN_LIT("websocket")));
    cr_assert(gn_slice_eq(gn_headers_value(f, 4, GN_HDR_SEC_WEBSOCKET_ACCEPT),
            GN_LIT("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
    cr_assert(gn_slice_eq(gn_headers_value(f, 4, GN_HDR_SEC_WEBSOCKET_PROTOCOL), GN_LIT("v1")));
    cr_assert(gn_slice_eq(
            gn_headers_value(f, 4, GN_HDR_SEC_WEBSOCKET_EXTENSIONS), GN_LIT("permessage-deflate")));
    head_run_fini(&run);

    cr_assert_eq(judge(&run, plain, &options, &h), GN_ERR_REFUSED);
    cr_assert_eq(gn_ws_handshake_headers(&h, f), 2);
    cr_assert(gn_slice_eq(gn_headers_value(f, 2, GN_HDR_SEC_WEBSOCKET_VERSION), GN_LIT("13")));
    head_run_fini(&run);

    cr_assert_eq(judge(&run, bad, &options, &h), GN_ERR_REFUSED);
    cr_assert_eq(gn_ws_handshake_headers(&h, f), 0);
    head_run_fini(&run);
}

Test(ws_handshake, compares_origins)
{
    cr_assert(gn_origin_is_same(GN_LIT("https://h"), GN_LIT("h"), true));
    cr_assert(gn_origin_is_same(GN_LIT("https://h"), GN_LIT("H:443"), true));
    cr_assert(gn_origin_is_same(GN_LIT("http://[::1]:8000"), GN_LIT("[::1]:8000"), false));
    cr_assert_not(gn_origin_is_same(GN_LIT("https://h"), GN_LIT("h:80"), true));
    cr_assert_not(gn_origin_is_same(GN_LIT("http://h"), GN_LIT("h"), true));
    cr_assert_not(gn_origin_is_same(GN_LIT("http://h"), GN_LIT(""), false));
    cr_assert_not(gn_origin_is_same(GN_LIT("ftp://h"), GN_LIT("h"), false));
    cr_assert_not(gn_origin_is_same(GN_LIT("http:h"), GN_LIT("h"), false));
    cr_assert_not(gn_origin_is_same(GN_LIT(""), GN_LIT("h"), false));
}
