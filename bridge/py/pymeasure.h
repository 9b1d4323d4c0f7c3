/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_PYMEASURE_H
#define GN_BRIDGE_PY_PYMEASURE_H

/*
 * What a call uses of its worker's thread, measured around it and told to the
 * estimates (bridge/py/call_cost.h) and to the pace (bridge/py/pace.h).
 */

#include "server/base/attr.h"

struct gn_pycall;
struct gn_pyworker;

/** Before a call: decides whether it is measured. */
GN_WORKER_THREAD void gn_pymeasure_begin(struct gn_pyworker *w, const struct gn_pycall *call);

/** After it, while the call is still the worker's; started_at and ended_at are set. */
GN_WORKER_THREAD void gn_pymeasure_end(struct gn_pyworker *w, const struct gn_pycall *call);

/** Tells what the call taught. With the executor's lock held, and the call out of the room. */
GN_WORKER_THREAD void gn_pymeasure_learn_locked(struct gn_pyworker *w);

#endif
