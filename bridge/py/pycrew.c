/* SPDX-License-Identifier: MIT */
/*
 * Starting a thread needs the GIL, which the loop never takes: a short-lived
 * helper thread does it (a "birth"). A worker counts from the decision to start
 * it, so that one stall does not start two.
 *
 * A worker that has left hands its struct to `ended`; when its thread is over
 * the struct goes to `spare` and is used again.
 */
#include <Python.h>

#include "bridge/py/pycrew.h"

#include <stdio.h>
#include <time.h>

#include "bridge/py/fork.h"
#include "bridge/py/pyerr.h"
#include "bridge/py/pyworker.h"
#include "server/base/err.h"
#include "server/base/log.h"
#include "server/base/thread_cond.h"

#include "bridge/py/gil_priv.h"
#include "bridge/py/pyexec_priv.h"

#define CAPSULE_NAME "gustnado.worker"
#define JOIN_S 1.0
#define BIRTH_AGAIN_MS 1000 /* after one that failed */
#define STOP_TURN_MS 5      /* while stopping, how often the loop runs a turn */
#define PATIENCE 2          /* times what a dear call may cost, before it counts as dearer */
#define COMPUTES_ABOVE 4    /* one part in so many of the time */
#define WAITS_BELOW 16

/* ---- births ------------------------------------------------------------------------ */

/* The target of the thread. */
static PyObject *live(PyObject *capsule, PyObject *unused)
{
    struct gn_pyworker *w = PyCapsule_GetPointer(capsule, CAPSULE_NAME);

    (void)unused;
    gn_assert_gil();
    if (w == NULL) {
        return NULL;
    }
    gn_pyworker_live(w);
    Py_RETURN_NONE;
}

static PyMethodDef live_method = {"gustnado_worker", live, METH_NOARGS, NULL};

/* threading.Thread(target=live, name="gustnado-3", daemon=True), or NULL. */
GN_NEEDS_GIL static PyObject *make_thread(struct gn_pyworker *w, const char *name)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *type = threading != NULL ? PyObject_GetAttrString(threading, "Thread") : NULL;
    PyObject *capsule = PyCapsule_New(w, CAPSULE_NAME, NULL);
    PyObject *target = capsule != NULL ? PyCFunction_New(&live_method, capsule) : NULL;
    PyObject *args = PyTuple_New(0);
    PyObject *kwargs = target != NULL
            ? Py_BuildValue("{s:O,s:s,s:O}", "target", target, "name", name, "daemon", Py_True)
            : NULL;
    PyObject *thread = NULL;

    if (type != NULL && args != NULL && kwargs != NULL) {
        thread = PyObject_Call(type, args, kwargs);
    }
    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    Py_XDECREF(target);
    Py_XDECREF(capsule);
    Py_XDECREF(type);
    Py_XDECREF(threading);
    return thread;
}

GN_NEEDS_GIL static bool start_thread(struct gn_pyworker *w, unsigned number)
{
    char name[32];
    PyObject *result = NULL;

    (void)snprintf(name, sizeof(name), "gustnado-%u", number);
    w->thread = make_thread(w, name);
    if (w->thread != NULL) {
        /* The worker may be gone when start returns: only the thread is ours to touch. */
        PyObject *thread = Py_NewRef(w->thread);

        result = PyObject_CallMethod(thread, "start", NULL);
        Py_DECREF(thread);
    }
    if (result == NULL) {
        gn_pyerr_log(GN_LOG_ERROR, GN_LIT("a Python worker could not be started"));
    }
    Py_XDECREF(result);
    return result != NULL;
}

void gn_pycrew_free_spare(struct gn_pyexec *exec)
{
    struct gn_list *node;

    while ((node = gn_list_pop(&exec->shared.spare)) != NULL) {
        struct gn_pyworker *w = GN_LIST_ENTRY(node, struct gn_pyworker, link);

        (void)pthread_cond_destroy(&w->wake);
        gn_free(w);
    }
}

