/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_CALL_PRIV_H
#define GN_WSGI_CALL_PRIV_H

/*
 * One call of an application: an exchange on the loop's side, Python on the
 * worker's. Calls are pooled per container, with their buffers and with those
 * Python objects no application has kept.
 *
 * The two sides may part: when the client leaves or the deadline passes, the
 * loop ends the exchange at once and the worker finishes on its own, its
 * output dropped. The worker reads the exchange only while
 * shared.reads_exchange is set, a few microseconds at the start; until then
 * the loop must keep it.
 */

#include <Python.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "bridge/exec/pipe.h"
#include "bridge/py/pyexec.h"
#include "server/base/obj.h"
#include "server/http/exchange.h"
#include "server/http/request_id.h"
#include "server/loop/timeout_list.h"

#include "bridge/py/compat_priv.h"
#include "wsgi/container_priv.h"
#include "wsgi/response_priv.h"
#include "wsgi/start_response_priv.h"
#include "wsgi/streamed_input_priv.h"

#define GN_WSGI_CALL_MAGIC 0x57531ca1u

/** How a call has ended; set by the worker. */
enum gn_wsgi_outcome {
    GN_WSGI_COMPLETE, /* response.writer has ended */
    GN_WSGI_FAILED,   /* an exception or a breach of the protocol; it has been logged */
    GN_WSGI_DROPPED,  /* the client left; nobody wants the output */
};

struct gn_wsgi_call {
    unsigned magic;
    struct gn_pycall py;
    struct gn_wsgi_container *container;
    struct gn_wsgi_mount *mount;

    struct {                                /* set by the loop before the call is submitted */
        const struct gn_exchange *exchange; /* the worker's view: while reads_exchange */
        struct gn_slice path_info;          /* decoded; in the exchange's arena or head */
        struct gn_slice outer_script_name;
        gn_deadline deadline; /* of the answer; GN_NEVER: none */
        struct gn_body body;  /* valid while has_body */
        bool has_body;
        struct gn_wsgi_upload upload; /* its intake is NULL unless the body is streamed */
    } request;

    struct {                          /* loop thread only */
        struct gn_exchange *exchange; /* NULL once the two sides have parted */
        struct gn_timeout timeout;    /* of the answer, whether the client still waits or not */
        struct gn_timeout retry;      /* of the next try to part */
        char *what;                   /* once parted: what it was for the log; NULL: not needed */
        int parting_status;           /* 504, or 0 to abort */
        struct gn_pipe *pipe;         /* the reader's half, once we have seen it */
        bool pipe_is_closed;
        bool is_paused;           /* the client is slow: wait for drained */
        bool has_hinted;          /* early hints have gone to the exchange, in bytes */
        uint64_t n_unreported;    /* bytes taken from the pipe and not yet said to be drained */
        struct gn_intake *intake; /* of a streamed body, until its end */
        bool intake_is_full;      /* on_wanted follows */
        struct gn_wsgi_call *next_free;
    } loop;

    struct { /* the worker, holding the GIL; then the loop, once done */
        struct gn_wsgi_sink sink;
        struct gn_wsgi_start start;
        struct gn_wsgi_response response;
        PyObject *input;
        PyObject *streamed_input; /* in its place while the body is streamed */
        PyObject *client_disconnected;
        PyObject *environ;
        struct gn_wsgi_asked asked;
        char request_id[GN_REQUEST_ID_MAX_BYTES]; /* what response.request_id looks at */
        struct gn_pipe *pipe;                     /* the writer's half */
        struct gn_pipe *reader; /* the same pipe, as the reader's half is to find it */
        enum gn_wsgi_outcome outcome;
    } worker;

    struct {                   /* both sides */
        atomic_bool is_gone;   /* the loop to the worker: stop, nobody listens */
        atomic_bool has_begun; /* the worker to the loop: a head is in the pipe, no mere hints */
        atomic_bool reads_exchange; /* the worker to the loop: keep the exchange */
    } shared;
};

static inline bool gn_wsgi_call_is_gone(struct gn_wsgi_call *call)
{
    return atomic_load_explicit(&call->shared.is_gone, memory_order_relaxed);
}

static inline struct gn_wsgi_call *gn_wsgi_call_of(struct gn_pycall *py)
{
    struct gn_wsgi_call *call = GN_CONTAINER_OF(py, struct gn_wsgi_call, py);

    GN_CHECK_OBJ(call, GN_WSGI_CALL_MAGIC);
    return call;
}

/* ---- the loop's side: call.c -------------------------------------------------- */

/** Hands a ready exchange to the executor, or answers 503. */
GN_LOOP_THREAD void gn_wsgi_call_start(struct gn_wsgi_container *container,
        struct gn_wsgi_mount *mount, struct gn_exchange *ex, struct gn_slice path_info,
        struct gn_slice outer_script_name);
