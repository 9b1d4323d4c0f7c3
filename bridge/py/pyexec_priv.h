/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_PYEXEC_PRIV_H
#define GN_BRIDGE_PY_PYEXEC_PRIV_H

/*
 * What pyexec.c (the loop's half), pyworker.c (the workers' half) and pycrew.c
 * (the workers' coming and going) share.
 * For files that include Python.h; they include that first.
 */

#include <Python.h>

#include <pthread.h>
#include <stdatomic.h>

#include "bridge/py/call_class.h"
#include "bridge/py/call_cost.h"
#include "bridge/py/call_queue.h"
#include "bridge/py/pace.h"
#include "bridge/py/pyexec.h"
#include "bridge/py/switch_interval.h"
#include "server/base/list.h"
#include "server/loop/loop.h"

#include "bridge/py/pywatch_priv.h"

#define GN_PYEXEC_MAGIC 0x3ce60b97u

struct gn_py_fork_hook;

/* Where a call is; gn_pycall.state. */
enum {
    GN_PYCALL_NEW,
    GN_PYCALL_PENDING, /* submitted in this turn; on the loop's own list */
    GN_PYCALL_QUEUED,  /* published; in the queue */
    GN_PYCALL_TAKEN,   /* by a worker; now or soon running */
    GN_PYCALL_LATE,    /* taken too late and not run; on its way back */
};

/* What a call has used of its thread, or the thread since it began. */
struct gn_pyusage {
    int64_t cpu_ns;
    long n_given_up; /* times it gave its processor up of its own will, */
    long n_taken;    /* and times it was taken away */
};

/* About the call that just ended, to be told under the lock. */
struct gn_pymeasured {
    struct gn_call_guess guess;
    uint32_t key;
    uint16_t family;
    int64_t wall_ns;
    struct gn_pyusage usage;
    bool is_measured;       /* `usage` is known */
    bool is_sample;         /* and also goes to the pace */
    bool is_interval_short; /* the switch interval, all along */
};

struct gn_pyworker {
    struct gn_pyexec *exec;
    PyObject *thread;  /* the threading.Thread; set before it runs */
    PyObject *context; /* entered, and empty at the start of each call */
    gn_deadline now;   /* its own reading of the clock; fresh before each call */
    gn_deadline yield; /* when it last let others have the GIL */
    int64_t usual_ns;  /* how long its calls take, a moving average */
    unsigned n_unsampled;
    struct gn_pymeasured measured;
    struct gn_pyusage mark;           /* at the last reading, */
    int64_t mark_wall_ns;             /* and what calls took since that were not measured */
    int64_t usual_cpu_ns;             /* what its cheap calls compute, a moving average */
    int64_t gil_wait_ns;              /* since the last look into the queue */
    bool wants_short;                 /* the switch interval, as of that look */
    _Atomic(struct gn_pycall *) call; /* the one it is in; NULL: none, or on its way back */
    atomic_bool is_interrupted;       /* in this call: TimeoutError has been raised (late.c) */

    /* under the executor's lock */
    struct gn_list link;      /* all workers */
    struct gn_list idle_link; /* the idle ones, most recent first */
    pthread_cond_t wake;
    pthread_t os_thread;         /* valid while is_up */
    clockid_t cpu_clock;         /* valid while is_up */
    pid_t thread_id;             /* the kernel's number; valid while is_up */
    unsigned long python_thread; /* threading.get_ident(); likewise */
    unsigned number;             /* in its thread's name */
    uint16_t seat;               /* below max_threads, its own while it is on `workers` */
    bool is_up;                  /* its thread runs */
    bool is_awake;               /* chosen to run, though it may not know yet */
    bool is_coming;              /* chosen, and has not looked into the queue since */
    bool is_in_call;
    bool is_waiting;         /* in a cheap call, but outside Python */
    bool is_given_up;        /* in a call that is late: it counts for nobody (late.c) */
    uint8_t class;           /* of its call, as counted in the room */
    bool is_promoted;        /* the call began as a cheap one */
    bool was_contended;      /* a dear call that computes ran when this one began */
    uint16_t family;         /* of its call */
    gn_deadline began;       /* its call */
    uint64_t seen_computing; /* shared.n_computing_begun then, */
    int64_t seen_busy_ns;    /* and shared.busy_ns */
    unsigned n_calls;        /* begun; tells calls apart */
    unsigned seen_calls;     /* the loop's first look at this call: n_calls, */
    gn_deadline first_at;    /* when, */
    int64_t first_cpu_ns;    /* and the thread's CPU time then; */
    int64_t seen_cpu_ns;     /* the same at the last look */
};

