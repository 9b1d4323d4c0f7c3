/* SPDX-License-Identifier: MIT */
#include "server/proto/utf8.h"
#include "tests/support/feed.h"
#include "tests/support/test.h"

struct text_case {
    struct gn_slice text;
    bool is_valid;
};

static void check(const struct gn_feed *feed, void *arg)
{
    const struct text_case *c = arg;
    struct gn_utf8 u = {0};
    bool ok = true;

    for (size_t i = 0; i < feed->n_pieces && ok; i++) {
        ok = gn_utf8_feed(&u, feed->pieces[i]);
    }
    cr_assert_eq(ok && gn_utf8_is_complete(&u), c->is_valid, "%s", feed->way);
    cr_assert_eq(gn_utf8_is_valid(c->text), c->is_valid);
    if (!ok) {
        cr_assert_not(gn_utf8_feed(&u, GN_LIT("a")), "dead for good");
        cr_assert_not(gn_utf8_is_complete(&u));
    }
}

Test(utf8, tells_valid_from_invalid)
{
    static const struct text_case cases[] = {
            {GN_LIT_INIT(""), true},
            {GN_LIT_INIT("plain ASCII, longer than one machine word"), true},
            {GN_LIT_INIT("\xc2\x80"), true},
            {GN_LIT_INIT("\xdf\xbf"), true},
            {GN_LIT_INIT("\xe0\xa0\x80"), true},
            {GN_LIT_INIT("\xed\x9f\xbf"), true},
            {GN_LIT_INIT("\xee\x80\x80"), true},
            {GN_LIT_INIT("\xef\xbf\xbf"), true},
            {GN_LIT_INIT("\xf0\x90\x80\x80"), true},
            {GN_LIT_INIT("\xf4\x8f\xbf\xbf"), true},
            {GN_LIT_INIT("abcdefgh\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5 ijklmnopqrst"),
                    true},
            /* continuation without a start, start without continuation */
            {GN_LIT_INIT("\x80"), false},
            {GN_LIT_INIT("\xbf"), false},
            {GN_LIT_INIT("\xc2"), false},
            {GN_LIT_INIT("\xc2 "), false},
            {GN_LIT_INIT("\xe1\x80"), false},
            {GN_LIT_INIT("\xf1\x80\x80"), false},
            {GN_LIT_INIT("\xf1\x80\x80z"), false},
            /* overlong */
            {GN_LIT_INIT("\xc0\x80"), false},
            {GN_LIT_INIT("\xc1\xbf"), false},
            {GN_LIT_INIT("\xe0\x9f\xbf"), false},
            {GN_LIT_INIT("\xf0\x8f\xbf\xbf"), false},
            /* surrogates */
            {GN_LIT_INIT("\xed\xa0\x80"), false},
            {GN_LIT_INIT("\xed\xbf\xbf"), false},
            /* above U+10FFFF */
            {GN_LIT_INIT("\xf4\x90\x80\x80"), false},
            {GN_LIT_INIT("\xf5\x80\x80\x80"), false},
            {GN_LIT_INIT("\xff"), false},
            {GN_LIT_INIT("abcdefghijklmnop\xfe"), false},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct text_case c = cases[i];

        gn_feed_all_ways(c.text, check, &c);
    }
}

/* Encodes every code point, surrogates included, and asks for each. */
Test(utf8, accepts_every_scalar_value)
{
    for (uint32_t cp = 0x80; cp < 0x110000; cp++) {
        char t[4];
        size_t n;

        if (cp < 0x800) {
            t[0] = (char)(0xc0 | cp >> 6);
            n = 2;
        } else if (cp < 0x10000) {
            t[0] = (char)(0xe0 | cp >> 12);
            t[1] = (char)(0x80 | (cp >> 6 & 0x3f));
            n = 3;
        } else {
            t[0] = (char)(0xf0 | cp >> 18);
            t[1] = (char)(0x80 | (cp >> 12 & 0x3f));
            t[2] = (char)(0x80 | (cp >> 6 & 0x3f));
            n = 4;
        }
        t[n - 1] = (char)(0x80 | (cp & 0x3f));
        cr_assert_eq(gn_utf8_is_valid(gn_slice_of(t, n)), cp < 0xd800 || cp > 0xdfff, "U+%X", cp);
    }
}
