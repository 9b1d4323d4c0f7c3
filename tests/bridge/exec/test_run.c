/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>

#include "bridge/exec/run.h"
#include "server/base/alloc.h"
#include "server/loop/task.h"
#include "tests/bridge/exec/gate.h"
#include "tests/support/test.h"

struct ground {
    struct gn_loop *loop;
    struct gn_task_pool *pool;
    struct gn_executor *exec;
    struct gate gate;
};

static void setup(struct ground *g, unsigned max_threads, unsigned queue_limit)
{
    struct gn_executor_options options = gn_executor_options_default();

    *g = (struct ground){.gate = GATE_INIT};
    cr_assert_eq(gn_loop_create(&g->loop, NULL), GN_OK);
    gn_assert_loop_thread(g->loop);
    g->pool = gn_task_pool_create(g->loop, 16, 16);
    options.max_threads = max_threads;
    options.queue_limit = queue_limit;
    g->exec = gn_executor_create(g->loop, &options);
}

static void teardown(struct ground *g)
{
    gn_assert_loop_thread(g->loop);
    gate_open(&g->gate);
    while (gn_task_pool_n_alive(g->pool) > 0) {
        gn_loop_run_once(g->loop);
    }
    cr_assert_eq(gn_executor_stop(&g->exec, GN_NEVER), GN_OK);
    gn_task_pool_destroy(&g->pool);
    gn_loop_destroy(&g->loop);
}

/* ---- calls ------------------------------------------------------------- */

struct caller {
    struct ground *ground;
    gn_deadline deadline;
    bool waits;
    enum gn_err rc;
    enum gn_err next_rc;
    int result;
    bool has_run;
    bool has_returned;
    struct gn_task *task;
};

struct call_arg {
    struct caller *caller;
    int in;
    int out;
};

static void square(void *arg)
{
    struct call_arg *a = arg;

    if (a->caller->waits) {
        gate_pass(&a->caller->ground->gate);
    }
    a->caller->has_run = true;
    a->out = a->in * a->in;
}

static void call_square(void *arg)
{
    struct caller *c = arg;
    struct call_arg on_stack = {.caller = c, .in = 12};

    gn_assert_loop_thread(c->ground->loop);
    c->rc = gn_executor_run_await(c->ground->exec, square, &on_stack, c->deadline);
    c->result = on_stack.out;
    c->next_rc = gn_sleep_await(0);
    c->has_returned = true;
    gn_loop_stop(c->ground->loop);
}

static struct caller new_caller(struct ground *g, bool waits)
{
    return (struct caller){.ground = g, .deadline = GN_NEVER, .waits = waits};
}

static void start(struct caller *c)
{
    gn_assert_loop_thread(c->ground->loop);
    cr_assert_eq(gn_task_start(c->ground->pool, call_square, c, &c->task), GN_OK);
}

Test(run, result_comes_back_on_the_callers_stack)
{
    struct ground g;
    struct caller c;

    setup(&g, 2, 10);
    c = new_caller(&g, false);
    start(&c);
    gn_loop_run(g.loop);
    cr_assert_eq(c.rc, GN_OK);
    cr_assert_eq(c.result, 144);
    teardown(&g);
}

Test(run, deadline_withdraws_what_is_queued)
{
    struct ground g;
    struct caller first;
    struct caller second;

    setup(&g, 1, 10);
    gn_assert_loop_thread(g.loop);
    first = new_caller(&g, true);
    second = new_caller(&g, false);
    start(&first);
    gate_await(&g.gate, 1);
    second.deadline = gn_loop_after_ms(g.loop, 2);
    start(&second);
    gn_loop_run(g.loop);
    cr_assert(second.has_returned);
    cr_assert_eq(second.rc, GN_ERR_TIMEOUT);
    cr_assert_not(first.has_returned);
    teardown(&g);
    cr_assert_not(second.has_run);
    cr_assert_eq(first.rc, GN_OK);
}

Test(run, deadline_does_not_cut_short_what_runs)
{
    struct ground g;
    struct caller c;

    setup(&g, 1, 10);
    gn_assert_loop_thread(g.loop);
    c = new_caller(&g, true);
    c.deadline = gn_loop_after_ms(g.loop, 1);
    start(&c);
    gate_await(&g.gate, 1);
    while (gn_loop_now(g.loop) <= c.deadline + GN_NS_PER_MS) {
        gn_loop_run_once(g.loop);
    }
    cr_assert_not(c.has_returned);
    teardown(&g);
    cr_assert_eq(c.rc, GN_OK);
    cr_assert_eq(c.result, 144);
}

Test(run, passed_deadline_never_starts)
{
    struct ground g;
    struct caller c;

    setup(&g, 1, 10);
    gn_assert_loop_thread(g.loop);
    c = new_caller(&g, false);
    c.deadline = gn_loop_now(g.loop);
    start(&c);
    cr_assert_eq(c.rc, GN_ERR_TIMEOUT);
    cr_assert_eq(gn_executor_stats(g.exec).n_started, 0);
    teardown(&g);
}

Test(run, cancelling_withdraws_what_is_queued)
{
    struct ground g;
    struct caller first;
    struct caller second;

    setup(&g, 1, 10);
    gn_assert_loop_thread(g.loop);
    first = new_caller(&g, true);
    second = new_caller(&g, false);
    start(&first);
    gate_await(&g.gate, 1);
    start(&second);
    gn_task_cancel(second.task);
    cr_assert(second.has_returned);
    cr_assert_eq(second.rc, GN_ERR_CANCELLED);
    teardown(&g);
    cr_assert_not(second.has_run);
}

