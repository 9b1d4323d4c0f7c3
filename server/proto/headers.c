/* SPDX-License-Identifier: MIT */
#include "server/proto/headers.h"

#include "server/base/ascii.h"
#include "server/proto/scan.h"

/*
 * Names are found with a perfect hash of their length and four of their
 * letters: one probe, then one comparison. Factors and slots come from
 * contrib/gen/header_hash.py, which reads the list below; its order is that of
 * enum gn_header_id. The hash folds bytes that are not letters too, so the
 * comparison that follows is exact: it ignores 0x20 only where the name we
 * know has a letter.
 */

/* Indexed by id - 2: UNSET and OTHER have no name. */
static const struct gn_slice header_names[] = {
        GN_LIT_INIT("accept"),
        GN_LIT_INIT("accept-charset"),
        GN_LIT_INIT("accept-encoding"),
        GN_LIT_INIT("accept-language"),
        GN_LIT_INIT("accept-ranges"),
        GN_LIT_INIT("access-control-allow-origin"),
        GN_LIT_INIT("age"),
        GN_LIT_INIT("allow"),
        GN_LIT_INIT("authorization"),
        GN_LIT_INIT("cache-control"),
        GN_LIT_INIT("connection"),
        GN_LIT_INIT("content-disposition"),
        GN_LIT_INIT("content-encoding"),
        GN_LIT_INIT("content-language"),
        GN_LIT_INIT("content-length"),
        GN_LIT_INIT("content-location"),
        GN_LIT_INIT("content-range"),
        GN_LIT_INIT("content-security-policy"),
        GN_LIT_INIT("content-type"),
        GN_LIT_INIT("cookie"),
        GN_LIT_INIT("date"),
        GN_LIT_INIT("dnt"),
        GN_LIT_INIT("etag"),
        GN_LIT_INIT("expect"),
        GN_LIT_INIT("expires"),
        GN_LIT_INIT("forwarded"),
        GN_LIT_INIT("from"),
        GN_LIT_INIT("host"),
        GN_LIT_INIT("http2-settings"),
        GN_LIT_INIT("if-match"),
        GN_LIT_INIT("if-modified-since"),
        GN_LIT_INIT("if-none-match"),
        GN_LIT_INIT("if-range"),
        GN_LIT_INIT("if-unmodified-since"),
        GN_LIT_INIT("keep-alive"),
        GN_LIT_INIT("last-modified"),
        GN_LIT_INIT("link"),
        GN_LIT_INIT("location"),
        GN_LIT_INIT("max-forwards"),
        GN_LIT_INIT("origin"),
        GN_LIT_INIT("pragma"),
        GN_LIT_INIT("priority"),
        GN_LIT_INIT("proxy"),
        GN_LIT_INIT("proxy-authenticate"),
        GN_LIT_INIT("proxy-authorization"),
        GN_LIT_INIT("proxy-connection"),
        GN_LIT_INIT("range"),
        GN_LIT_INIT("referer"),
        GN_LIT_INIT("retry-after"),
        GN_LIT_INIT("sec-fetch-dest"),
        GN_LIT_INIT("sec-fetch-mode"),
        GN_LIT_INIT("sec-fetch-site"),
        GN_LIT_INIT("sec-fetch-user"),
        GN_LIT_INIT("sec-websocket-accept"),
        GN_LIT_INIT("sec-websocket-extensions"),
        GN_LIT_INIT("sec-websocket-key"),
        GN_LIT_INIT("sec-websocket-protocol"),
        GN_LIT_INIT("sec-websocket-version"),
        GN_LIT_INIT("server"),
        GN_LIT_INIT("set-cookie"),
        GN_LIT_INIT("strict-transport-security"),
        GN_LIT_INIT("te"),
        GN_LIT_INIT("trailer"),
        GN_LIT_INIT("transfer-encoding"),
        GN_LIT_INIT("upgrade"),
        GN_LIT_INIT("upgrade-insecure-requests"),
        GN_LIT_INIT("user-agent"),
        GN_LIT_INIT("vary"),
        GN_LIT_INIT("via"),
        GN_LIT_INIT("www-authenticate"),
        GN_LIT_INIT("x-content-type-options"),
        GN_LIT_INIT("x-forwarded-for"),
        GN_LIT_INIT("x-forwarded-host"),
        GN_LIT_INIT("x-forwarded-port"),
        GN_LIT_INIT("x-forwarded-prefix"),
        GN_LIT_INIT("x-forwarded-proto"),
        GN_LIT_INIT("x-frame-options"),
        GN_LIT_INIT("x-real-ip"),
        GN_LIT_INIT("x-request-id"),
        GN_LIT_INIT("x-requested-with"),
};

