/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_THREAD_RANGE_H
#define GN_DEPLOY_PROGRAM_THREAD_RANGE_H

/*
 * How people write numbers of worker threads: parse and show functions of an
 * option (deploy/program/options.h).
 *
 * Thread: start-up.
 */

#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/base/slice.h"

#define GN_THREAD_RANGE_MAX 1024

/** 1 <= min <= max <= GN_THREAD_RANGE_MAX. */
struct gn_thread_range {
    unsigned min; /* kept when idle */
    unsigned max;
};

/**
 * "8", which is "1:8", or "2:8"; into a struct gn_thread_range.
 *
 * Returns: GN_OK, GN_ERR_INVALID (err says what was expected; nothing is stored)
 */
GN_MUST_CHECK enum gn_err gn_thread_range_parse(
        void *into, struct gn_slice text, struct gn_error *err);
/** Appends "2:8". */
void gn_thread_range_show(const void *from, struct gn_buf *text);

#endif
