/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "server/base/alloc.h"
#include "tests/support/test.h"

Test(alloc, zeroes_what_is_asked_zeroed)
{
    char *bytes = gn_xcalloc(100);

    for (int i = 0; i < 100; i++) {
        cr_assert_eq(bytes[i], 0);
    }
    gn_free(bytes);
}

Test(alloc, size_zero_is_a_block)
{
    void *a = gn_xalloc(0);
    void *b = gn_xcalloc(0);
    void *c = gn_try_alloc(0);

    cr_assert(a != NULL && b != NULL && c != NULL);
    a = gn_xrealloc(a, 0);
    cr_assert_not_null(a);
    gn_free(a);
    gn_free(b);
    gn_free(c);
    gn_free(NULL);
}

Test(alloc, realloc_keeps_the_contents)
{
    char *bytes = gn_xalloc(4);

    memcpy(bytes, "abcd", 4);
    bytes = gn_xrealloc(bytes, 4000);
    cr_assert_eq(memcmp(bytes, "abcd", 4), 0);
    bytes = gn_try_realloc(bytes, 8);
    cr_assert_not_null(bytes);
    cr_assert_eq(memcmp(bytes, "abcd", 4), 0);
    gn_free(bytes);
}

Test(alloc, copies_end_in_nul)
{
    char *text = gn_xstrndup("abcdef", 3);
    char *empty = gn_xstrndup(NULL, 0);

    cr_assert_str_eq(text, "abc");
    cr_assert_str_eq(empty, "");
    gn_free(text);
    gn_free(empty);
}

Test(alloc, passed_assertion_does_nothing)
{
    gn_assert(1 + 1 == 2);
}

Test(alloc, failed_assertion_aborts, .signal = SIGABRT)
{
    gn_assert(1 + 1 == 3);
}

Test(alloc, panic_aborts, .signal = SIGABRT)
{
    gn_panic(__FILE__, __LINE__, "on purpose: %d", 7);
}

/* A sanitizer's allocator has an opinion of its own on absurd sizes. */
#if !GN_ASAN && !GN_TSAN
Test(alloc, impossible_size_fails_or_aborts, .signal = SIGABRT)
{
    const volatile size_t absurd = SIZE_MAX / 2;

    cr_assert_null(gn_try_alloc(absurd));
    (void)gn_xalloc(absurd);
}
#endif
