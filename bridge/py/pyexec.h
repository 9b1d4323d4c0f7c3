/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_PYEXEC_H
#define GN_BRIDGE_PY_PYEXEC_H

/*
 * The Python executor: worker threads that run calls in CPython, aware of the
 * GIL. The rules it keeps:
 *
 *  1. Calls submitted during one turn of the loop are published together: one
 *     lock, at most one wake-up.
 *  2. A worker that finishes a call takes the next without releasing the GIL;
 *     it releases it only to sleep.
 *  3. One runner while Python is the bottleneck. Another worker is woken only
 *     when the runner makes no progress because it is blocked outside Python;
 *     sampled wall against CPU time tells applications that mostly wait, and
 *     for those as many workers are woken as calls are queued.
 *  4. Completions are batched: a lock-free stack, and the loop is woken for
 *     several of them while more calls wait.
 *  5. The loop never takes the GIL; references it is done with are dropped by
 *     the next worker that holds it (gn_pyexec_drop_later).
 *  6. One worker owns a call from start to end.
 *  7. The queue is bounded in length and in waiting time; a call whose client
 *     has gone or whose time is over is never started.
 *  8. Cheap calls do not wait behind dear ones. What calls of each kind
 *     (gn_pycall.key) compute and wait is estimated (bridge/py/call_cost.h), and
 *     by that they are classed (call_class.h) and ordered (call_queue.h): by
 *     arrival plus a handicap that grows with their cost, so nothing starves.
 *     Calls that compute for long run one at a time, beside those eight times as
 *     long; calls that wait for long may have all workers but a quarter while
 *     cheap calls are about. When a cheap call comes and every worker is in a dear
 *     one, another is woken at once. Beside calls that compute the interpreter's
 *     switch interval is 0.5 ms, unless the application has chosen its own. A
 *     call that runs for longer than its class says is classed anew.
 *  9. Without a GIL, one runner in 3 and 8 is one per core.
 *
 * Calls belong to families, each with a limit of calls that run at once; calls
 * beyond it wait without blocking others.
 *
 * Each call starts with an empty contextvars context of its own.
 *
 * Thread: marked per function. No lock is held while Python runs.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/attr.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/base/list.h"
#include "server/loop/loop.h"

struct gn_pyexec;
struct gn_pycall;
struct gn_pylate;
struct gn_buf;

struct gn_pycall_ops {
    /** Runs the call: on a worker, holding the GIL. Leaves no exception set. */
    void (*run)(struct gn_pycall *call);
    /** The call has run: on the loop, once. The caller may free it here. */
    void (*done)(struct gn_pycall *call);
    /**
     * The call will never run: on the loop, once, instead of `done`.
     * why: GN_ERR_TIMEOUT (waited longer than queue_ms), GN_ERR_CLOSED (stopping)
     */
    void (*refused)(struct gn_pycall *call, enum gn_err why);
    /** Appends what it is, for people, in one line: on the loop, at any time; may be NULL. */
    void (*describe)(struct gn_pycall *call, struct gn_buf *into);
    /** Appends what people call calls of its key; on the loop, during submit; may be NULL. */
    void (*describe_kind)(struct gn_pycall *call, struct gn_buf *into);
};

/** Embedded in what is run. Zeroed but for ops before submit. */
struct gn_pycall {
    const struct gn_pycall_ops *ops;
    struct gn_list link;    /* private: queue */
    struct gn_pycall *next; /* private: completion stack */
    gn_deadline queued_at;  /* set by submit */
    gn_deadline started_at; /* set by the worker; 0 before */
    gn_deadline ended_at;   /* set by the worker */
    struct gn_pylate *late; /* private: it has run out of time (bridge/py/late.h) */
    uint32_t key;           /* groups calls of like cost; 0: unknown, taken for cheap */
    uint16_t family;        /* below n_families */
    uint16_t worker;        /* set before run: which one, below max_threads; no two that run at once
                               have the same */
    uint16_t slot;          /* private: of the kind's estimate */
    uint8_t class;          /* private: bridge/py/call_class.h */
    bool is_stranger;       /* private: the class is a guess */
    bool is_trial;          /* private: the first of its kind */
    bool is_measured;       /* private: it is worth to measure this one */
    bool is_quick;          /* set by the worker: its calls are short as a rule, and this one too */
    int state;              /* private, under the executor's lock */
};

