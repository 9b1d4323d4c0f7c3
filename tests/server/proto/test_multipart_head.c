/* SPDX-License-Identifier: MIT */
#include "server/proto/multipart_head.h"
#include "tests/support/test.h"

Test(multipart_head, slices_need_no_copy_when_there_is_nothing_to_unescape)
{
    struct gn_slice text = GN_LIT("Content-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n"
                                  "Content-Type: c/d\r\n\r\n");
    struct gn_multipart_head head;
    struct gn_arena arena = {0};

    cr_assert_null(gn_multipart_parse_head(&arena, text, &head));
    cr_assert(gn_slice_eq(head.name, GN_LIT("a")));
    cr_assert(gn_slice_eq(head.filename, GN_LIT("b")));
    cr_assert(gn_slice_eq(head.content_type, GN_LIT("c/d")));
    cr_assert(head.name.ptr > text.ptr && head.name.ptr < text.ptr + text.len);
    cr_assert_null(arena.blocks);
    gn_arena_fini(&arena);
}

Test(multipart_head, a_name_may_be_empty)
{
    struct gn_multipart_head head;
    struct gn_arena arena = {0};

    cr_assert_null(gn_multipart_parse_head(
            &arena, GN_LIT("Content-Disposition: form-data; name=\"\"\r\n\r\n"), &head));
    cr_assert_eq(head.name.len, 0);
    cr_assert_null(head.filename.ptr);
    gn_arena_fini(&arena);
}
