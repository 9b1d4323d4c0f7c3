/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_BASE_ASCII_H
#define GN_SERVER_BASE_ASCII_H

/*
 * ASCII classes without a locale, by table: tchar of RFC 9110 5.6.2, field
 * value bytes of RFC 9110 5.5, hex digits. All functions are pure and safe on
 * every thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/attr.h"

enum {
    GN_ASCII_TCHAR = 1, /* token character, RFC 9110 5.6.2 */
    GN_ASCII_VALUE = 2, /* allowed in a field value: HTAB, SP, VCHAR, obs-text */
    GN_ASCII_DIGIT = 4,
    GN_ASCII_HEX = 8,
    GN_ASCII_ALPHA = 16,
};

extern const uint8_t gn_ascii_class[256];

static inline bool gn_ascii_is(char c, unsigned classes)
{
    return (gn_ascii_class[(unsigned char)c] & classes) != 0;
}

static inline bool gn_ascii_is_tchar(char c)
{
    return gn_ascii_is(c, GN_ASCII_TCHAR);
}

static inline bool gn_ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline char gn_ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline char gn_ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
}

/** The value of a hex digit, or -1. */
static inline int gn_ascii_hex(char c)
{
    if (gn_ascii_is_digit(c)) {
        return c - '0';
    }
    c = gn_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