struct gn_pyexec_options {
    unsigned min_threads; /* kept when idle; default 1 */
    unsigned max_threads; /* default 8 */
    int64_t idle_ms;      /* a surplus idle worker retires after this; default 30 000 */
    unsigned queue_calls; /* waiting calls, of each limited family and of all others together;
                             default 1024; beyond: GN_ERR_FULL */
    int64_t queue_ms;     /* longest wait for a worker; default 30 000; 0: no limit */
    int64_t stuck_ms;     /* a late call's worker is stuck after this; default 10 000; 0: never */
    int64_t gil_watch_ms; /* a GIL that does not move for so long is logged
                             (bridge/py/gil_watch.h); default 10 000; 0: never */
    int stack_signal;     /* to see stacks by while the GIL is held (bridge/py/sampler.h); default
                             0: none, for it is the process's */
    /** No call can run any more (bridge/py/late.h): on the loop, once; may be NULL. */
    void (*exhausted)(void *arg);
    void *exhausted_arg;
    bool is_fifo;                  /* no rule 8: first come, first served; default false */
    unsigned n_families;           /* default 1 */
    const unsigned *family_limits; /* n_families of them, 0: any number; NULL: none is limited.
                                      Read by gn_pyexec_create */
};

struct gn_pyexec_options gn_pyexec_options_default(void);

struct gn_pyexec_stats {
    unsigned threads;   /* alive */
    unsigned idle;      /* of these, asleep */
    unsigned busy;      /* in a call */
    unsigned busy_dear; /* of these, in one that is dear and not late */
    unsigned queued;    /* waiting */
    unsigned stuck;     /* of the busy ones, how many do not come back (bridge/py/late.h) */
    uint64_t completed; /* since the start */
    uint64_t refused;   /* since the start, full or late */
    uint64_t refused_full;
    uint64_t refused_late;
    uint64_t withdrawn;   /* their client left, or their deadline passed, before they began */
    uint64_t reclassed;   /* turned out dearer than expected */
    uint64_t wakeups;     /* workers woken since the start */
    uint64_t begun;       /* calls */
    int64_t queue_ns;     /* they waited in all, */
    int64_t queue_max_ns; /* and the longest one */
    uint64_t gil_waits;   /* times a worker that had slept waited for the GIL */
    int64_t gil_wait_ns;
    int64_t gil_wait_max_ns;
    unsigned kinds;         /* with an estimate */
    bool is_switching_fast; /* the switch interval is 0.5 ms now */
    double runners;         /* estimate: workers that keep Python busy; 1: it only computes */
};

/** The interpreter must be initialised (bridge/py/host.h); workers start on first use. */
GN_LOOP_THREAD struct gn_pyexec *gn_pyexec_create(
        struct gn_loop *loop, const struct gn_pyexec_options *options);

/** Of the options. */
GN_ANY_THREAD unsigned gn_pyexec_max_threads(const struct gn_pyexec *exec);

/**
 * Queues a call; it is published when this turn of the loop ends.
 *
 * Returns: GN_OK (one of done or refused follows, never during this call),
 *          GN_ERR_FULL (queue_calls are waiting, of its family if that is limited;
 *          nothing was taken),
 *          GN_ERR_CLOSED (stopping; nothing was taken)
 */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_pyexec_submit(
        struct gn_pyexec *exec, struct gn_pycall *call);

/** Takes back a call no worker has started; then neither done nor refused follows. */
GN_LOOP_THREAD bool gn_pyexec_withdraw(struct gn_pyexec *exec, struct gn_pycall *call);

/**
 * Queues an object whose reference is to be dropped by a worker. `object` is a
 * PyObject *, spelled without Python.h. Never blocks.
 */
GN_ANY_THREAD void gn_pyexec_drop_later(struct gn_pyexec *exec, void *object);

GN_LOOP_THREAD struct gn_pyexec_stats gn_pyexec_stats(const struct gn_pyexec *exec);

/**
 * Refuses what is queued, waits until running calls end or `deadline`, and
 * ends the workers. Blocks the calling thread, which must not hold the GIL:
 * only when the loop has ended. Nothing but gn_pyexec_drop_later and
 * gn_pyexec_destroy may be called afterwards.
 *
 * Returns: GN_OK           every worker has ended
 *          GN_ERR_TIMEOUT  some are stuck and keep it: it must not be destroyed
 */
GN_MUST_CHECK enum gn_err gn_pyexec_stop(struct gn_pyexec *exec, gn_deadline deadline);
/** Frees it, stopped before, and drops what was left to drop. The GIL must be held. Accepts NULL
 *  inside. */
void gn_pyexec_destroy(struct gn_pyexec **exec_ptr);

/**
 * Called on a worker that runs a call, with the GIL held: `blocking` runs
 * without the GIL (and the executor knows the worker is not running Python).
 */
GN_WORKER_THREAD GN_NEEDS_GIL void gn_pyexec_without_gil(
        struct gn_pyexec *exec, void (*blocking)(void *arg), void *arg);

/** True in a process that Python code forked inside a call: there is no loop, and nothing that one
 *  may have locked can be touched. */
GN_WORKER_THREAD bool gn_pyexec_is_forked(const struct gn_pyexec *exec);

/**
 * Called on a worker that runs `call` and has posted something quietly: wakes
 * the loop, unless others wait for a worker, for then the loop looks of its own
 * accord within a millisecond or two, and waking it for several is cheaper.
 */
GN_WORKER_THREAD void gn_pyexec_nudge_loop(struct gn_pyexec *exec, const struct gn_pycall *call);

#endif
