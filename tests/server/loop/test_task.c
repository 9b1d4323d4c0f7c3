/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "server/loop/cond.h"
#include "server/loop/task.h"
#include "tests/support/test.h"

#if GN_ASAN
#include <sanitizer/asan_interface.h>
#endif

struct world {
    struct gn_loop *loop;
    struct gn_task_pool *pool;
};

static struct world new_world(unsigned max_tasks, unsigned max_idle)
{
    struct world w = {.loop = NULL};

    cr_assert_eq(gn_loop_create(&w.loop, NULL), GN_OK);
    gn_assert_loop_thread(w.loop);
    w.pool = gn_task_pool_create(w.loop, max_tasks, max_idle);
    return w;
}

static void end_world(struct world *w)
{
    gn_assert_loop_thread(w->loop);
    cr_assert_eq(gn_task_pool_n_alive(w->pool), 0);
    gn_task_pool_destroy(&w->pool);
    cr_assert_null(w->pool);
    gn_loop_destroy(&w->loop);
}

/** What one task did, for the test to look at. */
struct trace {
    struct world *world;
    struct gn_cond *cond;
    gn_deadline deadline;
    int fd;
    enum gn_err rc;
    enum gn_err second_rc;
    unsigned ready;
    bool has_started;
    bool has_returned;
    struct gn_task *self;
};

/* ---- starting ---------------------------------------------------------- */

static void note_self(void *arg)
{
    struct trace *t = arg;

    gn_assert_loop_thread(t->world->loop);
    t->has_started = true;
    t->self = gn_task_current();
    cr_assert_eq(gn_task_loop(), t->world->loop);
    t->has_returned = true;
}

Test(task, runs_at_once_and_ends_without_a_turn)
{
    struct world w = new_world(4, 4);
    struct trace t = {.world = &w};
    struct gn_task *task;

    gn_assert_loop_thread(w.loop);
    cr_assert_null(gn_task_current());
    cr_assert_eq(gn_task_start(w.pool, note_self, &t, &task), GN_OK);
    cr_assert(t.has_returned);
    cr_assert_not_null(t.self);
    cr_assert_null(task);
    cr_assert_null(gn_task_current());
    end_world(&w);
}

Test(task, stack_is_reused_by_the_next_task)
{
    struct world w = new_world(4, 4);
    struct trace a = {.world = &w};
    struct trace b = {.world = &w};

    gn_assert_loop_thread(w.loop);
    cr_assert_eq(gn_task_start(w.pool, note_self, &a, NULL), GN_OK);
    cr_assert_eq(gn_task_start(w.pool, note_self, &b, NULL), GN_OK);
    cr_assert_eq(a.self, b.self);
    end_world(&w);
}

Test(task, no_idle_stack_is_kept_when_none_is_wanted)
{
    struct world w = new_world(4, 0);
    struct trace t = {.world = &w};

    gn_assert_loop_thread(w.loop);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(gn_task_start(w.pool, note_self, &t, NULL), GN_OK);
    }
    end_world(&w);
}

static void wait_on_cond(void *arg)
{
    struct trace *t = arg;

    gn_assert_loop_thread(t->world->loop);
    t->has_started = true;
    t->self = gn_task_current();
    t->rc = gn_cond_await(t->cond, t->deadline);
    t->second_rc = gn_sleep_await(0);
    t->has_returned = true;
}

Test(task, bound_on_tasks_is_kept)
{
    struct world w = new_world(2, 2);
    struct gn_cond cond;
    struct trace t[3];

    gn_assert_loop_thread(w.loop);
    gn_cond_init(&cond);
    for (int i = 0; i < 3; i++) {
        t[i] = (struct trace){.world = &w, .cond = &cond, .deadline = GN_NEVER};
        cr_assert_eq(gn_task_start(w.pool, wait_on_cond, &t[i], NULL), i < 2 ? GN_OK : GN_ERR_FULL);
    }
    cr_assert_eq(gn_task_pool_n_alive(w.pool), 2);
    cr_assert_not(t[2].has_started);
    gn_cond_broadcast(&cond);
    while (gn_task_pool_n_alive(w.pool) > 0) {
        gn_loop_run_once(w.loop);
    }
    cr_assert(t[0].has_returned && t[1].has_returned);
    cr_assert_eq(gn_task_start(w.pool, note_self, &t[2], NULL), GN_OK);
    end_world(&w);
}

/* ---- waits ------------------------------------------------------------- */

