/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_PYSTATS_H
#define GN_BRIDGE_PY_PYSTATS_H

/*
 * What a Python executor knows about itself, for people. The numbers are in
 * gn_pyexec_stats.
 */

#include "bridge/py/pyexec.h"
#include "server/base/attr.h"
#include "server/base/buf.h"

/** Appends gn_pyexec_stats as lines of text, and the estimates of the 40 kinds of calls that cost
 *  most; some 6 KiB. What does not fit is left out. */
GN_LOOP_THREAD void gn_pyexec_stats_text(const struct gn_pyexec *exec, struct gn_buf *into);

#endif