struct gn_py_drop {
    struct gn_py_drop *next;
    PyObject *object;
};

struct gn_pyexec {
    unsigned magic;
    struct gn_loop *loop;
    struct gn_pyexec_options options;
    struct gn_py_fork_hook *fork_hook;

    struct { /* the loop thread only */
        struct gn_list pending;
        unsigned n_pending;
        struct gn_turn_hook turn_end;
        struct gn_timer check;  /* runs while calls wait */
        struct gn_timer late;   /* runs while calls wait, when there is a limit */
        struct gn_timer drop;   /* runs while references wait to be dropped */
        gn_deadline checked_at; /* the last check, */
        uint64_t checked_ended; /* and shared.n_ended then */
        struct gn_stall stall;
        uint64_t n_completed;
        uint64_t n_full;
        uint64_t n_late;
        uint64_t n_withdrawn;
        bool is_stopping;
    } own;

    struct gn_pywatch watch;    /* the loop thread only */
    struct gn_call_costs costs; /* by its own rules: bridge/py/call_cost.h */

    struct { /* under lock; held for a few instructions, never while Python runs or the GIL is
                waited for; no other lock is taken under it */
        pthread_mutex_t lock;
        pthread_cond_t gone; /* a worker or a birth has ended */
        struct gn_call_queue queue;
        struct gn_call_room room; /* what the running dear calls take */
        gn_deadline cheap_at;     /* when a call known to be cheap was last published */
        struct gn_list workers;   /* all that count, from the decision to start them */
        struct gn_list idle;
        struct gn_list ended; /* left; their threads have yet to end */
        struct gn_list spare; /* to be used again; not freed before the stop, so that a wake-up
                                 may come late */
        bool *seats;          /* max_threads of them: taken */
        unsigned n_threads;   /* on `workers` */
        unsigned n_idle;      /* on `idle` */
        unsigned n_coming;    /* chosen, and have not looked into the queue yet */
        unsigned n_in_call;
        unsigned n_waiting; /* of those in a cheap call, outside Python; and in one given up */
        unsigned n_given_up;
        unsigned n_births;       /* helper threads that start workers */
        unsigned n_named;        /* for the names of threads */
        gn_deadline births_from; /* when the system refused a thread: not again before this */
        int births_errno;        /* why, until the loop has logged it */
        uint64_t n_ended;        /* calls */
        uint64_t n_wakeups;
        uint64_t n_begun;
        uint64_t n_computing_begun;
        uint64_t n_reclassed;
        int64_t busy_ns; /* what calls that have ended computed, about */
        int64_t queue_ns;
        int64_t queue_max_ns;
        uint64_t n_gil_waits;
        int64_t gil_wait_ns;
        int64_t gil_wait_max_ns;
        struct gn_pace pace; /* of cheap calls */
        bool is_stopping;
    } shared;

    struct gn_switch_interval switch_interval; /* under the GIL */

    /* any thread, lock-free */
    _Atomic(struct gn_pycall *) ended; /* newest first */
    atomic_int_least64_t ended_since;  /* when the oldest of these was pushed */
    atomic_bool is_loop_told;          /* the post is under way */
    atomic_bool is_checking;           /* the loop looks for what has ended within CHECK_MS */
    _Atomic(struct gn_py_drop *) drops;
    struct gn_post post;
#ifdef Py_GIL_DISABLED
    atomic_bool is_gil_off; /* as gn_gil_follow last saw it */
#endif
    atomic_bool is_forked; /* this process is a child that Python code forked */
};

/** True while threads run Python at the same time. */
GN_ANY_THREAD static inline bool gn_pyexec_is_gil_off(const struct gn_pyexec *exec)
{
#ifdef Py_GIL_DISABLED
    return atomic_load_explicit(&exec->is_gil_off, memory_order_relaxed);
#else
    (void)exec;
    return false;
#endif
}

/** Leaves a call for the loop, which has yet to be told; it must not be touched after. */
GN_ANY_THREAD void gn_pyexec_return(struct gn_pyexec *exec, struct gn_pycall *call);
/** True while the loop need not be told: it looks soon, and nothing has waited for `bound_ns`. */
GN_ANY_THREAD bool gn_pyexec_may_tell_later(
        struct gn_pyexec *exec, gn_deadline now, int64_t bound_ns);
/** Wakes the loop if it does not know yet that calls were returned. */
GN_ANY_THREAD void gn_pyexec_tell_loop(struct gn_pyexec *exec);