_Static_assert(GN_ARRAY_LEN(header_names) == GN_HDR_N - 2, "one name for each id");

enum { N_SLOTS = 512 };

static const uint8_t slots[N_SLOTS] = {27, 0, 65, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 36, 0, 18, 66, 14,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 44, 0, 0, 0, 38, 0, 15, 0, 0,
        0, 0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0, 0, 29, 0, 0, 0, 0, 0, 0, 0, 19, 25, 0, 0, 0, 0, 0, 0,
        62, 0, 0, 0, 49, 39, 0, 0, 0, 0, 0, 0, 53, 0, 0, 34, 0, 0, 63, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 31, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 17, 80, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 59, 0, 0, 0, 0, 0, 22, 0, 0, 0, 42, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 81, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 74, 0, 0, 0, 0, 43, 0, 0, 0, 0, 13, 0, 0, 0, 37, 0, 23, 0, 0, 0, 0, 70, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 69, 0, 16, 0, 0, 0, 0, 0,
        0, 56, 0, 8, 0, 0, 0, 78, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 55, 0, 0, 68, 0, 0, 0, 28, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 76, 0, 54, 0, 0, 30, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0,
        0, 0, 0, 40, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 48, 0, 0, 0, 73, 0, 0, 0, 0, 32, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 72, 0, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 45, 3, 0, 71, 0, 0, 79,
        57, 0, 0, 21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 51, 35, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 52, 75, 0, 0, 33, 0, 0, 0, 0, 0, 0, 0, 0, 24, 0, 0,
        0, 0, 47, 0, 0, 0, 0, 5, 0, 0, 0, 0, 20, 0, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 67, 0, 26, 9, 0, 61, 0, 0, 0, 46, 58, 0, 0, 0, 0};

static unsigned slot_of(struct gn_slice name)
{
    const unsigned char *c = (const unsigned char *)name.ptr;
    size_t n = name.len;
    unsigned h = (unsigned)n * 3137;

    h += (c[0] | 0x20u) * 1387;
    h += (c[n / 2] | 0x20u) * 1079;
    h += (c[n - 1] | 0x20u) * 895;
    h += (c[n > 3 ? n - 4 : 0] | 0x20u) * 1695;
    return (h >> 6) % N_SLOTS;
}

static uint64_t load64(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    return w;
}

static uint32_t load32(const char *p)
{
    uint32_t w;

    memcpy(&w, p, sizeof(w));
    return w;
}

/* Bits in which `got` differs from the lower-case name `want`, the case of letters aside:
 * of the bytes in our names exactly the letters have 0x40, which shifted is the case bit. */
static uint64_t differs64(uint64_t got, uint64_t want)
{
    return (got ^ want) & ~((want & UINT64_C(0x4040404040404040)) >> 1);
}

static uint32_t differs32(uint32_t got, uint32_t want)
{
    return (got ^ want) & ~((want & UINT32_C(0x40404040)) >> 1);
}

static bool is_same_name(const char *got, const char *want, size_t n)
{
    size_t i = 0;

    if (n >= 8) {
        for (; i + 8 <= n; i += 8) {
            if (differs64(load64(got + i), load64(want + i)) != 0) {
                return false;
            }
        }
        return differs64(load64(got + n - 8), load64(want + n - 8)) == 0;
    }
    if (n >= 4) {
        return (differs32(load32(got), load32(want)) |
                       differs32(load32(got + n - 4), load32(want + n - 4))) == 0;
    }
    for (; i < n; i++) {
        if (gn_ascii_lower(got[i]) != want[i]) {
            return false;
        }
    }
    return true;
}

enum gn_header_id gn_header_lookup(struct gn_slice name)
{
    unsigned id;

    if (name.len == 0) {
        return GN_HDR_OTHER;
    }
    id = slots[slot_of(name)];
    if (id == 0 || header_names[id - 2].len != name.len ||
            !is_same_name(name.ptr, header_names[id - 2].ptr, name.len)) {
        return GN_HDR_OTHER;
    }
    return (enum gn_header_id)id;
}

