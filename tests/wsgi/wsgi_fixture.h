/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_WSGI_WSGI_FIXTURE_H
#define GN_TESTS_WSGI_WSGI_FIXTURE_H

/*
 * An interpreter for a test, and Python code as the natural way to say what a
 * Python object should do. The test's thread holds the GIL.
 */

#include <Python.h>

#include <stdbool.h>

#include "server/base/slice.h"
#include "server/http/body.h"
#include "server/http/exchange.h"

/** For .init and .fini. */
void wsgi_python_start(void);
void wsgi_python_stop(void);

/** A fresh set of globals with `name` = `object` (borrowed). */
PyObject *wsgi_globals(const char *name, PyObject *object);
void wsgi_set(PyObject *globals, const char *name, PyObject *object);

/** Runs statements; a raised exception (a failed assert) fails the test. */
void wsgi_run(PyObject *globals, const char *code);
/** True when the statements raise `expected`, whose name is looked up in builtins. */
bool wsgi_raises(PyObject *globals, const char *code, const char *expected);

/** A whole body: in memory, or spooled to a file when `in_file`. */
void wsgi_body_fill(struct gn_body *body, struct gn_slice bytes, bool in_file);

/** A request parsed from its text, in an exchange without a connection. */
struct wsgi_request {
    struct gn_exchange exchange;
    struct gn_http1_head head;
    struct gn_header headers[100];
    struct gn_addr local;
    char text[8192];
};

void wsgi_request_parse(struct wsgi_request *request, const char *text);
void wsgi_request_fini(struct wsgi_request *request);
struct gn_addr wsgi_addr(const char *text);

#endif
