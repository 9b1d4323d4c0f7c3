/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_SUPPORT_TEST_H
#define GN_TESTS_SUPPORT_TEST_H

/*
 * Every test program includes this instead of Criterion itself. Criterion does
 * not start under ThreadSanitizer, so that build maps the same words to a
 * small runner of our own. Use only what plain_test.h offers: Test() and
 * TestSuite() with .signal, .exit_code, .init, .fini, .timeout and .disabled,
 * and the cr_assert family.
 */

#ifdef GN_TEST_PLAIN
#include "tests/support/plain_test.h"
#else
#include <criterion/criterion.h>
#endif

#endif
