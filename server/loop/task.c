/* SPDX-License-Identifier: MIT */
#include "server/loop/task.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/obj.h"

#include "server/loop/task_priv.h"

/*
 * A task is resumed by somebody, the loop or another task, and suspends back
 * to exactly that one: resumptions nest like calls. So a started task runs
 * inside gn_task_start, a cancelled one inside gn_task_cancel, and each on its
 * own stack, however deep the nesting. Only signals between tasks are queued
 * (gn_task_wake), so that signalling never switches.
 *
 * Invariant: `current` is the innermost resumed task; following `caller` from
 * it gives every RUNNING task and ends at the loop.
 *
 * The task object lies at the top of its stack, so starting one allocates
 * nothing once a stack is pooled: it writes a first frame and switches.
 * Stacks are reused last in, first out, while they are warm in the cache.
 */

/* Sanitizers pad frames several times over. */
#define STACK_BYTES ((size_t)(GN_ASAN || GN_TSAN ? 512 : 64) * 1024)

struct gn_task_pool {
    unsigned magic;
    unsigned max_tasks;
    unsigned max_idle;
    unsigned n_alive;
    unsigned n_idle;
    size_t guard_bytes;
    struct gn_loop *loop;
    struct gn_list idle;     /* struct gn_task, the last used first */
    struct gn_fiber on_loop; /* the loop's own stack, while a task runs */
};

#define GN_TASK_POOL_MAGIC 0x21d70c6bu

static _Thread_local struct gn_task *current;

/* ---- stacks ------------------------------------------------------------ */

/** The lowest usable address of the stack the task lies on. */
static char *stack_low(struct gn_task *task)
{
    return (char *)(task + 1) - STACK_BYTES;
}

static void on_resume(struct gn_defer *defer);
static void on_deadline(struct gn_timer *timer);

/** Maps guard and stack, and makes a task at its top; NULL when the system has none to give. */
static struct gn_task *map_stack(struct gn_task_pool *pool)
{
    const size_t size = pool->guard_bytes + STACK_BYTES;
    struct gn_task *task;
    char *low = mmap(
            NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

    if (low == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(low + pool->guard_bytes, STACK_BYTES, PROT_READ | PROT_WRITE) != 0) {
        (void)munmap(low, size);
        return NULL;
    }
    task = (struct gn_task *)(void *)(low + size) - 1;
    task->pool = pool;
    task->resume.fn = on_resume;
    gn_list_init(&task->link);
    gn_list_init(&task->children);
    gn_timer_init(&task->timer, pool->loop, on_deadline);
    return task;
}

static void unmap_stack(struct gn_task *task)
{
    const size_t guard_bytes = task->pool->guard_bytes;

    gn_fiber_forget_stack(&task->fiber);
    (void)munmap(stack_low(task) - guard_bytes, guard_bytes + STACK_BYTES);
}

static struct gn_task *take_stack(struct gn_task_pool *pool)
{
    struct gn_list *node = gn_list_pop(&pool->idle);

    if (node == NULL) {
        return map_stack(pool);
    }
    pool->n_idle--;
    return GN_LIST_ENTRY(node, struct gn_task, link);
}

void gn_task_release(struct gn_task *task)
{
    struct gn_task_pool *pool = task->pool;

    gn_fiber_fini(&task->fiber);
    task->magic = 0;
    pool->n_alive--;
    if (pool->n_idle < pool->max_idle) {
        pool->n_idle++;
        gn_list_prepend(&pool->idle, &task->link);
    } else {
        unmap_stack(task);
    }
}

/* ---- switching --------------------------------------------------------- */

/** Runs the task until it suspends or ends; true when it has ended. */
GN_LOOP_THREAD static bool resume(struct gn_task *task)
{
    struct gn_fiber *here = current != NULL ? &current->fiber : &task->pool->on_loop;

    task->caller = current;
    task->state = GN_TASK_RUNNING;
    current = task;
    gn_fiber_switch(here, &task->fiber, false);
    if (GN_LIKELY(task->state != GN_TASK_ENDED)) {
        return false;
    }
    if (task->parent == NULL) {
        gn_task_release(task);
    }
    return true;
}

/** Back to whoever resumed the task. */
GN_LOOP_THREAD static void leave(struct gn_task *task, bool for_good)
{
    struct gn_task *caller = task->caller;

    current = caller;
    gn_fiber_switch(&task->fiber, caller != NULL ? &caller->fiber : &task->pool->on_loop, for_good);
}

/** The bottom frame of every task. */
static void task_main(void *arg)
{
    struct gn_task *task = arg;

    gn_fiber_arrived(&task->fiber);
    gn_assert_loop_thread(task->pool->loop);
    task->fn(task->arg);
    gn_assert(gn_list_is_empty(&task->children));
    task->state = GN_TASK_ENDED;
    if (task->joiner != NULL) {
        gn_task_wake(task->joiner, GN_OK);
    }
    leave(task, true);
    gn_panic(__FILE__, __LINE__, "a task that had ended was resumed");
}

static void on_resume(struct gn_defer *defer)
{
    struct gn_task *task = GN_CONTAINER_OF(defer, struct gn_task, resume);

    gn_assert_loop_thread(task->pool->loop);
    (void)resume(task);
}

static void on_deadline(struct gn_timer *timer)
{
    struct gn_task *task = GN_CONTAINER_OF(timer, struct gn_task, timer);

    gn_assert_loop_thread(task->pool->loop);
    gn_task_wake_now(task, GN_ERR_TIMEOUT);
}

/* ---- waiting ----------------------------------------------------------- */

enum gn_err gn_task_suspend(enum gn_task_state state, gn_deadline deadline)
{
    struct gn_task *task = gn_task_self();

