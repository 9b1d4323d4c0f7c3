/* SPDX-License-Identifier: MIT */
#include "server/http/http1_conn.h"

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/base/obj.h"
#include "server/net/trust.h"

#include "server/http/exchange_priv.h"
#include "server/http/http1_conn_priv.h"

/*
 * The life of a connection and its dispatcher. Events (readable, writable, a
 * deadline, a handler that finished) do their part and then run the dispatcher;
 * it runs steps until one parks, flushes what they queued in one write, and
 * sets what to watch and how long to wait. Only the dispatcher and deadlines
 * destroy a connection, so no step or handler ever finds it gone.
 *
 * Invariants between steps:
 *  - idle, drain, close and linger have no exchange; head, body and serve have one;
 *  - between two runs nothing is serialised in server->batch.
 */

static bool step_has_exchange(uint8_t step)
{
    return step == GN_STEP_HEAD || step == GN_STEP_BODY || step == GN_STEP_SERVE;
}

static void check_invariants(const struct gn_http1_conn *c)
{
    GN_CHECK_OBJ(c, GN_HTTP1_CONN_MAGIC);
    gn_assert(c->step < GN_STEP_N);
    gn_assert((c->exchange != NULL) == step_has_exchange(c->step));
}

/* ---- deadlines ---------------------------------------------------------- */

/** Whose turn it is to say something about the content: the client's, unless the handler is
 *  behind, or the client rightly waits for 100 (Continue). */
GN_LOOP_THREAD static bool owes_content(const struct gn_http1_conn *c)
{
    const struct gn_exchange_private *p = c->exchange;

    return !gn_http1_body_is_done(&c->body) && gn_http1_conn_wants_read(c) &&
            (!p->continue_owed || p->has_started);
}

/** What the reading side waits for while parked. */
GN_LOOP_THREAD static enum gn_read_wait wanted_wait(const struct gn_http1_conn *c)
{
    switch ((enum gn_http1_step)c->step) {
    case GN_STEP_IDLE:
        return c->is_throttled ? GN_WAIT_NONE : GN_WAIT_IDLE;
    case GN_STEP_HEAD:
        return GN_WAIT_HEAD;
    case GN_STEP_BODY:
    case GN_STEP_DRAIN:
        return GN_WAIT_BODY;
    case GN_STEP_SERVE:
        return owes_content(c) ? GN_WAIT_BODY : GN_WAIT_NONE;
    case GN_STEP_LINGER:
        return GN_WAIT_LINGER;
    case GN_STEP_CLOSE:
    case GN_STEP_N:
        break;
    }
    return GN_WAIT_NONE;
}

static struct gn_timeout_list *list_of(struct gn_http_server *server, enum gn_read_wait wait)
{
    switch (wait) {
    case GN_WAIT_IDLE:
        return &server->timeouts.idle;
    case GN_WAIT_HEAD:
        return &server->timeouts.head;
    case GN_WAIT_BODY:
        return &server->timeouts.body;
    case GN_WAIT_LINGER:
        return &server->timeouts.linger;
    case GN_WAIT_NONE:
        break;
    }
    return NULL;
}

/** A head and a linger have one deadline; idle and body waits start anew with each event. */
GN_LOOP_THREAD static void set_read_deadline(struct gn_http1_conn *c)
{
    enum gn_read_wait wait = wanted_wait(c);
    bool restarts = wait == GN_WAIT_IDLE || (wait == GN_WAIT_BODY && c->made_progress);

    c->made_progress = false;
    if (wait == c->read_wait && !restarts) {
        return;
    }
    if (wait != c->read_wait) {
        c->is_rated = false;
    }
    c->read_wait = (uint8_t)wait;
    if (wait == GN_WAIT_NONE) {
        gn_timeout_disarm(&c->read_time);
    } else {
        gn_timeout_arm(list_of(c->server, wait), &c->read_time);
    }
}

static struct gn_http1_conn *conn_of_read_time(struct gn_timeout *timeout)
{
    struct gn_http1_conn *c = GN_CONTAINER_OF(timeout, struct gn_http1_conn, read_time);

    GN_CHECK_OBJ(c, GN_HTTP1_CONN_MAGIC);
    c->read_wait = GN_WAIT_NONE;
    return c;
}

static void on_silent_end(struct gn_timeout *timeout)
{
    struct gn_http1_conn *c = conn_of_read_time(timeout);

    gn_assert_loop_thread(c->server->loop);
    gn_http1_conn_destroy(c, GN_ERR_TIMEOUT);
}

