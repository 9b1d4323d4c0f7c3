/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "server/base/ascii.h"
#include "tests/support/test.h"

/* The grammar of RFC 9110, written out again, against the table. */

static bool is_tchar(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_value(int c)
{
    return c == '\t' || (c >= 0x20 && c <= 0x7e) || c >= 0x80;
}

static bool is_alpha(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

Test(ascii, table_agrees_with_the_grammar)
{
    for (int c = 0; c < 256; c++) {
        char ch = (char)c;

        cr_assert_eq(gn_ascii_is(ch, GN_ASCII_TCHAR), is_tchar(c), "byte %d", c);
        cr_assert_eq(gn_ascii_is_tchar(ch), is_tchar(c), "byte %d", c);
        cr_assert_eq(gn_ascii_is(ch, GN_ASCII_VALUE), is_value(c), "byte %d", c);
        cr_assert_eq(gn_ascii_is(ch, GN_ASCII_DIGIT), c >= '0' && c <= '9', "byte %d", c);
        cr_assert_eq(gn_ascii_is_digit(ch), c >= '0' && c <= '9', "byte %d", c);
        cr_assert_eq(gn_ascii_is(ch, GN_ASCII_HEX), is_hex(c), "byte %d", c);
        cr_assert_eq(gn_ascii_is(ch, GN_ASCII_ALPHA), is_alpha(c), "byte %d", c);
    }
}

Test(ascii, case_changes_letters_only)
{
    for (int c = 0; c < 256; c++) {
        bool upper = c >= 'A' && c <= 'Z';
        bool lower = c >= 'a' && c <= 'z';

        cr_assert_eq((unsigned char)gn_ascii_lower((char)c), upper ? c + 32 : c, "byte %d", c);
        cr_assert_eq((unsigned char)gn_ascii_upper((char)c), lower ? c - 32 : c, "byte %d", c);
    }
}

Test(ascii, hex_digits_have_values)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";

    for (int i = 0; i < 32; i++) {
        cr_assert_eq(gn_ascii_hex(digits[i]), i % 16);
    }
    for (int c = 0; c < 256; c++) {
        cr_assert_eq(gn_ascii_hex((char)c) >= 0, is_hex(c), "byte %d", c);
    }
}
