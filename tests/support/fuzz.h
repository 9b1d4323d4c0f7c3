/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_SUPPORT_FUZZ_H
#define GN_TESTS_SUPPORT_FUZZ_H

/*
 * What a fuzz target in tests/fuzz defines. The preset `fuzz` links it with
 * libFuzzer; every other build replays the committed corpus through it.
 *
 * A target must be quick, keep no state between calls, and abort (gn_assert)
 * when what it decodes depends on how the bytes were cut.
 */

#include <stddef.h>
#include <stdint.h>

/** The name is libFuzzer's. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