/** The client can take more. */
GN_LOOP_THREAD void gn_wsgi_call_drained(struct gn_wsgi_call *call);
/** The pipe's callback; `owner` is the call. */
void gn_wsgi_call_on_readable(struct gn_pipe *pipe, void *owner);
/** Frees a pooled call; the GIL must be held. */
GN_NEEDS_GIL void gn_wsgi_call_destroy(struct gn_wsgi_call **call);
/** Back to the pool: nobody waits for it and no worker has it. */
GN_LOOP_THREAD void gn_wsgi_call_recycle(struct gn_wsgi_call *call);
/** An error page behind early hints: the exchange is in bytes already, so it is made by hand. */
GN_LOOP_THREAD void gn_wsgi_call_reply_by_hand(struct gn_exchange *ex, int status);
/** 503 with Retry-After. */
GN_LOOP_THREAD void gn_wsgi_reply_unavailable(
        struct gn_wsgi_container *container, struct gn_exchange *ex);
/** What the worker still streams is dropped. */
GN_LOOP_THREAD static inline void gn_wsgi_call_close_pipe(struct gn_wsgi_call *call)
{
    gn_pipe_close(&call->loop.pipe);
    call->loop.pipe_is_closed = true;
}

/* ---- when nobody waits any more: call_part.c ------------------------------------ */

/** The exchange is cancelled: part from it. */
GN_LOOP_THREAD void gn_wsgi_call_cancel(struct gn_wsgi_call *call, enum gn_err why);
/** Callbacks of the container's two timeout lists. */
void gn_wsgi_call_on_timeout(struct gn_timeout *timeout);
void gn_wsgi_call_on_retry(struct gn_timeout *timeout);
/** What the client is told when the call is not waited for: loop.parting_status. */
GN_LOOP_THREAD void gn_wsgi_call_end_parted(struct gn_wsgi_call *call, struct gn_exchange *ex);
/** gn_pycall_ops.describe: the request as the log names it, also when its exchange has ended. */
void gn_wsgi_call_describe(struct gn_pycall *py, struct gn_buf *into);

/* ---- a body that is read while it arrives: call_upload.c ----------------------- */

/** The exchange streams its body to this call, which is about to be submitted. */
GN_LOOP_THREAD void gn_wsgi_upload_begin(struct gn_wsgi_call *call);
/** More has arrived, or its end. */
GN_LOOP_THREAD void gn_wsgi_upload_more(struct gn_wsgi_call *call);
/**
 * No more will come; the exception that a reader gets is that of `why` as
 * gn_handler_ops.cancel has it, GN_ERR_CLOSED standing for the call's own
 * deadline. Nothing happens when all has come, or when nothing is streamed.
 */
GN_LOOP_THREAD void gn_wsgi_upload_end(struct gn_wsgi_call *call, enum gn_err why);
/** The same, and the worker's half goes too if no worker has taken it. */
GN_LOOP_THREAD void gn_wsgi_upload_drop(struct gn_wsgi_call *call);

/* ---- the worker's side: call_run.c -------------------------------------------- */

/** Prepares the worker's part of a new call; needs no GIL, for nothing is made yet. */
void gn_wsgi_run_init(struct gn_wsgi_call *call);
/** Drops what a pooled call holds. */
GN_NEEDS_GIL void gn_wsgi_run_fini(struct gn_wsgi_call *call);
/** gn_pycall_ops.run: calls the application and makes its response. */
void gn_wsgi_run(struct gn_pycall *py);

/** Enters the section of the call's response (compat_priv.h), which its callables share. */
GN_NEEDS_GIL static inline void gn_wsgi_call_guard(
        struct gn_wsgi_call *call, struct gn_py_section *section)
{
    PyObject *guard = call->worker.start.guard;

    gn_py_section_begin(section, guard != NULL ? guard : Py_None); /* None: nobody has it yet */
}

/* ---- what an application streams: call_sink.c ----------------------------------- */

/** Sets worker.sink. */
void gn_wsgi_call_sink_init(struct gn_wsgi_call *call);
/**
 * The application has had its say: from now on write() comes too late, and what
 * other threads have begun to write is on its way when this returns.
 */
GN_NEEDS_GIL void gn_wsgi_call_await_writers(struct gn_wsgi_call *call);

/* ---- what goes wrong: call_fault.c ----------------------------------------------- */

/** The application failed while the client still listened, or did it? Clears the exception. */
GN_NEEDS_GIL GN_COLD enum gn_wsgi_outcome gn_wsgi_call_failed(struct gn_wsgi_call *call);
/**
 * Our own doing, after the client was gone: the exception is, or comes of, the one that write() or
 * wsgi.input raised, or the time was up, which has been logged with the stack.
 */
GN_NEEDS_GIL GN_COLD bool gn_wsgi_call_is_of_ours(struct gn_wsgi_call *call);
/** Logs the current exception under a heading that names the request, and clears it. */
GN_NEEDS_GIL GN_COLD void gn_wsgi_call_log_exception(struct gn_wsgi_call *call, const char *what);
/** What the client's answer hides: a length that is wrong, a header that was left out. */
GN_NEEDS_GIL GN_COLD void gn_wsgi_call_log_oddities(struct gn_wsgi_call *call);

#endif
