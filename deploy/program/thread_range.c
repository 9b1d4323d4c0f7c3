/* SPDX-License-Identifier: MIT */
#include "deploy/program/thread_range.h"

enum gn_err gn_thread_range_parse(void *into, struct gn_slice text, struct gn_error *err)
{
    struct gn_thread_range *range = into;
    struct gn_slice rest = text;
    struct gn_slice first;
    uint64_t min = 1;
    uint64_t max;
    bool has_min;
    bool is_good;

    (void)gn_slice_split(&rest, ':', &first);
    has_min = rest.ptr != NULL;
    is_good = gn_slice_to_u64(has_min ? rest : first, GN_THREAD_RANGE_MAX, &max) == GN_OK &&
            (!has_min || gn_slice_to_u64(first, GN_THREAD_RANGE_MAX, &min) == GN_OK);
    if (!is_good || max < 1 || min > max) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "expected a number of threads from 1 to %d, or MIN:MAX", GN_THREAD_RANGE_MAX);
    }
    *range = (struct gn_thread_range){.min = (unsigned)min, .max = (unsigned)max};
    return GN_OK;
}

void gn_thread_range_show(const void *from, struct gn_buf *text)
{
    const struct gn_thread_range *range = from;

    (void)!gn_buf_printf(text, "%u:%u", range->min, range->max);
}
