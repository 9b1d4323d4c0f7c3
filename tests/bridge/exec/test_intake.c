/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>

#include "bridge/exec/intake.h"
#include "server/base/alloc.h"
#include "tests/support/test.h"

/** The loop's side of one test: gives the bytes 0, 1, 2 … 255, 0 … when it is asked. */
struct giver {
    struct gn_loop *loop;
    struct gn_intake *intake;
    uint64_t left; /* to be given in pieces, then the end */
    size_t piece_bytes;
    enum gn_err status;
    unsigned char next;
    unsigned n_asked;
    bool keeps; /* gives nothing when asked */
    uint64_t n_given;
    atomic_ullong n_read; /* by the reader */
    uint64_t most_bytes;  /* on their way at once */
    struct gn_post done;
};

static void give_piece(struct giver *g, size_t len, struct gn_bufq *q)
{
    char *to = gn_bufq_extend(q, len);

    for (size_t i = 0; i < len; i++) {
        to[i] = (char)g->next++;
    }
}

/** Gives until the intake is full or everything is given. */
GN_LOOP_THREAD static void give(struct giver *g)
{
    enum gn_err rc = GN_OK;

    while (rc == GN_OK && g->left > 0) {
        size_t len = (size_t)GN_MIN(g->left, (uint64_t)g->piece_bytes);
        struct gn_bufq q = {.first = NULL};

        give_piece(g, len, &q);
        rc = gn_intake_put(g->intake, &q);
        g->left -= len;
        g->n_given += len;
        g->most_bytes = GN_MAX(g->most_bytes, g->n_given - atomic_load(&g->n_read));
    }
    if (g->left == 0) {
        gn_intake_end(&g->intake, g->status);
    }
}

static void on_wanted(struct gn_intake *intake, void *owner)
{
    struct giver *g = owner;

    gn_assert_loop_thread(g->loop);
    cr_assert_eq(intake, g->intake);
    g->n_asked++;
    if (!g->keeps) {
        give(g);
    }
}

static struct gn_intake *setup(struct giver *g, size_t limit_bytes)
{
    cr_assert_eq(gn_loop_create(&g->loop, NULL), GN_OK);
    g->intake = gn_intake_create(g->loop, limit_bytes, on_wanted, g);
    return g->intake;
}

static void teardown(struct giver *g, struct gn_intake **reader)
{
    gn_assert_loop_thread(g->loop);
    gn_intake_close(reader);
    cr_assert_null(*reader);
    gn_intake_close(reader);
    gn_intake_end(&g->intake, GN_OK);
    cr_assert_null(g->intake);
    gn_loop_run_once(g->loop); /* a notice may still be on its way */
    gn_loop_destroy(&g->loop);
}

static enum gn_err put(struct giver *g, const char *text)
{
    struct gn_bufq q = {.first = NULL};
    enum gn_err rc;

    gn_assert_loop_thread(g->loop);
    gn_bufq_append(&q, gn_slice_str(text));
    rc = gn_intake_put(g->intake, &q);
    cr_assert(gn_bufq_is_empty(&q));
    return rc;
}

static enum gn_err read_now(struct gn_intake *intake, uint64_t *n_out)
{
    struct gn_bufq q = {.first = NULL};
    enum gn_err rc = gn_intake_read(intake, &q, gn_clock_now());

    *n_out = q.n_bytes;
    gn_bufq_clear(&q);
    return rc;
}

/* ---- one thread plays both sides --------------------------------------- */

Test(intake, asks_only_when_it_must)
{
    struct giver g = {.keeps = true};
    struct gn_intake *reader = setup(&g, 4);
    uint64_t n;

    gn_assert_loop_thread(g.loop);
    gn_loop_run_once(g.loop);
    cr_assert_eq(g.n_asked, 0, "nobody reads yet");
    cr_assert_eq(read_now(reader, &n), GN_ERR_TIMEOUT);
    cr_assert_eq(read_now(reader, &n), GN_ERR_TIMEOUT);
    gn_loop_run_once(g.loop);
    cr_assert_eq(g.n_asked, 1, "once is enough");
    cr_assert_eq(put(&g, "abc"), GN_OK, "just under");
    cr_assert_eq(read_now(reader, &n), GN_OK);
    cr_assert_eq(n, 3);
    cr_assert_eq(read_now(reader, &n), GN_ERR_TIMEOUT);
    gn_loop_run_once(g.loop);
    cr_assert_eq(g.n_asked, 1, "the loop gives by itself");
    cr_assert_eq(put(&g, "abcd"), GN_ERR_FULL, "just full");
    gn_loop_run_once(g.loop);
    cr_assert_eq(g.n_asked, 1);
    cr_assert_eq(read_now(reader, &n), GN_OK);
    cr_assert_eq(n, 4);
    gn_loop_run_once(g.loop);
    cr_assert_eq(g.n_asked, 2, "there is room again");
    teardown(&g, &reader);
}

