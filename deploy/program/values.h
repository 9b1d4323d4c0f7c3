/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_VALUES_H
#define GN_DEPLOY_PROGRAM_VALUES_H

/*
 * How people write sizes, times and command lines. Pure functions.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/slice.h"

/** "8190", "64K", "8M", "1G" (powers of 1024; "KB", "KiB" and small letters too). */
bool gn_value_parse_size(struct gn_slice text, uint64_t *bytes_out);
/** The shortest of these spellings that is exact. */
void gn_value_show_size(uint64_t bytes, struct gn_buf *text);

/** "30", "0.5", "500ms", "30s", "5m", "1h": at most three decimals; never negative. */
bool gn_value_parse_ms(struct gn_slice text, int64_t *ms_out);

#endif
