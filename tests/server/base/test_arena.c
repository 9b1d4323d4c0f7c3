/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdalign.h>
#include <stdint.h>

#include "server/base/arena.h"
#include "tests/support/test.h"

#if GN_ASAN
#include <sanitizer/asan_interface.h>
#endif

Test(arena, blocks_are_aligned_and_apart)
{
    struct gn_arena a = {.blocks = NULL};
    char *blocks[300];

    for (size_t i = 0; i < GN_ARRAY_LEN(blocks); i++) {
        blocks[i] = gn_arena_alloc(&a, i);
        cr_assert_not_null(blocks[i], "%zu bytes", i);
        cr_assert_eq((uintptr_t)blocks[i] % alignof(max_align_t), 0, "%zu bytes", i);
        memset(blocks[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < GN_ARRAY_LEN(blocks); i++) {
        for (size_t k = 0; k < i; k++) {
            cr_assert_eq((unsigned char)blocks[i][k], i & 0xff);
        }
    }
    gn_arena_fini(&a);
}

Test(arena, large_block_gets_its_own)
{
    struct gn_arena a = {.blocks = NULL};
    char *large = gn_arena_calloc(&a, 100 * 1000);
    char *small = gn_arena_calloc(&a, 1);

    cr_assert_eq(large[0], 0);
    cr_assert_eq(large[100 * 1000 - 1], 0);
    cr_assert_eq(*small, 0);
    gn_arena_fini(&a);
}

Test(arena, copies_and_formats)
{
    struct gn_arena a = {.blocks = NULL};
    struct gn_slice copy = gn_arena_dup(&a, GN_LIT("name"));
    struct gn_slice empty = gn_arena_dup(&a, gn_slice_of(NULL, 0));
    struct gn_slice text = gn_arena_printf(&a, "%s-%d", "x", 42);

    cr_assert(gn_slice_eq(copy, GN_LIT("name")));
    cr_assert_eq(copy.ptr[copy.len], '\0');
    cr_assert_eq(empty.len, 0);
    cr_assert_eq(empty.ptr[0], '\0');
    cr_assert(gn_slice_eq(text, GN_LIT("x-42")));
    cr_assert_eq(text.ptr[text.len], '\0');
    gn_arena_fini(&a);
}

struct order {
    char *to;
    char letter;
};

static void note(void *arg)
{
    struct order *o = arg;

    o->to[strlen(o->to)] = o->letter;
}

Test(arena, hooks_run_once_in_reverse_order)
{
    struct gn_arena a = {.blocks = NULL};
    char seen[8] = "";
    struct order orders[3] = {{seen, 'a'}, {seen, 'b'}, {seen, 'c'}};

    for (int i = 0; i < 3; i++) {
        gn_arena_on_reset(&a, note, &orders[i]);
    }
    gn_arena_reset(&a);
    cr_assert_str_eq(seen, "cba");
    gn_arena_reset(&a);
    cr_assert_str_eq(seen, "cba");
    gn_arena_on_reset(&a, note, &orders[0]);
    gn_arena_fini(&a);
    cr_assert_str_eq(seen, "cbaa");
    gn_arena_fini(&a);
}

#if GN_ASAN

Test(arena, sanitizer_sees_overruns_and_use_after_reset)
{
    struct gn_arena a = {.blocks = NULL};
    char *block = gn_arena_alloc(&a, 13);

    cr_assert_not(__asan_address_is_poisoned(block + 12));
    cr_assert(__asan_address_is_poisoned(block + 13), "one past the end");
    gn_arena_reset(&a);
    cr_assert(__asan_address_is_poisoned(block), "after the reset");
    gn_arena_fini(&a);
}

#else

Test(arena, reset_keeps_one_block)
{
    struct gn_arena a = {.blocks = NULL};
    char *first = gn_arena_alloc(&a, 10);

    (void)gn_arena_alloc(&a, 1500);
    (void)gn_arena_alloc(&a, 1500);
    gn_arena_reset(&a);
    cr_assert_eq(gn_arena_alloc(&a, 10), first);
    gn_arena_fini(&a);
}

Test(arena, absurd_size_aborts, .signal = SIGABRT)
{
    struct gn_arena a = {.blocks = NULL};
    const volatile size_t absurd = SIZE_MAX - 7;

    (void)gn_arena_alloc(&a, absurd);
}

#endif
