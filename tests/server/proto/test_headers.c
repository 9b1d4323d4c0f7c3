/* SPDX-License-Identifier: MIT */
#include "server/base/ascii.h"
#include "server/proto/headers.h"
#include "tests/support/test.h"

Test(headers, every_id_finds_its_own_name)
{
    for (unsigned id = GN_HDR_OTHER + 1; id < GN_HDR_N; id++) {
        struct gn_slice name = gn_header_name((enum gn_header_id)id);
        char upper[64];

        cr_assert_gt(name.len, 0, "id %u", id);
        for (size_t i = 0; i < name.len; i++) {
            upper[i] = gn_ascii_upper(name.ptr[i]);
        }
        cr_assert_eq(gn_header_lookup(name), id, GN_SLICE_FMT, GN_SLICE_ARG(name));
        cr_assert_eq(gn_header_lookup(gn_slice_of(upper, name.len)), id);
        for (size_t i = 0; i < name.len; i++) {
            cr_assert_neq(gn_header_lookup(gn_slice_of(upper, i)), id);
        }
    }
    cr_assert_eq(gn_header_name(GN_HDR_UNSET).len, 0);
    cr_assert_eq(gn_header_name(GN_HDR_OTHER).len, 0);
    cr_assert_eq(gn_header_name(GN_HDR_N).len, 0);
}

Test(headers, ids_are_in_the_order_of_their_names)
{
    cr_assert(gn_slice_eq(gn_header_name(GN_HDR_ACCEPT), GN_LIT("accept")));
    cr_assert(gn_slice_eq(gn_header_name(GN_HDR_CONTENT_LENGTH), GN_LIT("content-length")));
    cr_assert(gn_slice_eq(gn_header_name(GN_HDR_HOST), GN_LIT("host")));
    cr_assert(gn_slice_eq(gn_header_name(GN_HDR_TE), GN_LIT("te")));
    cr_assert(gn_slice_eq(gn_header_name(GN_HDR_TRANSFER_ENCODING), GN_LIT("transfer-encoding")));
    cr_assert(gn_slice_eq(gn_header_name(GN_HDR_X_REQUESTED_WITH), GN_LIT("x-requested-with")));
}

/* Changing any one bit of any byte must not still find the name, but for the case of letters. */
Test(headers, near_misses_are_other)
{
    char name[64];

    for (unsigned id = GN_HDR_OTHER + 1; id < GN_HDR_N; id++) {
        struct gn_slice right = gn_header_name((enum gn_header_id)id);

        memcpy(name, right.ptr, right.len);
        for (size_t i = 0; i < right.len * 8; i++) {
            char flipped = (char)(name[i / 8] ^ 1 << i % 8);
            bool is_case = gn_ascii_lower(flipped) == right.ptr[i / 8];

            name[i / 8] = flipped;
            cr_assert_eq(gn_header_lookup(gn_slice_of(name, right.len)),
                    is_case ? id : GN_HDR_OTHER, "id %u, bit %zu", id, i);
            name[i / 8] = right.ptr[i / 8];
        }
    }
    cr_assert_eq(gn_header_lookup(GN_LIT("")), GN_HDR_OTHER);
    cr_assert_eq(gn_header_lookup(GN_LIT("content_length")), GN_HDR_OTHER);
    cr_assert_eq(gn_header_lookup(GN_LIT("content\rlength")), GN_HDR_OTHER);
}

Test(headers, finds_fields)
{
    const struct gn_header headers[] = {
            {.name = GN_LIT("Accept"), .value = GN_LIT("a"), .id = GN_HDR_ACCEPT},
            {.name = GN_LIT("X-Own"), .value = GN_LIT("1"), .id = GN_HDR_OTHER},
            {.name = GN_LIT("accept"), .value = GN_LIT("b")}, /* never looked up */
    };

    cr_assert_eq(gn_headers_find(headers, 3, GN_HDR_ACCEPT), &headers[0]);
    cr_assert_null(gn_headers_find(headers, 3, GN_HDR_HOST));
    cr_assert_eq(gn_headers_count(headers, 3, GN_HDR_ACCEPT), 2);
    cr_assert(gn_slice_eq(gn_headers_value(headers + 1, 2, GN_HDR_ACCEPT), GN_LIT("b")));
    cr_assert_null(gn_headers_value(headers, 3, GN_HDR_HOST).ptr);
    cr_assert_eq(gn_headers_find_name(headers, 3, GN_LIT("x-own")), &headers[1]);
    cr_assert_eq(gn_headers_find_name(headers, 3, GN_LIT("ACCEPT")), &headers[0]);
    cr_assert_null(gn_headers_find_name(headers, 3, GN_LIT("x-other")));
}

