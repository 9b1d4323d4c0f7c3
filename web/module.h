/* SPDX-License-Identifier: MIT */
#ifndef GN_WEB_MODULE_H
#define GN_WEB_MODULE_H

/*
 * Handlers in a shared object of their own, loaded by the program
 * (`gustnado --module FILE.so`). The object exports one symbol, which
 * GN_MODULE defines:
 *
 *   static enum gn_err setup(struct gn_application *app, void **state_out, struct gn_error *err)
 *   {
 *       gn_app_get(app, "/hello", hello);
 *       return GN_OK;
 *   }
 *
 *   GN_MODULE(.name = "hello", .setup = setup);
 *
 * The number in the symbol's name changes when this struct does; `abi` when
 * anything else that modules are compiled against does.
 *
 * Thread: loading and setup at start-up, before the application starts; the
 * rest on the loop thread.
 */

#include <stdint.h>

#include "server/base/attr.h"
#include "server/base/err.h"
#include "server/loop/loop.h"

struct gn_application;

/** The interface modules are compiled against: raised by every incompatible change. */
#define GN_MODULE_ABI 1u

struct gn_module_v1 {
    uint32_t abi;  /* GN_MODULE_ABI of the headers it was compiled with */
    uint32_t size; /* of this struct, likewise */
    const char *name;
    const char *version; /* may be NULL */
    /**
     * Adds routes. `*state_out` comes back in the calls below.
     * Returns: GN_OK, or an error after filling `err` with one sentence
     */
    enum gn_err (*setup)(struct gn_application *app, void **state_out, struct gn_error *err);
    /** The application is about to serve on `loop`; may be NULL. */
    enum gn_err (*start)(
            struct gn_application *app, struct gn_loop *loop, void *state, struct gn_error *err);
    /** No handler of the module runs any more; frees `state`; may be NULL. */
    void (*teardown)(void *state);
};

#define GN_MODULE(...)                                                                             \
    GN_EXPORT extern const struct gn_module_v1 gn_module_v1;                                       \
    const struct gn_module_v1 gn_module_v1 = {                                                     \
            .abi = GN_MODULE_ABI, .size = sizeof(struct gn_module_v1), __VA_ARGS__}

struct gn_module;

/**
 * Loads a module and runs its setup on `app`. Its start runs with
 * gn_app_start, its teardown with gn_app_destroy; it stays mapped until the
 * process ends.
 *
 * Returns: GN_OK                `*module_out` (may be NULL) is borrowed, valid as long as `app`
 *          GN_ERR_NOT_FOUND     no such file, or it is no shared object we can load
 *          GN_ERR_UNSUPPORTED   not a Gustnado module, or made for another version
 *          GN_ERR_*             its setup failed
 *          `err` says it in one sentence
 */
GN_EXPORT GN_MUST_CHECK enum gn_err gn_module_load(struct gn_application *app, const char *path,
        const struct gn_module **module_out, struct gn_error *err);
/** For banners; never NULL. */
GN_EXPORT const char *gn_module_name(const struct gn_module *module);
/** "" when it says none. */
GN_EXPORT const char *gn_module_version(const struct gn_module *module);

#endif
