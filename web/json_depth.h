/* SPDX-License-Identifier: MIT */
#ifndef GN_WEB_JSON_DEPTH_H
#define GN_WEB_JSON_DEPTH_H

/*
 * How deep JSON text is nested, found without recursion. Parsers that call
 * themselves once per level (Jansson's does) must not be given text from a
 * client on a task's small stack before this has passed it: 32 levels are fine.
 * Pure; any thread.
 */

#include <stdbool.h>

#include "server/base/slice.h"

/**
 * False when brackets and braces outside of strings are nested deeper than
 * `max`. Says nothing about text that is not JSON, except that a parser which
 * stops at its first mistake gets no deeper either.
 */
GN_EXPORT GN_ANY_THREAD bool gn_json_is_shallow(struct gn_slice text, unsigned max);

#endif
