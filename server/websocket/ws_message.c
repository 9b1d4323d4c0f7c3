/* SPDX-License-Identifier: MIT */
#include "server/websocket/ws_message.h"

#include "server/base/alloc.h"
#include "server/proto/utf8.h"

#include "server/websocket/ws_conn_priv.h"

/*
 * One block: the count, then the frame, header and payload side by side. The
 * compressed frame is made once, for the first connection that takes it, and
 * serves those with the same window.
 */

struct gn_ws_message {
    unsigned refs;
    uint8_t deflated_bits;  /* window it was compressed for; 0: not tried yet */
    struct gn_buf deflated; /* the frame; empty when compressing does not pay */
    enum gn_ws_opcode opcode;
    size_t header_len;
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
    *m = (struct gn_ws_message){.refs = 1, .opcode = opcode, .header_len = header.len};
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
        gn_buf_fini(&m->deflated);
        gn_free(m);
    }
}

struct gn_slice gn_ws_message_frame(const struct gn_ws_message *message)
{
    return gn_slice_of(message->frame, message->len);
}

GN_LOOP_THREAD static void deflate_once(
        struct gn_ws_message *m, struct gn_ws_compress *z, uint8_t window_bits)
{
    const struct gn_slice payload = gn_slice_skip(gn_ws_message_frame(m), m->header_len);
    struct gn_ws_header header;
    struct gn_slice squeezed;

    m->deflated_bits = window_bits;
    if (!gn_ws_compress_deflate(z, window_bits, payload, &squeezed)) {
        return;
    }
    header = gn_ws_encode_header(m->opcode, true, true, squeezed.len);
    gn_buf_init(&m->deflated, header.len + squeezed.len);
    if (gn_buf_append(&m->deflated, gn_ws_header_slice(&header)) != GN_OK ||
            gn_buf_append(&m->deflated, squeezed) != GN_OK) {
        gn_buf_fini(&m->deflated);
    }
}

struct gn_slice gn_ws_message_frame_deflated(
        struct gn_ws_message *message, struct gn_ws_compress *z, uint8_t window_bits)
{
    if (message->deflated_bits == 0) {
        deflate_once(message, z, window_bits);
    }
    if (message->deflated_bits != window_bits || message->deflated.len == 0) {
        return gn_ws_message_frame(message);
    }
    return gn_buf_slice(&message->deflated);
}
