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
    uint64_t value = 0;

    if (s.len == 0) {
        return GN_ERR_INVALID;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!gn_ascii_is_digit(s.ptr[i])) {
            return GN_ERR_INVALID;
        }
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(s.ptr[i] - '0');

        if (value > (max - digit) / 10 || digit > max) {
            return GN_ERR_TOO_BIG;
        }
        value = value * 10 + digit;
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