static void sleep_until(void *arg)
{
    struct trace *t = arg;

    gn_assert_loop_thread(t->world->loop);
    t->rc = gn_sleep_await(t->deadline);
    cr_assert(gn_loop_now(t->world->loop) >= t->deadline);
    t->has_returned = true;
    gn_loop_stop(t->world->loop);
}

Test(task, sleep_ends_at_its_time)
{
    struct world w = new_world(1, 1);
    struct trace t = {.world = &w};

    gn_assert_loop_thread(w.loop);
    t.deadline = gn_loop_after_ms(w.loop, 3);
    cr_assert_eq(gn_task_start(w.pool, sleep_until, &t, NULL), GN_OK);
    cr_assert_not(t.has_returned);
    gn_loop_run(w.loop);
    cr_assert(t.has_returned);
    cr_assert_eq(t.rc, GN_OK);
    end_world(&w);
}

static void wait_for_fd(void *arg)
{
    struct trace *t = arg;

    gn_assert_loop_thread(t->world->loop);
    t->rc = gn_fd_await(t->fd, GN_IO_READ, &t->ready, t->deadline);
    t->has_returned = true;
    gn_loop_stop(t->world->loop);
}

Test(task, descriptor_becomes_ready)
{
    struct world w = new_world(1, 1);
    struct trace t = {.world = &w, .deadline = GN_NEVER};
    int fds[2];

    gn_assert_loop_thread(w.loop);
    cr_assert_eq(pipe(fds), 0);
    t.fd = fds[0];
    cr_assert_eq(gn_task_start(w.pool, wait_for_fd, &t, NULL), GN_OK);
    gn_loop_run_once(w.loop);
    cr_assert_not(t.has_returned);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    gn_loop_run(w.loop);
    cr_assert_eq(t.rc, GN_OK);
    cr_assert_eq(t.ready, GN_IO_READ);
    close(fds[0]);
    close(fds[1]);
    end_world(&w);
}

Test(task, descriptor_wait_times_out)
{
    struct world w = new_world(1, 1);
    struct trace t = {.world = &w};
    int fds[2];

    gn_assert_loop_thread(w.loop);
    cr_assert_eq(pipe(fds), 0);
    t.fd = fds[0];
    t.deadline = gn_loop_after_ms(w.loop, 2);
    cr_assert_eq(gn_task_start(w.pool, wait_for_fd, &t, NULL), GN_OK);
    gn_loop_run(w.loop);
    cr_assert_eq(t.rc, GN_ERR_TIMEOUT);
    t.deadline = gn_loop_now(w.loop);
    cr_assert_eq(gn_task_start(w.pool, wait_for_fd, &t, NULL), GN_OK);
    cr_assert_eq(t.rc, GN_ERR_TIMEOUT, "a deadline in the past");
    close(fds[0]);
    close(fds[1]);
    end_world(&w);
}

/* ---- cancelling -------------------------------------------------------- */

Test(task, cancelling_ends_this_wait_and_every_later_one)
{
    struct world w = new_world(1, 1);
    struct gn_cond cond;
    struct trace t = {.world = &w, .cond = &cond, .deadline = GN_NEVER};
    struct gn_task *task;

    gn_assert_loop_thread(w.loop);
    gn_cond_init(&cond);
    cr_assert_eq(gn_task_start(w.pool, wait_on_cond, &t, &task), GN_OK);
    cr_assert_eq(task, t.self);
    cr_assert_not(gn_task_is_cancelled(task));
    gn_task_cancel(task);
    cr_assert(t.has_returned, "it ran during the call");
    cr_assert_eq(t.rc, GN_ERR_CANCELLED);
    cr_assert_eq(t.second_rc, GN_ERR_CANCELLED);
    cr_assert(gn_list_is_empty(&cond.waiters));
    end_world(&w);
}

static void cancel_self(void *arg)
{
    struct trace *t = arg;

    gn_assert_loop_thread(t->world->loop);
    gn_task_cancel(gn_task_current());
    t->rc = gn_sleep_await(GN_NEVER);
    t->has_returned = true;
}

Test(task, running_task_learns_of_cancellation_at_its_next_wait)
{
    struct world w = new_world(1, 1);
    struct trace t = {.world = &w};

    gn_assert_loop_thread(w.loop);
    cr_assert_eq(gn_task_start(w.pool, cancel_self, &t, NULL), GN_OK);
    cr_assert(t.has_returned);
    cr_assert_eq(t.rc, GN_ERR_CANCELLED);
    end_world(&w);
}

