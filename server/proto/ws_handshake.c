/* SPDX-License-Identifier: MIT */
#include "server/proto/ws_handshake.h"

#include <openssl/evp.h>

#include "server/base/alloc.h"
#include "server/base/ascii.h"
#include "server/proto/uri.h"

/*
 * The checks stand in the order in which a client would want to hear of them:
 * not a WebSocket request at all (426 tells it what to do), the wrong version
 * (426 tells it which), a malformed handshake (400), a stranger's page (403).
 */

enum {
    KEY_BYTES = 24, /* 16 bytes in base64 */
    SHA1_BYTES = 20,
    HTTP_PORT = 80,
    HTTPS_PORT = 443,
};

static const char accept_guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

static enum gn_err refuse(struct gn_ws_handshake *h, int status, const char *reason)
{
    h->status = status;
    h->reason = reason;
    return GN_ERR_REFUSED;
}

static unsigned count(const struct gn_http1_head *head, enum gn_header_id id)
{
    return gn_headers_count(head->headers, head->n_headers, id);
}

static bool is_base64(char c)
{
    return gn_ascii_is(c, GN_ASCII_ALPHA) || gn_ascii_is_digit(c) || c == '+' || c == '/';
}

/* 16 bytes make 22 letters and "==". */
static bool is_key(struct gn_slice key)
{
    if (key.len != KEY_BYTES || !gn_slice_ends_with(key, GN_LIT("=="))) {
        return false;
    }
    for (size_t i = 0; i < KEY_BYTES - 2; i++) {
        if (!is_base64(key.ptr[i])) {
            return false;
        }
    }
    return true;
}

void gn_ws_accept_key(struct gn_slice key, char accept_out[GN_WS_ACCEPT_BYTES])
{
    unsigned char input[KEY_BYTES + sizeof(accept_guid)];
    unsigned char digest[SHA1_BYTES];
    unsigned char text[GN_WS_ACCEPT_BYTES + 1];

    gn_assert(key.len == KEY_BYTES);
    memcpy(input, key.ptr, KEY_BYTES);
    memcpy(input + KEY_BYTES, accept_guid, sizeof(accept_guid) - 1);
    gn_assert(EVP_Digest(input, KEY_BYTES + sizeof(accept_guid) - 1, digest, NULL, EVP_sha1(),
                      NULL) == 1);
    EVP_EncodeBlock(text, digest, SHA1_BYTES);
    memcpy(accept_out, text, GN_WS_ACCEPT_BYTES);
}

struct origin {
    bool is_https;
    struct gn_authority authority;
};

/* scheme "://" host [":" port] (RFC 6454 6.2), http and https only. */
static bool parse_origin(struct gn_slice text, struct origin *out)
{
    size_t colon = gn_slice_find(text, ':');
    struct gn_slice scheme = gn_slice_of(text.ptr, colon);

    out->is_https = gn_slice_eq_nocase(scheme, GN_LIT("https"));
    if (!out->is_https && !gn_slice_eq_nocase(scheme, GN_LIT("http"))) {
        return false;
    }
    text = gn_slice_skip(text, colon);
    return gn_slice_starts_with(text, GN_LIT("://")) &&
            gn_authority_parse(gn_slice_skip(text, 3), &out->authority) == GN_OK;
}

static bool is_same_site(const struct origin *a, const struct origin *b)
{
    return a->is_https == b->is_https &&
            gn_authority_eq(&a->authority, &b->authority, a->is_https ? HTTPS_PORT : HTTP_PORT);
}

bool gn_origin_is_same(struct gn_slice origin, struct gn_slice host, bool is_tls)
{
    struct origin theirs;
    struct origin ours = {.is_https = is_tls};

    return parse_origin(origin, &theirs) && gn_authority_parse(host, &ours.authority) == GN_OK &&
            is_same_site(&theirs, &ours);
}

static bool is_listed_origin(struct gn_slice origin, const struct gn_ws_handshake_options *o)
{
    struct origin theirs;
    struct origin allowed;
    bool is_parsed = parse_origin(origin, &theirs);

    for (unsigned i = 0; i < o->n_origins; i++) {
        if (gn_slice_eq(o->origins[i], GN_LIT("*"))) {
            return true;
        }
        if (is_parsed && parse_origin(o->origins[i], &allowed) && is_same_site(&theirs, &allowed)) {
            return true;
        }
    }
    return false;
}

