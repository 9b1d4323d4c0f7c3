/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/call_key.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/base/obj.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/call_priv.h"

/*
 * The loop's side of a call.
 *
 *   start ── submitted ──► done ──► delivered, recycled
 *                │  │        ▲
 *                │  └► refused: 503
 *                ├► withdrawn (client gone, or late, before a worker took it)
 *                └► parted: the exchange has ended, the worker goes on; its
 *                   `done` finds loop.exchange NULL and only recycles
 *
 * The last two are in call_part.c, with the timeout that leads to them.
 *
 * A call is in exactly one place: pooled, with the executor, or its `bytes`
 * lent to the connection's output, which gives it back when they are written.
 */

#define RETRY_AFTER "2"

/* ---- the pool ------------------------------------------------------------------ */

static void on_done(struct gn_pycall *py);
static void on_refused(struct gn_pycall *py, enum gn_err why);
static void on_describe_kind(struct gn_pycall *py, struct gn_buf *into);

static const struct gn_pycall_ops call_ops = {
        .run = gn_wsgi_run,
        .done = on_done,
        .refused = on_refused,
        .describe = gn_wsgi_call_describe,
        .describe_kind = on_describe_kind,
};

GN_LOOP_THREAD static struct gn_wsgi_call *call_take(struct gn_wsgi_container *container)
{
    struct gn_wsgi_call *call = container->loop_side.free_calls;

    if (call != NULL) {
        container->loop_side.free_calls = call->loop.next_free;
        container->loop_side.n_free--;
    } else {
        call = gn_xcalloc(sizeof(*call));
        call->magic = GN_WSGI_CALL_MAGIC;
        call->container = container;
        call->py.ops = &call_ops;
        gn_wsgi_run_init(call);
    }
    container->loop_side.stats.running++;
    return call;
}

/** Nothing of the last request may remain but memory. */
void gn_wsgi_call_recycle(struct gn_wsgi_call *call)
{
    struct gn_wsgi_container *container = call->container;

    gn_timeout_disarm(&call->loop.timeout);
    gn_timeout_disarm(&call->loop.retry);
    gn_free(call->loop.what);
    call->loop.what = NULL;
    gn_pipe_close(&call->loop.pipe);
    if (call->request.has_body) {
        gn_body_fini(&call->request.body);
        call->request.has_body = false;
    }
    if (GN_UNLIKELY(call->loop.intake != NULL || call->request.upload.intake != NULL)) {
        gn_wsgi_upload_drop(call);
    }
    gn_wsgi_response_drop(&call->worker.response);
    call->loop.exchange = NULL;
    call->loop.next_free = container->loop_side.free_calls;
    container->loop_side.free_calls = call;
    container->loop_side.n_free++;
    container->loop_side.stats.running--;
}

void gn_wsgi_call_destroy(struct gn_wsgi_call **call)
{
    if (*call == NULL) {
        return;
    }
    gn_wsgi_run_fini(*call);
    (*call)->magic = 0;
    gn_free(*call);
    *call = NULL;
}

/* ---- the start ------------------------------------------------------------------ */

void gn_wsgi_reply_unavailable(struct gn_wsgi_container *container, struct gn_exchange *ex)
{
    const struct gn_header retry_after = GN_HEADER(RETRY_AFTER, "Retry-After", GN_LIT(RETRY_AFTER));

    container->loop_side.stats.refused++;
    ex->handler_data = NULL;
    gn_exchange_reply_error_with(
            ex, 503, GN_LIT("The server is busy; try again."), &retry_after, 1);
}

GN_LOOP_THREAD static void take_request(struct gn_wsgi_call *call, struct gn_exchange *ex,
        struct gn_slice path_info, struct gn_slice outer_script_name)
{
    call->request.exchange = ex;
    call->request.path_info = path_info;
    call->request.outer_script_name = outer_script_name;
    if (ex->body.len > 0) { /* it may have to outlive the exchange */
        gn_body_move(&ex->body, &call->request.body);
        call->request.has_body = true;
    }
    call->loop.exchange = ex;
    call->loop.parting_status = 0;
    call->loop.pipe = NULL;
    call->loop.pipe_is_closed = false;
    call->loop.is_paused = false;
    call->loop.has_hinted = false;
    call->loop.n_unreported = 0;
    atomic_store_explicit(&call->shared.is_gone, false, memory_order_relaxed);
    atomic_store_explicit(&call->shared.has_begun, false, memory_order_relaxed);
    atomic_store_explicit(&call->shared.reads_exchange, true, memory_order_relaxed);
    if (GN_UNLIKELY(ex->body_mode == GN_BODY_STREAM)) {
        gn_wsgi_upload_begin(call);
    }
}

void gn_wsgi_call_start(struct gn_wsgi_container *container, struct gn_wsgi_mount *mount,
        struct gn_exchange *ex, struct gn_slice path_info, struct gn_slice outer_script_name)
{
    struct gn_wsgi_call *call = call_take(container);

