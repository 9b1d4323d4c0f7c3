/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "bridge/exec/pipe.h"
#include "tests/bridge/exec/gate.h"
#include "tests/support/test.h"

/** The reader's side of one test; takes what comes and checks it. */
struct reader {
    struct gn_loop *loop;
    struct gn_pipe *pipe;
    struct gn_bufq taken;
    unsigned n_calls;
    uint64_t n_bytes;
    uint64_t most_bytes; /* seen on their way at once */
    unsigned char next;  /* expected byte */
    bool in_order;
    bool keeps; /* neither takes nor drains */
    enum gn_err status;
    bool is_finished;
};

/** Checks the bytes 0, 1, 2 … 255, 0 … and drops them. */
static uint64_t check_taken(struct reader *r)
{
    const uint64_t n_taken = r->taken.n_bytes;
    struct iovec iov[8];
    int n;

    while ((n = gn_bufq_peek(&r->taken, iov, 8)) > 0) {
        size_t sum = 0;

        for (int i = 0; i < n; i++) {
            const unsigned char *bytes = iov[i].iov_base;

            for (size_t k = 0; k < iov[i].iov_len; k++) {
                r->in_order = r->in_order && bytes[k] == r->next++;
            }
            sum += iov[i].iov_len;
        }
        gn_bufq_consume(&r->taken, sum);
    }
    return n_taken;
}

static void on_readable(struct gn_pipe *pipe, void *owner)
{
    struct reader *r = owner;
    uint64_t n_taken;

    gn_assert_loop_thread(r->loop);
    r->n_calls++;
    if (r->keeps) {
        return;
    }
    r->most_bytes = GN_MAX(r->most_bytes, gn_pipe_n_bytes(pipe));
    gn_pipe_take(pipe, &r->taken);
    n_taken = check_taken(r);
    r->n_bytes += n_taken;
    gn_pipe_drained(pipe, n_taken);
    r->is_finished = gn_pipe_is_finished(pipe, &r->status);
    if (r->is_finished) {
        gn_loop_stop(r->loop);
    }
}

static void setup(struct reader *r, size_t limit_bytes)
{
    *r = (struct reader){.in_order = true};
    cr_assert_eq(gn_loop_create(&r->loop, NULL), GN_OK);
    r->pipe = gn_pipe_create(r->loop, limit_bytes, on_readable, r);
}

static void teardown(struct reader *r)
{
    gn_assert_loop_thread(r->loop);
    gn_pipe_close(&r->pipe);
    cr_assert_null(r->pipe);
    gn_pipe_close(&r->pipe);
    gn_bufq_clear(&r->taken);
    gn_loop_destroy(&r->loop);
}

/** Appends `len` bytes of the running sequence. */
static void append_sequence(struct gn_bufq *q, size_t len, unsigned char *next)
{
    char *to = gn_bufq_extend(q, len);

    for (size_t i = 0; i < len; i++) {
        to[i] = (char)(*next)++;
    }
}

/** Counts waits; `before` may open a gate so that the test knows the writer is about to wait. */
struct wait_count {
    struct gate gate;
    unsigned n_before;
    unsigned n_after;
};

static void *count_before(void *arg)
{
    struct wait_count *w = arg;

    w->n_before++;
    gate_pass(&w->gate);
    return w;
}

static void count_after(void *arg, void *save)
{
    struct wait_count *w = arg;

    cr_assert_eq(save, arg);
    w->n_after++;
}

/* ---- one thread plays both sides --------------------------------------- */

Test(pipe, writes_of_one_turn_make_one_call)
{
    struct reader r;
    struct gn_pipe *writer;
    struct gn_bufq q = {.first = NULL};
    unsigned char next = 0;

    setup(&r, 1024);
    gn_assert_loop_thread(r.loop);
    writer = r.pipe;
    for (int i = 0; i < 10; i++) {
        append_sequence(&q, 7, &next);
        cr_assert_eq(gn_pipe_write(writer, &q, NULL, GN_NEVER), GN_OK);
        cr_assert(gn_bufq_is_empty(&q));
    }
    cr_assert_eq(gn_pipe_n_bytes(r.pipe), 70);
    gn_loop_run_once(r.loop);
    cr_assert_eq(r.n_calls, 1);
    cr_assert_eq(r.n_bytes, 70);
    cr_assert(r.in_order);
    cr_assert_not(r.is_finished);
    gn_pipe_finish(&writer, GN_OK);
    cr_assert_null(writer);
    gn_loop_run_once(r.loop);
    cr_assert_eq(r.n_calls, 2);
    cr_assert(r.is_finished);
    cr_assert_eq(r.status, GN_OK);
    teardown(&r);
}

