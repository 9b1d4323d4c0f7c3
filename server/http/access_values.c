/* SPDX-License-Identifier: MIT */
#include "server/http/access_values.h"

#include "server/base/ascii.h"

#define DECIMAL_BYTES 20

static int64_t between(gn_deadline from, gn_deadline to)
{
    return from == 0 || to == 0 ? -1 : GN_MAX(to - from, INT64_C(0));
}

struct gn_access_times gn_access_times(const struct gn_exchange *ex, gn_deadline now)
{
    const struct gn_exchange_times *t = &ex->times;

    return (struct gn_access_times){
            .total = between(t->first_byte, now),
            .first_byte = between(t->first_byte, t->replied),
            .queue = between(t->ready, t->started),
            .worker = between(t->started, t->ended),
    };
}

int gn_access_status(const struct gn_exchange *ex)
{
    return ex->status > 0 ? ex->status : gn_err_http_status(GN_ERR_GONE);
}

struct gn_slice gn_access_protocol(const struct gn_exchange *ex)
{
    return ex->head->minor_version == 0 ? GN_LIT("HTTP/1.0") : GN_LIT("HTTP/1.1");
}

/* ---- Basic authentication ----------------------------------------------- */

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (gn_ascii_is_digit(c)) {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/** Decodes until `size` bytes, the end, or the first byte that is not base64. */
static size_t decode_base64(struct gn_slice text, char *into, size_t size)
{
    unsigned bits = 0;
    unsigned n_bits = 0;
    size_t n = 0;

    for (size_t i = 0; i < text.len && n < size; i++) {
        int value = base64_value(text.ptr[i]);

        if (value < 0) {
            break;
        }
        bits = (bits << 6 | (unsigned)value) & 0xfffu;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            into[n++] = (char)(bits >> n_bits & 0xffu);
        }
    }
    return n;
}

struct gn_slice gn_access_user(const struct gn_exchange *ex, char into[GN_ACCESS_USER_BYTES])
{
    struct gn_slice value = gn_http1_head_value(ex->head, GN_HDR_AUTHORIZATION);
    struct gn_slice scheme = gn_slice_of(value.ptr, GN_MIN(value.len, (size_t)6));
    size_t len;

    if (!gn_slice_eq_nocase(scheme, GN_LIT("Basic "))) {
        return gn_slice_of(into, 0);
    }
    len = decode_base64(
            gn_slice_trim_ows(gn_slice_skip(value, 6)), into, (size_t)GN_ACCESS_USER_BYTES);
    return gn_slice_of(into, gn_slice_find(gn_slice_of(into, len), ':'));
}

/* ---- numbers ------------------------------------------------------------ */

enum gn_err gn_access_put_number(struct gn_buf *out, uint64_t number)
{
    char digits[DECIMAL_BYTES];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return gn_buf_append(out, gn_slice_of(digits + at, sizeof(digits) - at));
}
