/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/proto/cookies.h"
#include "server/proto/forwarded.h"
#include "server/proto/http_conditional.h"
#include "server/proto/http_range.h"
#include "server/proto/media_type.h"
#include "server/proto/ws_deflate.h"
#include "tests/support/fuzz.h"

/*
 * Whatever reads one header field, over the same bytes as each field in turn.
 * Each result must keep what its header promises.
 */

static bool trusts_short_ones(void *arg, struct gn_slice address)
{
    (void)arg;
    return address.len < 8;
}

static void try_lists(struct gn_arena *arena, struct gn_slice text)
{
    struct gn_slice rest = text;
    struct gn_slice name, value;
    struct gn_parameter p;
    struct gn_media_type m;

    while (gn_cookie_next(&rest, &name, &value)) {
        gn_assert(name.len + value.len <= text.len);
        gn_assert(gn_cookie_unquote(arena, value).len <= value.len);
    }
    rest = text;
    while (gn_parameter_next(&rest, &p)) {
        gn_assert(p.name.len > 0 && gn_unquote(arena, p.value).len <= p.value.len);
    }
    if (gn_media_type_parse(text, &m) == GN_OK) {
        gn_assert(m.type.len > 0 && m.subtype.len > 0);
    }
    gn_assert(gn_accept_quality(text, GN_LIT("text"), GN_LIT("html")) <= 1000);
    gn_assert(gn_token_quality(text, GN_LIT("gzip")) <= 1000);
}

static void try_ranges(struct gn_slice text)
{
    enum { SIZE = 1000 };
    struct gn_byte_ranges r;

    if (gn_http_ranges_parse(text, SIZE, &r) != GN_RANGE_PARTIAL) {
        return;
    }
    gn_assert(r.n >= 1 && r.n <= GN_HTTP_RANGES);
    for (unsigned i = 0; i < r.n; i++) {
        gn_assert(r.ranges[i].first <= r.ranges[i].last && r.ranges[i].last < SIZE);
    }
}

static void try_set_cookie(struct gn_arena *arena, struct gn_slice text)
{
    struct gn_set_cookie c = {.name = GN_LIT("a"), .value = text, .path = text};
    struct gn_slice out;

    if (gn_set_cookie_format(arena, &c, &out) == GN_OK) {
        gn_assert(gn_is_field_value(out));
    }
}

static void try_as(struct gn_slice text, enum gn_header_id id)
{
    struct gn_header fields[] = {
            {.name = gn_header_name(id), .value = text, .id = (uint16_t)id},
            {.name = gn_header_name(id), .value = text, .id = (uint16_t)id},
    };
    struct gn_http1_head head = {.method = GN_METHOD_GET, .headers = fields, .n_headers = 2};
    struct gn_validators v = {.exists = true, .etag = GN_LIT("\"a\""), .has_last_modified = true};
    struct gn_ws_deflate_options options = gn_ws_deflate_options_default();
    struct gn_ws_deflate_params params;
    char answer_text[GN_WS_DEFLATE_ANSWER_BYTES];
    struct gn_slice answer;
    struct gn_forwarded f;

    gn_forwarded_resolve(&head, GN_FORWARDED_ALL, trusts_short_ones, NULL, &f);
    gn_assert(f.address.len < 46);
    gn_assert(f.prefix.len == 0 || f.prefix.ptr[0] == '/');
    (void)gn_http_preconditions(&head, &v, 0);
    (void)gn_http_if_range(&head, &v, 0);
    if (gn_ws_deflate_negotiate(&head, &options, &params, answer_text, &answer) == GN_OK) {
        gn_assert(params.server_window_bits >= 9 && params.server_window_bits <= 15);
        gn_assert(params.client_window_bits >= 9 && params.client_window_bits <= 15);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum gn_header_id ids[] = {GN_HDR_FORWARDED, GN_HDR_X_FORWARDED_FOR,
            GN_HDR_X_FORWARDED_PREFIX, GN_HDR_X_FORWARDED_HOST, GN_HDR_IF_MATCH,
            GN_HDR_IF_NONE_MATCH, GN_HDR_IF_RANGE, GN_HDR_IF_MODIFIED_SINCE,
            GN_HDR_SEC_WEBSOCKET_EXTENSIONS};
    char *exact = gn_xalloc(size > 0 ? size : 1);
    struct gn_slice text = gn_slice_of(exact, size);
    struct gn_arena arena = {0};

    memcpy(exact, data, size);
    try_lists(&arena, text);
    try_ranges(text);
    try_set_cookie(&arena, text);
    for (size_t i = 0; i < GN_ARRAY_LEN(ids); i++) {
        try_as(text, ids[i]);
    }
    gn_arena_fini(&arena);
    gn_free(exact);
    return 0;
}
