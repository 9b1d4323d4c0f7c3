/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/base/arena.h"
#include "server/proto/headers.h"
#include "server/proto/http_date.h"
#include "server/proto/uri.h"
#include "server/proto/utf8.h"
#include "server/proto/ws_handshake.h"
#include "tests/support/fuzz.h"

/*
 * The small parsers of text that clients choose: escapes, paths, queries,
 * authorities, lists, dates, origins, UTF-8. Each result must keep what its
 * header promises.
 */

static bool is_within(struct gn_slice outer, struct gn_slice inner)
{
    return inner.len == 0 ||
            (inner.ptr >= outer.ptr && inner.ptr + inner.len <= outer.ptr + outer.len);
}

/** A path below a root never starts with '/', and no segment of it is ".." or ".". */
static void check_file_path(struct gn_slice path)
{
    struct gn_slice rest = path;
    struct gn_slice segment;

    gn_assert(!gn_slice_starts_with(path, GN_LIT("/")));
    while (gn_slice_split(&rest, '/', &segment)) {
        gn_assert(!gn_slice_eq(segment, GN_LIT("..")) && !gn_slice_eq(segment, GN_LIT(".")));
        gn_assert(gn_slice_find(segment, '\0') == segment.len);
        gn_assert(gn_slice_find(segment, '\\') == segment.len);
    }
}

static void try_uri(struct gn_arena *arena, struct gn_slice text)
{
    struct gn_slice decoded;
    struct gn_slice path;
    struct gn_slice encoded;

    if (gn_uri_decode(arena, text, GN_URI_PATH, &decoded) == GN_OK) {
        gn_assert(decoded.len <= text.len);
        if (gn_uri_to_file_path(arena, decoded, &path) == GN_OK) {
            check_file_path(path);
        }
    }
    gn_assert(gn_uri_decode(arena, text, GN_URI_QUERY, &decoded) == GN_OK);
    encoded = gn_uri_encode_path(arena, text);
    gn_assert(gn_slice_find(text, '\0') < text.len ||
            (gn_uri_decode(arena, encoded, GN_URI_PATH, &decoded) == GN_OK &&
                    gn_slice_eq(decoded, text)));
}

static void try_walks(struct gn_slice text)
{
    struct gn_slice rest = text;
    struct gn_slice name;
    struct gn_slice value;
    size_t n = 0;

    while (gn_query_next(&rest, &name, &value)) {
        gn_assert(is_within(text, name) && is_within(text, value));
        gn_assert(++n <= text.len);
    }
    rest = text;
    n = 0;
    while (gn_list_next(&rest, &name)) {
        gn_assert(is_within(text, name) && name.len > 0);
        gn_assert(++n <= text.len);
    }
    (void)gn_list_has_token(text, GN_LIT("chunked"));
    (void)gn_header_lookup(text);
}

static void try_names(struct gn_slice text)
{
    struct gn_authority authority;
    int64_t when;

    if (gn_authority_parse(text, &authority) == GN_OK) {
        gn_assert(is_within(text, authority.host) && authority.host.len > 0);
        gn_assert(gn_authority_eq(&authority, &authority, 80));
    }
    (void)gn_origin_is_same(text, GN_LIT("example.org"), false);
    (void)gn_origin_is_same(GN_LIT("https://example.org"), text, true);
    if (gn_http_date_parse(text, 1700000000, &when) != GN_OK) {
        when = 0;
    }
    gn_assert(when < INT64_C(253402300800)); /* the year 10000 */
}

static void try_utf8(struct gn_slice text)
{
    size_t half = text.len / 2;
    struct gn_utf8 u = {0};
    bool cut = gn_utf8_feed(&u, gn_slice_of(text.ptr, half)) &&
            gn_utf8_feed(&u, gn_slice_skip(text, half)) && gn_utf8_is_complete(&u);

    gn_assert(cut == gn_utf8_is_valid(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gn_arena arena = {0};
    struct gn_slice text = gn_slice_of((const char *)data, size);

    if (size > 4096) {
        return 0;
    }
    try_uri(&arena, text);
    try_walks(text);
    try_names(text);
    try_utf8(text);
    gn_arena_fini(&arena);
    return 0;
}
