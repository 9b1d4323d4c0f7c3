/* SPDX-License-Identifier: MIT */
/*
 * The loop's half of the executor: collect calls during a turn, publish them
 * when it ends (bridge/py/pydispatch.h), and hand back what ended.
 */
#include <Python.h>

#include "bridge/py/pyexec.h"

#include "bridge/py/fork.h"
#include "bridge/py/gil.h"
#include "bridge/py/pycrew.h"
#include "bridge/py/pydispatch.h"
#include "bridge/py/pyerr.h"
#include "bridge/py/pyworker.h"
#include "server/base/log.h"
#include "server/base/obj.h"
#include "server/base/thread_cond.h"

#include "bridge/py/gil_priv.h"
#include "bridge/py/pyexec_priv.h"

#define N_RUN_PYTHON 1 /* threads at once; without a GIL gn_gil_follow says how many */
#define DROP_MS 50     /* how long a reference may wait for a busy worker */

struct gn_pyexec_options gn_pyexec_options_default(void)
{
    return (struct gn_pyexec_options){
            .min_threads = 1,
            .max_threads = 8,
            .idle_ms = 30000,
            .queue_calls = 1024,
            .queue_ms = 30000,
            .stuck_ms = 10000,
            .n_families = 1,
            .gil_watch_ms = 10000,
    };
}

unsigned gn_pyexec_max_threads(const struct gn_pyexec *exec)
{
    return exec->options.max_threads;
}

/* ---- what any thread does ----------------------------------------------------- */

void gn_pyexec_return(struct gn_pyexec *exec, struct gn_pycall *call)
{
    struct gn_pycall *head = atomic_load_explicit(&exec->ended, memory_order_relaxed);

    do {
        if (head == NULL) {
            atomic_store_explicit(&exec->ended_since, call->ended_at, memory_order_relaxed);
        }
        call->next = head;
    } while (!atomic_compare_exchange_weak_explicit(
            &exec->ended, &head, call, memory_order_seq_cst, memory_order_relaxed));
}

/*
 * True when the loop is bound to look for what was returned or posted before
 * this: that a look is the last one is announced before it is taken
 * (on_check), so a worker that sees is_checking is in time for one.
 */
static bool is_loop_bound_to_look(struct gn_pyexec *exec)
{
    return gn_call_queue_count(&exec->shared.queue) > 0 &&
            atomic_load_explicit(&exec->is_checking, memory_order_seq_cst);
}

void gn_pyexec_nudge_loop(struct gn_pyexec *exec, const struct gn_pycall *call)
{
    if (!call->is_quick || !is_loop_bound_to_look(exec)) {
        gn_loop_wake(exec->loop);
    }
}

bool gn_pyexec_may_tell_later(struct gn_pyexec *exec, gn_deadline now, int64_t bound_ns)
{
    return now - atomic_load_explicit(&exec->ended_since, memory_order_relaxed) < bound_ns &&
            is_loop_bound_to_look(exec);
}

void gn_pyexec_tell_loop(struct gn_pyexec *exec)
{
    if (atomic_load_explicit(&exec->ended, memory_order_relaxed) != NULL &&
            !atomic_exchange_explicit(&exec->is_loop_told, true, memory_order_acq_rel)) {
        gn_loop_post(exec->loop, &exec->post);
    }
}

void gn_pyexec_drop_later(struct gn_pyexec *exec, void *object)
{
    struct gn_py_drop *drop = gn_xalloc(sizeof(*drop));

    drop->object = object;
    drop->next = atomic_load_explicit(&exec->drops, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
            &exec->drops, &drop->next, drop, memory_order_release, memory_order_relaxed)) {
    }
}

/* The wake-up of whoever does not fit is sent at once. */
static void choose_locked(struct gn_pyworker *w, struct gn_pywake *wake)
{
    w->is_awake = true;
    w->is_coming = true;
    w->exec->shared.n_idle--;
    w->exec->shared.n_coming++;
    w->exec->shared.n_wakeups++;
    if (wake->n < GN_PYWAKE_MAX) {
        wake->workers[wake->n++] = w;
    } else {
        (void)pthread_cond_signal(&w->wake);
    }
}

unsigned gn_pyexec_wake_locked(struct gn_pyexec *exec, unsigned n, struct gn_pywake *wake)
{
    unsigned n_woken = 0;

    while (n_woken < n && !exec->shared.is_stopping) {
        struct gn_list *node = gn_list_pop(&exec->shared.idle);

        if (node != NULL) {
            choose_locked(GN_LIST_ENTRY(node, struct gn_pyworker, idle_link), wake);
        } else if (exec->shared.n_threads >= exec->options.max_threads ||
                !gn_pycrew_start_locked(exec)) {
            break;
        }
        n_woken++;
    }
    return n_woken;
}

