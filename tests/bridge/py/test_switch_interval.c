/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/switch_interval.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

#define IS(seconds) gn_test_python_is("round(sys.getswitchinterval(), 6) == " seconds)

Test(switch_interval, is_shortened_and_given_back)
{
    struct gn_switch_interval interval = {0};

    gn_test_python_start("import sys\n");
    gn_switch_interval_set(&interval, false);
    cr_assert(IS("0.005"));
    gn_switch_interval_set(&interval, true);
    cr_assert(IS("0.0005"));
    gn_switch_interval_set(&interval, true);
    cr_assert(IS("0.0005"));
    gn_switch_interval_set(&interval, false);
    cr_assert(IS("0.005"));
    gn_test_python_stop();
}

Test(switch_interval, respects_what_the_application_chose_before)
{
    struct gn_switch_interval interval = {0};

    gn_test_python_start("import sys\nsys.setswitchinterval(0.02)\n");
    gn_switch_interval_set(&interval, true);
    cr_assert(IS("0.02"));
    cr_assert(interval.is_theirs);
    gn_switch_interval_set(&interval, false);
    cr_assert(IS("0.02"));
    gn_test_python_stop();
}

Test(switch_interval, respects_what_the_application_chose_since)
{
    struct gn_switch_interval interval = {0};

    gn_test_python_start("import sys\n");
    gn_switch_interval_set(&interval, true);
    gn_test_python_run("sys.setswitchinterval(0.001)");
    gn_switch_interval_set(&interval, false);
    cr_assert(IS("0.001"));
    cr_assert_not(interval.is_short);
    gn_switch_interval_set(&interval, true);
    cr_assert(IS("0.001"));
    gn_test_python_stop();
}

Test(switch_interval, survives_a_python_without_it)
{
    struct gn_switch_interval interval = {0};

    gn_test_python_start("import sys\ndel sys.getswitchinterval\n");
    gn_switch_interval_set(&interval, true);
    cr_assert_not(interval.is_short);
    cr_assert(PyErr_Occurred() == NULL);
    gn_test_python_stop();
}
