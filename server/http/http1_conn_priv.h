/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_HTTP1_CONN_PRIV_H
#define GN_SERVER_HTTP_HTTP1_CONN_PRIV_H

/*
 * What the files of this folder share: a connection's inside.
 *
 *   http1_conn.c         life, the dispatcher, what to watch and for how long
 *   http1_conn_steps.c   the steps
 *   http1_conn_read.c    from the stream to the input, and the request body
 *   http1_conn_write.c   from responses to the stream
 */

#include "server/http/http1_conn.h"
#include "server/http/rbuf.h"
#include "server/proto/http1_body.h"

#include "server/http/http_server_priv.h"

struct gn_exchange_private;

/** Where a connection is. The order is that of a request's life. */
enum gn_http1_step {
    GN_STEP_IDLE,   /* between requests; no exchange */
    GN_STEP_HEAD,   /* some of a head has arrived; the exchange holds the parser */
    GN_STEP_BODY,   /* collecting content before the request is served */
    GN_STEP_SERVE,  /* the handler has the exchange; a streamed body goes on arriving */
    GN_STEP_DRAIN,  /* answered; dropping the rest of the body; no exchange */
    GN_STEP_CLOSE,  /* nothing more is parsed; output is being written; no exchange */
    GN_STEP_LINGER, /* FIN was sent; reading on so that no reset destroys the answer */
    GN_STEP_N
};

/** What a step says. */
enum gn_step_result {
    GN_STEP_MORE,   /* there is a next step to be run now */
    GN_STEP_PARKED, /* nothing to do until something happens */
    GN_STEP_DONE,   /* the connection is to be destroyed */
};

/** Which deadline the reading side waits for. */
enum gn_read_wait {
    GN_WAIT_NONE,
    GN_WAIT_IDLE,
    GN_WAIT_HEAD,
    GN_WAIT_BODY,
    GN_WAIT_LINGER,
};

struct gn_http1_conn {
    unsigned magic;
    uint8_t step;      /* enum gn_http1_step */
    uint8_t read_wait; /* enum gn_read_wait */

    bool in_run;           /* the dispatcher is on the stack: output is flushed when it returns */
    bool has_read_eof;     /* FIN came: nothing more will be read, output still goes out */
    bool is_broken;        /* the stream is dead */
    bool is_reset;         /* end with a reset: a truncated response must not look complete */
    bool closes;           /* the current response is the last */
    bool lingers;          /* closing might lose the answer to a reset: read on for a while */
    bool made_progress;    /* body bytes arrived since the deadline was set */
    bool is_rated;         /* rate_since and rate_bytes are valid */
    bool is_throttled;     /* the next request waits until output has drained */
    bool writes_want_read; /* the stream must read to go on writing (TLS) */
    bool reads_want_write; /* and the other way round */
    bool peer_is_trusted;  /* by server->proxies.forwarded */
    bool is_told;          /* refused before it was read: counted in server->n_told */
    bool reads_large;      /* the last request's content did not come with its head */

    enum gn_err body_failure; /* of the last read of content, for the next step to answer */
    unsigned n_requests;
    struct gn_http_server *server;
    struct gn_stream *stream;
    struct gn_list link; /* server->conns */
    struct gn_exchange_private *exchange;
    struct gn_input in;
    struct gn_bufq out;          /* waiting for the client, behind server->batch if that is ours */
    struct gn_http1_body body;   /* decoder of the current request's content */
    uint64_t n_drained;          /* content dropped so far */
    gn_deadline rate_since;      /* the minimum rate is measured from here … */
    uint64_t rate_bytes;         /* … where the decoder stood at this offset */
    struct gn_timeout read_time; /* for read_wait */
    struct gn_timeout write_time;
    struct gn_defer wake; /* runs the dispatcher at the end of the turn */
    struct gn_origin origin;
};

#define GN_HTTP1_CONN_MAGIC 0x31c9be65u

/* http1_conn.c */

/** Runs steps until all is parked, flushes, sets watches; may destroy `c`. */
GN_LOOP_THREAD void gn_http1_conn_run(struct gn_http1_conn *c);
/** Runs the dispatcher soon: at the end of this turn. */
GN_LOOP_THREAD void gn_http1_conn_wake(struct gn_http1_conn *c);
/** Ends the connection now, cancelling what is being served. Not while in_run. */
GN_LOOP_THREAD void gn_http1_conn_destroy(struct gn_http1_conn *c, enum gn_err why);
/** Sets watch and write deadline after output changed outside the dispatcher. */
GN_LOOP_THREAD void gn_http1_conn_watch(struct gn_http1_conn *c);
/** For the lists in gn_http_timeouts. */
GN_LOOP_THREAD void gn_http1_conn_init_timeouts(struct gn_http_server *server);

/* http1_conn_steps.c */

typedef enum gn_step_result (*gn_step_fn)(struct gn_http1_conn *c);
extern const gn_step_fn gn_http1_steps[GN_STEP_N];

/** Answers an error of the client's by itself and closes; the exchange is over or orphaned. */
GN_LOOP_THREAD void gn_http1_conn_fail(
        struct gn_http1_conn *c, int status, enum gn_err why, const char *reason);
/** The same with a sentence for the reader. */
GN_LOOP_THREAD void gn_http1_conn_fail_with(struct gn_http1_conn *c, int status, enum gn_err why,
        const char *reason, struct gn_slice detail);

/* http1_conn_read.c */

/** One read from the stream; sets has_read_eof, is_broken. */
GN_LOOP_THREAD void gn_http1_conn_read(struct gn_http1_conn *c);
/** Whether the reading side has room. */
GN_LOOP_THREAD bool gn_http1_conn_wants_read(const struct gn_http1_conn *c);
/**
 * Gives input to the body decoder, and content to where it belongs.
 *
 * Returns: GN_OK           all usable input was consumed; see gn_http1_body_is_done
 *          GN_ERR_FULL     a streamed body waits for its handler
 *          GN_ERR_PROTOCOL see c->body.error
 *          GN_ERR_NO_SPACE, GN_ERR_IO, GN_ERR_NO_MEMORY  the body could not be kept
 */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_http1_conn_feed_body(
        struct gn_http1_conn *c, struct gn_slice in, size_t *consumed_out);
/** False when the client has sent less than limits.body_rate_bytes_s. */
GN_LOOP_THREAD bool gn_http1_conn_is_fast_enough(struct gn_http1_conn *c);

/* http1_conn_write.c */

/** Bytes that wait for the client. */
uint64_t gn_http1_conn_n_waiting(const struct gn_http1_conn *c);
/** Where to serialise the next bytes of output; one of the two below must follow. */
GN_LOOP_THREAD struct gn_buf *gn_http1_conn_open_out(struct gn_http1_conn *c);
GN_LOOP_THREAD void gn_http1_conn_close_out(struct gn_http1_conn *c, struct gn_buf *buf);
/** Writes it at once and `body` behind it, copying only what the client does not take. */
GN_LOOP_THREAD void gn_http1_conn_close_out_with(
        struct gn_http1_conn *c, struct gn_buf *buf, struct gn_slice body);
/** Moves what is serialised behind the queue's end, so that the queue can be appended to. */
GN_LOOP_THREAD struct gn_bufq *gn_http1_conn_queue(struct gn_http1_conn *c);
/** Forgets everything that waits. */
GN_LOOP_THREAD void gn_http1_conn_drop_output(struct gn_http1_conn *c);
/** Writes what can be written; sets is_broken. */
GN_LOOP_THREAD void gn_http1_conn_flush(struct gn_http1_conn *c);

#endif
