/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include "server/base/alloc.h"
#include "server/base/bufq.h"
#include "tests/support/test.h"

/** Everything in memory at the head of the queue, as one text in `to`. */
static struct gn_slice contents(const struct gn_bufq *q, char *to, size_t size)
{
    struct iovec iov[16];
    int n = gn_bufq_peek(q, iov, (int)GN_ARRAY_LEN(iov));
    size_t used = 0;

    for (int i = 0; i < n; i++) {
        cr_assert(used + iov[i].iov_len <= size);
        memcpy(to + used, iov[i].iov_base, iov[i].iov_len);
        used += iov[i].iov_len;
    }
    return gn_slice_of(to, used);
}

static void count_release(void *arg)
{
    ++*(unsigned *)arg;
}

#define ASSERT_CONTENTS(q, text)                                                                   \
    do {                                                                                           \
        char bytes_[256];                                                                          \
        cr_assert(gn_slice_eq(contents((q), bytes_, sizeof(bytes_)), GN_LIT(text)));               \
    } while (0)

Test(bufq, small_appends_share_a_segment)
{
    struct gn_bufq q = {.first = NULL};
    struct iovec iov[4];

    cr_assert(gn_bufq_is_empty(&q));
    gn_bufq_append(&q, GN_LIT("a"));
    gn_bufq_append(&q, GN_LIT(""));
    gn_bufq_append(&q, GN_LIT("bc"));
    memcpy(gn_bufq_extend(&q, 3), "def", 3);
    cr_assert_eq(q.n_bytes, 6);
    cr_assert_eq(gn_bufq_peek(&q, iov, 4), 1);
    ASSERT_CONTENTS(&q, "abcdef");
    gn_bufq_clear(&q);
    cr_assert(gn_bufq_is_empty(&q));
    cr_assert_eq(q.n_bytes, 0);
}

Test(bufq, order_is_kept_over_all_kinds)
{
    struct gn_bufq q = {.first = NULL};
    struct gn_bufq_file file;
    unsigned n_released = 0;

    gn_bufq_append(&q, GN_LIT("head "));
    gn_bufq_lend(&q, GN_LIT("lent "), count_release, &n_released);
    gn_bufq_append(&q, GN_LIT("own "));
    gn_bufq_lend_file(&q, 7, 100, 50, count_release, &n_released);
    gn_bufq_append(&q, GN_LIT("tail"));
    cr_assert_eq(q.n_bytes, 5 + 5 + 4 + 50 + 4);
    cr_assert_not(gn_bufq_peek_file(&q, &file));
    ASSERT_CONTENTS(&q, "head lent own ");
    gn_bufq_consume(&q, 9);
    cr_assert_eq(n_released, 0, "a byte of it is left");
    ASSERT_CONTENTS(&q, " own ");
    gn_bufq_consume(&q, 1);
    cr_assert_eq(n_released, 1);
    gn_bufq_consume(&q, 4);
    cr_assert(gn_bufq_peek_file(&q, &file));
    cr_assert_eq(file.fd, 7);
    cr_assert_eq(file.offset, 100);
    cr_assert_eq(file.len, 50);
    gn_bufq_consume(&q, 20);
    cr_assert(gn_bufq_peek_file(&q, &file));
    cr_assert_eq(file.offset, 120);
    cr_assert_eq(file.len, 30);
    gn_bufq_consume(&q, 32);
    cr_assert_eq(n_released, 2);
    ASSERT_CONTENTS(&q, "il");
    gn_bufq_consume(&q, 2);
    cr_assert(gn_bufq_is_empty(&q));
    cr_assert_eq(q.n_bytes, 0);
}

Test(bufq, peek_is_bounded)
{
    struct gn_bufq q = {.first = NULL};
    struct iovec iov[2];
    unsigned n_released = 0;

    for (int i = 0; i < 3; i++) {
        gn_bufq_lend(&q, GN_LIT("x"), count_release, &n_released);
    }
    cr_assert_eq(gn_bufq_peek(&q, iov, 2), 2);
    cr_assert_eq(gn_bufq_peek(&q, iov, 0), 0);
    gn_bufq_clear(&q);
    cr_assert_eq(n_released, 3);
}

Test(bufq, empty_loans_are_released_at_once)
{
    struct gn_bufq q = {.first = NULL};
    unsigned n_released = 0;

    gn_bufq_lend(&q, GN_LIT(""), count_release, &n_released);
    gn_bufq_lend_file(&q, 3, 0, 0, count_release, &n_released);
    gn_bufq_lend(&q, GN_LIT(""), NULL, NULL);
    cr_assert_eq(n_released, 2);
    cr_assert(gn_bufq_is_empty(&q));
}

