/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/gil.h"
#include "bridge/py/pyexec.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"

#ifdef Py_GIL_DISABLED
#define KIND " free-threaded"
#else
#define KIND ""
#endif

Test(gil, says_what_kind_of_python_it_is_before_there_is_one)
{
    cr_assert_str_eq(gn_gil_kind(), KIND);
}

Test(gil, is_on_unless_python_says_otherwise)
{
    gn_test_python_start("import sys\nis_on = getattr(sys, '_is_gil_enabled', lambda: True)()\n");
    gn_assert_gil();
    cr_assert_eq(gn_gil_is_on(), gn_test_python_is("is_on"));
    gn_test_python_stop();
}