Test(intake, may_be_asked_without_reading)
{
    struct giver g = {.keeps = true};
    struct gn_intake *reader = setup(&g, 4);
    uint64_t n;

    gn_assert_loop_thread(g.loop);
    gn_intake_ask_quietly(reader);
    gn_intake_ask_quietly(reader);
    gn_loop_run_once(g.loop);
    cr_assert_eq(g.n_asked, 1);
    cr_assert_eq(put(&g, "abc"), GN_OK);
    gn_intake_ask_quietly(reader);
    cr_assert_eq(read_now(reader, &n), GN_OK);
    gn_loop_run_once(g.loop);
    cr_assert_eq(g.n_asked, 1, "it is not held back");
    teardown(&g, &reader);
}

Test(intake, what_was_given_comes_before_the_end)
{
    static const enum gn_err ends[] = {GN_OK, GN_ERR_GONE, GN_ERR_TIMEOUT, GN_ERR_TOO_BIG};

    for (size_t i = 0; i < GN_ARRAY_LEN(ends); i++) {
        struct giver g = {.keeps = true};
        struct gn_intake *reader = setup(&g, 100);
        uint64_t n;

        gn_assert_loop_thread(g.loop);
        cr_assert_eq(put(&g, "abc"), GN_OK);
        cr_assert_eq(put(&g, "de"), GN_OK);
        gn_intake_end(&g.intake, ends[i]);
        cr_assert_eq(read_now(reader, &n), GN_OK);
        cr_assert_eq(n, 5);
        for (int again = 0; again < 2; again++) {
            enum gn_err rc = read_now(reader, &n);

            cr_assert_eq(rc, ends[i] == GN_OK ? GN_ERR_EOF : ends[i], "%s", gn_err_name(rc));
        }
        teardown(&g, &reader);
    }
}

Test(intake, a_question_on_its_way_finds_nobody)
{
    struct giver g = {.keeps = true};
    struct gn_intake *reader = setup(&g, 100);
    uint64_t n;

    gn_assert_loop_thread(g.loop);
    cr_assert_eq(read_now(reader, &n), GN_ERR_TIMEOUT);
    gn_intake_end(&g.intake, GN_OK);
    gn_loop_run_once(g.loop);
    cr_assert_eq(g.n_asked, 0);
    teardown(&g, &reader);
}

static void count_release(void *arg)
{
    ++*(unsigned *)arg;
}

Test(intake, drops_what_nobody_reads)
{
    struct giver g = {.keeps = true};
    struct gn_intake *reader = setup(&g, 100);
    struct gn_bufq q = {.first = NULL};
    unsigned n_released = 0;

    gn_assert_loop_thread(g.loop);
    gn_bufq_lend(&q, GN_LIT("lent"), count_release, &n_released);
    cr_assert_eq(gn_intake_put(g.intake, &q), GN_OK);
    gn_intake_close(&reader);
    cr_assert_eq(n_released, 1);
    gn_bufq_lend(&q, GN_LIT("lent"), count_release, &n_released);
    cr_assert_eq(gn_intake_put(g.intake, &q), GN_ERR_GONE);
    cr_assert_eq(n_released, 2);
    teardown(&g, &reader);
}

/* ---- a thread of its own ----------------------------------------------- */

struct reader {
    struct giver *giver;
    struct gn_intake *intake;
    enum gn_err rc; /* that ended it */
    uint64_t n_bytes;
    bool in_order;
    pthread_t id;
};