Test(task, cancelled_after_a_signal_keeps_the_signal)
{
    struct world w = new_world(1, 1);
    struct gn_cond cond;
    struct trace t = {.world = &w, .cond = &cond, .deadline = GN_NEVER};
    struct gn_task *task;

    gn_assert_loop_thread(w.loop);
    gn_cond_init(&cond);
    cr_assert_eq(gn_task_start(w.pool, wait_on_cond, &t, &task), GN_OK);
    gn_cond_signal(&cond);
    cr_assert_not(t.has_returned, "signalling does not switch");
    gn_task_cancel(task);
    cr_assert(t.has_returned);
    cr_assert_eq(t.rc, GN_OK);
    cr_assert_eq(t.second_rc, GN_ERR_CANCELLED);
    end_world(&w);
}

/* ---- nesting, children ------------------------------------------------- */

enum { DEPTH = 50 };

struct nested {
    struct world *world;
    struct gn_cond *cond;
    unsigned depth;
    unsigned *n_returned;
};

/** Starts the next one while it runs itself, then waits. */
static void start_nested(void *arg)
{
    struct nested *n = arg;
    struct nested inner = *n;

    gn_assert_loop_thread(n->world->loop);
    inner.depth++;
    if (inner.depth < DEPTH) {
        struct gn_task *self = gn_task_current();

        cr_assert_eq(gn_task_start(n->world->pool, start_nested, &inner, NULL), GN_OK);
        cr_assert_eq(gn_task_current(), self);
    }
    cr_assert_eq(gn_cond_await(n->cond, GN_NEVER), GN_OK);
    (*n->n_returned)++;
}

Test(task, tasks_start_tasks_to_any_depth)
{
    struct world w = new_world(DEPTH, 8);
    struct gn_cond cond;
    unsigned n_returned = 0;
    struct nested first = {.world = &w, .cond = &cond, .n_returned = &n_returned};

    gn_assert_loop_thread(w.loop);
    gn_cond_init(&cond);
    cr_assert_eq(gn_task_start(w.pool, start_nested, &first, NULL), GN_OK);
    cr_assert_eq(gn_task_pool_n_alive(w.pool), DEPTH);
    gn_cond_broadcast(&cond);
    gn_loop_run_once(w.loop);
    cr_assert_eq(n_returned, DEPTH);
    end_world(&w);
}

struct family {
    struct world *world;
    struct gn_cond cond;
    struct trace children[3];
    enum gn_err rc;
    bool has_returned;
};

static void join_three(void *arg)
{
    struct family *f = arg;
    struct gn_task *tasks[3];

    gn_assert_loop_thread(f->world->loop);
    for (int i = 0; i < 3; i++) {
        f->children[i] = (struct trace){
                .world = f->world,
                .cond = &f->cond,
                .deadline = GN_NEVER,
        };
        cr_assert_eq(gn_task_spawn(i == 0 ? note_self : wait_on_cond, &f->children[i], &tasks[i]),
                GN_OK);
    }
    cr_assert_eq(gn_task_join_await(&tasks[0], GN_NEVER), GN_OK, "it has returned already");
    cr_assert_null(tasks[0]);
    cr_assert_eq(
            gn_task_join_await(&tasks[1], gn_loop_after_ms(f->world->loop, 1)), GN_ERR_TIMEOUT);
    gn_cond_signal(&f->cond);
    cr_assert_eq(gn_task_join_await(&tasks[1], GN_NEVER), GN_OK);
    gn_task_reap_await(&tasks[2]);
    cr_assert_null(tasks[2]);
    gn_task_reap_await(&tasks[2]);
    f->has_returned = true;
    gn_loop_stop(f->world->loop);
}

Test(task, children_are_joined_or_reaped)
{
    struct world w = new_world(4, 4);
    struct family f = {.world = &w};

    gn_assert_loop_thread(w.loop);
    gn_cond_init(&f.cond);
    cr_assert_eq(gn_task_start(w.pool, join_three, &f, NULL), GN_OK);
    gn_loop_run(w.loop);
    cr_assert(f.has_returned);
    cr_assert_eq(f.children[1].rc, GN_OK);
    cr_assert_eq(f.children[2].rc, GN_ERR_CANCELLED);
    end_world(&w);
}