Test(pipe, status_comes_after_the_bytes)
{
    struct reader r;
    struct gn_pipe *writer;
    struct gn_bufq q = {.first = NULL};
    enum gn_err status = GN_OK;

    setup(&r, 1024);
    gn_assert_loop_thread(r.loop);
    r.keeps = true;
    writer = r.pipe;
    gn_bufq_append(&q, GN_LIT("x"));
    cr_assert_eq(gn_pipe_write(writer, &q, NULL, GN_NEVER), GN_OK);
    gn_pipe_finish(&writer, GN_ERR_PYTHON);
    gn_loop_run_once(r.loop);
    cr_assert_eq(r.n_calls, 1);
    cr_assert_not(gn_pipe_is_finished(r.pipe, &status));
    gn_pipe_take(r.pipe, &r.taken);
    cr_assert(gn_pipe_is_finished(r.pipe, &status));
    cr_assert_eq(status, GN_ERR_PYTHON);
    teardown(&r);
}

Test(pipe, quiet_writes_wait_for_the_next_turn)
{
    struct reader r;
    struct gn_pipe *writer;
    struct gn_bufq q = {.first = NULL};
    unsigned char next = 0;

    setup(&r, 1024);
    gn_assert_loop_thread(r.loop);
    writer = r.pipe;
    gn_pipe_be_quiet(writer);
    append_sequence(&q, 7, &next);
    cr_assert_eq(gn_pipe_write(writer, &q, NULL, GN_NEVER), GN_OK);
    gn_pipe_finish(&writer, GN_OK);
    cr_assert_eq(r.n_calls, 0);
    gn_loop_run_once(r.loop); /* any turn will do */
    cr_assert_eq(r.n_calls, 1);
    cr_assert_eq(r.n_bytes, 7);
    cr_assert(r.is_finished);
    teardown(&r);
}

Test(pipe, empty_writes_tell_nobody)
{
    struct reader r;
    struct gn_pipe *writer;
    struct gn_bufq q = {.first = NULL};

    setup(&r, 16);
    gn_assert_loop_thread(r.loop);
    writer = r.pipe;
    cr_assert_eq(gn_pipe_write(writer, &q, NULL, GN_NEVER), GN_OK);
    gn_loop_run_once(r.loop);
    cr_assert_eq(r.n_calls, 0);
    gn_pipe_finish(&writer, GN_OK);
    teardown(&r);
}

Test(pipe, waits_only_beyond_the_limit)
{
    struct reader r;
    struct gn_pipe *writer;
    struct gn_bufq q = {.first = NULL};
    struct wait_count waits = {.gate = GATE_INIT};
    struct gn_pipe_wait_hooks hooks = {count_before, count_after, &waits};
    unsigned char next = 0;

    setup(&r, 100);
    gn_assert_loop_thread(r.loop);
    r.keeps = true;
    waits.gate.is_open = true;
    writer = r.pipe;
    append_sequence(&q, 100, &next);
    cr_assert_eq(gn_pipe_write(writer, &q, &hooks, gn_clock_now()), GN_OK);
    append_sequence(&q, 1, &next);
    cr_assert_eq(gn_pipe_write(writer, &q, &hooks, gn_clock_now()), GN_OK, "just under");
    cr_assert_eq(waits.n_before, 0);
    append_sequence(&q, 1, &next);
    cr_assert_eq(gn_pipe_write(writer, &q, &hooks, gn_clock_now()), GN_ERR_TIMEOUT, "just over");
    cr_assert_eq(waits.n_before, 1);
    cr_assert_eq(waits.n_after, 1);
    cr_assert_eq(q.n_bytes, 1, "nothing was taken");
    gn_pipe_take(r.pipe, &r.taken);
    cr_assert_eq(gn_pipe_write(writer, &q, NULL, gn_clock_now()), GN_ERR_TIMEOUT,
            "taken is not drained");
    gn_pipe_drained(r.pipe, 1);
    cr_assert_eq(gn_pipe_write(writer, &q, NULL, gn_clock_now()), GN_OK);
    gn_pipe_finish(&writer, GN_OK);
    teardown(&r);
}

