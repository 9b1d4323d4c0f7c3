/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_SCAN_X86_H
#define GN_SERVER_PROTO_SCAN_X86_H

/*
 * The vector variants of scan.h for x86-64. On other machines both are NULL.
 * Call them only where the CPU has the instructions; gn_scan_best() asks.
 */

#include "server/proto/scan.h"

extern const struct gn_scan *const gn_scan_sse42;
extern const struct gn_scan *const gn_scan_avx2;

#endif
