/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_WEBSOCKET_WS_MESSAGE_H
#define GN_SERVER_WEBSOCKET_WS_MESSAGE_H

/*
 * A message framed once for many receivers: header and payload in one block,
 * counted, never changed. A connection that queues it holds a reference until
 * the bytes are written.
 *
 * Thread: the loop thread. Ownership: references.
 */

#include "server/base/attr.h"
#include "server/base/err.h"
#include "server/base/slice.h"
#include "server/proto/ws_frame.h"

struct gn_ws_message;

/**
 * Frames a copy of `payload`. `opcode` is GN_WS_TEXT or GN_WS_BINARY.
 *
 * Returns: GN_OK              `*message_out` holds one reference, the caller's
 *          GN_ERR_INVALID     text that is not UTF-8
 *          GN_ERR_NO_MEMORY
 */
GN_EXPORT GN_MUST_CHECK enum gn_err gn_ws_message_create(
        enum gn_ws_opcode opcode, struct gn_slice payload, struct gn_ws_message **message_out);
GN_EXPORT struct gn_ws_message *gn_ws_message_ref(struct gn_ws_message *message);
/** Sets `*message` to NULL; NULL is allowed. */
GN_EXPORT void gn_ws_message_unref(struct gn_ws_message **message);
/** The whole frame as it goes on the wire; valid while a reference is held. */
GN_EXPORT struct gn_slice gn_ws_message_frame(const struct gn_ws_message *message);

#endif
