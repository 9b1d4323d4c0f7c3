/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "bridge/exec/executor.h"
#include "server/base/alloc.h"
#include "tests/bridge/exec/gate.h"
#include "tests/support/test.h"

enum { MAX_ORDER = 64 };

/** What the pieces of one test share. */
struct ground {
    struct gn_loop *loop;
    struct gn_executor *exec;
    struct gate gate;
    unsigned n_done;
    unsigned stop_at; /* the loop stops when so many are done */
    unsigned done_order[MAX_ORDER];
    atomic_uint n_run;
    atomic_uint n_thread_starts;
    atomic_uint n_thread_exits;
    struct gn_post exited;
};

struct piece {
    struct gn_work work;
    struct ground *ground;
    unsigned number;
    bool waits; /* at the gate */
    unsigned run_order;
    unsigned n_done;
    enum gn_err status;
    char thread_name[16];
    bool blocks_signals;
};

static void run_piece(struct gn_work *work)
{
    struct piece *p = GN_CONTAINER_OF(work, struct piece, work);
    sigset_t mask;

    p->run_order = atomic_fetch_add(&p->ground->n_run, 1) + 1;
    (void)pthread_getname_np(pthread_self(), p->thread_name, sizeof(p->thread_name));
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    p->blocks_signals = sigismember(&mask, SIGTERM) == 1;
    if (p->waits) {
        gate_pass(&p->ground->gate);
    }
}

static void on_done(struct gn_work *work, enum gn_err status)
{
    struct piece *p = GN_CONTAINER_OF(work, struct piece, work);
    struct ground *g = p->ground;

    gn_assert_loop_thread(g->loop);
    p->status = status;
    p->n_done++;
    g->done_order[g->n_done % MAX_ORDER] = p->number;
    g->n_done++;
    if (g->n_done == g->stop_at) {
        gn_loop_stop(g->loop);
    }
}

static void on_thread_start(void *arg)
{
    struct ground *g = arg;

    atomic_fetch_add(&g->n_thread_starts, 1);
}

static void on_thread_exit(void *arg)
{
    struct ground *g = arg;

    if (atomic_fetch_add(&g->n_thread_exits, 1) == 0) {
        gn_loop_post(g->loop, &g->exited);
    }
}

static void on_first_exit(struct gn_post *post)
{
    struct ground *g = GN_CONTAINER_OF(post, struct ground, exited);

    gn_assert_loop_thread(g->loop);
    gn_loop_stop(g->loop);
}

static void setup(struct ground *g, struct gn_executor_options options)
{
    *g = (struct ground){.gate = GATE_INIT, .exited = {.fn = on_first_exit}};
    cr_assert_eq(gn_loop_create(&g->loop, NULL), GN_OK);
    gn_assert_loop_thread(g->loop);
    options.on_thread_start = on_thread_start;
    options.on_thread_exit = on_thread_exit;
    options.thread_arg = g;
    g->exec = gn_executor_create(g->loop, &options);
}

static void teardown(struct ground *g)
{
    gn_assert_loop_thread(g->loop);
    gate_open(&g->gate);
    cr_assert_eq(gn_executor_stop(&g->exec, GN_NEVER), GN_OK);
    cr_assert_null(g->exec);
    cr_assert_eq(atomic_load(&g->n_thread_starts), atomic_load(&g->n_thread_exits));
    gn_loop_destroy(&g->loop);
}

static struct piece new_piece(struct ground *g, unsigned number, bool waits)
{
    return (struct piece){
            .work = {.run = run_piece, .done = on_done},
            .ground = g,
            .number = number,
            .waits = waits,
    };
}

Test(executor, runs_on_a_named_worker_and_completes_on_the_loop)
{
    struct ground g;
    struct piece p;

    setup(&g, gn_executor_options_default());
    gn_assert_loop_thread(g.loop);
    p = new_piece(&g, 1, false);
    g.stop_at = 1;
    cr_assert_eq(gn_executor_submit(g.exec, &p.work), GN_OK);
    cr_assert_eq(p.n_done, 0);
    gn_loop_run(g.loop);
    cr_assert_eq(p.n_done, 1);
    cr_assert_eq(p.status, GN_OK);
    cr_assert_eq(p.run_order, 1);
    cr_assert_str_eq(p.thread_name, "gn-exec-0");
    cr_assert(p.blocks_signals);
    cr_assert_eq(gn_executor_stats(g.exec).n_completed, 1);
    cr_assert_eq(gn_executor_stats(g.exec).n_unfinished, 0);
    teardown(&g);
}

