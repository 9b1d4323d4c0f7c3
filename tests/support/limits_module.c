/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "web/gustnado.h"

/*
 * Handlers that end-to-end tests bring to their limits.
 *
 *   GET  /limits/wait?MS   answers after so many milliseconds
 *   POST /limits/small     has a body limit of its own, 100 bytes
 *   WS   /limits/echo      returns each message; its bounds are the application's
 *   WS   /limits/pour      sends a message back until the queue is full, then says how often
 */

#define LONGEST_WAIT_MS 60000u
#define SMALL_BODY_BYTES 100u
#define PATIENCE_MS 30000

static enum gn_err answer_late(struct gn_request *r)
{
    uint64_t ms;

    if (gn_slice_to_u64(gn_request_query(r), LONGEST_WAIT_MS, &ms) != GN_OK) {
        return gn_fail(r, 400, "ask for up to %u milliseconds", LONGEST_WAIT_MS);
    }
    GN_TRY(gn_sleep_await(gn_after_ms(r, (int64_t)ms)));
    return gn_reply_text(r, 200, GN_LIT("at last\n"));
}

static enum gn_err take_small(struct gn_request *r)
{
    return gn_reply_textf(r, 200, "%zu", gn_request_body(r).len);
}

static enum gn_err echo(struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
{
    return gn_ws_send_await(ws, kind, data, gn_ws_after_ms(ws, PATIENCE_MS));
}

static enum gn_err pour(struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
{
    unsigned n = 0;
    char text[16];
    enum gn_err rc;

    while ((rc = gn_ws_send(ws, kind, data)) == GN_OK) {
        n++;
    }
    if (rc != GN_ERR_FULL) {
        return rc;
    }
    (void)snprintf(text, sizeof(text), "%u", n);
    return gn_ws_send_await(ws, GN_WS_TEXT, gn_slice_str(text), gn_ws_after_ms(ws, PATIENCE_MS));
}

static const struct gn_websocket_ops echo_ops = {.message = echo, .compress = true};
static const struct gn_websocket_ops pour_ops = {.message = pour};

static enum gn_err setup(struct gn_application *app, void **state_out, struct gn_error *err)
{
    const struct gn_route_options small = {.body_limit_bytes = SMALL_BODY_BYTES};

    (void)state_out;
    (void)err;
    gn_app_get(app, "/limits/wait", answer_late);
    gn_app_route_with(app, "POST", "/limits/small", take_small, &small);
    gn_app_websocket(app, "/limits/echo", &echo_ops);
    gn_app_websocket(app, "/limits/pour", &pour_ops);
    return GN_OK;
}

GN_MODULE(.name = "limits", .setup = setup);
