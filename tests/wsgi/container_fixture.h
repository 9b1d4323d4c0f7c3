/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_WSGI_CONTAINER_FIXTURE_H
#define GN_TESTS_WSGI_CONTAINER_FIXTURE_H

/*
 * A whole server around Python applications, spoken to over socket pairs. The
 * client is a thread of its own that sends, reads to the end of the stream and
 * then stops the loop; the test's thread runs the loop meanwhile and looks at
 * what came afterwards.
 */

#include <pthread.h>

#include "bridge/py/pyexec.h"
#include "server/http/http_server.h"
#include "server/loop/loop.h"
#include "tests/wsgi/wsgi_fixture.h"
#include "wsgi/container.h"

/** What a test may look at between served_begin and served_end. */
struct served {
    struct gn_loop *loop;
    struct gn_pyexec *pyexec;
    struct gn_wsgi_container *container;
    struct gn_http_server *server;
    PyObject *globals; /* of the application's code */
    PyThreadState *python;
};

extern struct served served;

struct served_setup {
    const char *code; /* defines `app`, or others by name; TEXT, notes and gate are there */
    const char *const *mounts; /* pairs of prefix and name, NULL behind; NULL: app at the root */
    bool streams_uploads;      /* of every mount */
    const char *streams_only;  /* of the mount at this prefix; NULL: none */
    int64_t timeout_ms;
    struct gn_pyexec_options pyexec;
    struct gn_http_limits limits;
};

struct served_setup served_usual(const char *code);
/** The GIL is not held afterwards. */
void served_begin(const struct served_setup *setup);
/** Stops everything in order; `code` is then run: what the application should have seen. */
void served_end(const char *code);
/** Runs statements while the server runs. */
void served_python(const char *code);
/** Whether an expression is true while the server runs. */
bool served_is(const char *expression);

/** Whether the log holds a text; what was logged is dropped by served_forget_log. */
bool served_log_has(const char *text);
void served_forget_log(void);
/** Runs the loop until the log holds it. */
void served_await_log(const char *text);

/** Code of an iterable that keeps to one thread and notes what is done with it; or raises. */
#define TRACKED                                                                                    \
    "class Tracked:\n"                                                                             \
    "    def __init__(self, parts):\n"                                                             \
    "        self.parts, self.thread = iter(parts), threading.get_ident()\n"                       \
    "        notes.update(closed=0, taken=0)\n"                                                    \
    "    def __iter__(self): return self\n"                                                        \
    "    def __next__(self):\n"                                                                    \
    "        assert threading.get_ident() == self.thread\n"                                        \
    "        part = next(self.parts)\n"                                                            \
    "        notes['taken'] += 1\n"                                                                \
    "        if isinstance(part, Exception): raise part\n"                                         \
    "        return part\n"                                                                        \
    "    def close(self):\n"                                                                       \
    "        assert threading.get_ident() == self.thread\n"                                        \
    "        notes['closed'] += 1\n"                                                               \
    "        notes['open'].set() if 'open' in notes else None\n"

struct served_client {
    int fd;
    const char *request;
    size_t read_at_most; /* then it vanishes */
    char *received;      /* NUL-terminated, the caller's (gn_free) */
    size_t n_received;
    pthread_t thread;
    struct gn_post stop;
    bool has_stopped; /* loop thread: it has read everything */
};

/** Starts a client; when it has read everything it stops the loop. */
void served_client_start(struct served_client *c, const char *request, size_t read_at_most);
/** Runs the loop until the client has finished. */
void served_client_join(struct served_client *c);

/** One client from start to end, the loop running. */
struct served_client served_talk_partly(const char *request, size_t read_at_most);
char *served_talk(const char *request);
/** The response begins and ends so. */
void served_assert(const char *request, const char *start, const char *finish);

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define KEEP(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

#endif