static void on_head_late(struct gn_timeout *timeout)
{
    struct gn_http1_conn *c = conn_of_read_time(timeout);

    gn_assert_loop_thread(c->server->loop);
    if (!gn_http1_parser_has_begun(&c->exchange->parser)) {
        gn_http1_conn_destroy(c, GN_ERR_TIMEOUT);
        return;
    }
    gn_http1_conn_fail(c, 408, GN_ERR_TIMEOUT, "the head took too long");
    gn_http1_conn_run(c);
}

static void on_body_late(struct gn_timeout *timeout)
{
    struct gn_http1_conn *c = conn_of_read_time(timeout);

    gn_assert_loop_thread(c->server->loop);
    if (c->step == GN_STEP_DRAIN) {
        gn_http1_conn_destroy(c, GN_ERR_TIMEOUT); /* it was answered already */
        return;
    }
    gn_http1_conn_fail(c, 408, GN_ERR_TIMEOUT, "the body took too long");
    gn_http1_conn_run(c);
}

static void on_write_stall(struct gn_timeout *timeout)
{
    struct gn_http1_conn *c = GN_CONTAINER_OF(timeout, struct gn_http1_conn, write_time);

    GN_CHECK_OBJ(c, GN_HTTP1_CONN_MAGIC);
    gn_assert_loop_thread(c->server->loop);
    c->is_reset = true; /* frees what the kernel still holds for this client */
    gn_http1_conn_destroy(c, GN_ERR_TIMEOUT);
}

void gn_http1_conn_init_timeouts(struct gn_http_server *server)
{
    struct gn_http_timeouts *t = &server->timeouts;
    const struct gn_http_limits *l = &server->limits;

    gn_timeout_list_init(&t->idle, server->loop, l->idle_ms, on_silent_end);
    gn_timeout_list_init(&t->head, server->loop, l->head_ms, on_head_late);
    gn_timeout_list_init(&t->body, server->loop, l->body_idle_ms, on_body_late);
    gn_timeout_list_init(&t->stall, server->loop, l->write_stall_ms, on_write_stall);
    gn_timeout_list_init(&t->linger, server->loop, l->linger_ms, on_silent_end);
}

/* ---- the dispatcher ----------------------------------------------------- */

void gn_http1_conn_watch(struct gn_http1_conn *c)
{
    unsigned events = 0;

    if (gn_http1_conn_wants_read(c)) {
        events = c->reads_want_write ? GN_IO_WRITE : GN_IO_READ;
    }
    if (!gn_bufq_is_empty(&c->out)) {
        events |= c->writes_want_read ? GN_IO_READ : GN_IO_WRITE;
        if (!gn_timeout_is_armed(&c->write_time)) {
            gn_timeout_arm(&c->server->timeouts.stall, &c->write_time);
        }
    } else {
        gn_timeout_disarm(&c->write_time);
    }
    gn_io_watch(&c->stream->io, events);
}

/** The handler may go on writing: tells it once. Returns whether it was told. */
GN_LOOP_THREAD static bool tell_drained(struct gn_http1_conn *c)
{
    struct gn_exchange_private *p = c->exchange;

    if (p == NULL || !p->wants_drained || p->is_finished ||
            gn_http1_conn_n_waiting(c) > c->server->limits.output_low_bytes) {
        return false;
    }
    p->wants_drained = false;
    if (p->ex.handler->ops->drained == NULL) {
        return false;
    }
    p->ex.handler->ops->drained(p->ex.handler, &p->ex);
    return true;
}

/** Writes; says whether some step may go on because of that. */
GN_LOOP_THREAD static bool flush_and_react(struct gn_http1_conn *c)
{
    bool told;

    gn_http1_conn_flush(c);
    if (c->is_broken) {
        return true;
    }
    told = tell_drained(c);
    return told || (c->step == GN_STEP_CLOSE && gn_http1_conn_n_waiting(c) == 0) ||
            (c->is_throttled && gn_http1_conn_n_waiting(c) <= c->server->limits.output_low_bytes);
}

GN_LOOP_THREAD static enum gn_step_result run_steps(struct gn_http1_conn *c)
{
    enum gn_step_result result;

    do {
        check_invariants(c);
        result = c->is_broken ? GN_STEP_DONE : gn_http1_steps[c->step](c);
    } while (result == GN_STEP_MORE);
    return result;
}

