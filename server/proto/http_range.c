/* SPDX-License-Identifier: MIT */
#include "server/proto/http_range.h"

#include <inttypes.h>
#include <stdbool.h>

#include "server/proto/headers.h"

/*
 * Each range-spec is read and cut to the size; those that lie wholly behind
 * the end are left out. Many small or overlapping ranges of a large file are
 * the old way to make a server work for nothing (CVE-2011-3192), hence the
 * bound and the refusal of overlaps.
 */

enum spec {
    SPEC_OK,
    SPEC_OUTSIDE,
    SPEC_WHOLE, /* of nothing: satisfied, but no range can say so */
    SPEC_MALFORMED,
};

/* A position; one too large for 64 bits is as good as the largest. */
static bool parse_position(struct gn_slice text, uint64_t *value_out)
{
    enum gn_err rc = gn_slice_to_u64(text, UINT64_MAX, value_out);

    if (rc == GN_ERR_TOO_BIG) {
        *value_out = UINT64_MAX;
    }
    return rc == GN_OK || rc == GN_ERR_TOO_BIG;
}

/* "-500": the last 500 bytes. */
static enum spec parse_suffix(struct gn_slice text, uint64_t size, struct gn_byte_range *out)
{
    uint64_t n;

    if (!parse_position(text, &n)) {
        return SPEC_MALFORMED;
    }
    if (n == 0 || size == 0) {
        return n == 0 ? SPEC_OUTSIDE : SPEC_WHOLE;
    }
    out->first = n < size ? size - n : 0;
    out->last = size - 1;
    return SPEC_OK;
}

static enum spec parse_spec(struct gn_slice spec, uint64_t size, struct gn_byte_range *out)
{
    size_t dash = gn_slice_find(spec, '-');
    struct gn_slice first = gn_slice_of(spec.ptr, dash);
    struct gn_slice last = gn_slice_skip(spec, dash + 1);

    if (dash == spec.len) {
        return SPEC_MALFORMED;
    }
    if (first.len == 0) {
        return parse_suffix(last, size, out);
    }
    out->last = UINT64_MAX;
    if (!parse_position(first, &out->first) ||
            (last.len > 0 && !parse_position(last, &out->last)) || out->last < out->first) {
        return SPEC_MALFORMED;
    }
    if (out->first >= size) {
        return SPEC_OUTSIDE;
    }
    out->last = GN_MIN(out->last, size - 1);
    return SPEC_OK;
}

static bool overlaps(const struct gn_byte_ranges *all, const struct gn_byte_range *r)
{
    for (unsigned i = 0; i < all->n; i++) {
        if (r->first <= all->ranges[i].last && all->ranges[i].first <= r->last) {
            return true;
        }
    }
    return false;
}

enum gn_range_result gn_http_ranges_parse(
        struct gn_slice value, uint64_t size, struct gn_byte_ranges *out)
{
    size_t equals = gn_slice_find(value, '=');
    struct gn_slice rest = gn_slice_skip(value, equals + 1);
    struct gn_slice spec;
    unsigned n_specs = 0;

    *out = (struct gn_byte_ranges){.n = 0};
    if (equals == value.len ||
            !gn_slice_eq_nocase(gn_slice_of(value.ptr, equals), GN_LIT("bytes"))) {
        return GN_RANGE_IGNORE;
    }
    while (gn_list_next(&rest, &spec)) {
        struct gn_byte_range r;

        n_specs++;
        switch (parse_spec(spec, size, &r)) {
        case SPEC_WHOLE:
        case SPEC_MALFORMED:
            return GN_RANGE_IGNORE;
        case SPEC_OUTSIDE:
            break;
        case SPEC_OK:
            if (out->n == GN_HTTP_RANGES || overlaps(out, &r)) {
                return GN_RANGE_IGNORE;
            }
            out->ranges[out->n++] = r;
            break;
        }
    }
    if (out->n > 0) {
        return GN_RANGE_PARTIAL;
    }
    return n_specs > 0 ? GN_RANGE_UNSATISFIABLE : GN_RANGE_IGNORE;
}

struct gn_slice gn_http_content_range(
        struct gn_arena *arena, const struct gn_byte_range *range, uint64_t size)
{
    return gn_arena_printf(
            arena, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range->first, range->last, size);
}

struct gn_slice gn_http_content_range_unsatisfied(struct gn_arena *arena, uint64_t size)
{
    return gn_arena_printf(arena, "bytes */%" PRIu64, size);
}
