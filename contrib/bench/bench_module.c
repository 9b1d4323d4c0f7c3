/* SPDX-License-Identifier: MIT */

/*
 * What the measurements ask of C handlers: constant bodies of three sizes at
 * /native/{size}, a body echoed at /native/echo, messages echoed at /ws.
 */

#include <string.h>

#include "web/gustnado.h"

static char body[100 * 1024];

static enum gn_err get_1k(struct gn_request *r)
{
    return gn_reply_borrowed(r, 200, "text/plain", gn_slice_of(body, 1024));
}

static enum gn_err get_10k(struct gn_request *r)
{
    return gn_reply_borrowed(r, 200, "text/plain", gn_slice_of(body, 10 * 1024));
}

static enum gn_err get_100k(struct gn_request *r)
{
    return gn_reply_borrowed(r, 200, "text/plain", gn_slice_of(body, sizeof(body)));
}

static enum gn_err post_echo(struct gn_request *r)
{
    return gn_reply_bytes(r, 200, "application/octet-stream", gn_request_body(r));
}

static enum gn_err echo(struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
{
    return gn_ws_send_await(ws, kind, data, GN_NEVER);
}

/* The conformance cases send up to 16 MiB. */
static const struct gn_websocket_ops echo_ops = {
        .message = echo, .message_bytes = 32 << 20, .compress = true};

static enum gn_err setup(struct gn_application *app, void **state_out, struct gn_error *err)
{
    (void)state_out;
    (void)err;
    memset(body, 'x', sizeof(body));
    gn_app_get(app, "/native/1k", get_1k);
    gn_app_get(app, "/native/10k", get_10k);
    gn_app_get(app, "/native/100k", get_100k);
    gn_app_post(app, "/native/echo", post_echo);
    gn_app_websocket(app, "/ws", &echo_ops);
    return GN_OK;
}

GN_MODULE(.name = "bench", .setup = setup);
