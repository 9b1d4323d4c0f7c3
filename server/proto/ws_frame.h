/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_WS_FRAME_H
#define GN_SERVER_PROTO_WS_FRAME_H

/*
 * WebSocket frames (RFC 6455 5) as a server sees them: an incremental decoder
 * for what clients send (always masked) and an encoder for what we send. The
 * decoder unmasks in place, keeps the fragmentation state, validates text as
 * it passes and holds back nothing: pieces of a message are handed out as
 * they arrive. Control frames are handed out whole; one that arrives in parts is
 * all that a decoder allocates for, while it arrives.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/slice.h"
#include "server/proto/utf8.h"

enum gn_ws_opcode {
    GN_WS_CONTINUATION = 0,
    GN_WS_TEXT = 1,
    GN_WS_BINARY = 2,
    GN_WS_CLOSE = 8,
    GN_WS_PING = 9,
    GN_WS_PONG = 10,
};

/** Close codes (RFC 6455 7.4.1) that this side sends or has a name for. */
enum gn_ws_close_code {
    GN_WS_CLOSE_NORMAL = 1000,
    GN_WS_CLOSE_GOING_AWAY = 1001,
    GN_WS_CLOSE_PROTOCOL = 1002,
    GN_WS_CLOSE_UNSUPPORTED = 1003,
    GN_WS_CLOSE_NO_STATUS = 1005, /* never on the wire: the frame had no code */
    GN_WS_CLOSE_ABNORMAL = 1006,  /* never on the wire: the connection just ended */
    GN_WS_CLOSE_BAD_DATA = 1007,
    GN_WS_CLOSE_POLICY = 1008,
    GN_WS_CLOSE_TOO_BIG = 1009,
    GN_WS_CLOSE_INTERNAL = 1011,
    GN_WS_CLOSE_TRY_LATER = 1013,
};

enum {
    GN_WS_CONTROL_BYTES = 125, /* the longest payload of a control frame */
    GN_WS_HEADER_BYTES = 14,   /* the longest frame header, masked */
};

/** Whether a peer may send this code: 1000..1003, 1007..1014, 3000..4999. */
GN_ANY_THREAD bool gn_ws_close_code_is_valid(unsigned code);

enum gn_ws_event_kind {
    GN_WS_EV_MORE,  /* everything was consumed; nothing to report */
    GN_WS_EV_DATA,  /* a piece of a message */
    GN_WS_EV_PING,  /* data: its payload */
    GN_WS_EV_PONG,  /* data: its payload */
    GN_WS_EV_CLOSE, /* code and data (the reason); nothing more may follow */
    GN_WS_EV_ERROR, /* close with `code`; decode nothing more */
};

struct gn_ws_event {
    enum gn_ws_event_kind kind;
    struct gn_slice data;     /* in the input; of a control frame until the next call at most */
    enum gn_ws_opcode opcode; /* DATA: GN_WS_TEXT or GN_WS_BINARY, of the message */
    bool is_first;            /* DATA: the message starts here */
    bool is_last;             /* DATA: the message ends with this piece, which may be empty */
    bool is_compressed;       /* DATA: RSV1 on its first frame; text is then not validated yet */
    uint16_t code;            /* CLOSE: the peer's, 1005 when it sent none; ERROR: ours */
    const char *reason;       /* ERROR: static text for the log and the close frame */
};

struct gn_ws_decoder_options {
    uint64_t message_limit_bytes; /* of one message, payload as sent; beyond: 1009 */
    bool allow_compressed;        /* permessage-deflate was agreed */
};

/** Fields are the decoder's own. */
struct gn_ws_decoder {
    uint64_t message_limit_bytes;
    uint64_t left;          /* payload bytes of the current frame still to come */
    uint64_t message_bytes; /* payload of the current message, declared so far */
    char *control;          /* owned: a control payload that arrives in parts, or NULL */
    bool allow_compressed;
    uint8_t state;   /* enum in ws_frame.c */
    uint8_t opcode;  /* of the current frame */
    bool fin;        /* of the current frame */
    bool in_message; /* a fragmented message is open */
    uint8_t message_opcode;
    bool message_compressed;
    bool message_started; /* its first piece was handed out */
    uint8_t header_len;   /* bytes of the header collected */
    uint8_t header_need;  /* bytes of the header expected */
    uint8_t mask_at;      /* phase of the mask */
    uint8_t control_len;
    struct gn_utf8 utf8;
    uint8_t mask[4];
    uint8_t header[GN_WS_HEADER_BYTES];
};

GN_ANY_THREAD void gn_ws_decoder_init(
        struct gn_ws_decoder *d, const struct gn_ws_decoder_options *options);
/** A zeroed one is allowed. */
GN_ANY_THREAD void gn_ws_decoder_fini(struct gn_ws_decoder *d);

/**
 * Consumes input up to the next event. Call again with the rest until the
 * event is GN_WS_EV_MORE. The bytes are unmasked where they lie.
 */
GN_ANY_THREAD GN_HOT void gn_ws_decoder_feed(struct gn_ws_decoder *d, char *bytes, size_t len,
        size_t *consumed_out, struct gn_ws_event *event_out);

/** Whether the decoder stands between messages and frames. */
GN_ANY_THREAD bool gn_ws_decoder_is_idle(const struct gn_ws_decoder *d);

struct gn_ws_header {
    uint8_t len;
    char bytes[GN_WS_HEADER_BYTES];
};

/** The header of an unmasked frame; RSV1 when `is_compressed`. */
GN_ANY_THREAD struct gn_ws_header gn_ws_encode_header(
        enum gn_ws_opcode opcode, bool fin, bool is_compressed, uint64_t payload_bytes);
/** The same for a client's frame, masked with `key`. */
GN_ANY_THREAD struct gn_ws_header gn_ws_encode_header_masked(
        enum gn_ws_opcode opcode, bool fin, uint64_t payload_bytes, const uint8_t key[4]);
static inline struct gn_slice gn_ws_header_slice(const struct gn_ws_header *h)
{
    return gn_slice_of(h->bytes, h->len);
}

struct gn_ws_close_frame {
    uint8_t len;
    char bytes[2 + GN_WS_CONTROL_BYTES];
};

/**
 * A whole close frame. Code 0 or 1005 makes an empty one; the reason is cut to
 * 123 bytes between characters.
 */
GN_ANY_THREAD struct gn_ws_close_frame gn_ws_encode_close(unsigned code, struct gn_slice reason);

/** XORs bytes with the 4-byte key, starting at key[phase % 4] (RFC 6455 5.3). */
GN_ANY_THREAD GN_HOT void gn_ws_mask(char *bytes, size_t len, const uint8_t key[4], unsigned phase);

#endif
