/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_DUMP_H
#define GN_BRIDGE_PY_DUMP_H

/*
 * What every worker of an executor is doing, as text for people: its call, how
 * long that has been running, its state and its Python stack; whatever the GIL
 * does (bridge/py/look.h).
 *
 * States:  idle     has no call
 *          running   uses its processor
 *          waiting   in a call and does not: for something outside Python, or for the GIL
 *          stuck     its call ran out of time and does not end (bridge/py/late.h)
 *          starting  has yet to begin
 *          ready     is about to take a call, as soon as it has the GIL
 *
 * While the GIL cannot be had, threads that the application started are shown
 * as well: one of them may hold it.
 *
 * Thread: the loop's. Nothing here blocks.
 */

#include "bridge/py/pyexec.h"
#include "server/base/slice.h"

#define GN_PYDUMP_TEXT_BYTES (8 << 20) /* what is longer is cut off */

struct gn_pydump;

/** On the loop, once; `text` is valid during the call. */
typedef void (*gn_pydump_fn)(void *arg, struct gn_slice text);

/** `fn` follows within some seconds, never during this call. */
GN_LOOP_THREAD struct gn_pydump *gn_pydump_start(
        struct gn_pyexec *exec, gn_pydump_fn fn, void *arg);

/** `fn` will not be called; before gn_pyexec_stop. Accepts NULL inside. */
GN_LOOP_THREAD void gn_pydump_cancel(struct gn_pydump **dump);

#endif
