/* SPDX-License-Identifier: MIT */
#include "server/proto/utf8.h"

/*
 * The state says which bytes may come next (RFC 3629 4): a first byte, one to
 * three plain continuation bytes, or a second byte whose range its first byte
 * narrows (no overlong forms, no surrogates, nothing above U+10FFFF). Runs of
 * ASCII are passed eight bytes at a time.
 */

enum {
    FIRST = 0, /* between characters */
    CONT_1,    /* one more byte 80..BF */
    CONT_2,
    CONT_3,
    AFTER_E0, /* A0..BF, then CONT_1 */
    AFTER_ED, /* 80..9F, then CONT_1 */
    AFTER_F0, /* 90..BF, then CONT_2 */
    AFTER_F4, /* 80..8F, then CONT_2 */
    DEAD,
};

static const struct {
    uint8_t low, high; /* of the next byte */
    uint8_t then;      /* the state after it */
} steps[] = {
        [CONT_1] = {0x80, 0xbf, FIRST},
        [CONT_2] = {0x80, 0xbf, CONT_1},
        [CONT_3] = {0x80, 0xbf, CONT_2},
        [AFTER_E0] = {0xa0, 0xbf, CONT_1},
        [AFTER_ED] = {0x80, 0x9f, CONT_1},
        [AFTER_F0] = {0x90, 0xbf, CONT_2},
        [AFTER_F4] = {0x80, 0x8f, CONT_2},
        [DEAD] = {0xff, 0x00, DEAD},
};

static uint8_t state_after_first(unsigned char c)
{
    if (c < 0x80) {
        return FIRST;
    }
    if (c >= 0xc2 && c <= 0xdf) {
        return CONT_1;
    }
    if (c >= 0xe0 && c <= 0xef) {
        return c == 0xe0 ? AFTER_E0 : c == 0xed ? AFTER_ED : CONT_2;
    }
    if (c >= 0xf0 && c <= 0xf4) {
        return c == 0xf0 ? AFTER_F0 : c == 0xf4 ? AFTER_F4 : CONT_3;
    }
    return DEAD;
}

static size_t ascii_run(const char *p, size_t n)
{
    size_t i = 0;
    uint64_t w;

    for (; i + 8 <= n; i += 8) {
        memcpy(&w, p + i, sizeof(w));
        if ((w & UINT64_C(0x8080808080808080)) != 0) {
            break;
        }
    }
    return i;
}

bool gn_utf8_feed(struct gn_utf8 *u, struct gn_slice bytes)
{
    uint8_t state = u->state;

    for (size_t i = 0; i < bytes.len && state != DEAD; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];

        if (state != FIRST) {
            state = c >= steps[state].low && c <= steps[state].high ? steps[state].then : DEAD;
            continue;
        }
        if (c < 0x80) {
            size_t run = ascii_run(bytes.ptr + i, bytes.len - i);

            i += run > 0 ? run - 1 : 0;
            continue;
        }
        state = state_after_first(c);
    }
    u->state = state;
    return state != DEAD;
}

bool gn_utf8_is_complete(const struct gn_utf8 *u)
{
    return u->state == FIRST;
}

bool gn_utf8_is_valid(struct gn_slice text)
{
    struct gn_utf8 u = {0};

    return gn_utf8_feed(&u, text) && gn_utf8_is_complete(&u);
}
