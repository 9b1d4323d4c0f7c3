/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_SUPPORT_TEST_H
#define GN_TESTS_SUPPORT_TEST_H

/* Every test program includes this instead of Criterion itself. */

#include <criterion/criterion.h>

#endif