    call->mount = mount;
    call->request.deadline = container->loop_side.timeouts.duration_ms > 0
            ? gn_loop_after_ms(container->loop, container->loop_side.timeouts.duration_ms)
            : GN_NEVER;
    call->py.family = mount->family;
    call->py.key = gn_call_key(mount->key_seed + (uint64_t)ex->head->method, path_info);
    take_request(call, ex, path_info, outer_script_name);
    ex->handler_data = call;
    if (gn_pyexec_submit(container->pyexec, &call->py) != GN_OK) {
        gn_wsgi_reply_unavailable(container, ex);
        gn_wsgi_call_recycle(call);
        return;
    }
    container->loop_side.stats.calls++;
    if (container->loop_side.timeouts.duration_ms > 0) {
        gn_timeout_arm(&container->loop_side.timeouts, &call->loop.timeout);
    }
}

/** "GET /shop/orders/" and an asterisk: what statistics call this kind of request. */
static void on_describe_kind(struct gn_pycall *py, struct gn_buf *into)
{
    struct gn_wsgi_call *call = gn_wsgi_call_of(py);

    gn_assert_loop_thread(call->container->loop);
    (void)!gn_buf_append(into, call->loop.exchange->head->method_name);
    (void)!gn_buf_append(into, GN_LIT(" "));
    (void)!gn_buf_append(into, call->mount->prefix);
    gn_call_key_text(call->request.path_info, into);
}

static void on_refused(struct gn_pycall *py, enum gn_err why)
{
    struct gn_wsgi_call *call = gn_wsgi_call_of(py);
    struct gn_exchange *ex = call->loop.exchange;

    gn_assert_loop_thread(call->container->loop);
    (void)why; /* late or stopping: the client may try again either way */
    if (ex != NULL) {
        gn_wsgi_reply_unavailable(call->container, ex);
    }
    gn_wsgi_call_recycle(call);
}

/* ---- output ---------------------------------------------------------------------- */

/** Says how much of what was taken from the pipe has found its way. */
GN_LOOP_THREAD static void report_drained(struct gn_wsgi_call *call)
{
    uint64_t n = call->loop.n_unreported;

    call->loop.n_unreported = 0;
    if (n > 0 && call->loop.pipe != NULL) {
        gn_pipe_drained(call->loop.pipe, n);
    }
}

/** Moves what the worker has streamed to the client, as far as the client keeps up. */
GN_LOOP_THREAD static void pump(struct gn_wsgi_call *call)
{
    struct gn_bufq bytes = {0};

    gn_pipe_take(call->loop.pipe, &bytes);
    if (gn_bufq_is_empty(&bytes)) {
        return;
    }
    if (atomic_load_explicit(&call->shared.has_begun, memory_order_relaxed)) {
        gn_timeout_disarm(&call->loop.timeout); /* the pipe's lock orders what was taken with it */
    } else {
        call->loop.has_hinted = true;
    }
    call->loop.n_unreported += bytes.n_bytes;
    switch (gn_exchange_send(call->loop.exchange, &bytes)) {
    case GN_OK:
        report_drained(call);
        break;
    case GN_ERR_FULL:
        call->loop.is_paused = true;
        break;
    default:
        gn_bufq_clear(&bytes); /* gone: cancel follows, or has come already */
        break;
    }
}

void gn_wsgi_call_on_readable(struct gn_pipe *pipe, void *owner)
{
    struct gn_wsgi_call *call = GN_CAST(struct gn_wsgi_call, GN_WSGI_CALL_MAGIC, owner);

    gn_assert_loop_thread(call->container->loop);
    call->loop.pipe = pipe;
    if (call->loop.exchange == NULL || gn_wsgi_call_is_gone(call)) {
        gn_wsgi_call_close_pipe(call);
    } else if (!call->loop.is_paused) {
        pump(call);
    }
}

void gn_wsgi_call_drained(struct gn_wsgi_call *call)
{
    if (!call->loop.is_paused) {
        return;
    }
    call->loop.is_paused = false;
    report_drained(call);
    if (call->loop.pipe != NULL) {
        pump(call);
    }
}

static void on_bytes_written(void *arg)
{
    struct gn_wsgi_call *call = GN_CAST(struct gn_wsgi_call, GN_WSGI_CALL_MAGIC, arg);

    gn_assert_loop_thread(call->container->loop);
    gn_wsgi_call_recycle(call);
}

/** Everything not yet given to the exchange, in order; true when the call is lent with it. */
GN_LOOP_THREAD static bool collect_output(struct gn_wsgi_call *call, struct gn_bufq *into)
{
    struct gn_wsgi_response *r = &call->worker.response;
    bool lent = r->bytes.len > 0;

    if (call->loop.pipe != NULL) {
        gn_pipe_take(call->loop.pipe, into);
    }
    if (lent) {
        gn_bufq_lend(into, gn_buf_slice(&r->bytes), on_bytes_written, call);
    }
    gn_bufq_move(into, &r->out);
    return lent;
}

