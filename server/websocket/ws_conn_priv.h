/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_WEBSOCKET_WS_CONN_PRIV_H
#define GN_SERVER_WEBSOCKET_WS_CONN_PRIV_H

/* What the files of this folder share: the inside of a connection and of a service. */

#include "server/base/buf.h"
#include "server/base/bufq.h"
#include "server/base/list.h"
#include "server/base/obj.h"
#include "server/loop/timeout_list.h"
#include "server/websocket/ws_compress.h"
#include "server/websocket/ws_conn.h"
#include "server/websocket/ws_service.h"

enum {
    GN_WS_BLOCK_BYTES = 16 * 1024, /* of one read */
    GN_WS_FREE_BLOCKS = 16,        /* kept for reuse */
    GN_WS_BATCH_BYTES = 16 * 1024, /* of output gathered while input is handled */
};

/** Bytes read from a client; counted, because a message in a handler's hands may lie in it. */
struct gn_ws_block {
    struct gn_list link; /* in the pool */
    unsigned refs;
    struct gn_buf bytes; /* reserved once */
};

struct gn_ws_service {
    unsigned magic;
    struct gn_loop *loop;
    struct gn_http_server *server;
    struct gn_timeout_list ping;
    struct gn_timeout_list pong;
    struct gn_timeout_list closing;
    struct gn_timeout_list stall;
    struct gn_list conns; /* struct gn_ws_conn, those that are not over */
    unsigned n_open;
    struct gn_list dirty; /* struct gn_ws_conn with news for `flush` */
    struct gn_defer flush;
    struct gn_list free_blocks;
    unsigned n_free_blocks;
    struct gn_buf batch; /* output of batch_conn, not written yet */
    struct gn_ws_conn *batch_conn;
    struct gn_ws_compress compress;
    struct gn_stop_hook stop_hook; /* linked while n_open > 0 */
    bool is_hooked;
    struct gn_timer cut; /* cuts what is left when a stop takes too long */
};

#define GN_WS_SERVICE_MAGIC 0x7e15b3c9u

/** Set only by gn_ws_conn_enter; each state may only be followed by a later one. */
enum gn_ws_state {
    GN_WS_OPEN,
    GN_WS_CLOSING,  /* our close frame is queued; waiting for the client's */
    GN_WS_FAILING,  /* the same after an error of the client's: its input is dropped unread */
    GN_WS_FLUSHING, /* both close frames are done; ours is still to be written */
    GN_WS_OVER,     /* `close` was called; no stream any more */
};

/** A complete message and the memory it lies in: a block, or memory of its own. */
struct gn_ws_incoming {
    struct gn_slice payload;
    struct gn_ws_block *block; /* NULL: in `own` */
    char *own;                 /* of a gn_buf */
    enum gn_ws_opcode opcode;
};

/* Some ten thousand of these lie idle in a process: a test holds them to their size. */
struct gn_ws_conn {
    unsigned magic;
    enum gn_ws_state state;
    struct gn_ws_service *service;
    struct gn_stream *stream; /* NULL when it is over */
    const struct gn_ws_conn_ops *ops;
    void *owner;
    size_t message_bytes;
    size_t queue_bytes;
    struct gn_list link;  /* on service->conns */
    struct gn_list dirty; /* on service->dirty */

    /* input */
    struct gn_ws_decoder decoder;
    struct gn_ws_block *in;        /* NULL: nothing unread */
    size_t in_at;                  /* bytes of it that are decoded */
    struct gn_buf assembly;        /* of a message that comes in pieces */
    struct gn_ws_incoming current; /* in the owner's hands while is_busy */
    struct gn_ws_incoming next;    /* read ahead while has_next */

    /* output */
    struct gn_bufq out;

    /* time */
    struct gn_timeout turn; /* on ping, pong or closing, by what is awaited */
    struct gn_timeout stall;

    /* the end */
    char *reason;  /* the client's, owned; NULL: none */
    uint16_t code; /* for `close` */

