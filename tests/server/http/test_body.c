/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/http/body.h"
#include "tests/support/test.h"

static void append(struct gn_body *body, const char *text)
{
    cr_assert_eq(gn_body_append(body, gn_slice_str(text)), GN_OK);
}

static void check_content(struct gn_body *body, const char *text)
{
    char got[64];
    size_t n = 0;

    cr_assert_eq(gn_body_complete(body), GN_OK);
    cr_assert_eq(body->len, strlen(text));
    for (uint64_t at = 0; at <= body->len; at++) {
        cr_assert_eq(gn_body_read(body, at, got, sizeof(got), &n), GN_OK);
        cr_assert(gn_slice_eq(gn_slice_of(got, n), gn_slice_str(text + at)));
    }
    cr_assert_eq(gn_body_read(body, body->len + 100, got, sizeof(got), &n), GN_OK);
    cr_assert_eq(n, 0);
    cr_assert_eq(gn_body_read(body, 0, got, 1, &n), GN_OK);
    cr_assert_eq(n, body->len > 0 ? 1 : 0);
}

Test(body, stays_in_memory_up_to_the_limit_and_not_beyond)
{
    struct gn_body body;

    gn_body_init(&body, 10);
    cr_assert_not_null(gn_body_peek(&body).ptr);
    check_content(&body, "");
    append(&body, "01234");
    append(&body, "56789");
    cr_assert_eq(body.spool_fd, -1);
    cr_assert(gn_slice_eq(gn_body_peek(&body), GN_LIT("0123456789")));
    check_content(&body, "0123456789");
    append(&body, "x");
    cr_assert(body.spool_fd >= 0);
    cr_assert_null(gn_body_peek(&body).ptr);
    check_content(&body, "0123456789x");
    append(&body, "yz");
    check_content(&body, "0123456789xyz");
    gn_body_fini(&body);
    cr_assert_eq(body.spool_fd, -1);
}

Test(body, is_ready_for_the_next_request_after_a_reset)
{
    struct gn_body body;

    gn_body_init(&body, 4);
    for (int i = 0; i < 3; i++) {
        append(&body, "abcdefgh");
        cr_assert(body.spool_fd >= 0);
        gn_body_reset(&body);
        cr_assert_eq(body.spool_fd, -1);
        append(&body, "abc");
        check_content(&body, "abc");
        gn_body_reset(&body);
        check_content(&body, "");
    }
    gn_body_fini(&body);
}

Test(body, a_limit_lowered_for_one_request_does_not_stick)
{
    struct gn_body body;

    gn_body_init(&body, 100);
    body.memory_limit_bytes = 0;
    append(&body, "to the file at once");
    cr_assert(body.spool_fd >= 0);
    gn_body_reset(&body);
    body.memory_limit_bytes = 100;
    append(&body, "in memory");
    cr_assert_eq(body.spool_fd, -1);
    check_content(&body, "in memory");
    gn_body_fini(&body);
}

Test(body, moves_and_leaves_an_empty_one_with_its_first_limit)
{
    struct gn_body from;
    struct gn_body to;

    gn_body_init(&from, 100);
    from.memory_limit_bytes = 0;
    append(&from, "to the file at once");
    gn_body_move(&from, &to);
    check_content(&to, "to the file at once");
    cr_assert_eq(from.len, 0);
    from.memory_limit_bytes = 100; /* as for each request */
    append(&from, "in memory");
    cr_assert_eq(from.spool_fd, -1);
    check_content(&from, "in memory");
    gn_body_fini(&from);
    gn_body_fini(&to);
}

static unsigned n_files(const char *dir)
{
    DIR *d = opendir(dir);
    unsigned n = 0;

    cr_assert_not_null(d);
    while (readdir(d) != NULL) {
        n++;
    }
    (void)closedir(d);
    return n;
}

Test(body, leaves_no_name_behind)
{
    char dir[] = "/tmp/gn-body-XXXXXX";
    struct gn_body body;

    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(setenv("TMPDIR", dir, 1), 0);
    gn_body_init(&body, 0);
    append(&body, "spooled");
    cr_assert_eq(n_files(dir), 2); /* "." and ".." */
    gn_body_fini(&body);
    cr_assert_eq(rmdir(dir), 0);
}