/* Browsers always send Origin; who sends none is not a browser and cannot be misled into it. */
static enum gn_err check_origin(const struct gn_http1_head *head,
        const struct gn_ws_handshake_options *options, struct gn_ws_handshake *out)
{
    struct gn_slice origin = gn_http1_head_value(head, GN_HDR_ORIGIN);

    if (options->any_origin || origin.ptr == NULL) {
        return GN_OK;
    }
    if (count(head, GN_HDR_ORIGIN) > 1) {
        return refuse(out, 400, "more than one Origin");
    }
    if (gn_origin_is_same(origin, head->host, options->is_tls) ||
            is_listed_origin(origin, options)) {
        return GN_OK;
    }
    return refuse(out, 403, "Origin is another site");
}

/* How much the server likes a subprotocol: its index, or n_protocols for not at all. */
static unsigned rank_of(struct gn_slice protocol, const struct gn_ws_handshake_options *options)
{
    unsigned i = 0;

    while (i < options->n_protocols && !gn_slice_eq(protocol, options->protocols[i])) {
        i++;
    }
    return i;
}

static enum gn_err choose_protocol(const struct gn_http1_head *head,
        const struct gn_ws_handshake_options *options, struct gn_ws_handshake *out)
{
    unsigned best = options->n_protocols;

    for (unsigned i = 0; i < head->n_headers; i++) {
        struct gn_slice rest = head->headers[i].value;
        struct gn_slice offered;

        if (head->headers[i].id != GN_HDR_SEC_WEBSOCKET_PROTOCOL) {
            continue;
        }
        while (gn_list_next(&rest, &offered)) {
            if (!gn_is_token(offered)) {
                return refuse(out, 400, "subprotocol is not a token");
            }
            best = GN_MIN(best, rank_of(offered, options));
        }
    }
    if (best < options->n_protocols) {
        out->protocol = options->protocols[best];
    } else if (options->require_protocol) {
        return refuse(out, 400, "no common subprotocol");
    }
    return GN_OK;
}

static enum gn_err check_request(const struct gn_http1_head *head, struct gn_ws_handshake *out)
{
    if (!head->wants_websocket) {
        return refuse(out, 426, "not a WebSocket handshake");
    }
    if (head->method != GN_METHOD_GET) {
        return refuse(out, 400, "WebSocket handshake with a method other than GET");
    }
    if (head->framing == GN_FRAMING_CHUNKED || head->content_length > 0) {
        return refuse(out, 400, "WebSocket handshake with content");
    }
    if (!gn_slice_eq(gn_http1_head_value(head, GN_HDR_SEC_WEBSOCKET_VERSION), GN_LIT("13")) ||
            count(head, GN_HDR_SEC_WEBSOCKET_VERSION) != 1) {
        return refuse(out, 426, "WebSocket version other than 13");
    }
    if (!is_key(gn_http1_head_value(head, GN_HDR_SEC_WEBSOCKET_KEY)) ||
            count(head, GN_HDR_SEC_WEBSOCKET_KEY) != 1) {
        return refuse(out, 400, "invalid Sec-WebSocket-Key");
    }
    return GN_OK;
}

enum gn_err gn_ws_handshake_check(const struct gn_http1_head *head,
        const struct gn_ws_handshake_options *options, struct gn_ws_handshake *out)
{
    *out = (struct gn_ws_handshake){.status = 101};
    GN_TRY(check_request(head, out));
    GN_TRY(check_origin(head, options, out));
    GN_TRY(choose_protocol(head, options, out));
    gn_ws_accept_key(gn_http1_head_value(head, GN_HDR_SEC_WEBSOCKET_KEY), out->accept);
    return GN_OK;
}

unsigned gn_ws_handshake_headers(
        const struct gn_ws_handshake *h, struct gn_header headers_out[GN_WS_HANDSHAKE_HEADERS])
{
    unsigned n = 0;

    if (h->status != 101 && h->status != 426) {
        return 0;
    }
    headers_out[n++] = GN_HEADER(UPGRADE, "Upgrade", GN_LIT("websocket"));
    if (h->status == 426) {
        headers_out[n++] = GN_HEADER(SEC_WEBSOCKET_VERSION, "Sec-WebSocket-Version", GN_LIT("13"));
        return n;
    }
    headers_out[n++] = GN_HEADER(SEC_WEBSOCKET_ACCEPT, "Sec-WebSocket-Accept",
            gn_slice_of(h->accept, GN_WS_ACCEPT_BYTES));
    if (h->protocol.len > 0) {
        headers_out[n++] = GN_HEADER(SEC_WEBSOCKET_PROTOCOL, "Sec-WebSocket-Protocol", h->protocol);
    }
    if (h->extensions.len > 0) {
        headers_out[n++] =
                GN_HEADER(SEC_WEBSOCKET_EXTENSIONS, "Sec-WebSocket-Extensions", h->extensions);
    }
    return n;
}
