/* SPDX-License-Identifier: MIT */

/* Modules for test_module.c; which one is chosen by a definition. */

#include "web/module.h"

extern unsigned test_module_n_setups;
extern unsigned test_module_n_starts;
extern unsigned test_module_n_teardowns;

#if defined(MODULE_UNRESOLVED)
void nobody_has_this(void);
#endif

#if !defined(MODULE_WITHOUT_ENTRY)
static enum gn_err setup(struct gn_application *app, void **state_out, struct gn_error *err)
{
    (void)app;
    test_module_n_setups++;
    *state_out = &test_module_n_teardowns;
#if defined(MODULE_FAILING)
    return gn_error_set(err, GN_ERR_REFUSED, 0, "no %s today", "luck");
#elif defined(MODULE_UNRESOLVED)
    nobody_has_this();
#endif
    (void)err;
    return GN_OK;
}
#endif

#if defined(MODULE_RIGHT)
static enum gn_err start(
        struct gn_application *app, struct gn_loop *loop, void *state, struct gn_error *err)
{
    (void)app;
    (void)loop;
    (void)state;
    (void)err;
    test_module_n_starts++;
    return GN_OK;
}

static void teardown(void *state)
{
    ++*(unsigned *)state;
}

GN_MODULE(.name = "right", .version = "1.2", .setup = setup, .start = start, .teardown = teardown);
#elif defined(MODULE_OTHER_ABI)
GN_EXPORT extern const struct gn_module_v1 gn_module_v1;
const struct gn_module_v1 gn_module_v1 = {.abi = GN_MODULE_ABI + 1,
        .size = sizeof(struct gn_module_v1),
        .name = "other",
        .setup = setup};
#elif defined(MODULE_OTHER_SIZE)
GN_EXPORT extern const struct gn_module_v1 gn_module_v1;
const struct gn_module_v1 gn_module_v1 = {.abi = GN_MODULE_ABI,
        .size = sizeof(struct gn_module_v1) + 8,
        .name = "other",
        .setup = setup};
#elif defined(MODULE_WITHOUT_ENTRY)
GN_EXPORT extern int something_else;
int something_else;
#else
GN_MODULE(.name = "plain", .setup = setup);
#endif