Test(executor, one_thread_keeps_the_order)
{
    struct gn_executor_options options = gn_executor_options_default();
    struct ground g;
    struct piece p[20];

    options.max_threads = 1;
    setup(&g, options);
    gn_assert_loop_thread(g.loop);
    g.stop_at = 20;
    for (unsigned i = 0; i < 20; i++) {
        p[i] = new_piece(&g, i, false);
        cr_assert_eq(gn_executor_submit(g.exec, &p[i].work), GN_OK);
    }
    gn_loop_run(g.loop);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(p[i].run_order, i + 1);
        cr_assert_eq(g.done_order[i], i);
    }
    cr_assert_eq(gn_executor_stats(g.exec).n_started, 1);
    teardown(&g);
}

Test(executor, blocked_work_gets_threads_up_to_the_maximum)
{
    struct gn_executor_options options = gn_executor_options_default();
    struct ground g;
    struct piece p[6];

    options.max_threads = 4;
    setup(&g, options);
    gn_assert_loop_thread(g.loop);
    g.stop_at = 6;
    for (unsigned i = 0; i < 6; i++) {
        p[i] = new_piece(&g, i, true);
        cr_assert_eq(gn_executor_submit(g.exec, &p[i].work), GN_OK);
    }
    gate_await(&g.gate, 4);
    cr_assert_eq(gn_executor_stats(g.exec).n_threads, 4);
    cr_assert_eq(gn_executor_stats(g.exec).n_queued, 2);
    cr_assert_eq(gn_executor_stats(g.exec).n_unfinished, 6);
    gate_open(&g.gate);
    gn_loop_run(g.loop);
    teardown(&g);
}

Test(executor, full_queue_refuses)
{
    struct gn_executor_options options = gn_executor_options_default();
    struct ground g;
    struct piece p[4];

    options.max_threads = 1;
    options.queue_limit = 2;
    setup(&g, options);
    gn_assert_loop_thread(g.loop);
    for (unsigned i = 0; i < 4; i++) {
        p[i] = new_piece(&g, i, true);
    }
    cr_assert_eq(gn_executor_submit(g.exec, &p[0].work), GN_OK);
    gate_await(&g.gate, 1);
    cr_assert_eq(gn_executor_submit(g.exec, &p[1].work), GN_OK);
    cr_assert_eq(gn_executor_submit(g.exec, &p[2].work), GN_OK, "just under");
    cr_assert_eq(gn_executor_submit(g.exec, &p[3].work), GN_ERR_FULL, "just over");
    cr_assert_eq(gn_executor_stats(g.exec).n_refused, 1);
    cr_assert_eq(gn_executor_stats(g.exec).n_unfinished, 3);
    teardown(&g);
    cr_assert_eq(p[2].n_done, 1, "stopping lets what was taken run");
    cr_assert_eq(p[3].n_done, 0);
}

Test(executor, withdraws_what_is_queued_only)
{
    struct gn_executor_options options = gn_executor_options_default();
    struct ground g;
    struct piece p[2];

    options.max_threads = 1;
    setup(&g, options);
    gn_assert_loop_thread(g.loop);
    p[0] = new_piece(&g, 0, true);
    p[1] = new_piece(&g, 1, true);
    cr_assert_eq(gn_executor_submit(g.exec, &p[0].work), GN_OK);
    gate_await(&g.gate, 1);
    cr_assert_eq(gn_executor_submit(g.exec, &p[1].work), GN_OK);
    cr_assert_not(gn_executor_withdraw(g.exec, &p[0].work));
    cr_assert(gn_executor_withdraw(g.exec, &p[1].work));
    cr_assert_not(gn_executor_withdraw(g.exec, &p[1].work));
    teardown(&g);
    cr_assert_eq(p[0].n_done, 1);
    cr_assert_eq(p[1].n_done, 0);
    cr_assert_eq(p[1].run_order, 0);
}

/** Runs the loop until all pieces are done and that many workers sleep, no other being left. */
static void await_idle(struct ground *g, unsigned n_done, unsigned n_idle)
{
    struct gn_executor_stats stats;

    gn_assert_loop_thread(g->loop);
    do {
        gn_loop_run_once(g->loop);
        (void)usleep(500);
        stats = gn_executor_stats(g->exec);
    } while (g->n_done < n_done || stats.n_idle != n_idle || stats.n_threads != n_idle);
}

Test(executor, surplus_workers_retire)
{
    struct gn_executor_options options = gn_executor_options_default();
    struct ground g;
    struct piece p[2];

    options.idle_ms = 1;
    options.min_threads = 1;
    setup(&g, options);
    gn_assert_loop_thread(g.loop);
    for (unsigned i = 0; i < 2; i++) {
        p[i] = new_piece(&g, i, true);
        cr_assert_eq(gn_executor_submit(g.exec, &p[i].work), GN_OK);
    }
    gate_await(&g.gate, 2);
    gate_open(&g.gate);
    await_idle(&g, 2, 1);
    p[0] = new_piece(&g, 0, false);
    cr_assert_eq(gn_executor_submit(g.exec, &p[0].work), GN_OK);
    await_idle(&g, 3, 1);
    cr_assert_eq(gn_executor_stats(g.exec).n_started, 2, "the kept worker served it");
    teardown(&g);
}

