/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_PROXIES_H
#define GN_DEPLOY_PROGRAM_PROXIES_H

/*
 * How people write what proxies do: parse and show functions of options
 * (deploy/program/options.h).
 *
 * Thread: start-up.
 */

#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/base/slice.h"

/** "x-forwarded-for,forwarded" or "none"; an unsigned of enum gn_forwarded_field's bits. */
GN_MUST_CHECK enum gn_err gn_proxies_parse_forwarded(
        void *into, struct gn_slice text, struct gn_error *err);
void gn_proxies_show_forwarded(const void *from, struct gn_buf *text);

#endif
