/* SPDX-License-Identifier: MIT */
#include "server/websocket/ws_message.h"

#include "server/base/alloc.h"
#include "server/proto/utf8.h"

/* One block: the count, then the frame, header and payload side by side. */

struct gn_ws_message {
    unsigned refs;
    size_t len;
    char frame[];
};

enum gn_err gn_ws_message_create(
        enum gn_ws_opcode opcode, struct gn_slice payload, struct gn_ws_message **message_out)
{
    const struct gn_ws_header header = gn_ws_encode_header(opcode, true, false, payload.len);
    struct gn_ws_message *m;

    gn_assert(opcode == GN_WS_TEXT || opcode == GN_WS_BINARY);
    if (opcode == GN_WS_TEXT && !gn_utf8_is_valid(payload)) {
        return GN_ERR_INVALID;
    }
    m = gn_try_alloc(sizeof(*m) + header.len + payload.len);
    if (m == NULL) {
        return GN_ERR_NO_MEMORY;
    }
    m->refs = 1;
    m->len = header.len + payload.len;
    memcpy(m->frame, header.bytes, header.len);
    if (payload.len > 0) {
        memcpy(m->frame + header.len, payload.ptr, payload.len);
    }
    *message_out = m;
    return GN_OK;
}

struct gn_ws_message *gn_ws_message_ref(struct gn_ws_message *message)
{
    message->refs++;
    return message;
}

void gn_ws_message_unref(struct gn_ws_message **message)
{
    struct gn_ws_message *m = *message;

    *message = NULL;
    if (m == NULL) {
        return;
    }
    gn_assert(m->refs > 0);
    m->refs--;
    if (m->refs == 0) {
        gn_free(m);
    }
}

struct gn_slice gn_ws_message_frame(const struct gn_ws_message *message)
{
    return gn_slice_of(message->frame, message->len);
}