Test(executor, new_workers_come_after_all_have_retired)
{
    struct gn_executor_options options = gn_executor_options_default();
    struct ground g;
    struct piece p;

    options.idle_ms = 0;
    setup(&g, options);
    gn_assert_loop_thread(g.loop);
    for (unsigned i = 0; i < 50; i++) {
        p = new_piece(&g, i, false);
        g.stop_at = g.n_done + 1;
        cr_assert_eq(gn_executor_submit(g.exec, &p.work), GN_OK);
        while (p.n_done == 0) {
            gn_loop_run(g.loop);
        }
    }
    teardown(&g);
}

Test(executor, closed_executor_refuses_and_finishes)
{
    struct ground g;
    struct piece p[2];

    setup(&g, gn_executor_options_default());
    gn_assert_loop_thread(g.loop);
    p[0] = new_piece(&g, 0, true);
    p[1] = new_piece(&g, 1, false);
    cr_assert_eq(gn_executor_submit(g.exec, &p[0].work), GN_OK);
    gn_executor_close(g.exec);
    cr_assert_eq(gn_executor_submit(g.exec, &p[1].work), GN_ERR_CLOSED);
    gate_open(&g.gate);
    g.stop_at = 1;
    gn_loop_run(g.loop);
    cr_assert_eq(p[0].status, GN_OK);
    teardown(&g);
}

Test(executor, stopping_an_unused_executor)
{
    struct ground g;

    setup(&g, gn_executor_options_default());
    teardown(&g);
}

/* The thread that stays behind is what ThreadSanitizer would report. */
#if !GN_TSAN
Test(executor, stop_leaves_stuck_workers_behind)
{
    static struct ground g;
    static struct piece p[2];
    struct gn_executor_options options = gn_executor_options_default();

    options.max_threads = 1;
    setup(&g, options);
    gn_assert_loop_thread(g.loop);
    p[0] = new_piece(&g, 0, true);
    p[1] = new_piece(&g, 1, false);
    cr_assert_eq(gn_executor_submit(g.exec, &p[0].work), GN_OK);
    gate_await(&g.gate, 1);
    cr_assert_eq(gn_executor_submit(g.exec, &p[1].work), GN_OK);
    cr_assert_eq(gn_executor_stop(&g.exec, gn_clock_now() + GN_NS_PER_MS), GN_ERR_TIMEOUT);
    cr_assert_null(g.exec);
    cr_assert_eq(p[0].n_done, 0);
    cr_assert_eq(p[1].n_done, 1);
    cr_assert_eq(p[1].status, GN_ERR_CLOSED);
    gn_loop_destroy(&g.loop);
}
#endif

/* ---- many -------------------------------------------------------------- */

enum { N_MANY = 5000, N_AT_ONCE = 200 };

struct stream_of_work {
    struct ground ground;
    struct piece pieces[N_AT_ONCE];
    unsigned n_submitted;
};

static void submit_again(struct gn_work *work, enum gn_err status)
{
    struct piece *p = GN_CONTAINER_OF(work, struct piece, work);
    struct stream_of_work *s = GN_CONTAINER_OF(p->ground, struct stream_of_work, ground);

    gn_assert_loop_thread(s->ground.loop);
    cr_assert_eq(status, GN_OK);
    s->ground.n_done++;
    if (s->n_submitted < N_MANY) {
        s->n_submitted++;
        cr_assert_eq(gn_executor_submit(s->ground.exec, work), GN_OK);
    } else if (s->ground.n_done == N_MANY) {
        gn_loop_stop(s->ground.loop);
    }
}

Test(executor, nothing_is_lost_under_load)
{
    static struct stream_of_work s;
    struct gn_executor_options options = gn_executor_options_default();

    options.max_threads = 4;
    options.idle_ms = 0;
    setup(&s.ground, options);
    gn_assert_loop_thread(s.ground.loop);
    s.ground.exited.fn = on_first_exit;
    atomic_store(&s.ground.n_thread_exits, 1); /* exits do not stop the loop here */
    atomic_store(&s.ground.n_thread_starts, 1);
    for (unsigned i = 0; i < N_AT_ONCE; i++) {
        s.pieces[i] = new_piece(&s.ground, i, false);
        s.pieces[i].work.done = submit_again;
        s.n_submitted++;
        cr_assert_eq(gn_executor_submit(s.ground.exec, &s.pieces[i].work), GN_OK);
    }
    gn_loop_run(s.ground.loop);
    cr_assert_eq(s.ground.n_done, N_MANY);
    cr_assert_eq(atomic_load(&s.ground.n_run), N_MANY);
    teardown(&s.ground);
}
