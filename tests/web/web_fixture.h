/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_WEB_WEB_FIXTURE_H
#define GN_TESTS_WEB_WEB_FIXTURE_H

/*
 * An application behind a server, and clients on socket pairs:
 *
 *   web_init(&f);
 *   gn_app_get(f.app, "/x", handler);
 *   web_start(&f);
 *   a = web_get(&f, "/x");
 *   web_end(&f);
 */

#include "server/base/attr.h"
#include "server/base/buf.h"
#include "server/http/http_server.h"
#include "server/loop/loop.h"
#include "web/application.h"

struct web_client {
    int fd; /* -1: hung up */
    struct gn_buf received;
};

struct web_fixture {
    struct gn_loop *loop;
    struct gn_application *app;
    struct gn_application *inner; /* ended with the rest; NULL: none */
    struct gn_http_server *server;
    struct gn_http_proxies proxies; /* set between web_init and web_start */
    struct web_client client;       /* the one that web_ask uses */
};

struct web_answer {
    int status; /* 0: the connection ended, or nothing came within 10 s */
    struct gn_slice head;
    struct gn_slice body; /* by Content-Length, chunks joined, or to the end; all valid until
                             the next call */
};

void web_init(struct web_fixture *f);
void web_start(struct web_fixture *f);
/** The same with options. */
void web_start_with(struct web_fixture *f, const struct gn_app_options *options);
void web_end(struct web_fixture *f);
void web_turn(struct web_fixture *f);

/** Another connection to the server. */
void web_connect(struct web_fixture *f, struct web_client *c);
void web_hang_up(struct web_fixture *f, struct web_client *c);
void web_put(struct web_fixture *f, struct web_client *c, struct gn_slice bytes);
/** Reads what is there; true when something came. */
bool web_slurp(struct web_client *c);
/** The next answer. */
struct web_answer web_take(struct web_fixture *f, struct web_client *c);

/** Sends a whole request and takes its answer. */
struct web_answer web_ask(struct web_fixture *f, const char *request);
/** GET over HTTP/1.1. */
struct web_answer web_get(struct web_fixture *f, const char *target);
/** Method, target, more fields ("A: b\r\n" …, may be ""), body. */
struct web_answer web_send(struct web_fixture *f, const char *method, const char *target,
        const char *fields, const char *body);

/** The value of a field of the answer; ptr NULL when it is not there. */
struct gn_slice web_field(const struct web_answer *a, const char *name);
/** Turns the loop until `*counter` reaches `n`; fails the test after 10 s. */
void web_wait(struct web_fixture *f, const unsigned *counter, unsigned n);

/* ---- as a WebSocket client ---- */

/** Shakes hands; the status. `fields` as above. */
int web_upgrade(
        struct web_fixture *f, struct web_client *c, const char *target, const char *fields);
void web_ws_send(
        struct web_fixture *f, struct web_client *c, unsigned opcode, struct gn_slice payload);

struct web_frame {
    int opcode; /* -1: the connection ended, or nothing came */
    struct gn_slice payload;
};

/** The next frame; valid until the next call. */
struct web_frame web_ws_take(struct web_fixture *f, struct web_client *c);
/** The code of the close frame that comes next; 0 when something else does. */
unsigned web_ws_take_close(struct web_fixture *f, struct web_client *c);

#endif
