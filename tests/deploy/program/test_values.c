/* SPDX-License-Identifier: MIT */
#include "deploy/program/values.h"
#include "tests/support/test.h"

Test(values, reads_sizes)
{
    static const struct {
        const char *text;
        uint64_t bytes;
        bool is_good;
    } cases[] = {
            {"0", 0, true},
            {"8190", 8190, true},
            {"64K", 65536, true},
            {"64k", 65536, true},
            {"64KB", 65536, true},
            {"64KiB", 65536, true},
            {"1b", 1, true},
            {"8M", 8388608, true},
            {"2G", UINT64_C(2147483648), true},
            {"", 0, false},
            {"K", 0, false},
            {"-1", 0, false},
            {"+1", 0, false},
            {"1.5M", 0, false},
            {"1 M", 0, false},
            {"1T", 0, false},
            {"0x10", 0, false},
            {"99999999999999999999", 0, false},
            {"99999999999999999999G", 0, false},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        uint64_t bytes = 0;

        cr_assert_eq(gn_value_parse_size(gn_slice_str(cases[i].text), &bytes), cases[i].is_good,
                "%s", cases[i].text);
        cr_assert_eq(bytes, cases[i].bytes, "%s", cases[i].text);
    }
}

Test(values, shows_sizes_so_that_they_read_back)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
            {0, "0"},
            {1, "1"},
            {8190, "8190"},
            {65536, "64K"},
            {65537, "65537"},
            {UINT64_C(64) << 20, "64M"},
            {UINT64_C(3) << 30, "3G"},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_buf text;
        uint64_t back;

        gn_buf_init(&text, 64);
        gn_value_show_size(cases[i].bytes, &text);
        cr_assert(
                gn_slice_eq(gn_buf_slice(&text), gn_slice_str(cases[i].text)), "%s", cases[i].text);
        cr_assert(gn_value_parse_size(gn_buf_slice(&text), &back));
        cr_assert_eq(back, cases[i].bytes);
        gn_buf_fini(&text);
    }
}

Test(values, reads_times)
{
    static const struct {
        const char *text;
        int64_t ms;
        bool is_good;
    } cases[] = {
            {"0", 0, true},
            {"30", 30000, true},
            {"30s", 30000, true},
            {"0.5", 500, true},
            {"0.05", 50, true},
            {"1.005", 1005, true},
            {"500ms", 500, true},
            {"5m", 300000, true},
            {"5min", 300000, true},
            {"1.5h", 5400000, true},
            {"", 0, false},
            {"s", 0, false},
            {".5", 0, false},
            {"1.", 0, false},
            {"1.0005", 0, false},
            {"-1", 0, false},
            {"1e3", 0, false},
            {"1 s", 0, false},
            {"forever", 0, false},
            {"9999999999999", 0, false},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        int64_t ms = 0;

        cr_assert_eq(gn_value_parse_ms(gn_slice_str(cases[i].text), &ms), cases[i].is_good, "%s",
                cases[i].text);
        cr_assert_eq(ms, cases[i].ms, "%s", cases[i].text);
    }
}