/* True once the thread has ended and dropped all that was its own. */
GN_NEEDS_GIL static bool thread_is_over(PyObject *thread, bool may_wait)
{
    PyObject *joined = may_wait ? PyObject_CallMethod(thread, "join", "d", JOIN_S) : Py_None;
    PyObject *alive = joined != NULL ? PyObject_CallMethod(thread, "is_alive", NULL) : NULL;
    bool is_over = alive == Py_False;

    if (alive == NULL) {
        gn_pyerr_log(GN_LOG_WARNING, GN_LIT("joining a Python worker failed"));
    }
    Py_XDECREF(alive);
    if (may_wait) {
        Py_XDECREF(joined);
    }
    return is_over;
}

bool gn_pycrew_reap(struct gn_pyexec *exec, bool may_wait)
{
    struct gn_list ended;
    struct gn_list left;
    struct gn_list over;
    struct gn_list *node;
    bool is_any_left;

    gn_list_init(&ended);
    gn_list_init(&left);
    gn_list_init(&over);
    (void)pthread_mutex_lock(&exec->shared.lock);
    gn_list_splice(&ended, &exec->shared.ended);
    (void)pthread_mutex_unlock(&exec->shared.lock);
    while ((node = gn_list_pop(&ended)) != NULL) {
        struct gn_pyworker *w = GN_LIST_ENTRY(node, struct gn_pyworker, link);

        if (thread_is_over(w->thread, may_wait)) {
            Py_CLEAR(w->thread);
            gn_list_append(&over, node);
        } else {
            gn_list_append(&left, node);
        }
    }
    is_any_left = !gn_list_is_empty(&left);
    (void)pthread_mutex_lock(&exec->shared.lock);
    gn_list_splice(&exec->shared.ended, &left);
    gn_list_splice(&exec->shared.spare, &over);
    (void)pthread_mutex_unlock(&exec->shared.lock);
    return !is_any_left;
}

struct birth {
    struct gn_pyexec *exec;
    struct gn_pyworker *worker;
    unsigned number;
};

/* What is short, threads or memory, will not be there a millisecond later. */
static void put_off_births_locked(struct gn_pyexec *exec)
{
    exec->shared.births_from = gn_deadline_after_ms(gn_clock_now(), BIRTH_AGAIN_MS);
}

static void *give_birth(void *arg)
{
    struct birth *birth = arg;
    struct gn_pyexec *exec = birth->exec;
    PyGILState_STATE gil = PyGILState_Ensure();
    bool is_born;

    gn_assert_gil();
    /* Without waiting: join would make this helper a thread that Python remembers. */
    (void)gn_pycrew_reap(exec, false);
    is_born = start_thread(birth->worker, birth->number);
    if (!is_born) {
        Py_CLEAR(birth->worker->thread);
    }
    PyGILState_Release(gil);

    (void)pthread_mutex_lock(&exec->shared.lock);
    if (!is_born) {
        gn_pyexec_remove_worker_locked(exec, birth->worker, &exec->shared.spare);
        exec->shared.n_coming--;
        put_off_births_locked(exec);
    }
    exec->shared.n_births--;
    (void)pthread_cond_signal(&exec->shared.gone);
    (void)pthread_mutex_unlock(&exec->shared.lock);
    gn_free(birth);
    return NULL;
}

static struct gn_pyworker *worker_new(struct gn_pyexec *exec)
{
    struct gn_pyworker *w = gn_xcalloc(sizeof(*w));

    w->exec = exec;
    gn_list_init(&w->link);
    gn_list_init(&w->idle_link);
    gn_thread_cond_init(&w->wake);
    return w;
}

/* A worker without a thread; awake, because it will look for work at once. */
static struct gn_pyworker *worker_get_locked(struct gn_pyexec *exec)
{
    struct gn_list *node = gn_list_pop(&exec->shared.spare);
    struct gn_pyworker *w =
            node != NULL ? GN_LIST_ENTRY(node, struct gn_pyworker, link) : worker_new(exec);

    w->is_awake = true;
    w->is_coming = true;
    w->n_unsampled = 0;
    return w;
}