void gn_pyexec_unlock(struct gn_pyexec *exec, const struct gn_pywake *wake)
{
    (void)pthread_mutex_unlock(&exec->shared.lock);
    for (unsigned i = 0; i < wake->n; i++) {
        (void)pthread_cond_signal(&wake->workers[i]->wake);
    }
}

/* ---- calls that come back -------------------------------------------------------- */

GN_LOOP_THREAD static void let_go(struct gn_pyexec *exec, struct gn_pycall *call)
{
    call->state = GN_PYCALL_NEW;
    if (GN_UNLIKELY(call->is_trial)) {
        gn_call_costs_tried(&exec->costs, call->slot, call->key);
    }
}

GN_LOOP_THREAD static void refuse(struct gn_pyexec *exec, struct gn_pycall *call, enum gn_err why)
{
    let_go(exec, call);
    exec->own.n_late += why == GN_ERR_TIMEOUT ? 1 : 0;
    call->ops->refused(call, why);
}

static struct gn_pycall *reversed(struct gn_pycall *newest)
{
    struct gn_pycall *oldest = NULL;

    while (newest != NULL) {
        struct gn_pycall *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

/* Hands back whatever has ended. */
GN_LOOP_THREAD static void take_ended(struct gn_pyexec *exec)
{
    struct gn_pycall *call;

    if (atomic_load_explicit(&exec->ended, memory_order_seq_cst) == NULL) {
        return;
    }
    call = reversed(atomic_exchange_explicit(&exec->ended, NULL, memory_order_acquire));
    while (call != NULL) {
        struct gn_pycall *next = call->next;

        if (GN_UNLIKELY(call->late != NULL)) {
            gn_pylate_ended(call);
        }
        if (call->state == GN_PYCALL_LATE) {
            refuse(exec, call, GN_ERR_TIMEOUT);
        } else {
            let_go(exec, call);
            exec->own.n_completed++;
            call->ops->done(call);
        }
        call = next;
    }
}

static void on_told(struct gn_post *post)
{
    struct gn_pyexec *exec = GN_CONTAINER_OF(post, struct gn_pyexec, post);

    gn_assert_loop_thread(exec->loop);
    /* First: whoever returns a call from here on may have to tell again. */
    atomic_store_explicit(&exec->is_loop_told, false, memory_order_release);
    take_ended(exec);
}

/* ---- turns and timers ------------------------------------------------------------- */

static void on_turn_end(struct gn_turn_hook *hook)
{
    struct gn_pyexec *exec = GN_CONTAINER_OF(hook, struct gn_pyexec, own.turn_end);

    gn_assert_loop_thread(exec->loop);
    take_ended(exec); /* the loop is awake: nobody needs to wake it for these */
    if (exec->own.n_pending > 0) {
        gn_pydispatch_publish(exec);
        if (!gn_timer_is_running(&exec->watch.gil.tick)) {
            gn_gil_watch_begin(&exec->watch.gil);
        }
    }
    if (atomic_load_explicit(&exec->drops, memory_order_relaxed) != NULL &&
            !gn_timer_is_running(&exec->own.drop)) {
        gn_timer_start(&exec->own.drop, gn_loop_after_ms(exec->loop, DROP_MS));
    }
}

static void on_check(struct gn_timer *timer)
{
    struct gn_pyexec *exec = GN_CONTAINER_OF(timer, struct gn_pyexec, own.check);

    gn_assert_loop_thread(exec->loop);
    gn_pydispatch_check(exec);
    /* After it has said whether it looks again, as is_loop_bound_to_look promises; what was posted
       quietly runs when the turn ends. */
    take_ended(exec);
}

static void on_late(struct gn_timer *timer)
{
    struct gn_pyexec *exec = GN_CONTAINER_OF(timer, struct gn_pyexec, own.late);
    gn_deadline now;
    gn_deadline next;

    gn_assert_loop_thread(exec->loop);
    now = gn_loop_now(exec->loop);
    for (;;) {
        struct gn_pycall *call;

        (void)pthread_mutex_lock(&exec->shared.lock);
        call = gn_call_queue_pop_late(&exec->shared.queue, now);
        next = gn_call_queue_next_late(&exec->shared.queue);
        (void)pthread_mutex_unlock(&exec->shared.lock);
        if (call == NULL) {
            break;
        }
        refuse(exec, call, GN_ERR_TIMEOUT);
    }
    gn_timer_start(timer, next);
}

static void on_drop(struct gn_timer *timer)
{
    struct gn_pyexec *exec = GN_CONTAINER_OF(timer, struct gn_pyexec, own.drop);
    struct gn_pywake wake = {.n = 0};

    gn_assert_loop_thread(exec->loop);
    if (atomic_load_explicit(&exec->drops, memory_order_relaxed) == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&exec->shared.lock);
    (void)gn_pyexec_wake_locked(exec, 1, &wake);
    gn_pyexec_unlock(exec, &wake);
}

/* ---- calls ------------------------------------------------------------------------- */

#define DESCRIPTION_BYTES 512

/* A kind of call that nobody has asked for lately gets a place among the estimates. */
GN_LOOP_THREAD GN_COLD static void admit(
        struct gn_pyexec *exec, struct gn_pycall *call, uint16_t slot)
{
    struct gn_buf text;

    gn_buf_init(&text, DESCRIPTION_BYTES);
    if (call->ops->describe_kind != NULL) {
        call->ops->describe_kind(call, &text);
    }
    (void)pthread_mutex_lock(&exec->shared.lock);
    gn_call_costs_admit(&exec->costs, slot, call->key, gn_buf_slice(&text));
    (void)pthread_mutex_unlock(&exec->shared.lock);
    gn_buf_fini(&text);
}

/* Looks up what a call is expected to cost. */
GN_LOOP_THREAD static void guess(struct gn_pyexec *exec, struct gn_pycall *call)
{
    struct gn_call_guess guess = {.slot = GN_CALL_COST_NONE, .is_settled = true};

    if (call->key != 0 && !gn_call_costs_find(&exec->costs, call->key, call->family, &guess)) {
        admit(exec, call, guess.slot);
    }
    call->slot = guess.slot;
    call->is_stranger = guess.is_stranger;
    call->is_trial = guess.is_trial;
    call->is_measured = !guess.is_settled || guess.class != GN_CALL_CHEAP;
    call->class = exec->options.is_fifo ? GN_CALL_CHEAP : guess.class;
}

enum gn_err gn_pyexec_submit(struct gn_pyexec *exec, struct gn_pycall *call)
{
    GN_CHECK_OBJ(exec, GN_PYEXEC_MAGIC);
    gn_assert(call->state == GN_PYCALL_NEW);
    if (exec->own.is_stopping) {
        return GN_ERR_CLOSED;
    }
    gn_assert(call->family < exec->shared.queue.n_families);
    if (!gn_call_queue_announce(&exec->shared.queue, call->family, exec->options.queue_calls)) {
        exec->own.n_full++;
        return GN_ERR_FULL;
    }
    guess(exec, call);
    call->queued_at = gn_loop_now(exec->loop);
    call->started_at = 0;
    call->ended_at = 0;
    call->state = GN_PYCALL_PENDING;
    gn_list_append(&exec->own.pending, &call->link);
    exec->own.n_pending++;
    return GN_OK;
}

bool gn_pyexec_withdraw(struct gn_pyexec *exec, struct gn_pycall *call)
{
    bool is_ours = false;

    (void)pthread_mutex_lock(&exec->shared.lock);
    if (call->state == GN_PYCALL_PENDING) {
        gn_list_unlink(&call->link);
        exec->own.n_pending--;
        gn_call_queue_retract(&exec->shared.queue, call->family);
        is_ours = true;
    } else if (call->state == GN_PYCALL_QUEUED) {
        gn_call_queue_remove(&exec->shared.queue, call);
        is_ours = true;
    }
    if (is_ours) {
        let_go(exec, call);
        exec->own.n_withdrawn++;
    }
    (void)pthread_mutex_unlock(&exec->shared.lock);
    return is_ours;
}

/* ---- life -------------------------------------------------------------------------- */

/* In the child: nothing of the executor may be touched any more, its lock least of all. */
static void on_fork(void *arg)
{
    struct gn_pyexec *exec = arg;

    atomic_store_explicit(&exec->is_forked, true, memory_order_relaxed);
}

static void init_shared(struct gn_pyexec *exec)
{
    (void)pthread_mutex_init(&exec->shared.lock, NULL);
    gn_thread_cond_init(&exec->shared.gone);
    exec->shared.seats = gn_xcalloc(exec->options.max_threads * sizeof(*exec->shared.seats));
    gn_call_queue_init(&exec->shared.queue, exec->options.queue_ms, exec->options.family_limits,
            exec->options.n_families);
    gn_call_costs_init(&exec->costs, exec->options.n_families);
    gn_call_room_init(&exec->shared.room, exec->options.max_threads, N_RUN_PYTHON);
    gn_list_init(&exec->shared.workers);
    gn_list_init(&exec->shared.idle);
    gn_list_init(&exec->shared.ended);
    gn_list_init(&exec->shared.spare);
    gn_pace_init(&exec->shared.pace, N_RUN_PYTHON);
}

/* What needs the GIL at the start. */
GN_LOOP_THREAD static void init_python(struct gn_pyexec *exec)
{
    PyGILState_STATE gil = PyGILState_Ensure();

    gn_assert_gil();
    exec->fork_hook = gn_py_fork_hook_add(on_fork, exec);
    if (exec->fork_hook == NULL) {
        gn_pyerr_log(GN_LOG_WARNING, GN_LIT("children forked by Python will not be told apart"));
    }
    gn_pywatch_init(exec);
#ifdef Py_GIL_DISABLED
    gn_gil_follow(exec);
#endif
    PyGILState_Release(gil);
}

struct gn_pyexec *gn_pyexec_create(struct gn_loop *loop, const struct gn_pyexec_options *options)
{
    struct gn_pyexec *exec = gn_xcalloc(sizeof(*exec));

    gn_assert(options->max_threads >= 1 && options->min_threads <= options->max_threads);
    gn_assert(options->max_threads <= UINT16_MAX);
    gn_assert(options->queue_calls >= 1 && options->n_families >= 1);
    exec->magic = GN_PYEXEC_MAGIC;
    exec->loop = loop;
    exec->options = *options;
    exec->post.fn = on_told;
    gn_list_init(&exec->own.pending);
    gn_stall_init(&exec->own.stall);
    exec->own.turn_end.fn = on_turn_end;
    gn_timer_init(&exec->own.check, loop, on_check);
    gn_timer_init(&exec->own.late, loop, on_late);
    gn_timer_init(&exec->own.drop, loop, on_drop);
    init_shared(exec);
    init_python(exec);
    gn_loop_add_turn_hook(loop, &exec->own.turn_end);
    return exec;
}

GN_LOOP_THREAD static void refuse_all(struct gn_pyexec *exec)
{
    struct gn_list calls;
    struct gn_list *node;

    gn_list_init(&calls);
    (void)pthread_mutex_lock(&exec->shared.lock);
    exec->shared.is_stopping = true;
    for (;;) {
        struct gn_pycall *call = gn_call_queue_pop_any(&exec->shared.queue);

        if (call == NULL) {
            break;
        }
        call->state = GN_PYCALL_NEW;
        gn_list_append(&calls, &call->link);
    }
    (void)pthread_mutex_unlock(&exec->shared.lock);
    gn_list_splice(&calls, &exec->own.pending);
    exec->own.n_pending = 0;
    while ((node = gn_list_pop(&calls)) != NULL) {
        refuse(exec, GN_LIST_ENTRY(node, struct gn_pycall, link), GN_ERR_CLOSED);
    }
}

GN_LOOP_THREAD static void detach(struct gn_pyexec *exec)
{
    gn_loop_remove_turn_hook(&exec->own.turn_end);
    gn_timer_stop(&exec->own.check);
    gn_timer_stop(&exec->own.late);
    gn_timer_stop(&exec->own.drop);
}

enum gn_err gn_pyexec_stop(struct gn_pyexec *exec, gn_deadline deadline)
{
    GN_CHECK_OBJ(exec, GN_PYEXEC_MAGIC);
    gn_assert_loop_thread(exec->loop);
    exec->own.is_stopping = true;
    refuse_all(exec);
    if (!gn_pycrew_end(exec, deadline)) {
        (void)!gn_pywatch_end(exec, deadline);
        detach(exec);
        return GN_ERR_TIMEOUT;
    }
    while (atomic_load_explicit(&exec->ended, memory_order_relaxed) != NULL ||
            atomic_load_explicit(&exec->is_loop_told, memory_order_relaxed)) {
        gn_loop_run_once(exec->loop); /* the last calls, and the post that tells of them */
    }
    if (!gn_pywatch_end(exec, deadline)) {
        detach(exec);
        return GN_ERR_TIMEOUT;
    }
    detach(exec);
    return GN_OK;
}

void gn_pyexec_destroy(struct gn_pyexec **exec_ptr)
{
    struct gn_pyexec *exec = *exec_ptr;

    if (exec == NULL) {
        return;
    }
    GN_CHECK_OBJ(exec, GN_PYEXEC_MAGIC);
    gn_assert_gil();
    gn_assert(exec->own.is_stopping);
    *exec_ptr = NULL;
    gn_pyworker_drop_waiting(exec);
    gn_pycrew_free_spare(exec);
    gn_call_costs_fini(&exec->costs);
    gn_call_queue_fini(&exec->shared.queue);
    gn_free(exec->shared.seats);
    (void)pthread_cond_destroy(&exec->shared.gone);
    (void)pthread_mutex_destroy(&exec->shared.lock);
    exec->magic = 0;
    gn_free(exec);
}