/** Waits for a child, and has it reaped when that is cut short. */
static void join_child(struct family *f, void (*fn)(void *))
{
    struct gn_task *task;

    gn_assert_loop_thread(f->world->loop);
    f->children[0] = (struct trace){.world = f->world, .cond = &f->cond, .deadline = GN_NEVER};
    cr_assert_eq(gn_task_spawn(fn, &f->children[0], &task), GN_OK);
    f->rc = gn_task_join_await(&task, GN_NEVER);
    gn_task_reap_await(&task);
    f->has_returned = true;
}

static void join_one(void *arg)
{
    join_child(arg, wait_on_cond);
}

Test(task, cancelled_parent_reaps_its_child)
{
    struct world w = new_world(4, 4);
    struct family f = {.world = &w};
    struct gn_task *parent;

    gn_assert_loop_thread(w.loop);
    gn_cond_init(&f.cond);
    cr_assert_eq(gn_task_start(w.pool, join_one, &f, &parent), GN_OK);
    gn_task_cancel(parent);
    cr_assert(f.has_returned);
    cr_assert_eq(f.rc, GN_ERR_CANCELLED);
    cr_assert_eq(f.children[0].rc, GN_ERR_CANCELLED);
    end_world(&w);
}

static void wait_shielded(void *arg)
{
    struct trace *t = arg;

    gn_assert_loop_thread(t->world->loop);
    t->rc = gn_cond_await_shielded(t->cond, GN_NEVER);
    t->has_returned = true;
}

static void join_shielded(void *arg)
{
    join_child(arg, wait_shielded);
}

Test(task, reaping_waits_for_what_cannot_be_cut_short)
{
    struct world w = new_world(4, 4);
    struct family f = {.world = &w};
    struct gn_task *parent;

    gn_assert_loop_thread(w.loop);
    gn_cond_init(&f.cond);
    cr_assert_eq(gn_task_start(w.pool, join_shielded, &f, &parent), GN_OK);
    gn_task_cancel(parent);
    cr_assert_eq(f.rc, GN_ERR_CANCELLED);
    cr_assert_not(f.has_returned);
    gn_task_cancel(parent);
    cr_assert_not(f.has_returned, "cancelling twice changes nothing");
    gn_cond_signal(&f.cond);
    gn_loop_run_once(w.loop);
    cr_assert(f.has_returned);
    cr_assert_eq(f.children[0].rc, GN_OK);
    end_world(&w);
}

static void forget_child(void *arg)
{
    struct family *f = arg;
    struct gn_task *task;

    gn_assert_loop_thread(f->world->loop);
    f->children[0] = (struct trace){.world = f->world, .cond = &f->cond, .deadline = GN_NEVER};
    (void)!gn_task_spawn(wait_on_cond, &f->children[0], &task);
}

Test(task, returning_without_joining_a_child_aborts, .signal = SIGABRT)
{
    struct world w = new_world(4, 4);
    struct family f = {.world = &w};

    gn_assert_loop_thread(w.loop);
    gn_cond_init(&f.cond);
    (void)!gn_task_start(w.pool, forget_child, &f, NULL);
}

Test(task, waiting_outside_a_task_aborts, .signal = SIGABRT)
{
    struct world w = new_world(1, 1);

    gn_assert_loop_thread(w.loop);
    (void)!gn_sleep_await(GN_NEVER);
}

Test(task, destroying_a_pool_with_live_tasks_aborts, .signal = SIGABRT)
{
    struct world w = new_world(1, 1);
    struct trace t = {.world = &w, .deadline = GN_NEVER};

    gn_assert_loop_thread(w.loop);
    t.deadline = GN_NEVER;
    t.fd = STDIN_FILENO;
    (void)!gn_task_start(w.pool, wait_for_fd, &t, NULL);
    gn_task_pool_destroy(&w.pool);
}

/* ---- stacks ------------------------------------------------------------ */

/** Uses 40 KiB of stack, a KiB per frame, with a wait at the bottom. */
static unsigned use_stack(struct trace *t, unsigned frames)
{
    volatile char frame[1024];
    unsigned sum = 0;

    gn_assert_loop_thread(t->world->loop);
    for (size_t i = 0; i < sizeof(frame); i++) {
        frame[i] = (char)(frames & 0x7f);
    }
    if (frames > 0) {
        sum = use_stack(t, frames - 1);
    } else {
        t->rc = gn_sleep_await(gn_loop_now(t->world->loop));
    }
    for (size_t i = 0; i < sizeof(frame); i++) {
        sum += frame[i] == (char)(frames & 0x7f);
    }
    return sum;
}

