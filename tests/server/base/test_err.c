/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "server/base/err.h"
#include "tests/support/test.h"

Test(err, every_code_has_its_own_name)
{
    for (int i = 0; i < GN_ERR_N_CODES; i++) {
        const char *name = gn_err_name((enum gn_err)i);

        cr_assert_str_neq(name, "unknown error", "code %d", i);
        for (int k = 0; k < i; k++) {
            cr_assert_str_neq(name, gn_err_name((enum gn_err)k), "codes %d and %d", i, k);
        }
    }
    cr_assert_str_eq(gn_err_name(GN_ERR_N_CODES), "unknown error");
    cr_assert_str_eq(gn_err_name((enum gn_err) - 1), "unknown error");
}

Test(err, set_fills_and_returns_the_code)
{
    struct gn_error err;

    cr_assert_eq(gn_error_set(&err, GN_ERR_INVALID, 0, "port %d", 70000), GN_ERR_INVALID);
    cr_assert_eq(err.code, GN_ERR_INVALID);
    cr_assert_eq(err.sys_errno, 0);
    cr_assert_str_eq(err.message, "port 70000");
}

Test(err, set_appends_the_text_of_errno)
{
    struct gn_error err;

    cr_assert_eq(gn_error_set(&err, GN_ERR_SYSTEM, ENOENT, "cannot open x"), GN_ERR_SYSTEM);
    cr_assert_eq(err.sys_errno, ENOENT);
    cr_assert_str_eq(err.message, "cannot open x: No such file or directory");
}

Test(err, nobody_need_listen)
{
    cr_assert_eq(gn_error_set(NULL, GN_ERR_IO, EIO, "lost"), GN_ERR_IO);
}

Test(err, long_messages_are_cut)
{
    struct gn_error err;
    char text[2000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    cr_assert_eq(gn_error_set(&err, GN_ERR_IO, EIO, "%s", text), GN_ERR_IO);
    cr_assert_eq(strlen(err.message), sizeof(err.message) - 1);
}

static enum gn_err pass_on(enum gn_err rc, unsigned *n_after)
{
    GN_TRY(rc);
    ++*n_after;
    return GN_OK;
}

Test(err, try_returns_failures_only)
{
    unsigned n_after = 0;

    cr_assert_eq(pass_on(GN_OK, &n_after), GN_OK);
    cr_assert_eq(pass_on(GN_ERR_FULL, &n_after), GN_ERR_FULL);
    cr_assert_eq(n_after, 1);
}