/* ---- the end --------------------------------------------------------------------- */

GN_LOOP_THREAD static void deliver_complete(struct gn_wsgi_call *call, struct gn_exchange *ex)
{
    struct gn_bufq output = {0};
    struct gn_http1_writer writer = call->worker.response.writer;
    bool lent = collect_output(call, &output);
    enum gn_err rc = gn_exchange_send(ex, &output);

    if (rc != GN_OK && rc != GN_ERR_FULL) {
        gn_bufq_clear(&output);
        call->container->loop_side.stats.gone++;
    }
    gn_exchange_finish_sent(ex, &writer);
    if (!lent) {
        gn_wsgi_call_recycle(call);
    }
}

void gn_wsgi_call_reply_by_hand(struct gn_exchange *ex, int status)
{
    struct gn_http1_writer writer = ex->writer;
    struct gn_bufq output = {0};
    struct gn_buf page;
    struct gn_buf bytes;
    const struct gn_header type =
            GN_HEADER(CONTENT_TYPE, "Content-Type", gn_exchange_error_page(ex, status, &page));
    const struct gn_http1_response response = {
            .status = status,
            .headers = &type,
            .n_headers = 1,
            .date = gn_exchange_date(ex),
            .request_id = ex->request_id,
    };
    enum gn_err rc;

    gn_buf_init(&bytes, SIZE_MAX);
    rc = gn_http1_writer_reply(&writer, &response, gn_buf_slice(&page), &bytes);
    gn_bufq_append(&output, gn_buf_slice(&bytes));
    gn_buf_fini(&bytes);
    gn_buf_fini(&page);
    if (rc == GN_OK) {
        rc = gn_exchange_send(ex, &output);
    }
    if (rc == GN_OK || rc == GN_ERR_FULL) {
        gn_exchange_finish_sent(ex, &writer);
        return;
    }
    gn_bufq_clear(&output);
    gn_exchange_abort(ex);
}

/** What the worker had sent when it failed. */
GN_LOOP_THREAD static void send_rest(struct gn_wsgi_call *call, struct gn_exchange *ex)
{
    struct gn_bufq sent = {0};

    if (call->loop.pipe != NULL) {
        gn_pipe_take(call->loop.pipe, &sent);
    }
    if (gn_exchange_send(ex, &sent) != GN_OK) {
        gn_bufq_clear(&sent);
    }
}

GN_LOOP_THREAD static void deliver_failed(struct gn_wsgi_call *call, struct gn_exchange *ex)
{
    struct gn_wsgi_response *r = &call->worker.response;

    call->container->loop_side.stats.failed++;
    if (!r->has_sent) {
        gn_exchange_reply_error(ex, 500, GN_LIT(""));
    } else if (r->stage < GN_WSGI_SENT) {
        send_rest(call, ex); /* early hints */
        gn_wsgi_call_reply_by_hand(ex, 500);
    } else {
        send_rest(call, ex);
        ex->status = r->writer.status; /* what went out, for the access log */
        ex->response_bytes = r->writer.n_body;
        gn_exchange_abort(ex); /* cut: nobody shall take it for complete */
    }
    gn_wsgi_call_recycle(call);
}

static void on_done(struct gn_pycall *py)
{
    struct gn_wsgi_call *call = gn_wsgi_call_of(py);
    struct gn_exchange *ex = call->loop.exchange;

    gn_assert_loop_thread(call->container->loop);
    gn_timeout_disarm(&call->loop.timeout);
    gn_wsgi_upload_end(call, GN_ERR_CLOSED);
    gn_timeout_disarm(&call->loop.retry);
    if (call->worker.reader != NULL && !call->loop.pipe_is_closed) {
        call->loop.pipe = call->worker.reader; /* perhaps on_readable had no turn yet */
    }
    call->worker.reader = NULL;
    if (ex == NULL) {
        call->container->loop_side.stats.orphans--;
        gn_wsgi_call_close_pipe(call);
        gn_wsgi_call_recycle(call);
        return;
    }
    call->loop.exchange = NULL;
    ex->handler_data = NULL; /* whatever happens to it now is no business of this call */
    ex->times.started = py->started_at;
    ex->times.ended = py->ended_at;
    switch (call->worker.outcome) {
    case GN_WSGI_COMPLETE:
        deliver_complete(call, ex);
        break;
    case GN_WSGI_FAILED:
        deliver_failed(call, ex);
        break;
    case GN_WSGI_DROPPED: /* it stopped between our word and the parting */
        gn_wsgi_call_end_parted(call, ex);
        gn_wsgi_call_recycle(call);
        break;
    }
}
