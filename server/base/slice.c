/* SPDX-License-Identifier: MIT */
#include "server/base/slice.h"

#include "server/base/alloc.h"
#include "server/base/ascii.h"

bool gn_slice_eq_nocase(struct gn_slice a, struct gn_slice b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (gn_ascii_lower(a.ptr[i]) != gn_ascii_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

static bool is_ows(char c)
{
    return c == ' ' || c == '\t';
}

struct gn_slice gn_slice_trim_ows(struct gn_slice s)
{
    while (s.len > 0 && is_ows(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_ows(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

bool gn_slice_split(struct gn_slice *rest, char sep, struct gn_slice *token_out)
{
    size_t at;

    if (rest->ptr == NULL) {
        return false;
    }
    at = gn_slice_find(*rest, sep);
    *token_out = gn_slice_of(rest->ptr, at);
    if (at == rest->len) {
        *rest = gn_slice_of(NULL, 0);
    } else {
        *rest = gn_slice_of(rest->ptr + at + 1, rest->len - at - 1);
    }
    return true;
}

enum gn_err gn_slice_to_u64(struct gn_slice s, uint64_t max, uint64_t *value_out)
{
    enum { SAFE_DIGITS = 19 }; /* as many never overflow: no division for them */
    uint64_t value = 0;
    bool is_too_big = false;

    if (s.len == 0) {
        return GN_ERR_INVALID;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)((unsigned char)s.ptr[i] - '0');

        if (digit > 9) {
            return GN_ERR_INVALID;
        }
        if (i >= SAFE_DIGITS && value > (UINT64_MAX - digit) / 10) {
            is_too_big = true;
        }
        value = value * 10 + digit;
    }
    if (is_too_big || value > max) {
        return GN_ERR_TOO_BIG;
    }
    *value_out = value;
    return GN_OK;
}

enum gn_err gn_slice_to_cstr(struct gn_slice s, char **text_out)
{
    if (s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL) {
        return GN_ERR_INVALID;
    }
    *text_out = gn_xstrndup(s.ptr, s.len);
    return GN_OK;
}