Test(body, says_when_it_cannot_be_kept)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    const struct rlimit tiny = {.rlim_cur = 8, .rlim_max = RLIM_INFINITY};
    static const char large[GN_BODY_GATHERED_BYTES];
    struct gn_body body;

    cr_assert_eq(setenv("TMPDIR", "/no/such/directory", 1), 0);
    gn_body_init(&body, 4);
    cr_assert_eq(gn_body_append(&body, GN_LIT("12345")), GN_ERR_IO);
    gn_body_fini(&body);

    cr_assert_eq(unsetenv("TMPDIR"), 0);
    cr_assert_eq(sigaction(SIGXFSZ, &ignore, NULL), 0);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    gn_body_init(&body, 4);
    append(&body, "12345678");
    cr_assert_eq(gn_body_complete(&body), GN_OK);
    append(&body, "9");
    cr_assert_eq(gn_body_complete(&body), GN_ERR_NO_SPACE);
    gn_body_reset(&body);
    append(&body, "12345678");
    cr_assert_eq(gn_body_complete(&body), GN_OK);
    cr_assert_eq(gn_body_append(&body, gn_slice_of(large, sizeof(large))), GN_ERR_NO_SPACE);
    gn_body_fini(&body);
}

/* ---- small pieces ---------------------------------------------------------- */

static char pattern_at(uint64_t i)
{
    return (char)(i * 31 + i / 251);
}

static void append_pattern(struct gn_body *body, size_t n)
{
    static char piece[3 * GN_BODY_GATHERED_BYTES];

    for (size_t i = 0; i < n; i++) {
        piece[i] = pattern_at(body->len + i);
    }
    cr_assert_eq(gn_body_append(body, gn_slice_of(piece, n)), GN_OK);
}

static uint64_t n_in_file(const struct gn_body *body)
{
    struct stat facts;

    cr_assert_eq(fstat(body->spool_fd, &facts), 0);
    return (uint64_t)facts.st_size;
}

/** Also in parts that meet the seams between writes. */
static void check_pattern(struct gn_body *body)
{
    static char got[7777];
    size_t n;

    cr_assert_eq(gn_body_complete(body), GN_OK);
    cr_assert_eq(n_in_file(body), body->len);
    for (uint64_t at = 0; at < body->len; at += n) {
        cr_assert_eq(gn_body_read(body, at, got, sizeof(got), &n), GN_OK);
        cr_assert_eq(n, GN_MIN(sizeof(got), body->len - at));
        for (size_t i = 0; i < n; i++) {
            cr_assert_eq(got[i], pattern_at(at + i), "byte %zu", (size_t)at + i);
        }
    }
}

Test(body, gathers_single_bytes_up_to_a_bound_before_it_writes_them)
{
    struct gn_body body;
    uint64_t in_file = 0;
    unsigned n_writes = 0;

    gn_body_init(&body, 0);
    for (size_t i = 0; i < 5 * GN_BODY_GATHERED_BYTES + 3; i++) {
        append_pattern(&body, 1);
        n_writes += n_in_file(&body) != in_file;
        in_file = n_in_file(&body);
        cr_assert(body.len - in_file <= GN_BODY_GATHERED_BYTES);
    }
    cr_assert_eq(n_writes, 5);
    check_pattern(&body);
    gn_body_fini(&body);
}

Test(body, writes_large_pieces_at_once_behind_the_small_ones)
{
    static const size_t sizes[] = {1, GN_BODY_GATHERED_BYTES, GN_BODY_GATHERED_BYTES - 1, 1, 1,
            3 * GN_BODY_GATHERED_BYTES, 5000, 5000, 5000, 5000, 0, GN_BODY_GATHERED_BYTES + 1, 9};
    struct gn_body body;

    gn_body_init(&body, 0);
    for (size_t i = 0; i < GN_ARRAY_LEN(sizes); i++) {
        append_pattern(&body, sizes[i]);
        if (sizes[i] >= GN_BODY_GATHERED_BYTES) {
            cr_assert_eq(n_in_file(&body), body.len, "piece %zu waits", i);
        }
    }
    check_pattern(&body);
    gn_body_reset(&body);
    append_pattern(&body, 3); /* nothing of the last one is left */
    check_pattern(&body);
    gn_body_fini(&body);
}

Test(body, forgets_what_was_gathered_for_a_request_that_broke_off)
{
    struct gn_body body;

    gn_body_init(&body, 4);
    append(&body, "gathered");
    append(&body, ", not complete");
    gn_body_reset(&body);
    append(&body, "next");
    check_content(&body, "next");
    append(&body, " and more");
    check_content(&body, "next and more");
    gn_body_fini(&body);
}

Test(body, is_not_read_before_it_is_complete, .signal = SIGABRT)
{
    struct gn_body body;
    char got[8];
    size_t n;

    gn_body_init(&body, 0);
    append(&body, "gathered");
    cr_assert_eq(gn_body_read(&body, 0, got, sizeof(got), &n), GN_OK);
}
