/* SPDX-License-Identifier: MIT */
#include "server/proto/proxy_protocol.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/*
 * The first bytes tell the versions apart; anything that can no longer become
 * either signature is an error at once, so a client that speaks HTTP to such a
 * port is not kept waiting. Version 1 is one line of exact form, version 2 a
 * fixed head that says how much follows.
 */

static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    V2_SIGNATURE_BYTES = 12,
    V2_HEAD_BYTES = 16,
    V2_IPV4_BYTES = 12,
    V2_IPV6_BYTES = 36,
    TLV_HEAD_BYTES = 3,
    TLV_AUTHORITY = 0x02,
    TLV_UNIQUE_ID = 0x05,
    TLV_SSL = 0x20,
    SSL_CLIENT_BIT = 1,
    UNIQUE_ID_BYTES = 128,
};

static uint16_t read_u16(const char *p)
{
    return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

static bool take_word(struct gn_slice *rest, struct gn_slice *word_out)
{
    return gn_slice_split(rest, ' ', word_out) && word_out->len > 0;
}

static bool parse_address(struct gn_slice text, int family, uint8_t out[16])
{
    char copy[INET6_ADDRSTRLEN];

    if (text.len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return strlen(copy) == text.len && inet_pton(family, copy, out) == 1;
}

/* 1*5DIGIT without leading zeros. */
static bool parse_port(struct gn_slice text, uint16_t *out)
{
    uint64_t port;

    if (gn_slice_to_u64(text, UINT16_MAX, &port) != GN_OK || (text.len > 1 && text.ptr[0] == '0')) {
        return false;
    }
    *out = (uint16_t)port;
    return true;
}

/* The words behind "PROXY TCP4 " or "PROXY TCP6 ". */
static bool parse_v1_addresses(struct gn_slice rest, int family, struct gn_proxy_header *out)
{
    struct gn_slice source, destination, source_port, destination_port;

    return take_word(&rest, &source) && take_word(&rest, &destination) &&
            take_word(&rest, &source_port) && take_word(&rest, &destination_port) &&
            rest.ptr == NULL && parse_address(source, family, out->source) &&
            parse_address(destination, family, out->destination) &&
            parse_port(source_port, &out->source_port) &&
            parse_port(destination_port, &out->destination_port);
}

static bool parse_v1_line(struct gn_slice line, struct gn_proxy_header *out)
{
    struct gn_slice rest = gn_slice_skip(line, sizeof("PROXY ") - 1);
    struct gn_slice word;

    if (!take_word(&rest, &word)) {
        return false;
    }
    if (gn_slice_eq(word, GN_LIT("UNKNOWN"))) {
        return true;
    }
    if (gn_slice_eq(word, GN_LIT("TCP4"))) {
        out->family = GN_PROXY_IPV4;
        return parse_v1_addresses(rest, AF_INET, out);
    }
    out->family = GN_PROXY_IPV6;
    return gn_slice_eq(word, GN_LIT("TCP6")) && parse_v1_addresses(rest, AF_INET6, out);
}

static enum gn_proxy_result parse_v1(
        struct gn_slice bytes, struct gn_proxy_header *out, size_t *consumed_out)
{
    struct gn_slice seen = gn_slice_of(bytes.ptr, GN_MIN(bytes.len, (size_t)GN_PROXY_V1_BYTES));
    size_t cr = gn_slice_find(seen, '\r');

    if (cr + 1 >= seen.len) {
        return seen.len == GN_PROXY_V1_BYTES ? GN_PROXY_ERROR : GN_PROXY_MORE;
    }
    if (seen.ptr[cr + 1] != '\n' || !parse_v1_line(gn_slice_of(seen.ptr, cr), out)) {
        return GN_PROXY_ERROR;
    }
    *consumed_out = cr + 2;
    return GN_PROXY_DONE;
}

static void note_tlv(struct gn_proxy_header *out, unsigned type, struct gn_slice value)
{
    switch (type) {
    case TLV_AUTHORITY:
        out->authority = value;
        break;
    case TLV_UNIQUE_ID:
        out->unique_id = value.len <= UNIQUE_ID_BYTES ? value : gn_slice_of(NULL, 0);
        break;
    case TLV_SSL:
        out->is_tls = value.len > 0 && ((unsigned char)value.ptr[0] & SSL_CLIENT_BIT) != 0;
        break;
    default:
        break;
    }
}

static bool parse_tlvs(struct gn_slice rest, struct gn_proxy_header *out)
{
    while (rest.len > 0) {
        size_t n;

        if (rest.len < TLV_HEAD_BYTES) {
            return false;
        }
        n = read_u16(rest.ptr + 1);
        if (n > rest.len - TLV_HEAD_BYTES) {
            return false;
        }
        note_tlv(out, (unsigned char)rest.ptr[0], gn_slice_of(rest.ptr + TLV_HEAD_BYTES, n));
        rest = gn_slice_skip(rest, TLV_HEAD_BYTES + n);
    }
    return true;
}

static bool parse_v2_addresses(
        unsigned family_byte, struct gn_slice payload, struct gn_proxy_header *out)
{
    unsigned family = family_byte >> 4;
    size_t each = family == 1 ? 4 : 16;
    size_t n = family == 1 ? V2_IPV4_BYTES : V2_IPV6_BYTES;

    if (family != 1 && family != 2) {
        return family == 0 || family == 3; /* unspecified, Unix: nothing for us */
    }
    if (payload.len < n) {
        return false;
    }
    if ((family_byte & 0x0f) != 1) {
        return (family_byte & 0x0f) <= 2; /* not a stream: nothing for us */
    }
    out->family = family == 1 ? GN_PROXY_IPV4 : GN_PROXY_IPV6;
    memcpy(out->source, payload.ptr, each);
    memcpy(out->destination, payload.ptr + each, each);
    out->source_port = read_u16(payload.ptr + 2 * each);
    out->destination_port = read_u16(payload.ptr + 2 * each + 2);
    return parse_tlvs(gn_slice_skip(payload, n), out);
}

static enum gn_proxy_result parse_v2(
        struct gn_slice bytes, struct gn_proxy_header *out, size_t *consumed_out)
{
    unsigned command;
    size_t n;

    if (bytes.len < V2_HEAD_BYTES) {
        return GN_PROXY_MORE;
    }
    command = (unsigned char)bytes.ptr[12];
    n = V2_HEAD_BYTES + (size_t)read_u16(bytes.ptr + 14);
    if (command >> 4 != 2 || (command & 0x0f) > 1 || n > GN_PROXY_V2_BYTES) {
        return GN_PROXY_ERROR;
    }
    if (bytes.len < n) {
        return GN_PROXY_MORE;
    }
    /* LOCAL: the proxy speaks for itself, a health check; what follows is not looked at. */
    if ((command & 0x0f) == 1 &&
            !parse_v2_addresses((unsigned char)bytes.ptr[13],
                    gn_slice_of(bytes.ptr + V2_HEAD_BYTES, n - V2_HEAD_BYTES), out)) {
        return GN_PROXY_ERROR;
    }
    *consumed_out = n;
    return GN_PROXY_DONE;
}

static bool may_start_with(struct gn_slice bytes, struct gn_slice signature)
{
    return gn_slice_starts_with(
            signature, gn_slice_of(bytes.ptr, GN_MIN(bytes.len, signature.len)));
}

enum gn_proxy_result gn_proxy_header_parse(
        struct gn_slice bytes, struct gn_proxy_header *out, size_t *consumed_out)
{
    *out = (struct gn_proxy_header){.family = GN_PROXY_UNKNOWN};
    *consumed_out = 0;
    if (bytes.len == 0) {
        return GN_PROXY_MORE;
    }
    if (may_start_with(bytes, gn_slice_of(v2_signature, V2_SIGNATURE_BYTES))) {
        out->version = 2;
        return parse_v2(bytes, out, consumed_out);
    }
    if (may_start_with(bytes, GN_LIT("PROXY "))) {
        out->version = 1;
        return parse_v1(bytes, out, consumed_out);
    }
    return GN_PROXY_ERROR;
}