    if (task->is_cancelled && state == GN_TASK_WAITING) {
        return GN_ERR_CANCELLED;
    }
    gn_timer_start(&task->timer, deadline);
    task->state = state;
    leave(task, false);
    return task->woken_by;
}

GN_LOOP_THREAD static void end_wait(struct gn_task *task, enum gn_err why)
{
    GN_CHECK_OBJ(task, GN_TASK_MAGIC);
    gn_assert(task->state == GN_TASK_WAITING || task->state == GN_TASK_SHIELDED);
    gn_timer_stop(&task->timer);
    task->woken_by = why;
    task->state = GN_TASK_WOKEN;
}

void gn_task_wake(struct gn_task *task, enum gn_err why)
{
    end_wait(task, why);
    gn_loop_defer(task->pool->loop, &task->resume);
}

void gn_task_wake_now(struct gn_task *task, enum gn_err why)
{
    end_wait(task, why);
    (void)resume(task);
}

void gn_task_cancel(struct gn_task *task)
{
    GN_CHECK_OBJ(task, GN_TASK_MAGIC);
    task->is_cancelled = true;
    if (task->state == GN_TASK_WAITING) {
        gn_task_wake_now(task, GN_ERR_CANCELLED);
    } else if (task->state == GN_TASK_WOKEN) {
        /* This wait was over before; what ended it must not get lost. */
        gn_defer_cancel(&task->resume);
        (void)resume(task);
    }
}

bool gn_task_is_cancelled(const struct gn_task *task)
{
    return task->is_cancelled;
}

/* ---- starting ---------------------------------------------------------- */

/** `parent` NULL: nobody joins it. `*task_out` is NULL when it has been released already. */
GN_LOOP_THREAD static enum gn_err start(struct gn_task_pool *pool, gn_task_fn fn, void *arg,
        struct gn_task *parent, struct gn_task **task_out)
{
    struct gn_task *task;
    bool has_ended;

    if (pool->n_alive >= pool->max_tasks) {
        return GN_ERR_FULL;
    }
    task = take_stack(pool);
    if (task == NULL) {
        return GN_ERR_SYSTEM;
    }
    pool->n_alive++;
    task->magic = GN_TASK_MAGIC;
    task->is_cancelled = false;
    task->parent = parent;
    task->joiner = NULL;
    task->fn = fn;
    task->arg = arg;
    if (parent != NULL) {
        gn_list_append(&parent->children, &task->link);
    }
    gn_fiber_init(&task->fiber, stack_low(task), STACK_BYTES - sizeof(*task), task_main, task);
    has_ended = resume(task);
    *task_out = has_ended && parent == NULL ? NULL : task;
    return GN_OK;
}

enum gn_err gn_task_start(
        struct gn_task_pool *pool, gn_task_fn fn, void *arg, struct gn_task **task_out)
{
    struct gn_task *ignored;

    return start(pool, fn, arg, NULL, task_out != NULL ? task_out : &ignored);
}

enum gn_err gn_task_spawn(gn_task_fn fn, void *arg, struct gn_task **task_out)
{
    struct gn_task *self = gn_task_self();

