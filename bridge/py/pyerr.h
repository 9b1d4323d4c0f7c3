/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_PYERR_H
#define GN_BRIDGE_PY_PYERR_H

/*
 * What to do with an exception that reached C: turn it into text, once, and
 * clear it. SystemExit and KeyboardInterrupt are exceptions like all others
 * here: an application cannot end the server by raising one.
 *
 * Thread: any that holds the GIL. These functions never raise and never fail:
 * when Python cannot format its own exception they say as much as they can.
 * Text is UTF-8; what cannot be encoded is escaped. A very long traceback
 * loses its middle, never its last line.
 */

#include <stdbool.h>

#include "server/base/attr.h"
#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/slice.h"

/** Bytes that formatted text may need at most: a good limit for the buffer. */
#define GN_PYERR_TEXT_BYTES 32768

/**
 * Appends the current exception with its full traceback, chained causes
 * included, and clears it. With no exception set nothing is appended. What
 * does not fit the buffer's limit is dropped.
 */
GN_NEEDS_GIL void gn_pyerr_format(struct gn_buf *into);

/** Appends one line, "ValueError: no such thing", and leaves the exception set. */
GN_NEEDS_GIL void gn_pyerr_summary(struct gn_buf *into);

/** Logs `heading` and the current exception with its traceback as one block, and clears it. */
GN_NEEDS_GIL void gn_pyerr_log(enum gn_log_level level, struct gn_slice heading);

/**
 * Appends where a thread is, as a traceback does: the innermost call last.
 *
 * Units:   thread: threading.get_ident() of it
 * Returns: false when there is no such thread, or Python could not say
 */
GN_NEEDS_GIL bool gn_pyerr_stack(unsigned long thread, struct gn_buf *into);

#endif