static void count_release(void *arg)
{
    ++*(unsigned *)arg;
}

Test(pipe, closing_releases_what_was_not_taken)
{
    struct reader r;
    struct gn_pipe *writer;
    struct gn_bufq q = {.first = NULL};
    unsigned n_released = 0;

    setup(&r, 1024);
    gn_assert_loop_thread(r.loop);
    writer = r.pipe;
    gn_bufq_lend(&q, GN_LIT("lent"), count_release, &n_released);
    cr_assert_eq(gn_pipe_write(writer, &q, NULL, GN_NEVER), GN_OK);
    cr_assert_not(gn_pipe_is_gone(writer));
    gn_pipe_close(&r.pipe);
    cr_assert_eq(n_released, 1);
    cr_assert(gn_pipe_is_gone(writer));
    gn_bufq_append(&q, GN_LIT("more"));
    cr_assert_eq(gn_pipe_write(writer, &q, NULL, GN_NEVER), GN_ERR_GONE);
    cr_assert_eq(q.n_bytes, 4, "still the caller's");
    gn_bufq_clear(&q);
    gn_loop_run_once(r.loop);
    cr_assert_eq(r.n_calls, 0, "no call after closing");
    gn_pipe_finish(&writer, GN_OK);
    teardown(&r);
}

/* ---- a thread of its own ----------------------------------------------- */

struct writer {
    struct gn_pipe *pipe;
    uint64_t n_bytes;
    size_t chunk_bytes;
    struct wait_count waits;
    bool hooked;
    enum gn_err rc;
    uint64_t left; /* in the writer's queue at the end */
    pthread_t id;
};

static void *write_all(void *arg)
{
    struct writer *w = arg;
    struct gn_pipe_wait_hooks hooks = {count_before, count_after, &w->waits};
    struct gn_bufq q = {.first = NULL};
    unsigned char next = 0;

    while (w->n_bytes > 0 && w->rc == GN_OK) {
        size_t len = GN_MIN(w->n_bytes, w->chunk_bytes);

        append_sequence(&q, len, &next);
        w->n_bytes -= len;
        w->rc = gn_pipe_write(w->pipe, &q, w->hooked ? &hooks : NULL, GN_NEVER);
    }
    w->left = q.n_bytes;
    gn_bufq_clear(&q);
    gn_pipe_finish(&w->pipe, w->rc);
    return NULL;
}

static const struct {
    const char *name;
    uint64_t n_bytes;
    size_t chunk_bytes;
    size_t limit_bytes;
} streams[] = {
        {"small pieces", 300 * 1000, 100, 4096},
        {"pieces larger than the limit", 1000 * 1000, 10000, 4096},
        {"one piece", 50, 100, 4096},
        {"no room at all", 5000, 10, 0},
        {"usual limit", 4 * 1000 * 1000, 16384, GN_PIPE_LIMIT_BYTES},
};

Test(pipe, bytes_arrive_in_order_and_bounded)
{
    for (unsigned i = 0; i < GN_ARRAY_LEN(streams); i++) {
        struct reader r;
        struct writer w = {
                .n_bytes = streams[i].n_bytes,
                .chunk_bytes = streams[i].chunk_bytes,
                .waits = {.gate = GATE_INIT},
                .hooked = true,
        };

        setup(&r, streams[i].limit_bytes);
        w.waits.gate.is_open = true;
        w.pipe = r.pipe;
        cr_assert_eq(pthread_create(&w.id, NULL, write_all, &w), 0);
        gn_loop_run(r.loop);
        pthread_join(w.id, NULL);
        cr_assert_eq(r.n_bytes, streams[i].n_bytes, "%s", streams[i].name);
        cr_assert(r.in_order, "%s", streams[i].name);
        cr_assert_eq(r.status, GN_OK, "%s", streams[i].name);
        cr_assert(r.most_bytes <= streams[i].limit_bytes + streams[i].chunk_bytes, "%s",
                streams[i].name);
        cr_assert_eq(w.waits.n_before, w.waits.n_after, "%s", streams[i].name);
        teardown(&r);
    }
}