bool gn_pycrew_start_locked(struct gn_pyexec *exec)
{
    struct birth *birth;
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    if (gn_clock_now() < exec->shared.births_from) {
        return false;
    }
    birth = gn_xalloc(sizeof(*birth));
    *birth = (struct birth){
            .exec = exec, .worker = worker_get_locked(exec), .number = ++exec->shared.n_named};
    birth->worker->number = birth->number;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    rc = pthread_create(&thread, &attr, give_birth, birth);
    (void)pthread_attr_destroy(&attr);
    if (rc != 0) {
        gn_list_append(&exec->shared.spare, &birth->worker->link);
        gn_free(birth);
        put_off_births_locked(exec);
        exec->shared.births_errno = rc;
        return false;
    }
    gn_pyexec_add_worker_locked(exec, birth->worker);
    exec->shared.n_coming++;
    exec->shared.n_births++;
    return true;
}

void gn_pycrew_report(int births_errno)
{
    struct gn_error why = {0};

    if (births_errno != 0) {
        (void)!gn_error_set(&why, GN_ERR_SYSTEM, births_errno,
                "a Python worker could not be started, so calls wait for those that run");
        gn_log_error("%s", why.message);
    }
}

/* ---- looking ------------------------------------------------------------------------ */

static int64_t cpu_of(clockid_t clock)
{
    struct timespec t;

    return clock_gettime(clock, &t) == 0 ? (int64_t)t.tv_sec * GN_NS_PER_S + t.tv_nsec : 0;
}

/* How dear a call of any class may turn out before it is counted as a size more. */
static int64_t patience_ns(unsigned class)
{
    return class == GN_CALL_CHEAP ? GN_CALL_CHEAP_NS
                                  : PATIENCE * gn_call_size_floor_ns(gn_call_size(class) + 1);
}

/* Nobody knows what a call will do that seemed cheap: what it did since the first look says. It
   may have shared Python with others, so a part of the time is enough. */
static enum gn_call_kind kind_since_first(
        const struct gn_pyworker *w, gn_deadline now, int64_t cpu_ns)
{
    int64_t wall_ns = now - w->first_at;
    int64_t used_ns = cpu_ns - w->first_cpu_ns;

    if (used_ns >= wall_ns / COMPUTES_ABOVE) {
        return wall_ns > 0 ? GN_CALL_COMPUTES : GN_CALL_WAITS;
    }
    return used_ns >= wall_ns / WAITS_BELOW ? GN_CALL_DOES_BOTH : GN_CALL_WAITS;
}

/* The first of its kind has turned out dear: those that wait behind it will too. */
GN_LOOP_THREAD static void foretell_locked(struct gn_pyworker *w)
{
    struct gn_pyexec *exec = w->exec;
    const struct gn_pycall *call = atomic_load_explicit(&w->call, memory_order_acquire);
    struct gn_call_guess guess = {.slot = GN_CALL_COST_NONE};

    if (call == NULL || call->key == 0) { /* it is on its way back; until then it is not freed */
        return;
    }
    guess.slot = call->slot;
    if (gn_call_costs_foretell(&exec->costs, &guess, call->key, w->class) &&
            w->class != GN_CALL_TRIAL) {
        gn_call_queue_reclass(
                &exec->shared.queue, call->family, call->key, GN_CALL_TRIAL, w->class);
    }
}

/* Classes the call of a worker anew if it runs for longer than its class says. */
GN_LOOP_THREAD static void reclass_locked(struct gn_pyworker *w, gn_deadline now, int64_t cpu_ns)
{
    bool was_cheap = w->class == GN_CALL_CHEAP;
    unsigned size = gn_call_size(w->class);
    enum gn_call_kind kind = gn_call_kind(w->class);

    if (size + 1 < GN_CALL_SIZES && now - w->began > patience_ns(w->class)) {
        size++;
        w->is_promoted = w->is_promoted || was_cheap;
        w->exec->shared.n_reclassed += was_cheap ? 1 : 0;
    }
    if (w->is_promoted) {
        kind = kind_since_first(w, now, cpu_ns);
    }
    if (size > 0 && gn_call_class(size, kind) != w->class) {
        gn_pyworker_set_class_locked(w, gn_call_class(size, kind));
        if (was_cheap) {
            foretell_locked(w);
        }
    }
}