static void check_list(struct gn_slice list, const char *want)
{
    struct gn_slice element;
    char got[256];
    size_t n = 0;

    while (gn_list_next(&list, &element)) {
        memcpy(got + n, element.ptr, element.len);
        n += element.len;
        got[n++] = '|';
    }
    got[n] = '\0';
    cr_assert_str_eq(got, want);
}

Test(headers, walks_lists)
{
    check_list(GN_LIT(""), "");
    check_list(GN_LIT(" , ,, "), "");
    check_list(GN_LIT("a"), "a|");
    check_list(GN_LIT("a,b"), "a|b|");
    check_list(GN_LIT(" a , ,\tb,"), "a|b|");
    check_list(GN_LIT("a;q=\"x,y\", b"), "a;q=\"x,y\"|b|");
    check_list(GN_LIT("\"a\\\",b\",c"), "\"a\\\",b\"|c|");
    check_list(GN_LIT("\"open,b"), "\"open,b|");
    check_list(GN_LIT("\"open\\"), "\"open\\|");
}

Test(headers, finds_tokens_in_lists)
{
    const struct gn_header headers[] = {
            {.name = GN_LIT("Connection"), .value = GN_LIT("keep-alive"), .id = GN_HDR_CONNECTION},
            {.name = GN_LIT("Connection"), .value = GN_LIT("x, UPGRADE"), .id = GN_HDR_CONNECTION},
    };

    cr_assert(gn_headers_has_token(headers, 2, GN_HDR_CONNECTION, GN_LIT("upgrade")));
    cr_assert(gn_headers_has_token(headers, 2, GN_HDR_CONNECTION, GN_LIT("Keep-Alive")));
    cr_assert_not(gn_headers_has_token(headers, 2, GN_HDR_CONNECTION, GN_LIT("close")));
    cr_assert_not(gn_headers_has_token(headers, 2, GN_HDR_UPGRADE, GN_LIT("upgrade")));
    cr_assert_not(gn_list_has_token(GN_LIT("upgraded, up"), GN_LIT("upgrade")));
}

Test(headers, knows_tokens_and_values)
{
    cr_assert(gn_is_token(GN_LIT("X-Name!#$%&'*+.^_`|~09az")));
    cr_assert_not(gn_is_token(GN_LIT("")));
    cr_assert_not(gn_is_token(GN_LIT("a b")));
    cr_assert_not(gn_is_token(GN_LIT("a:")));
    cr_assert_not(gn_is_token(GN_LIT("caf\xc3\xa9")));
    cr_assert(gn_is_field_value(GN_LIT("")));
    cr_assert(gn_is_field_value(GN_LIT("a\tb caf\xe9")));
    cr_assert_not(gn_is_field_value(GN_LIT("a\rb")));
    cr_assert_not(gn_is_field_value(GN_LIT("a\nb")));
    cr_assert_not(gn_is_field_value(GN_LIT("a\0b")));
    cr_assert_not(gn_is_field_value(GN_LIT("a\x7f")));
}

Test(headers, field_value_of_any_length_with_any_byte_anywhere)
{
    char text[24];

    for (size_t len = 1; len <= sizeof(text); len++) {
        for (size_t at = 0; at < len; at++) {
            for (int byte = 0; byte < 256; byte++) {
                bool allowed = byte == '\t' || (byte >= 0x20 && byte != 0x7f);

                memset(text, 'a', sizeof(text));
                text[at] = (char)byte;
                cr_assert_eq(gn_is_field_value(gn_slice_of(text, len)), allowed,
                        "byte %d at %zu of %zu", byte, at, len);
            }
        }
    }
}