/** Bytes wait inside the stream, and the descriptor will not tell of them. */
GN_LOOP_THREAD static bool can_read_pending(const struct gn_http1_conn *c)
{
    return c->stream != NULL && gn_stream_has_pending(c->stream) && gn_http1_conn_wants_read(c);
}

void gn_http1_conn_run(struct gn_http1_conn *c)
{
    enum gn_step_result result;

    gn_assert(!c->in_run && c->server->batch_conn == NULL);
    c->in_run = true;
    do {
        result = run_steps(c);
    } while (result == GN_STEP_PARKED && flush_and_react(c));
    c->in_run = false;
    if (result == GN_STEP_DONE) {
        gn_http1_conn_destroy(c, GN_ERR_GONE);
        return;
    }
    gn_input_trim(&c->in, &c->server->blocks);
    gn_http1_conn_watch(c);
    set_read_deadline(c);
    if (can_read_pending(c)) {
        gn_http1_conn_wake(c);
    }
}

void gn_http1_conn_wake(struct gn_http1_conn *c)
{
    gn_loop_defer(c->server->loop, &c->wake);
}

static void on_wake(struct gn_defer *defer)
{
    struct gn_http1_conn *c = GN_CONTAINER_OF(defer, struct gn_http1_conn, wake);

    gn_assert_loop_thread(c->server->loop);
    if (can_read_pending(c)) {
        gn_http1_conn_read(c);
    }
    gn_http1_conn_run(c);
}

static void on_ready(struct gn_stream *stream, unsigned events)
{
    struct gn_http1_conn *c = GN_CAST(struct gn_http1_conn, GN_HTTP1_CONN_MAGIC, stream->owner);

    gn_assert_loop_thread(c->server->loop);
    if (((events & GN_IO_READ) != 0 || c->reads_want_write) && gn_http1_conn_wants_read(c)) {
        gn_http1_conn_read(c);
    }
    gn_http1_conn_run(c);
}

/* ---- life --------------------------------------------------------------- */

void gn_http1_conn_start(
        struct gn_http_server *server, struct gn_stream **stream, struct gn_origin *origin)
{
    struct gn_http1_conn *c = gn_xcalloc(sizeof(*c));

    c->magic = GN_HTTP1_CONN_MAGIC;
    c->server = server;
    c->stream = *stream;
    *stream = NULL;
    c->stream->on_ready = on_ready;
    c->stream->owner = c;
    c->wake.fn = on_wake;
    c->origin = gn_origin_take(origin);
    c->peer_is_trusted = gn_trust_has_peer(server->proxies.forwarded, &c->origin.peer);
    gn_list_append(&server->conns, &c->link);
    server->stats.connections++;
    server->stats.accepted++;
    gn_http1_conn_watch(c);
    set_read_deadline(c);
}

void gn_http1_conn_refuse(struct gn_http_server *server, struct gn_stream **stream,
        struct gn_origin *origin, int status, const char *reason, struct gn_slice detail)
{
    struct gn_stream *s = *stream;
    struct gn_http1_conn *c;

    gn_http1_conn_start(server, stream, origin);
    c = GN_CAST(struct gn_http1_conn, GN_HTTP1_CONN_MAGIC, s->owner);
    c->is_told = true;
    server->n_told++;
    gn_http1_conn_fail_with(c, status, GN_ERR_PROTOCOL, reason, detail);
    gn_http1_conn_run(c);
}

void gn_http1_conn_destroy(struct gn_http1_conn *c, enum gn_err why)
{
    struct gn_http_server *server = c->server;
    struct gn_exchange_private *p = c->exchange;

    gn_assert(!c->in_run);
    gn_timeout_disarm(&c->read_time);
    gn_timeout_disarm(&c->write_time);
    gn_defer_cancel(&c->wake);
    if (p != NULL) {
        gn_exchange_note_input(p);
    }
    gn_http1_conn_drop_output(c);
    gn_input_clear(&c->in, &server->blocks);
    if (c->is_reset) {
        gn_stream_abort(&c->stream);
    } else {
        gn_stream_destroy(&c->stream);
    }
    gn_list_unlink(&c->link);
    gn_origin_fini(server, &c->origin);
    server->n_told -= c->is_told ? 1 : 0;
    c->exchange = NULL;
    c->magic = 0;
    gn_free(c);
    if (p != NULL) {
        gn_exchange_orphan(p, why);
    }
    gn_http_server_forget_conn(server);
}