GN_LOOP_THREAD static void look_at_locked(
        struct gn_pyworker *w, gn_deadline now, int64_t elapsed_ns)
{
    int64_t cpu_ns = cpu_of(w->cpu_clock);

    if (w->seen_calls != w->n_calls) {
        w->seen_calls = w->n_calls;
        w->first_at = now;
        w->first_cpu_ns = cpu_ns;
    } else if (elapsed_ns > 0 && w->class == GN_CALL_CHEAP) {
        gn_pyworker_set_waiting_locked(w, cpu_ns - w->seen_cpu_ns < elapsed_ns / 2);
    }
    w->seen_cpu_ns = cpu_ns;
    if (!w->exec->options.is_fifo) {
        reclass_locked(w, now, cpu_ns);
    }
}

void gn_pycrew_look_locked(struct gn_pyexec *exec, gn_deadline now, int64_t elapsed_ns)
{
    struct gn_list *node;
    struct gn_list *tmp;

    GN_LIST_FOREACH (node, tmp, &exec->shared.workers) {
        struct gn_pyworker *w = GN_LIST_ENTRY(node, struct gn_pyworker, link);

        if (w->is_up && w->is_in_call && !w->is_given_up) {
            look_at_locked(w, now, elapsed_ns);
        }
    }
}

/* ---- the end ------------------------------------------------------------------------ */

static void wake_to_leave(struct gn_pyexec *exec)
{
    struct gn_list *node;

    (void)pthread_mutex_lock(&exec->shared.lock);
    while ((node = gn_list_pop(&exec->shared.idle)) != NULL) {
        struct gn_pyworker *w = GN_LIST_ENTRY(node, struct gn_pyworker, idle_link);

        w->is_awake = true;
        w->is_coming = true;
        exec->shared.n_idle--;
        exec->shared.n_coming++;
        (void)pthread_cond_signal(&w->wake);
    }
    (void)pthread_mutex_unlock(&exec->shared.lock);
}

/* Waits a moment; true once every worker has left. */
static bool wait_gone(struct gn_pyexec *exec, gn_deadline until)
{
    bool is_gone;

    (void)pthread_mutex_lock(&exec->shared.lock);
    if (exec->shared.n_threads > 0 || exec->shared.n_births > 0) {
        (void)gn_thread_cond_wait_until(&exec->shared.gone, &exec->shared.lock, until);
    }
    is_gone = exec->shared.n_threads == 0 && exec->shared.n_births == 0;
    (void)pthread_mutex_unlock(&exec->shared.lock);
    return is_gone;
}

/* Running calls may need the loop to end: one that writes to a client waits for it. */
GN_LOOP_THREAD static bool wait_all_gone(struct gn_pyexec *exec, gn_deadline deadline)
{
    for (;;) {
        gn_deadline now = gn_clock_now();
        gn_deadline turn = GN_MIN(gn_deadline_after_ms(now, STOP_TURN_MS), deadline);

        if (wait_gone(exec, turn)) {
            return true;
        }
        gn_loop_run_once(exec->loop);
        if (now >= deadline) {
            return false;
        }
    }
}

GN_LOOP_THREAD static bool join_workers(struct gn_pyexec *exec)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    bool is_over;

    gn_assert_gil();
    gn_pyworker_drop_waiting(exec);
    is_over = gn_pycrew_reap(exec, true);
    gn_py_fork_hook_cancel(&exec->fork_hook);
    PyGILState_Release(gil);
    return is_over;
}

bool gn_pycrew_end(struct gn_pyexec *exec, gn_deadline deadline)
{
    wake_to_leave(exec);
    return wait_all_gone(exec, deadline) && join_workers(exec);
}
