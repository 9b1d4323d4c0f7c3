/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/base/alloc.h"

/* What test files rely on, whichever runner stands behind tests/support/test.h. */

static int prepared;

static void prepare(void)
{
    prepared = 42;
}

static void check_prepared(void)
{
    cr_assert_eq(prepared, 42);
}

Test(plain_test, runs_init_and_fini, .init = prepare, .fini = check_prepared)
{
    cr_assert_eq(prepared, 42);
}

Test(plain_test, starts_each_test_afresh)
{
    cr_assert_eq(prepared, 0);
    prepared = 1;
}

Test(plain_test, expects_a_broken_contract_to_abort, .signal = SIGABRT)
{
    gn_assert(prepared == 7);
}

Test(plain_test, expects_an_exit_code, .exit_code = 3)
{
    _exit(3);
}

Test(plain_test, leaves_disabled_tests_out, .disabled = true)
{
    cr_assert_fail("a disabled test ran");
}

Test(plain_test, ends_within_its_timeout, .timeout = 20)
{
    cr_assert(true, "with a %s", "message");
}

Test(plain_test, knows_the_assertions)
{
    const char *text = "text";

    cr_assert_not(false);
    cr_assert_neq(1, 2);
    cr_assert_lt(1, 2);
    cr_assert_leq(2, 2, "message only");
    cr_assert_gt(2, 1);
    cr_assert_geq(2, 2);
    cr_assert_null(NULL);
    cr_assert_not_null(text);
    cr_assert_str_eq(text, "text");
    cr_assert_str_neq(text, "other", "%d", 1);
    cr_assert_arr_eq(text, "text", 4);
    cr_assert_float_eq(0.1 + 0.2, 0.3, 1e-9);
}