    return start(self->pool, fn, arg, self, task_out);
}

struct gn_task *gn_task_current(void)
{
    return current;
}

struct gn_task *gn_task_self(void)
{
    gn_assert(current != NULL);
    return current;
}

struct gn_loop *gn_task_loop(void)
{
    return gn_task_self()->pool->loop;
}

/* ---- waits ------------------------------------------------------------- */

/* Each keeps what it waits for on its own stack and takes it down again: nothing outlives it. */

GN_LOOP_THREAD static bool has_passed(gn_deadline deadline)
{
    return deadline <= gn_loop_now(gn_task_loop());
}

enum gn_err gn_sleep_await(gn_deadline until)
{
    enum gn_err rc = gn_task_suspend(GN_TASK_WAITING, until);

    return rc == GN_ERR_TIMEOUT ? GN_OK : rc;
}

struct fd_wait {
    struct gn_io io;
    struct gn_task *task;
    unsigned ready;
};

static void on_fd_ready(struct gn_io *io, unsigned events)
{
    struct fd_wait *wait = GN_CONTAINER_OF(io, struct fd_wait, io);

    gn_assert_loop_thread(io->loop);
    gn_io_watch(io, 0);
    wait->ready = events;
    gn_task_wake_now(wait->task, GN_OK);
}

enum gn_err gn_fd_await(int fd, unsigned events, unsigned *ready_out, gn_deadline deadline)
{
    struct fd_wait wait = {.task = gn_task_self()};
    enum gn_err rc;

    if (has_passed(deadline)) {
        return GN_ERR_TIMEOUT;
    }
    gn_io_init(&wait.io, gn_task_loop(), fd, on_fd_ready);
    gn_io_watch(&wait.io, events);
    rc = gn_task_suspend(GN_TASK_WAITING, deadline);
    gn_io_fini(&wait.io);
    if (ready_out != NULL) {
        *ready_out = wait.ready;
    }
    return rc;
}

enum gn_err gn_task_join_await(struct gn_task **task, gn_deadline deadline)
{
    struct gn_task *child = *task;
    struct gn_task *self = gn_task_self();

    GN_CHECK_OBJ(child, GN_TASK_MAGIC);
    gn_assert(child->parent == self);
    if (child->state != GN_TASK_ENDED) {
        enum gn_err rc;

        if (has_passed(deadline)) {
            return GN_ERR_TIMEOUT;
        }
        child->joiner = self;
        rc = gn_task_suspend(child->is_cancelled ? GN_TASK_SHIELDED : GN_TASK_WAITING, deadline);
        child->joiner = NULL;
        GN_TRY(rc);
    }
    gn_list_unlink(&child->link);
    gn_task_release(child);
    *task = NULL;
    return GN_OK;
}

void gn_task_reap_await(struct gn_task **task)
{
    enum gn_err rc;

    if (*task == NULL) {
        return;
    }
    gn_task_cancel(*task);
    rc = gn_task_join_await(task, GN_NEVER);
    gn_assert(rc == GN_OK);
}

/* ---- pools ------------------------------------------------------------- */

struct gn_task_pool *gn_task_pool_create(
        struct gn_loop *loop, unsigned max_tasks, unsigned max_idle_stacks)
{
    struct gn_task_pool *pool = gn_xcalloc(sizeof(*pool));

    pool->magic = GN_TASK_POOL_MAGIC;
    pool->loop = loop;
    pool->max_tasks = max_tasks;
    pool->max_idle = max_idle_stacks;
    pool->guard_bytes = (size_t)sysconf(_SC_PAGESIZE);
    gn_list_init(&pool->idle);
    return pool;
}

void gn_task_pool_destroy(struct gn_task_pool **pool)
{
    struct gn_task_pool *ending = *pool;
    struct gn_list *node;

    if (ending == NULL) {
        return;
    }
    GN_CHECK_OBJ(ending, GN_TASK_POOL_MAGIC);
    gn_assert(ending->n_alive == 0);
    while ((node = gn_list_pop(&ending->idle)) != NULL) {
        unmap_stack(GN_LIST_ENTRY(node, struct gn_task, link));
    }
    ending->magic = 0;
    gn_free(ending);
    *pool = NULL;
}

unsigned gn_task_pool_n_alive(const struct gn_task_pool *pool)
{
    return pool->n_alive;
}