struct gn_slice gn_header_name(enum gn_header_id id)
{
    return id > GN_HDR_OTHER && id < GN_HDR_N ? header_names[id - 2] : GN_LIT("");
}

static enum gn_header_id id_of(const struct gn_header *h)
{
    return h->id != GN_HDR_UNSET ? (enum gn_header_id)h->id : gn_header_lookup(h->name);
}

const struct gn_header *gn_headers_find(
        const struct gn_header *headers, unsigned n, enum gn_header_id id)
{
    for (unsigned i = 0; i < n; i++) {
        if (id_of(&headers[i]) == id) {
            return &headers[i];
        }
    }
    return NULL;
}

const struct gn_header *gn_headers_find_name(
        const struct gn_header *headers, unsigned n, struct gn_slice name)
{
    enum gn_header_id id = gn_header_lookup(name);

    if (id != GN_HDR_OTHER) {
        return gn_headers_find(headers, n, id);
    }
    for (unsigned i = 0; i < n; i++) {
        if (gn_slice_eq_nocase(headers[i].name, name)) {
            return &headers[i];
        }
    }
    return NULL;
}

struct gn_slice gn_headers_value(const struct gn_header *headers, unsigned n, enum gn_header_id id)
{
    const struct gn_header *h = gn_headers_find(headers, n, id);

    return h != NULL ? h->value : gn_slice_of(NULL, 0);
}

unsigned gn_headers_count(const struct gn_header *headers, unsigned n, enum gn_header_id id)
{
    unsigned count = 0;

    for (unsigned i = 0; i < n; i++) {
        count += id_of(&headers[i]) == id;
    }
    return count;
}

/* Length of the list element at the start of `s`: up to a comma outside quotes. */
static size_t element_len(struct gn_slice s)
{
    bool quoted = false;
    size_t i;

    for (i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            return i;
        }
    }
    return s.len;
}

bool gn_list_next(struct gn_slice *rest, struct gn_slice *element_out)
{
    while (rest->len > 0) {
        size_t n = element_len(*rest);
        struct gn_slice element = gn_slice_trim_ows(gn_slice_of(rest->ptr, n));

        *rest = gn_slice_skip(*rest, n + 1);
        if (element.len > 0) {
            *element_out = element;
            return true;
        }
    }
    return false;
}

bool gn_list_has_token(struct gn_slice list, struct gn_slice token)
{
    struct gn_slice element;

    while (gn_list_next(&list, &element)) {
        if (gn_slice_eq_nocase(element, token)) {
            return true;
        }
    }
    return false;
}

bool gn_headers_has_token(
        const struct gn_header *headers, unsigned n, enum gn_header_id id, struct gn_slice token)
{
    for (unsigned i = 0; i < n; i++) {
        if (id_of(&headers[i]) == id && gn_list_has_token(headers[i].value, token)) {
            return true;
        }
    }
    return false;
}

bool gn_is_token(struct gn_slice s)
{
    return s.len > 0 && gn_scan_skip(s, &gn_scan_token) == s.len;
}

/**
 * True when none of eight bytes is a control byte; false when one may be. All
 * eight at once: bytes below 0x20 borrow from their high bit, 0x7f becomes 0.
 */
static bool has_no_ctl(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t del = word ^ ones * 0x7f;
    uint64_t low = (word - ones * 0x20) & ~word;

    return ((low | ((del - ones) & ~del)) & ones * 0x80) == 0;
}

/** The common case without a call: four to sixteen bytes as two words that overlap. */
static bool is_short_text(struct gn_slice s)
{
    uint64_t first;
    uint64_t last;

    if (s.len < 4 || s.len > 16) {
        return false;
    }
    if (s.len < 8) {
        uint32_t low;
        uint32_t high;

        memcpy(&low, s.ptr, 4);
        memcpy(&high, s.ptr + s.len - 4, 4);
        return has_no_ctl((uint64_t)high << 32 | low);
    }
    memcpy(&first, s.ptr, 8);
    memcpy(&last, s.ptr + s.len - 8, 8);
    return has_no_ctl(first) && has_no_ctl(last);
}

bool gn_is_field_value(struct gn_slice s)
{
    return s.len == 0 || is_short_text(s) || gn_scan_find_ctl(s) == s.len;
}
