/* SPDX-License-Identifier: MIT */
#include "server/base/slice.h"
#include "tests/support/test.h"

Test(slice, splits_on_each_separator)
{
    struct gn_slice rest = GN_LIT("a,,b");
    struct gn_slice token;

    cr_assert(gn_slice_split(&rest, ',', &token));
    cr_assert(gn_slice_eq(token, GN_LIT("a")));
    cr_assert(gn_slice_split(&rest, ',', &token));
    cr_assert_eq(token.len, 0);
    cr_assert(gn_slice_split(&rest, ',', &token));
    cr_assert(gn_slice_eq(token, GN_LIT("b")));
    cr_assert_not(gn_slice_split(&rest, ',', &token));
}