Test(pipe, closing_frees_a_waiting_writer)
{
    struct reader r;
    struct writer w = {
            .n_bytes = 1000,
            .chunk_bytes = 100,
            .waits = {.gate = GATE_INIT},
            .hooked = true,
    };

    setup(&r, 150);
    gn_assert_loop_thread(r.loop);
    r.keeps = true;
    w.pipe = r.pipe;
    cr_assert_eq(pthread_create(&w.id, NULL, write_all, &w), 0);
    gate_await(&w.waits.gate, 1);
    gate_open(&w.waits.gate);
    gn_pipe_close(&r.pipe);
    pthread_join(w.id, NULL);
    cr_assert_eq(w.rc, GN_ERR_GONE);
    cr_assert_eq(w.left, 100, "nothing of the last piece was taken");
    cr_assert_eq(w.waits.n_after, 1);
    teardown(&r);
}

Test(pipe, writer_may_end_after_the_loop_let_go)
{
    struct reader r;
    struct writer w = {.n_bytes = 100, .chunk_bytes = 10};

    setup(&r, 1024);
    gn_assert_loop_thread(r.loop);
    w.pipe = r.pipe;
    gn_pipe_close(&r.pipe);
    cr_assert_eq(pthread_create(&w.id, NULL, write_all, &w), 0);
    pthread_join(w.id, NULL);
    cr_assert_eq(w.rc, GN_ERR_GONE);
    teardown(&r);
}

/* ---- several threads write ---------------------------------------------- */

/** Joined before it starts, as who has taken a place under a lock of its own. */
struct co_writer {
    struct gn_pipe *pipe;
    unsigned n_pieces;
    enum gn_err rc;
    pthread_t id;
};

static void *write_beside(void *arg)
{
    struct co_writer *w = arg;
    struct gn_bufq q = {.first = NULL};
    unsigned char next = 0;

    for (unsigned i = 0; i < w->n_pieces && w->rc == GN_OK; i++) {
        append_sequence(&q, 100, &next);
        w->rc = gn_pipe_write(w->pipe, &q, NULL, GN_NEVER);
    }
    gn_bufq_clear(&q);
    gn_pipe_leave(w->pipe);
    return NULL;
}

static void *finish_behind_others(void *arg)
{
    struct writer *w = arg;

    gn_pipe_await_writers(w->pipe);
    w->left = gn_pipe_has_writers(w->pipe);
    gn_pipe_finish(&w->pipe, GN_OK);
    return NULL;
}

enum { N_CO_WRITERS = 4, N_CO_PIECES = 500 };

static void start_several(struct reader *r, struct co_writer *others, struct writer *owner)
{
    for (unsigned i = 0; i < N_CO_WRITERS; i++) {
        others[i] = (struct co_writer){.pipe = r->pipe, .n_pieces = N_CO_PIECES};
        gn_pipe_join(r->pipe);
        cr_assert_eq(pthread_create(&others[i].id, NULL, write_beside, &others[i]), 0);
    }
    cr_assert(gn_pipe_has_writers(r->pipe));
    *owner = (struct writer){.pipe = r->pipe};
    cr_assert_eq(pthread_create(&owner->id, NULL, finish_behind_others, owner), 0);
}

static void join_several(struct co_writer *others, struct writer *owner, enum gn_err rc)
{
    for (unsigned i = 0; i < N_CO_WRITERS; i++) {
        pthread_join(others[i].id, NULL);
        cr_assert_eq(others[i].rc, rc);
    }
    pthread_join(owner->id, NULL);
    cr_assert_eq(owner->left, 0);
}

Test(pipe, several_writers_all_go_on)
{
    struct co_writer others[N_CO_WRITERS];
    struct writer owner;
    struct reader r;

    setup(&r, 250);
    start_several(&r, others, &owner);
    gn_loop_run(r.loop);
    join_several(others, &owner, GN_OK);
    cr_assert_eq(r.n_bytes, (uint64_t)N_CO_WRITERS * N_CO_PIECES * 100);
    cr_assert_eq(r.status, GN_OK);
    teardown(&r);
}

Test(pipe, closing_frees_several_writers)
{
    struct co_writer others[N_CO_WRITERS];
    struct writer owner;
    struct reader r;

    setup(&r, 250);
    gn_assert_loop_thread(r.loop);
    start_several(&r, others, &owner);
    while (gn_pipe_n_bytes(r.pipe) <= 250) {
        sched_yield();
    }
    gn_pipe_close(&r.pipe);
    join_several(others, &owner, GN_ERR_GONE);
    teardown(&r);
}
