/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include "server/base/obj.h"
#include "tests/support/test.h"

struct thing {
    unsigned magic;
    int value;
};

#define THING_MAGIC 0x7419a2f1u

Test(obj, live_object_passes)
{
    struct thing thing = {.magic = THING_MAGIC, .value = 7};
    void *arg = &thing;
    struct thing *back = GN_CAST(struct thing, THING_MAGIC, arg);

    GN_CHECK_OBJ(back, THING_MAGIC);
    cr_assert_eq(back->value, 7);
}

Test(obj, wrong_object_aborts, .signal = SIGABRT)
{
    struct thing thing = {.magic = THING_MAGIC + 1};
    void *arg = &thing;

    (void)GN_CAST(struct thing, THING_MAGIC, arg);
}

Test(obj, ended_object_aborts, .signal = SIGABRT)
{
    struct thing thing = {.magic = 0};

    GN_CHECK_OBJ(&thing, THING_MAGIC);
}

Test(obj, null_aborts, .signal = SIGABRT)
{
    void *arg = NULL;

    (void)GN_CAST(struct thing, THING_MAGIC, arg);
}