/* Workers chosen under the lock and woken behind it, so that they do not run into it. */
#define GN_PYWAKE_MAX 16

struct gn_pywake {
    struct gn_pyworker *workers[GN_PYWAKE_MAX];
    unsigned n;
};

/** Chooses or starts up to `n` workers; returns how many. With the lock held. */
GN_ANY_THREAD unsigned gn_pyexec_wake_locked(
        struct gn_pyexec *exec, unsigned n, struct gn_pywake *wake);

/** Gives the lock up and wakes who was chosen. */
GN_ANY_THREAD void gn_pyexec_unlock(struct gn_pyexec *exec, const struct gn_pywake *wake);

/**
 * Workers that run cheap calls, or are about to look for one: awake, arrived,
 * in no dear call and not known to wait outside Python. With the lock held.
 */
static inline unsigned gn_pyexec_runners_locked(const struct gn_pyexec *exec)
{
    return exec->shared.n_threads - exec->shared.n_idle - exec->shared.n_coming -
            exec->shared.n_waiting - exec->shared.room.n_dear;
}

/** The worker counts from now on; with the lock held, as is the other. */
static inline void gn_pyexec_add_worker_locked(struct gn_pyexec *exec, struct gn_pyworker *w)
{
    w->seat = 0;
    while (exec->shared.seats[w->seat]) {
        w->seat++;
    }
    exec->shared.seats[w->seat] = true;
    gn_list_append(&exec->shared.workers, &w->link);
    exec->shared.n_threads++;
}

/** It does not count any more, and goes to `list`. */
static inline void gn_pyexec_remove_worker_locked(
        struct gn_pyexec *exec, struct gn_pyworker *w, struct gn_list *list)
{
    gn_list_unlink(&w->link);
    gn_list_append(list, &w->link);
    exec->shared.seats[w->seat] = false;
    exec->shared.n_threads--;
}

static inline void gn_pyworker_set_waiting_locked(struct gn_pyworker *w, bool is_waiting)
{
    if (w->is_waiting != is_waiting) {
        w->is_waiting = is_waiting;
        w->exec->shared.n_waiting += is_waiting ? 1 : -1U;
    }
}

/** late.c: the worker has left a call that was interrupted; withdraws what it has not met. */
GN_NEEDS_GIL void gn_pyworker_settle(struct gn_pyworker *w);

/* How a worker says that it has left a call, and looks whether it was interrupted: with a GIL
   that alone keeps the order (late.c). */
#ifdef Py_GIL_DISABLED
#define GN_PYWORKER_LEAVES memory_order_seq_cst
#define GN_PYWORKER_SEES memory_order_seq_cst
#else
#define GN_PYWORKER_LEAVES memory_order_release
#define GN_PYWORKER_SEES memory_order_relaxed
#endif

/** Counts the call a worker is in as one of another class. With the lock held. */
static inline void gn_pyworker_set_class_locked(struct gn_pyworker *w, unsigned class)
{
    gn_pyworker_set_waiting_locked(w, false);
    gn_call_room_remove(&w->exec->shared.room, w->class);
    gn_call_room_add(&w->exec->shared.room, class);
    if (gn_call_computes(class) && !gn_call_computes(w->class)) {
        w->exec->shared.n_computing_begun++;
        w->seen_computing++; /* others shall know, but it is itself not one of them */
    }
    w->class = (uint8_t) class;
}

/**
 * Nobody waits any more for the call a worker is in, and it may never end: it
 * takes no room from others, and its worker is none of those that calls are
 * shared out to. With the lock held.
 */
static inline void gn_pyworker_give_up_locked(struct gn_pyworker *w)
{
    gn_pyworker_set_class_locked(w, GN_CALL_CHEAP);
    gn_pyworker_set_waiting_locked(w, true);
    w->is_given_up = true;
    w->exec->shared.n_given_up++;
}

/** True while a call computes for long, in part at least, or may: one that was given up. With the
 *  lock held. */
static inline bool gn_pyexec_computes_locked(const struct gn_pyexec *exec)
{
    return exec->shared.n_given_up > 0 || gn_call_room_computes(&exec->shared.room);
}

/** True while cheap calls are about: one was published within the last `ms`. With the lock held. */
static inline bool gn_pyexec_sees_cheap_locked(
        const struct gn_pyexec *exec, gn_deadline now, int64_t ms)
{
    return exec->shared.cheap_at != 0 && now - exec->shared.cheap_at < ms * GN_NS_PER_MS;
}

#endif
