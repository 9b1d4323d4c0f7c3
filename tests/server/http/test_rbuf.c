/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include "server/base/alloc.h"
#include "server/http/rbuf.h"
#include "tests/support/test.h"

static void put(struct gn_input *in, struct gn_rbuf_pool *pool, char c)
{
    cr_assert(gn_input_make_room(in, pool, GN_RBUF_BYTES) > 0);
    in->block->data[in->block->end++] = c;
}

Test(rbuf, a_block_comes_back_from_the_pool)
{
    struct gn_rbuf_pool pool = {0};
    struct gn_rbuf *a = gn_rbuf_take(&pool, 1);
    struct gn_rbuf *again;

    cr_assert_eq(a->cap, GN_RBUF_BYTES);
    again = a;
    gn_rbuf_unref(&pool, &a);
    cr_assert_null(a);
    if (!GN_ASAN) {
        cr_assert_eq(pool.usual.n_free, 1);
        a = gn_rbuf_take(&pool, GN_RBUF_BYTES);
        cr_assert_eq(a, again);
        gn_rbuf_unref(&pool, &a);
    }
    gn_rbuf_unref(&pool, &a);
    gn_rbuf_pool_fini(&pool);
}

Test(rbuf, larger_blocks_are_not_kept)
{
    struct gn_rbuf_pool pool = {0};
    struct gn_rbuf *a = gn_rbuf_take(&pool, GN_RBUF_BYTES + 1);
    struct gn_rbuf *b = gn_rbuf_take(&pool, GN_RBUF_LARGE_BYTES + 1);

    cr_assert_geq(a->cap, GN_RBUF_BYTES + 1);
    cr_assert_geq(b->cap, GN_RBUF_LARGE_BYTES + 1);
    gn_rbuf_unref(&pool, &a);
    gn_rbuf_unref(&pool, &b);
    cr_assert_eq(pool.usual.n_free + pool.large.n_free, 0);
    gn_rbuf_pool_fini(&pool);
}

Test(rbuf, the_first_block_is_as_large_as_asked_for)
{
    struct gn_rbuf_pool pool = {0};
    struct gn_input in = {0};

    cr_assert_eq(gn_input_make_room(&in, &pool, GN_RBUF_LARGE_BYTES), GN_RBUF_LARGE_BYTES);
    cr_assert_eq(gn_input_make_room(&in, &pool, GN_RBUF_BYTES), GN_RBUF_LARGE_BYTES);
    gn_input_clear(&in, &pool);
    cr_assert_eq(gn_input_make_room(&in, &pool, GN_RBUF_BYTES), GN_RBUF_BYTES);
    gn_input_clear(&in, &pool);
    cr_assert_eq(pool.usual.n_free, GN_ASAN ? 0 : 1, "each is kept with its like");
    cr_assert_eq(pool.large.n_free, GN_ASAN ? 0 : 1);
    gn_rbuf_pool_fini(&pool);
}

Test(rbuf, a_referenced_block_keeps_its_bytes_while_reading_goes_on)
{
    struct gn_rbuf_pool pool = {0};
    struct gn_input in = {0};
    struct gn_rbuf *kept;
    char first;

    put(&in, &pool, 'A');
    kept = gn_rbuf_ref(in.block);
    gn_input_consume(&in, 1);
    for (size_t i = 0; i < 5 * GN_RBUF_BYTES; i++) {
        put(&in, &pool, (char)('a' + i % 26));
    }
    first = kept->data[0];
    cr_assert_eq(first, 'A');
    cr_assert_neq(in.block, kept);
    cr_assert_eq(gn_input_n_bytes(&in), 5 * GN_RBUF_BYTES);
    for (size_t i = 0; i < 5 * GN_RBUF_BYTES; i++) {
        cr_assert_eq(gn_input_peek(&in).ptr[i], (char)('a' + i % 26));
    }
    gn_input_clear(&in, &pool);
    gn_rbuf_unref(&pool, &kept);
    gn_rbuf_pool_fini(&pool);
}

Test(rbuf, a_trickle_moves_each_byte_a_bounded_number_of_times)
{
    struct gn_rbuf_pool pool = {0};
    struct gn_input in = {0};
    const char *base = NULL;
    size_t n_moved = 0;

    for (size_t i = 0; i < 1000000; i++) {
        put(&in, &pool, 'x');
        if (in.block->data != base || in.start == 0) {
            n_moved += base != NULL && in.block->data != base ? gn_input_n_bytes(&in) : 0;
            base = in.block->data;
        }
    }
    cr_assert_leq(n_moved, 2 * 1000000);
    gn_input_clear(&in, &pool);
    gn_rbuf_pool_fini(&pool);
}

Test(rbuf, short_messages_reuse_one_block)
{
    struct gn_rbuf_pool pool = {0};
    struct gn_input in = {0};
    struct gn_rbuf *block;

    put(&in, &pool, 'x');
    block = in.block;
    for (int i = 0; i < 100000; i++) {
        put(&in, &pool, 'y');
        gn_input_consume(&in, 1);
    }
    cr_assert_eq(in.block, block);
    cr_assert_eq(gn_input_n_bytes(&in), 1);
    gn_input_clear(&in, &pool);
    gn_rbuf_pool_fini(&pool);
}

Test(rbuf, append_copies_and_trim_gives_back)
{
    struct gn_rbuf_pool pool = {0};
    struct gn_input in = {0};
    char *large = gn_xcalloc(3 * GN_RBUF_BYTES);

    gn_input_append(&in, &pool, gn_slice_of("", 0));
    cr_assert_null(in.block);
    gn_input_append(&in, &pool, GN_LIT("abc"));
    gn_input_append(&in, &pool, gn_slice_of(large, 3 * GN_RBUF_BYTES));
    cr_assert_eq(gn_input_n_bytes(&in), 3 + 3 * GN_RBUF_BYTES);
    cr_assert(gn_slice_starts_with(gn_input_peek(&in), GN_LIT("abc")));
    gn_input_trim(&in, &pool);
    cr_assert_not_null(in.block);
    gn_input_consume(&in, 3 + 3 * GN_RBUF_BYTES);
    gn_input_trim(&in, &pool);
    cr_assert_null(in.block);
    cr_assert_eq(gn_input_peek(&in).len, 0);
    gn_free(large);
    gn_rbuf_pool_fini(&pool);
}

Test(rbuf, consuming_more_than_there_is_is_a_broken_contract, .signal = SIGABRT)
{
    struct gn_input in = {0};

    gn_input_consume(&in, 1);
}