static uint64_t check_read(struct reader *r, struct gn_bufq *q)
{
    const uint64_t n_read = q->n_bytes;
    struct iovec iov;

    while (gn_bufq_peek(q, &iov, 1) > 0) {
        const unsigned char *bytes = iov.iov_base;

        for (size_t i = 0; i < iov.iov_len; i++) {
            r->in_order = r->in_order && bytes[i] == (unsigned char)(r->n_bytes + i);
        }
        r->n_bytes += iov.iov_len;
        gn_bufq_consume(q, iov.iov_len);
    }
    return n_read;
}

static void stop_loop(struct gn_post *post)
{
    struct giver *g = GN_CONTAINER_OF(post, struct giver, done);

    gn_assert_loop_thread(g->loop);
    gn_loop_stop(g->loop);
}

static void *read_all(void *arg)
{
    struct reader *r = arg;
    struct gn_bufq q = {.first = NULL};

    r->in_order = true;
    while ((r->rc = gn_intake_read(r->intake, &q, GN_NEVER)) == GN_OK) {
        atomic_fetch_add(&r->giver->n_read, check_read(r, &q));
    }
    gn_loop_post(r->giver->loop, &r->giver->done);
    return NULL;
}

static void start(struct reader *r, struct giver *g)
{
    g->done.fn = stop_loop;
    cr_assert_eq(pthread_create(&r->id, NULL, read_all, r), 0);
}

static const struct {
    const char *name;
    uint64_t n_bytes;
    size_t piece_bytes;
    size_t limit_bytes;
} streams[] = {
        {"small pieces", 300 * 1000, 100, 4096},
        {"pieces larger than the limit", 1000 * 1000, 10000, 4096},
        {"one piece", 50, 100, 4096},
        {"byte by byte", 5000, 1, 1},
        {"nothing", 0, 1, 100},
        {"usual", 4 * 1000 * 1000, 16384, 65536},
};

Test(intake, bytes_arrive_in_order_and_bounded)
{
    for (unsigned i = 0; i < GN_ARRAY_LEN(streams); i++) {
        struct giver g = {.left = streams[i].n_bytes, .piece_bytes = streams[i].piece_bytes};
        struct reader r = {.giver = &g, .intake = setup(&g, streams[i].limit_bytes)};

        start(&r, &g);
        gn_loop_run(g.loop);
        pthread_join(r.id, NULL);
        cr_assert_eq(r.rc, GN_ERR_EOF, "%s", streams[i].name);
        cr_assert_eq(r.n_bytes, streams[i].n_bytes, "%s", streams[i].name);
        cr_assert(r.in_order, "%s", streams[i].name);
        /* What was taken may not have been counted yet: twice the bound. */
        cr_assert_leq(g.most_bytes, 2 * (streams[i].limit_bytes + streams[i].piece_bytes), "%s",
                streams[i].name);
        teardown(&g, &r.intake);
    }
}

/** Runs the loop until the reader has asked: then it waits, or is about to. */
static void await_question(struct giver *g)
{
    while (g->n_asked == 0) {
        gn_loop_run_once(g->loop);
    }
}

Test(intake, its_end_wakes_a_waiting_reader)
{
    struct giver g = {.keeps = true};
    struct reader r = {.giver = &g, .intake = setup(&g, 100)};

    gn_assert_loop_thread(g.loop);
    start(&r, &g);
    await_question(&g);
    gn_intake_end(&g.intake, GN_ERR_GONE);
    pthread_join(r.id, NULL);
    cr_assert_eq(r.rc, GN_ERR_GONE);
    teardown(&g, &r.intake);
}

Test(intake, cancelling_wakes_a_waiting_reader)
{
    struct giver g = {.keeps = true};
    struct reader r = {.giver = &g, .intake = setup(&g, 100)};
    uint64_t n;

    gn_assert_loop_thread(g.loop);
    start(&r, &g);
    await_question(&g);
    gn_intake_cancel(r.intake);
    pthread_join(r.id, NULL);
    cr_assert_eq(r.rc, GN_ERR_CLOSED);
    cr_assert_eq(read_now(r.intake, &n), GN_ERR_CLOSED);
    cr_assert_eq(put(&g, "late"), GN_ERR_GONE);
    teardown(&g, &r.intake);
}
