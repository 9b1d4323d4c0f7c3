/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/pyworker.h"
#include "server/base/alloc.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/call_priv.h"

/*
 * Where the worker's output goes when the application streams: into a pipe to
 * the loop, made with the first piece. The pipe is full while the client is
 * slow; then the worker waits without the GIL, and so does any other thread of
 * the application that calls write(): the call does not end before they are
 * back (gn_wsgi_call_await_writers). Large bytes objects are lent, not copied. In a child that the
 * application forked there is no client.
 */

struct blocking_write {
    struct gn_pipe *pipe;
    struct gn_bufq *take;
    enum gn_err result;
};

static void write_blocking(void *arg)
{
    struct blocking_write *w = arg;

    w->result = gn_pipe_write(w->pipe, w->take, NULL, GN_NEVER);
    gn_pipe_leave(w->pipe);
}

static enum gn_err sink_send(void *arg, struct gn_bufq *take)
{
    struct gn_wsgi_call *call = arg;
    struct gn_wsgi_container *container = call->container;
    struct blocking_write w = {.take = take, .result = GN_ERR_GONE};

    gn_assert_gil();
    if (!gn_wsgi_call_is_gone(call) && GN_LIKELY(!gn_pyexec_is_forked(container->pyexec))) {
        if (GN_UNLIKELY(call->worker.streamed_input != NULL) &&
                call->worker.response.stage < GN_WSGI_SENT) {
            gn_wsgi_streamed_input_ask(call->worker.streamed_input);
        }
        if (call->worker.pipe == NULL) {
            call->worker.pipe = gn_pipe_create(
                    container->loop, container->pipe_bytes, gn_wsgi_call_on_readable, call);
            call->worker.reader = call->worker.pipe;
            gn_pipe_be_quiet(call->worker.pipe); /* the end of the call tells the loop */
        }
        if (GN_LIKELY(call->worker.response.stage >= GN_WSGI_SENT)) {
            atomic_store_explicit(&call->shared.has_begun, true, memory_order_relaxed);
        }
        w.pipe = call->worker.pipe;
        w.result = gn_pipe_write(w.pipe, take, NULL, 0); /* no wait: mostly there is room */
        if (w.result == GN_ERR_TIMEOUT) {
            gn_pipe_join(w.pipe);
            gn_pyexec_without_gil(container->pyexec, write_blocking, &w);
        }
    }
    if (w.result != GN_OK) {
        gn_bufq_clear(take);
        return w.result;
    }
    if (GN_LIKELY(call->worker.pipe == w.pipe)) { /* else its call has ended meanwhile */
        gn_pyexec_nudge_loop(container->pyexec, &call->py);
    }
    /* A stream may go on for long, and faster than the executor looks: what the loop has
     * written by now must not stay until its end. */
    gn_pyworker_drop_waiting(container->pyexec);
    return GN_OK;
}

static void await_blocking(void *arg)
{
    gn_pipe_await_writers(arg);
}

void gn_wsgi_call_await_writers(struct gn_wsgi_call *call)
{
    struct gn_pyexec *pyexec = call->container->pyexec;
    struct gn_py_section section;

    gn_assert_gil();
    gn_wsgi_call_guard(call, &section); /* who is inside has joined by the time that we are */
    call->worker.response.is_over = true;
    gn_py_section_end(&section);
    if (GN_UNLIKELY(call->worker.pipe != NULL && gn_pipe_has_writers(call->worker.pipe)) &&
            !gn_pyexec_is_forked(pyexec)) {
        gn_pyexec_without_gil(pyexec, await_blocking, call->worker.pipe);
    }
}

/** A reference to be dropped when the loop has written the bytes. */
struct lent_object {
    struct gn_pyexec *pyexec;
    PyObject *object;
};

static void *sink_lend(void *arg, PyObject *bytes)
{
    struct gn_wsgi_call *call = arg;
    struct lent_object *lent = gn_xalloc(sizeof(*lent));

    *lent = (struct lent_object){.pyexec = call->container->pyexec, .object = Py_NewRef(bytes)};
    return lent;
}

static void sink_release(void *arg)
{
    struct lent_object *lent = arg;

    gn_pyexec_drop_later(lent->pyexec, lent->object);
    gn_free(lent);
}

void gn_wsgi_call_sink_init(struct gn_wsgi_call *call)
{
    call->worker.sink = (struct gn_wsgi_sink){
            .send = sink_send, .lend = sink_lend, .release = sink_release, .arg = call};
}
