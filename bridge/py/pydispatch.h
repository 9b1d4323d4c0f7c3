/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_PYDISPATCH_H
#define GN_BRIDGE_PY_PYDISPATCH_H

/*
 * How many workers to wake, and when: at the end of a turn that submitted
 * calls, and each millisecond while calls wait.
 */

#include "server/base/attr.h"

struct gn_pyexec;

/** Moves what was submitted in this turn to the queue, and wakes as many workers as help. */
GN_LOOP_THREAD void gn_pydispatch_publish(struct gn_pyexec *exec);

/** Looks what the workers are doing; the callback of the check timer, which it starts again while
 *  calls wait. */
GN_LOOP_THREAD void gn_pydispatch_check(struct gn_pyexec *exec);

#endif
