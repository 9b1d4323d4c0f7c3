/* SPDX-License-Identifier: MIT */
#include "deploy/program/values.h"

#include "server/base/ascii.h"

/* Far beyond any sensible option, and safe to multiply by any unit below. */
#define MAX_WHOLE (UINT64_C(1) << 30)

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit size_units[] = {
        {"", 1},
        {"b", 1},
        {"k", 1 << 10},
        {"kb", 1 << 10},
        {"kib", 1 << 10},
        {"m", 1 << 20},
        {"mb", 1 << 20},
        {"mib", 1 << 20},
        {"g", 1 << 30},
        {"gb", 1 << 30},
        {"gib", 1 << 30},
};

static const struct unit time_units[] = {
        {"", 1000},
        {"ms", 1},
        {"s", 1000},
        {"m", 60000},
        {"min", 60000},
        {"h", 3600000},
};

static bool find_unit(
        const struct unit *units, unsigned n, struct gn_slice suffix, uint64_t *factor)
{
    for (unsigned i = 0; i < n; i++) {
        if (gn_slice_eq_nocase(suffix, gn_slice_str(units[i].suffix))) {
            *factor = units[i].factor;
            return true;
        }
    }
    return false;
}

static struct gn_slice take_digits(struct gn_slice *text)
{
    struct gn_slice digits = gn_slice_of(text->ptr, 0);

    while (digits.len < text->len && gn_ascii_is_digit(text->ptr[digits.len])) {
        digits.len++;
    }
    *text = gn_slice_skip(*text, digits.len);
    return digits;
}

bool gn_value_parse_size(struct gn_slice text, uint64_t *bytes_out)
{
    struct gn_slice digits = take_digits(&text);
    uint64_t whole;
    uint64_t factor;

    if (gn_slice_to_u64(digits, UINT64_C(1) << 33, &whole) != GN_OK ||
            !find_unit(size_units, GN_ARRAY_LEN(size_units), text, &factor)) {
        return false;
    }
    *bytes_out = whole * factor;
    return true;
}

void gn_value_show_size(uint64_t bytes, struct gn_buf *text)
{
    static const char letters[] = {'G', 'M', 'K'};

    for (unsigned i = 0; i < GN_ARRAY_LEN(letters) && bytes > 0; i++) {
        uint64_t factor = UINT64_C(1) << (30 - 10 * i);

        if (bytes % factor == 0) {
            (void)!gn_buf_printf(text, "%llu%c", (unsigned long long)(bytes / factor), letters[i]);
            return;
        }
    }
    (void)!gn_buf_printf(text, "%llu", (unsigned long long)bytes);
}

/* ".5" as thousandths; false for more than three digits, or none behind the point. */
static bool take_thousandths(struct gn_slice *text, uint64_t *thousandths)
{
    static const uint64_t weight[] = {0, 100, 10, 1};
    struct gn_slice digits;

    *thousandths = 0;
    if (text->len == 0 || text->ptr[0] != '.') {
        return true;
    }
    *text = gn_slice_skip(*text, 1);
    digits = take_digits(text);
    if (digits.len < 1 || digits.len > 3 || gn_slice_to_u64(digits, 999, thousandths) != GN_OK) {
        return false;
    }
    *thousandths *= weight[digits.len];
    return true;
}

bool gn_value_parse_ms(struct gn_slice text, int64_t *ms_out)
{
    struct gn_slice digits = take_digits(&text);
    uint64_t thousandths;
    uint64_t whole;
    uint64_t factor;

    if (gn_slice_to_u64(digits, MAX_WHOLE, &whole) != GN_OK ||
            !take_thousandths(&text, &thousandths) ||
            !find_unit(time_units, GN_ARRAY_LEN(time_units), text, &factor)) {
        return false;
    }
    *ms_out = (int64_t)(whole * factor + thousandths * factor / 1000);
    return true;
}
