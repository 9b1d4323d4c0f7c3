/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_SERVER_WEBSOCKET_WS_FIXTURE_H
#define GN_TESTS_SERVER_WEBSOCKET_WS_FIXTURE_H

/*
 * A WebSocket connection on one end of a socket pair, with the test as its
 * client on the other. What the connection tells its owner is kept in the
 * fixture.
 */

#include <stdbool.h>

#include "server/base/attr.h"
#include "server/base/buf.h"
#include "server/loop/loop.h"
#include "server/websocket/ws_conn.h"
#include "server/websocket/ws_service.h"

/** How the owner treats a message. */
enum ws_owner {
    WS_OWNER_ECHO, /* sends it back and is done */
    WS_OWNER_SINK, /* is done */
    WS_OWNER_HOLD, /* keeps it until ws_release */
};

struct ws_fixture {
    struct gn_loop *loop;
    struct gn_ws_service *service;
    struct gn_ws_conn *conn; /* NULL once it was destroyed after its close */
    int client;              /* the other end; non-blocking */
    enum ws_owner owner;
    bool close_in_message; /* the owner closes with 1000 instead of replying */

    unsigned n_messages;
    enum gn_ws_opcode opcode;
    struct gn_buf payload; /* of the last message, a copy */
    struct gn_slice held;  /* of the last message, as delivered */
    unsigned n_pings;
    unsigned n_pongs;
    unsigned n_drained;
    unsigned n_closes;
    unsigned code;
    char reason[128];

    struct gn_buf received; /* what the client has read and not yet taken */
};

struct ws_options {
    struct gn_ws_timeouts timeouts; /* all 0: none */
    size_t message_bytes;           /* 0: 1 MiB */
    size_t queue_bytes;             /* 0: 64 KiB */
    const struct gn_ws_deflate_params *deflate;
    struct gn_slice early;
    bool keep_busy; /* without the first gn_ws_conn_done */
};

/** `o` may be NULL. */
void ws_open(struct ws_fixture *f, const struct ws_options *o);
/** Destroys everything, whatever state it is in. */
void ws_end(struct ws_fixture *f);

/** The client sends bytes, and the loop handles them. */
void ws_put(struct ws_fixture *f, struct gn_slice bytes);
/** Appends a client's frame; WS_RSV1 may be added to the opcode. */
void ws_frame(struct gn_buf *to, unsigned opcode, bool fin, struct gn_slice payload);
enum { WS_RSV1 = 0x40 };

/** The client sends one frame. */
void ws_send(struct ws_fixture *f, unsigned opcode, bool fin, struct gn_slice payload);
/** The client hangs up. */
void ws_hang_up(struct ws_fixture *f);
/** Lets the loop turn a few times. */
void ws_turn(struct ws_fixture *f);
/** The owner is done with the message it holds. */
void ws_release(struct ws_fixture *f);

/** A frame the server sent. */
struct ws_got {
    bool ok; /* there was one, whole, final, unmasked, without reserved bits but RSV1 */
    bool is_compressed;
    unsigned opcode;
    struct gn_slice payload; /* valid until the next call */
};

/** Takes the next frame, letting the loop turn until it is whole or nothing comes. */
struct ws_got ws_take(struct ws_fixture *f);
/** Takes a close frame; its code, 1005 for none, 0 when the next frame is no close. */
unsigned ws_take_close(struct ws_fixture *f);
/** Whether the server has ended the stream behind what was taken. */
bool ws_is_ended(struct ws_fixture *f);
/** Turns the loop until `*counter` reaches `n`; fails the test after 10 s. */
void ws_wait(struct ws_fixture *f, const unsigned *counter, unsigned n);

#endif
