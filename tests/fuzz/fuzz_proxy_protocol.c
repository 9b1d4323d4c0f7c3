/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/proto/proxy_protocol.h"
#include "tests/support/fuzz.h"

/* A verdict must not change when more arrives, and no byte behind the header may count. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum gn_proxy_result before = GN_PROXY_MORE;
    size_t consumed_before = 0;
    size_t len = size > 300 ? 300 : size;

    for (size_t n = 0; n <= len; n++) {
        char *exact = gn_xalloc(n > 0 ? n : 1);
        struct gn_proxy_header h;
        enum gn_proxy_result r;
        size_t consumed;

        memcpy(exact, data, n);
        r = gn_proxy_header_parse(gn_slice_of(exact, n), &h, &consumed);
        gn_assert(before == GN_PROXY_MORE || r == before);
        gn_assert((r == GN_PROXY_DONE) == (consumed > 0) && consumed <= n);
        gn_assert(before != GN_PROXY_DONE || consumed == consumed_before);
        gn_assert(h.authority.len == 0 ||
                (h.authority.ptr >= exact && h.authority.ptr + h.authority.len <= exact + n));
        before = r;
        consumed_before = consumed;
        gn_free(exact);
    }
    return 0;
}
