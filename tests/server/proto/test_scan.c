/* SPDX-License-Identifier: MIT */
#include <sys/mman.h>
#include <unistd.h>

#include "server/base/ascii.h"
#include "server/proto/scan.h"
#include "tests/support/test.h"

enum { MAX_BYTES = 100 };

/* A page whose successor cannot be read: data is put at its very end. */
static char *end_of_page(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    cr_assert_neq(two, MAP_FAILED);
    cr_assert_eq(mprotect(two + page, page, PROT_NONE), 0);
    return two + page;
}

static void check_find_ctl(const struct gn_scan *s, const char *p, const char *end)
{
    const char *want = gn_scan_variant(0)->find_ctl(p, end);

    cr_assert_eq(s->find_ctl(p, end), want, "%s, %d bytes", s->name, (int)(end - p));
}

Test(scan, always_has_the_plain_variant)
{
    cr_assert_str_eq(gn_scan_variant(0)->name, "scalar");
    cr_assert_null(gn_scan_variant(99));
    cr_assert_not_null(gn_scan_best());
}

/* Every byte value at every position of every length, up to the end of a page. */
Test(scan, variants_find_the_same_control_byte)
{
    char *page_end = end_of_page();

    for (unsigned v = 0; gn_scan_variant(v) != NULL; v++) {
        for (size_t n = 0; n <= MAX_BYTES; n++) {
            char *p = page_end - n;

            memset(p, 'a', n);
            check_find_ctl(gn_scan_variant(v), p, page_end);
            for (size_t at = 0; at < n; at++) {
                for (int c = 0; c<256; c += n> 40 ? 31 : 1) {
                    p[at] = (char)c;
                    check_find_ctl(gn_scan_variant(v), p, page_end);
                }
                p[at] = 'a';
            }
        }
    }
}

Test(scan, plain_control_search_is_right)
{
    char text[16];

    for (int c = 0; c < 256; c++) {
        bool is_ctl = (c < 0x20 && c != '\t') || c == 0x7f;

        for (size_t at = 0; at < sizeof(text); at++) {
            memset(text, 0xff, sizeof(text));
            text[at] = (char)c;
            cr_assert_eq(gn_scan_variant(0)->find_ctl(text, text + sizeof(text)),
                    text + (is_ctl ? at : sizeof(text)), "byte %d at %zu", c, at);
        }
    }
}

Test(scan, variants_skip_the_same_set)
{
    static const struct gn_byte_set *const sets[] = {
            &gn_scan_token, &gn_scan_path, &gn_scan_query, &gn_scan_host};
    char *page_end = end_of_page();

    for (unsigned v = 0; gn_scan_variant(v) != NULL; v++) {
        for (size_t n = 0; n <= 64; n++) {
            char *p = page_end - n;

            memset(p, 'x', n);
            for (size_t i = 0; i < n * 256; i++) {
                const struct gn_byte_set *set = sets[i / 256 % 4];

                p[i / 256] = (char)i;
                cr_assert_eq(gn_scan_variant(v)->skip(p, page_end, set),
                        gn_scan_variant(0)->skip(p, page_end, set), "%s, %zu bytes",
                        gn_scan_variant(v)->name, n);
                p[i / 256] = 'x';
            }
        }
    }
}

Test(scan, token_set_is_tchar)
{
    for (int c = 0; c < 256; c++) {
        cr_assert_eq(gn_byte_set_has(&gn_scan_token, (char)c), gn_ascii_is_tchar((char)c), "%d", c);
    }
}

Test(scan, target_sets_hold_what_uris_and_browsers_use)
{
    static const char both[] = "abcXYZ019-._~!$&'()*+,;=:@%/|[]";
    static const char query_only[] = "?{}^`\\";

    for (int c = 0; c < 256; c++) {
        bool in_both = c != 0 && strchr(both, c) != NULL;
        bool in_query = c != 0 && strchr(query_only, c) != NULL;
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        cr_assert_eq(gn_byte_set_has(&gn_scan_path, (char)c), in_both || is_alnum, "%d", c);
        cr_assert_eq(
                gn_byte_set_has(&gn_scan_query, (char)c), in_both || in_query || is_alnum, "%d", c);
    }
}

Test(scan, host_set_is_reg_name_without_escapes)
{
    for (int c = 0; c < 256; c++) {
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_other = c != 0 && strchr("-._~!$&'()*+;=", c) != NULL;

        cr_assert_eq(gn_byte_set_has(&gn_scan_host, (char)c), is_alnum || is_other, "%d", c);
    }
}

Test(scan, slices_may_be_empty)
{
    cr_assert_eq(gn_scan_skip(gn_slice_of(NULL, 0), &gn_scan_token), 0);
    cr_assert_eq(gn_scan_find_ctl(gn_slice_of(NULL, 0)), 0);
    cr_assert_eq(gn_scan_skip(GN_LIT("abc:"), &gn_scan_token), 3);
    cr_assert_eq(gn_scan_find_ctl(GN_LIT("a\tb\rc")), 3);
}