Test(run, cancelling_waits_for_what_runs)
{
    struct ground g;
    struct caller c;

    setup(&g, 1, 10);
    gn_assert_loop_thread(g.loop);
    c = new_caller(&g, true);
    start(&c);
    gate_await(&g.gate, 1);
    gn_task_cancel(c.task);
    cr_assert_not(c.has_returned);
    teardown(&g);
    cr_assert_eq(c.rc, GN_OK);
    cr_assert_eq(c.result, 144);
    cr_assert_eq(c.next_rc, GN_ERR_CANCELLED, "the next wait tells");
}

Test(run, full_and_closed_are_passed_on)
{
    struct ground g;
    struct caller c[4];

    setup(&g, 1, 1);
    gn_assert_loop_thread(g.loop);
    for (unsigned i = 0; i < 4; i++) {
        c[i] = new_caller(&g, i == 0);
    }
    start(&c[0]);
    gate_await(&g.gate, 1);
    start(&c[1]);
    start(&c[2]);
    cr_assert_eq(c[2].rc, GN_ERR_FULL);
    gn_executor_close(g.exec);
    start(&c[3]);
    cr_assert_eq(c[3].rc, GN_ERR_CLOSED);
    teardown(&g);
    cr_assert_eq(c[1].rc, GN_OK);
}

/* ---- jobs -------------------------------------------------------------- */

struct job_owner {
    struct ground *ground;
    unsigned n_done;
    enum gn_err status;
    int out;
    atomic_uint n_run;
    unsigned n_freed;
    bool waits;
};

struct job_data {
    struct job_owner *owner; /* outlives the job in these tests */
    int in;
    int out;
};

static void run_job(void *data)
{
    struct job_data *d = data;

    if (d->owner->waits) {
        gate_pass(&d->owner->ground->gate);
    }
    d->out = d->in + 1;
    atomic_fetch_add(&d->owner->n_run, 1);
}

static void on_job_done(void *data, enum gn_err status, void *owner)
{
    struct job_owner *o = owner;

    gn_assert_loop_thread(o->ground->loop);
    o->n_done++;
    o->status = status;
    o->out = ((struct job_data *)data)->out;
    gn_loop_stop(o->ground->loop);
}

static void free_job_data(void *data)
{
    ((struct job_data *)data)->owner->n_freed++;
    gn_free(data);
}

static const struct gn_job_ops job_ops = {
        .run = run_job, .done = on_job_done, .free_data = free_job_data};

static struct job_data *new_data(struct job_owner *owner)
{
    struct job_data *d = gn_xcalloc(sizeof(*d));

    d->owner = owner;
    d->in = 6;
    return d;
}

Test(run, job_reports_and_frees_its_data)
{
    struct ground g;
    struct job_owner o = {.ground = &g};
    struct gn_job *job;

    setup(&g, 1, 10);
    gn_assert_loop_thread(g.loop);
    cr_assert_eq(gn_job_start(g.exec, &job_ops, new_data(&o), &o, &job), GN_OK);
    cr_assert_not_null(job);
    gn_loop_run(g.loop);
    cr_assert_eq(o.n_done, 1);
    cr_assert_eq(o.status, GN_OK);
    cr_assert_eq(o.out, 7);
    cr_assert_eq(o.n_freed, 1);
    teardown(&g);
}

Test(run, abandoned_while_queued_never_runs)
{
    struct ground g;
    struct job_owner first = {.ground = &g, .waits = true};
    struct job_owner second = {.ground = &g};
    struct gn_job *job;

    setup(&g, 1, 10);
    gn_assert_loop_thread(g.loop);
    cr_assert_eq(gn_job_start(g.exec, &job_ops, new_data(&first), &first, NULL), GN_OK);
    gate_await(&g.gate, 1);
    cr_assert_eq(gn_job_start(g.exec, &job_ops, new_data(&second), &second, &job), GN_OK);
    gn_job_abandon(&job);
    cr_assert_null(job);
    gn_job_abandon(&job);
    cr_assert_eq(second.n_freed, 1);
    teardown(&g);
    cr_assert_eq(atomic_load(&second.n_run), 0);
    cr_assert_eq(second.n_done, 0);
    cr_assert_eq(first.n_done, 1);
}

Test(run, abandoned_while_running_frees_when_it_ends)
{
    struct ground g;
    struct job_owner o = {.ground = &g, .waits = true};
    struct gn_job *job;

    setup(&g, 1, 10);
    gn_assert_loop_thread(g.loop);
    cr_assert_eq(gn_job_start(g.exec, &job_ops, new_data(&o), &o, &job), GN_OK);
    gate_await(&g.gate, 1);
    gn_job_abandon(&job);
    cr_assert_eq(o.n_freed, 0);
    teardown(&g);
    cr_assert_eq(o.n_freed, 1);
    cr_assert_eq(o.n_done, 0);
    cr_assert_eq(atomic_load(&o.n_run), 1);
}

Test(run, refused_job_frees_its_data)
{
    struct ground g;
    struct job_owner o = {.ground = &g};
    struct gn_job *job;

    setup(&g, 1, 10);
    gn_assert_loop_thread(g.loop);
    gn_executor_close(g.exec);
    cr_assert_eq(gn_job_start(g.exec, &job_ops, new_data(&o), &o, &job), GN_ERR_CLOSED);
    cr_assert_null(job);
    cr_assert_eq(o.n_freed, 1);
    cr_assert_eq(o.n_done, 0);
    teardown(&g);
}