static void use_much_stack(void *arg)
{
    struct trace *t = arg;

    gn_assert_loop_thread(t->world->loop);
    t->ready = use_stack(t, 40);
    t->has_returned = true;
}

Test(task, stacks_keep_their_contents_over_a_wait)
{
    struct world w = new_world(8, 2);
    struct trace t[8];

    gn_assert_loop_thread(w.loop);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 8; i++) {
            t[i] = (struct trace){.world = &w};
            cr_assert_eq(gn_task_start(w.pool, use_much_stack, &t[i], NULL), GN_OK);
            cr_assert_not(t[i].has_returned);
        }
        while (gn_task_pool_n_alive(w.pool) > 0) {
            gn_loop_run_once(
                    w.loop); /* again where the deadline came late: others are read first */
        }
        for (int i = 0; i < 8; i++) {
            cr_assert(t[i].has_returned);
            cr_assert_eq(t[i].ready, 41 * 1024, "round %d task %d", round, i);
        }
    }
    end_world(&w);
}

#if GN_ASAN
static void point_into_stack(void *arg)
{
    struct trace *t = arg;

    t->self = (struct gn_task *)(void *)__builtin_frame_address(0);
}

Test(task, sanitizer_sees_use_of_an_ended_tasks_stack)
{
    struct world w = new_world(1, 1);
    struct trace t = {.world = &w};

    gn_assert_loop_thread(w.loop);
    cr_assert_eq(gn_task_start(w.pool, point_into_stack, &t, NULL), GN_OK);
    cr_assert(__asan_address_is_poisoned(t.self));
    cr_assert_eq(gn_task_start(w.pool, note_self, &t, NULL), GN_OK, "and it can be used again");
    end_world(&w);
}
#endif

#if !GN_ASAN && !GN_TSAN
static void overrun_stack(void *arg)
{
    struct trace *t = arg;

    gn_assert_loop_thread(t->world->loop);
    t->ready = use_stack(t, 100);
}

Test(task, overrunning_a_stack_hits_the_guard_page, .signal = SIGSEGV)
{
    struct world w = new_world(1, 1);
    struct trace t = {.world = &w};

    gn_assert_loop_thread(w.loop);
    (void)!gn_task_start(w.pool, overrun_stack, &t, NULL);
}
#endif

/* ---- many, and in two threads ------------------------------------------ */

enum { N_TASKS = 200, N_ROUNDS = 20 };

struct relay {
    struct gn_cond *mine;
    struct gn_cond *next;
    struct gn_loop *loop;
    unsigned n_rounds;
};

static void pass_on(void *arg)
{
    struct relay *r = arg;

    gn_assert_loop_thread(r->loop);
    for (unsigned i = 0; i < N_ROUNDS; i++) {
        cr_assert_eq(gn_cond_await(r->mine, gn_loop_after_ms(r->loop, 60000)), GN_OK);
        r->n_rounds++;
        gn_cond_signal(r->next);
    }
}

/** A signal goes round a ring of tasks. */
static void *run_relay(void *arg)
{
    static _Thread_local struct relay relays[N_TASKS];
    static _Thread_local struct gn_cond conds[N_TASKS];
    struct world w = new_world(N_TASKS, 16);
    unsigned *n_passed = arg;

    gn_assert_loop_thread(w.loop);
    for (unsigned i = 0; i < N_TASKS; i++) {
        gn_cond_init(&conds[i]);
    }
    for (unsigned i = 0; i < N_TASKS; i++) {
        relays[i] = (struct relay){
                .mine = &conds[i], .next = &conds[(i + 1) % N_TASKS], .loop = w.loop};
        cr_assert_eq(gn_task_start(w.pool, pass_on, &relays[i], NULL), GN_OK);
    }
    gn_cond_signal(&conds[0]);
    while (gn_task_pool_n_alive(w.pool) > 0) {
        gn_loop_run_once(w.loop);
    }
    for (unsigned i = 0; i < N_TASKS; i++) {
        *n_passed += relays[i].n_rounds;
    }
    end_world(&w);
    return NULL;
}

Test(task, two_loops_in_two_threads_run_tasks)
{
    unsigned n_passed[2] = {0, 0};
    pthread_t id;

    cr_assert_eq(pthread_create(&id, NULL, run_relay, &n_passed[0]), 0);
    (void)run_relay(&n_passed[1]);
    pthread_join(id, NULL);
    cr_assert_eq(n_passed[0], N_TASKS * N_ROUNDS);
    cr_assert_eq(n_passed[1], N_TASKS * N_ROUNDS);
}
