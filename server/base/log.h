/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_BASE_LOG_H
#define GN_SERVER_BASE_LOG_H

/*
 * The error log: one line per event, to standard error unless a sink is set.
 * Whoever handles an error logs it, once, with context; parsers never log.
 *
 * Thread: any. A line is formatted on the stack and handed to the sink in one
 * piece. Control bytes in the text are escaped, so that nothing a peer sends
 * can forge a line or move a terminal's cursor. A newline the program itself
 * wants (a traceback) is written by gn_log_block.
 * The sink is the one piece of process-wide state in this folder.
 */

#include <stdbool.h>

#include "server/base/attr.h"
#include "server/base/slice.h"

enum gn_log_level {
    GN_LOG_DEBUG,
    GN_LOG_INFO,
    GN_LOG_WARNING,
    GN_LOG_ERROR,
    GN_LOG_CRITICAL,
};

/** Receives one finished line, newline included. Any thread; must not block for long. */
typedef void (*gn_log_sink_fn)(void *arg, enum gn_log_level level, struct gn_slice line);

/** NULL restores standard error. Call before threads start. */
void gn_log_set_sink(gn_log_sink_fn sink, void *arg);
/** Lines below `level` are dropped; GN_LOG_INFO at start. */
GN_ANY_THREAD void gn_log_set_level(enum gn_log_level level);
GN_ANY_THREAD bool gn_log_is_on(enum gn_log_level level);
/** "debug", "info", "warning", "error", "critical", in any case; false when unknown. */
GN_ANY_THREAD GN_MUST_CHECK bool gn_log_level_parse(
        struct gn_slice name, enum gn_log_level *level_out);

/** One line: "2026-11-21 05:24:29 +0000 [pid] [LEVEL] text". */
GN_ANY_THREAD GN_PRINTF(2, 3) void gn_log(enum gn_log_level level, const char *fmt, ...);
/** A heading line, then `text` verbatim but for control bytes other than newline and tab. */
GN_ANY_THREAD void gn_log_block(
        enum gn_log_level level, struct gn_slice heading, struct gn_slice text);

#define gn_log_debug(...) gn_log(GN_LOG_DEBUG, __VA_ARGS__)
#define gn_log_info(...) gn_log(GN_LOG_INFO, __VA_ARGS__)
#define gn_log_warning(...) gn_log(GN_LOG_WARNING, __VA_ARGS__)
#define gn_log_error(...) gn_log(GN_LOG_ERROR, __VA_ARGS__)

#endif