    uint8_t deflate_bits; /* window of compressed messages to the client; 0: not agreed */
    uint8_t read_wait;    /* what a read waits for: GN_IO_READ, or GN_IO_WRITE for TLS */
    uint8_t write_wait;   /* what a write waits for; 0: it is not blocked */
    bool in_run;          /* operations may be called; ends in gn_ws_conn_settle */
    bool is_busy;         /* the owner owes gn_ws_conn_done */
    bool has_next;
    bool is_full;   /* GN_ERR_FULL was said: `drained` is owed */
    bool is_broken; /* the stream is dead, or its end was read */
    bool is_shut;   /* FIN was sent */
    bool was_heard; /* input came since the last ping */
};

#define GN_WS_CONN_MAGIC 0x19c4a6f3u

/* ---- ws_conn.c ---- */

/** Begins and ends a stretch in which operations may be called. */
GN_LOOP_THREAD void gn_ws_conn_run_begin(struct gn_ws_conn *c);
/** Writes, watches, ends what is over: `c` may be gone after it. */
GN_LOOP_THREAD void gn_ws_conn_settle(struct gn_ws_conn *c);
GN_LOOP_THREAD void gn_ws_conn_enter(struct gn_ws_conn *c, enum gn_ws_state state);
/** The other side, or the network, is gone: nothing more can be written. */
GN_LOOP_THREAD void gn_ws_conn_break(struct gn_ws_conn *c);

/* ---- ws_conn_read.c ---- */

/** Reads and decodes what there is, within bounds. */
GN_LOOP_THREAD void gn_ws_conn_read(struct gn_ws_conn *c);
/** The same for bytes that wait inside the stream, which no descriptor tells of. */
GN_LOOP_THREAD void gn_ws_conn_read_pending(struct gn_ws_conn *c);
/** Delivers and decodes what was read already. */
GN_LOOP_THREAD void gn_ws_conn_pump(struct gn_ws_conn *c);
/** Whether more input is welcome. */
bool gn_ws_conn_wants_input(const struct gn_ws_conn *c);
/** Whether input waits until the owner is done. */
bool gn_ws_conn_is_parked(const struct gn_ws_conn *c);
GN_LOOP_THREAD void gn_ws_conn_append_input(struct gn_ws_conn *c, struct gn_slice bytes);
/** Gives the block back when everything in it is decoded. */
GN_LOOP_THREAD void gn_ws_conn_trim_input(struct gn_ws_conn *c);
GN_LOOP_THREAD void gn_ws_conn_drop_input(struct gn_ws_conn *c);
GN_LOOP_THREAD void gn_ws_incoming_release(struct gn_ws_service *service, struct gn_ws_incoming *m);

/* ---- ws_conn_write.c ---- */

/** Queues a frame; outside a run it leaves at the end of the turn. */
GN_LOOP_THREAD void gn_ws_conn_queue(
        struct gn_ws_conn *c, struct gn_slice header, struct gn_slice payload);
GN_LOOP_THREAD void gn_ws_conn_queue_control(
        struct gn_ws_conn *c, enum gn_ws_opcode opcode, struct gn_slice payload);
GN_LOOP_THREAD void gn_ws_conn_queue_close(
        struct gn_ws_conn *c, unsigned code, struct gn_slice reason);
/** Writes what it can. */
GN_LOOP_THREAD void gn_ws_conn_write(struct gn_ws_conn *c);
GN_LOOP_THREAD void gn_ws_conn_drop_output(struct gn_ws_conn *c);
/** Have it settled at the end of the turn. */
GN_LOOP_THREAD void gn_ws_conn_mark_dirty(struct gn_ws_conn *c);

/* ---- ws_message.c ---- */

/** The frame for clients that take compressed messages; made when first asked for. */
GN_LOOP_THREAD struct gn_slice gn_ws_message_frame_deflated(
        struct gn_ws_message *message, struct gn_ws_compress *z, uint8_t window_bits);

/* ---- ws_service.c ---- */

GN_LOOP_THREAD void gn_ws_service_enlist(struct gn_ws_service *service, struct gn_ws_conn *c);
GN_LOOP_THREAD void gn_ws_service_forget(struct gn_ws_service *service, struct gn_ws_conn *c);
/** An empty block with one reference. */
GN_LOOP_THREAD struct gn_ws_block *gn_ws_block_take(struct gn_ws_service *service);
/** Sets `*block` to NULL; NULL is allowed. */
GN_LOOP_THREAD void gn_ws_block_unref(struct gn_ws_service *service, struct gn_ws_block **block);

#endif
