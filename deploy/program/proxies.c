/* SPDX-License-Identifier: MIT */
/*
 * Values of options that say what stands in front of the server.
 */
#include "deploy/program/proxies.h"

#include "server/proto/forwarded.h"

static const struct {
    struct gn_slice name;
    unsigned bit;
} forwarded_names[] = {
        {GN_LIT_INIT("x-forwarded-for"), GN_FORWARDED_FOR},
        {GN_LIT_INIT("x-real-ip"), GN_FORWARDED_REAL_IP},
        {GN_LIT_INIT("x-forwarded-proto"), GN_FORWARDED_PROTO},
        {GN_LIT_INIT("x-forwarded-host"), GN_FORWARDED_HOST},
        {GN_LIT_INIT("x-forwarded-port"), GN_FORWARDED_PORT},
        {GN_LIT_INIT("x-forwarded-prefix"), GN_FORWARDED_PREFIX},
        {GN_LIT_INIT("forwarded"), GN_FORWARDED_RFC7239},
        {GN_LIT_INIT("none"), 0},
};

static bool find_forwarded(struct gn_slice name, unsigned *bits)
{
    for (unsigned i = 0; i < GN_ARRAY_LEN(forwarded_names); i++) {
        if (gn_slice_eq_nocase(name, forwarded_names[i].name)) {
            *bits |= forwarded_names[i].bit;
            return true;
        }
    }
    return false;
}

enum gn_err gn_proxies_parse_forwarded(void *into, struct gn_slice text, struct gn_error *err)
{
    unsigned bits = 0;
    struct gn_slice word;

    while (gn_slice_split(&text, ',', &word)) {
        word = gn_slice_trim_ows(word);
        if (!find_forwarded(word, &bits)) {
            return gn_error_set(err, GN_ERR_INVALID, 0,
                    "'" GN_SLICE_FMT "' is not one of x-forwarded-for, x-real-ip, "
                    "x-forwarded-proto, x-forwarded-host, x-forwarded-port, x-forwarded-prefix, "
                    "forwarded, none",
                    GN_SLICE_ARG(word));
        }
    }
    *(unsigned *)into = bits;
    return GN_OK;
}

void gn_proxies_show_forwarded(const void *from, struct gn_buf *text)
{
    unsigned bits = *(const unsigned *)from;
    const char *comma = "";

    for (unsigned i = 0; i < GN_ARRAY_LEN(forwarded_names); i++) {
        if ((bits & forwarded_names[i].bit) != 0) {
            (void)!gn_buf_printf(
                    text, "%s" GN_SLICE_FMT, comma, GN_SLICE_ARG(forwarded_names[i].name));
            comma = ",";
        }
    }
}