Test(bufq, moves_behind_what_is_there)
{
    struct gn_bufq to = {.first = NULL};
    struct gn_bufq from = {.first = NULL};

    gn_bufq_move(&to, &from);
    cr_assert(gn_bufq_is_empty(&to));
    gn_bufq_append(&from, GN_LIT("one"));
    gn_bufq_move(&to, &from);
    cr_assert(gn_bufq_is_empty(&from));
    cr_assert_eq(from.n_bytes, 0);
    gn_bufq_append(&from, GN_LIT("two"));
    gn_bufq_move(&to, &from);
    cr_assert_eq(to.n_bytes, 6);
    gn_bufq_append(&to, GN_LIT("!"));
    ASSERT_CONTENTS(&to, "onetwo!");
    gn_bufq_clear(&to);
}

/* A stream of one-byte chunks to a client that reads nothing must not cost a segment for each. */
Test(bufq, small_moves_share_a_segment)
{
    static const char digits[] = "0123456789";
    struct gn_bufq q = {.first = NULL};
    struct iovec iov[8];
    char bytes[2048];

    for (unsigned i = 0; i < 1000; i++) {
        struct gn_bufq part = {.first = NULL};

        gn_bufq_append(&part, gn_slice_of(&digits[i % 10], 1));
        gn_bufq_move(&q, &part);
        cr_assert(gn_bufq_is_empty(&part));
    }
    cr_assert_eq(q.n_bytes, 1000);
    cr_assert_leq(gn_bufq_peek(&q, iov, (int)GN_ARRAY_LEN(iov)), 2);
    cr_assert_eq(contents(&q, bytes, sizeof(bytes)).len, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        cr_assert_eq(bytes[i], '0' + (char)(i % 10));
    }
    gn_bufq_consume(&q, 1000);
    cr_assert(gn_bufq_is_empty(&q));
}

Test(bufq, moves_of_mixed_kinds_keep_their_order)
{
    struct gn_bufq q = {.first = NULL};
    struct gn_bufq part = {.first = NULL};
    unsigned n_released = 0;

    gn_bufq_append(&q, GN_LIT("ab"));
    gn_bufq_append(&part, GN_LIT("cd"));
    gn_bufq_lend(&part, GN_LIT("ef"), count_release, &n_released);
    gn_bufq_append(&part, GN_LIT("gh"));
    gn_bufq_consume(&part, 1);
    gn_bufq_move(&q, &part);
    ASSERT_CONTENTS(&q, "abdefgh");
    cr_assert_eq(q.n_bytes, 7);
    gn_bufq_append(&q, GN_LIT("ij"));
    ASSERT_CONTENTS(&q, "abdefghij");
    gn_bufq_clear(&q);
    cr_assert_eq(n_released, 1);
}

Test(bufq, appends_after_a_partly_consumed_segment)
{
    struct gn_bufq q = {.first = NULL};

    gn_bufq_append(&q, GN_LIT("abcdef"));
    gn_bufq_consume(&q, 4);
    gn_bufq_append(&q, GN_LIT("gh"));
    ASSERT_CONTENTS(&q, "efgh");
    gn_bufq_clear(&q);
}

Test(bufq, large_appends_get_room)
{
    struct gn_bufq q = {.first = NULL};
    char *large = gn_xcalloc(100 * 1000);

    gn_bufq_append(&q, GN_LIT("x"));
    gn_bufq_append(&q, gn_slice_of(large, 100 * 1000));
    gn_bufq_append(&q, GN_LIT("y"));
    cr_assert_eq(q.n_bytes, 100 * 1000 + 2);
    gn_bufq_consume(&q, 100 * 1000 + 1);
    ASSERT_CONTENTS(&q, "y");
    gn_bufq_clear(&q);
    gn_free(large);
}

Test(bufq, truncates_at_every_length)
{
    for (unsigned n = 0; n <= 14; n++) {
        struct gn_bufq q = {.first = NULL};
        unsigned n_released = 0;
        char bytes[32];
        struct gn_slice left;

        gn_bufq_append(&q, GN_LIT("abcd"));
        gn_bufq_lend(&q, GN_LIT("efgh"), count_release, &n_released);
        gn_bufq_append(&q, GN_LIT("ijkl"));
        gn_bufq_truncate(&q, n);
        cr_assert_eq(q.n_bytes, GN_MIN(n, 12u), "%u", n);
        cr_assert_eq(n_released, n <= 4 ? 1 : 0, "%u", n);
        left = contents(&q, bytes, sizeof(bytes));
        cr_assert(gn_slice_eq(left, gn_slice_of("abcdefghijkl", GN_MIN(n, 12u))), "%u", n);
        gn_bufq_append(&q, GN_LIT("Z"));
        left = contents(&q, bytes, sizeof(bytes));
        cr_assert_eq(left.ptr[left.len - 1], 'Z', "%u", n);
        gn_bufq_clear(&q);
        cr_assert_eq(n_released, 1);
    }
}

Test(bufq, consuming_more_than_there_is_aborts, .signal = SIGABRT)
{
    struct gn_bufq q = {.first = NULL};

    gn_bufq_append(&q, GN_LIT("x"));
    gn_bufq_consume(&q, 2);
}
