/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_CONTROL_H
#define GN_DEPLOY_PROGRAM_CONTROL_H

/*
 * The control socket: a Unix socket by which `gustnado stacks` and its like
 * (ask.h) ask a running server. Whoever may open it may ask; its file has mode
 * 0600, so that is the user the server runs as, and root.
 *
 * A connection is one question: a word and a newline, GN_CONTROL_QUESTION_BYTES
 * at most, within GN_CONTROL_ASK_MS.
 * The answer is a line "ok LENGTH" or "error LENGTH", that many bytes of text
 * (GN_CONTROL_ANSWER_BYTES at most), and the end; it must be there, and then be
 * taken, within GN_CONTROL_ANSWER_MS each. At most GN_CONTROL_CLIENTS are heard at
 * once, the next are closed.
 *
 *   stacks    what every Python worker is doing (bridge/py/dump.h)
 *   stats     what the Python executor counts and estimates (bridge/py/pystats.h)
 *   version   as of --version
 *
 * It is served by the loop, which never waits for Python: it works while the
 * GIL is stuck.
 *
 * Thread: the loop's.
 */

#include "bridge/py/dump.h"
#include "bridge/py/pyexec.h"
#include "server/base/err.h"
#include "server/loop/loop.h"
#include "server/net/addr.h"

/* All its limits. They are no options: people ask now and then, and who may open the socket is the
   server's own user. What they may want to wait for is an option of who asks (ask.c). */
#define GN_CONTROL_CLIENTS 8
#define GN_CONTROL_QUESTION_BYTES 64
#define GN_CONTROL_ASK_MS 5000
#define GN_CONTROL_ANSWER_BYTES GN_PYDUMP_TEXT_BYTES
#define GN_CONTROL_ANSWER_MS 15000 /* more than a dump takes (GN_LOOK_LIMIT_MS) */

struct gn_control;

/**
 * Opens it at `path`. A socket there that nobody answers on is replaced.
 *
 * Returns: GN_OK, GN_ERR_EXISTS (a server answers there), GN_ERR_INVALID (the path is too
 *          long for a socket), GN_ERR_SYSTEM; err says what to do
 */
GN_LOOP_THREAD GN_MUST_CHECK enum gn_err gn_control_open(struct gn_loop *loop, const char *path,
        struct gn_control **control_out, struct gn_error *err);

/** Begins to answer. pyexec: borrowed until the end; NULL: no Python is served. */
GN_LOOP_THREAD void gn_control_start(struct gn_control *control, struct gn_pyexec *pyexec);

/** Where it listens; lives as long as it does. */
const struct gn_addr *gn_control_addr(const struct gn_control *control);

/** Closes all and removes the file; before gn_pyexec_stop. Accepts NULL inside. */
GN_LOOP_THREAD void gn_control_destroy(struct gn_control **control);

#endif
