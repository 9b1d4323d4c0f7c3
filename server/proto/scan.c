/* SPDX-License-Identifier: MIT */
#include "server/proto/scan.h"

#include "server/proto/scan_x86.h"

/*
 * The plain C variants, the sets, and the choice. The control search takes
 * eight bytes at a time: a byte below 0x20 or equal to 0x7f makes the word
 * interesting, and only then are its bytes looked at one by one. The choice
 * reads two flags the compiler's runtime filled at start-up, so it needs no
 * initialisation of ours and no global state.
 *
 * What a request target may hold: pchar of RFC 3986 and '/', and in queries
 * '?', plus the bytes that browsers are known to leave unescaped, '|' '[' ']'
 * anywhere and '{' '}' '^' '`' '\' in queries (WHATWG URL, 1.3 percent-encode
 * sets). Never a space, a quote, an angle bracket, a '#', a control or a
 * non-ASCII byte.
 */

const struct gn_byte_set gn_scan_token = {{0xe8, 0xfc, 0xf8, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xf8,
        0xf8, 0xf4, 0x54, 0xd0, 0x54, 0xf4, 0x70}};
const struct gn_byte_set gn_scan_path = {{0xb8, 0xfc, 0xf8, 0xf8, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc,
        0xfc, 0xfc, 0x7c, 0xd4, 0x7c, 0xd4, 0x74}};
const struct gn_byte_set gn_scan_query = {{0xf8, 0xfc, 0xf8, 0xf8, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc,
        0xfc, 0xfc, 0xfc, 0xf4, 0xfc, 0xf4, 0x7c}};

const struct gn_byte_set gn_scan_host = {{0xa8, 0xfc, 0xf8, 0xf8, 0xfc, 0xf8, 0xfc, 0xfc, 0xfc,
        0xfc, 0xf4, 0x5c, 0x50, 0x5c, 0xd4, 0x70}};

/* High bits of the bytes that are below 0x20 (HTAB among them) or 0x7f, and perhaps of
 * bytes above one of those: zero means that there is none. */
static uint64_t suspicious_bytes(uint64_t w)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = UINT64_C(0x8080808080808080);
    uint64_t below = (w - ones * 0x20) & ~w & highs;
    uint64_t del = w ^ (ones * 0x7f);

    return below | ((del - ones) & ~del & highs);
}

static const char *find_ctl_scalar(const char *p, const char *end)
{
    uint64_t w;

    while (end - p >= 8) {
        memcpy(&w, p, sizeof(w));
        if (suspicious_bytes(w) != 0) {
            for (int i = 0; i < 8; i++) {
                unsigned char c = (unsigned char)p[i];

                if ((c < 0x20 && c != '\t') || c == 0x7f) {
                    return p + i;
                }
            }
        }
        p += 8;
    }
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;

        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            break;
        }
    }
    return p;
}

static const char *skip_scalar(const char *p, const char *end, const struct gn_byte_set *set)
{
    while (p < end && gn_byte_set_has(set, *p)) {
        p++;
    }
    return p;
}

static const struct gn_scan scan_scalar = {
        .name = "scalar", .find_ctl = find_ctl_scalar, .skip = skip_scalar};

static bool cpu_has_sse42(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("sse4.2") != 0;
#else
    return false;
#endif
}

static bool cpu_has_avx2(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") != 0;
#else
    return false;
#endif
}

const struct gn_scan *gn_scan_variant(unsigned index)
{
    switch (index) {
    case 0:
        return &scan_scalar;
    case 1:
        return cpu_has_sse42() ? gn_scan_sse42 : NULL;
    case 2:
        return cpu_has_avx2() ? gn_scan_avx2 : NULL;
    default:
        return NULL;
    }
}

const struct gn_scan *gn_scan_best(void)
{
    if (cpu_has_avx2()) {
        return gn_scan_avx2;
    }
    return cpu_has_sse42() ? gn_scan_sse42 : &scan_scalar;
}
