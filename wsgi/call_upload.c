/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "server/base/obj.h"
#include "server/http/http_server.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/call_priv.h"
#include "wsgi/streamed_input_priv.h"

/*
 * A request body on its way from the exchange to the call that reads it, for
 * mounts without request buffering.
 *
 *   connection ─► exchange ── take_body ──► intake ──► wsgi.input
 *
 * Each of the two stores holds limits.pipeline_bytes, a bit more at times.
 * When the intake is full nothing is taken from the exchange, and when that is
 * full nothing is read from the socket.
 *
 * The intake ends whenever the exchange does, so a worker never waits longer
 * than the connection's and the call's own deadlines allow.
 */

/** Moves what has arrived to the worker. 100 (Continue) goes out when nothing has. */
GN_LOOP_THREAD static void move_content(struct gn_wsgi_call *call)
{
    struct gn_bufq content = {.first = NULL};
    bool has_ended;

    gn_exchange_take_body(call->loop.exchange, &content, &has_ended);
    call->loop.intake_is_full = gn_intake_put(call->loop.intake, &content) == GN_ERR_FULL;
    if (has_ended) {
        gn_intake_end(&call->loop.intake, GN_OK);
    }
}

static void on_wanted(struct gn_intake *intake, void *owner)
{
    struct gn_wsgi_call *call = GN_CAST(struct gn_wsgi_call, GN_WSGI_CALL_MAGIC, owner);

    gn_assert_loop_thread(call->container->loop);
    (void)intake;
    if (call->loop.exchange != NULL) {
        move_content(call);
    }
}

void gn_wsgi_upload_begin(struct gn_wsgi_call *call)
{
    struct gn_exchange *ex = call->loop.exchange;
    const struct gn_http_limits *limits = gn_http_server_limits(gn_exchange_server(ex));
    const struct gn_http1_head *head = ex->head;

    call->loop.intake =
            gn_intake_create(call->container->loop, limits->pipeline_bytes, on_wanted, call);
    call->loop.intake_is_full = false;
    call->request.upload = (struct gn_wsgi_upload){
            .intake = call->loop.intake,
            .pyexec = call->container->pyexec,
            .length = head->framing == GN_FRAMING_LENGTH ? head->content_length : GN_LENGTH_UNKNOWN,
            .expects_continue = head->expect_continue,
            .drain_bytes = limits->drain_bytes,
            .keep_alive = &call->worker.response.writer.keep_alive,
    };
}

void gn_wsgi_upload_more(struct gn_wsgi_call *call)
{
    if (call->loop.intake != NULL && !call->loop.intake_is_full) {
        move_content(call);
    }
}

void gn_wsgi_upload_end(struct gn_wsgi_call *call, enum gn_err why)
{
    gn_intake_end(&call->loop.intake, why);
}

void gn_wsgi_upload_drop(struct gn_wsgi_call *call)
{
    gn_intake_end(&call->loop.intake, GN_ERR_CLOSED);
    gn_intake_close(&call->request.upload.intake);
}
