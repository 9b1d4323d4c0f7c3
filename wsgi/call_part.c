/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/late.h"
#include "server/base/alloc.h"
#include "server/base/obj.h"

#include "wsgi/call_priv.h"

/*
 * How the two sides of a call part: the client has left, the server stops, or
 * the answer is late. A call that no worker has taken is withdrawn. Else the
 * exchange ends as soon as the worker no longer reads it, which is tried again
 * until it is so, and the worker finishes alone; on_done in call.c finds
 * loop.exchange NULL then.
 *
 * The timeout runs until the answer begins (early hints are none) or the call is
 * done, also when the client has left: what it guards is the worker (bridge/py/late.h).
 */

#define WHAT_BYTES 512 /* of a request in the log; targets may be long */

GN_LOOP_THREAD static void describe_exchange(const struct gn_exchange *ex, struct gn_buf *into)
{
    struct gn_slice target = ex->head->target;
    char peer[GN_ADDR_TEXT_BYTES];

    gn_addr_format(&ex->peer, peer);
    (void)!gn_buf_printf(into, GN_SLICE_FMT " " GN_SLICE_FMT "%s from %s",
            GN_SLICE_ARG(ex->head->method_name),
            GN_SLICE_ARG(gn_slice_of(target.ptr, GN_MIN(target.len, (size_t)WHAT_BYTES))),
            target.len > WHAT_BYTES ? "..." : "", peer);
}

void gn_wsgi_call_describe(struct gn_pycall *py, struct gn_buf *into)
{
    struct gn_wsgi_call *call = gn_wsgi_call_of(py);

    gn_assert_loop_thread(call->container->loop);
    if (call->loop.exchange != NULL) {
        describe_exchange(call->loop.exchange, into);
    } else if (call->loop.what != NULL) {
        (void)!gn_buf_append(into, gn_slice_str(call->loop.what));
    }
}

void gn_wsgi_call_end_parted(struct gn_wsgi_call *call, struct gn_exchange *ex)
{
    if (call->loop.parting_status != 0 && call->loop.has_hinted) {
        gn_wsgi_call_reply_by_hand(ex, call->loop.parting_status);
    } else if (call->loop.parting_status != 0) {
        gn_exchange_reply_error(ex, call->loop.parting_status, GN_LIT(""));
    } else {
        gn_exchange_abort(ex);
    }
}

/** Nothing of the exchange is left when its worker is asked for: keep what it was. */
GN_LOOP_THREAD static void remember(struct gn_wsgi_call *call)
{
    struct gn_buf what;

    gn_buf_init(&what, 4 * WHAT_BYTES);
    describe_exchange(call->loop.exchange, &what);
    call->loop.what = gn_xstrndup(what.ptr, what.len);
    gn_buf_fini(&what);
}

/** Ends the exchange while the worker goes on; it no longer looks at it. */
GN_LOOP_THREAD static void part(struct gn_wsgi_call *call)
{
    struct gn_exchange *ex = call->loop.exchange;

    remember(call);
    gn_wsgi_call_close_pipe(call);
    call->loop.exchange = NULL;
    call->container->loop_side.stats.orphans++;
    ex->handler_data = NULL;
    ex->times.started = call->py.started_at;
    ex->times.ended = gn_clock_now();
    gn_wsgi_call_end_parted(call, ex);
}

GN_LOOP_THREAD static void part_or_retry(struct gn_wsgi_call *call)
{
    if (atomic_load_explicit(&call->shared.reads_exchange, memory_order_acquire)) {
        gn_timeout_arm(&call->container->loop_side.retries, &call->loop.retry);
    } else {
        part(call);
    }
}

void gn_wsgi_call_on_retry(struct gn_timeout *timeout)
{
    struct gn_wsgi_call *call = GN_CONTAINER_OF(timeout, struct gn_wsgi_call, loop.retry);

    GN_CHECK_OBJ(call, GN_WSGI_CALL_MAGIC);
    gn_assert_loop_thread(call->container->loop);
    part_or_retry(call);
}

/** Its worker shall end it, whether anybody waits for the answer or not. */
GN_LOOP_THREAD static void interrupt(struct gn_wsgi_call *call)
{
    struct gn_buf what;

    call->container->loop_side.stats.timeouts++;
    gn_buf_init(&what, 4 * WHAT_BYTES);
    gn_wsgi_call_describe(&call->py, &what);
    gn_pyexec_late(call->container->pyexec, &call->py, gn_buf_slice(&what));
    gn_buf_fini(&what);
}

void gn_wsgi_call_on_timeout(struct gn_timeout *timeout)
{
    struct gn_wsgi_call *call = GN_CONTAINER_OF(timeout, struct gn_wsgi_call, loop.timeout);
    struct gn_wsgi_container *container = call->container;
    struct gn_exchange *ex = call->loop.exchange;

    GN_CHECK_OBJ(call, GN_WSGI_CALL_MAGIC);
    gn_assert_loop_thread(container->loop);
    atomic_store_explicit(&call->shared.is_gone, true, memory_order_relaxed);
    gn_wsgi_upload_end(call, GN_ERR_CLOSED);
    if (gn_pyexec_withdraw(container->pyexec, &call->py)) {
        gn_wsgi_reply_unavailable(container, ex);
        gn_wsgi_call_recycle(call);
        return;
    }
    interrupt(call);
    if (ex != NULL && !gn_timeout_is_armed(&call->loop.retry)) {
        call->loop.parting_status = 504;
        part_or_retry(call);
    }
}

void gn_wsgi_call_cancel(struct gn_wsgi_call *call, enum gn_err why)
{
    struct gn_wsgi_container *container = call->container;
    struct gn_exchange *ex = call->loop.exchange;

    GN_CHECK_OBJ(call, GN_WSGI_CALL_MAGIC);
    atomic_store_explicit(&call->shared.is_gone, true, memory_order_relaxed);
    gn_wsgi_upload_end(call, why);
    container->loop_side.stats.gone++;
    call->loop.parting_status = 0;
    if (gn_pyexec_withdraw(container->pyexec, &call->py)) {
        ex->handler_data = NULL;
        gn_exchange_abort(ex);
        gn_wsgi_call_recycle(call);
        return;
    }
    part_or_retry(call);
}
