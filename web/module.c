/* SPDX-License-Identifier: MIT */
#include "web/module.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "server/base/alloc.h"
#include "web/application.h"

#include "web/web_priv.h"

/*
 * A module is opened with RTLD_LOCAL, so that two may have symbols of the same
 * name, and RTLD_NOW, so that what it misses shows here and not in the middle
 * of a request. It is never unmapped: threads, thread-locals and handlers may
 * still point into it.
 */

struct gn_module {
    struct gn_list link; /* on app->modules */
    const struct gn_module_v1 *v1;
    void *state;
    char *path;
};

/** The text of dlerror; never NULL. */
static const char *why(void)
{
    const char *text = dlerror(); /* NOLINT(concurrency-mt-unsafe): glibc keeps one per thread */

    return text != NULL ? text : "no reason given";
}

/** dlopen searches the library path for a bare name; a module is a file. */
static void *open_object(const char *path)
{
    struct gn_buf name;
    void *object = NULL;

    if (strchr(path, '/') != NULL) {
        return dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    gn_buf_init(&name, 4096);
    if (gn_buf_printf(&name, "./%s%c", path, '\0') == GN_OK) {
        object = dlopen(name.ptr, RTLD_NOW | RTLD_LOCAL);
    }
    gn_buf_fini(&name);
    return object;
}

static enum gn_err find_entry(
        void *object, const char *path, const struct gn_module_v1 **v1_out, struct gn_error *err)
{
    const struct gn_module_v1 *v1 = dlsym(object, "gn_module_v1");

    if (v1 == NULL) {
        return gn_error_set(err, GN_ERR_UNSUPPORTED, 0,
                "%s is not a Gustnado module, or one for another version: it has no symbol "
                "gn_module_v1",
                path);
    }
    if (v1->abi != GN_MODULE_ABI) {
        return gn_error_set(err, GN_ERR_UNSUPPORTED, 0,
                "%s was made for module interface %u, this program has %u: compile it again with "
                "the installed headers",
                path, v1->abi, GN_MODULE_ABI);
    }
    if (v1->size != sizeof(*v1) || v1->name == NULL || v1->setup == NULL) {
        return gn_error_set(err, GN_ERR_UNSUPPORTED, 0,
                "%s does not describe itself as GN_MODULE does: a name and a setup are required",
                path);
    }
    *v1_out = v1;
    return GN_OK;
}

/** A setup that fails without a word still gives a sentence. */
static enum gn_err run_setup(struct gn_application *app, struct gn_module *m, struct gn_error *err)
{
    struct gn_error own = {0};
    enum gn_err rc = m->v1->setup(app, &m->state, &own);

    if (rc == GN_OK) {
        return GN_OK;
    }
    return gn_error_set(err, rc, 0, "the setup of module %s (%s) failed: %s", m->v1->name, m->path,
            own.message[0] != '\0' ? own.message : gn_err_name(rc));
}

enum gn_err gn_module_load(struct gn_application *app, const char *path,
        const struct gn_module **module_out, struct gn_error *err)
{
    void *object = open_object(path);
    const struct gn_module_v1 *v1 = NULL;
    struct gn_module *m;
    enum gn_err rc;

    if (object == NULL) {
        return gn_error_set(err, GN_ERR_NOT_FOUND, 0, "cannot load module: %s", why());
    }
    rc = find_entry(object, path, &v1, err);
    if (rc != GN_OK) {
        (void)dlclose(object);
        return rc;
    }
    m = gn_xcalloc(sizeof(*m));
    m->v1 = v1;
    m->path = gn_xstrndup(path, strlen(path));
    rc = run_setup(app, m, err);
    if (rc != GN_OK) {
        gn_free(m->path);
        gn_free(m);
        return rc;
    }
    gn_list_append(&app->modules, &m->link);
    if (module_out != NULL) {
        *module_out = m;
    }
    return GN_OK;
}

const char *gn_module_name(const struct gn_module *module)
{
    return module->v1->name;
}

const char *gn_module_version(const struct gn_module *module)
{
    return module->v1->version != NULL ? module->v1->version : "";
}

enum gn_err gn_modules_start(struct gn_application *app, struct gn_error *err)
{
    struct gn_list *node;
    struct gn_list *next;

    GN_LIST_FOREACH (node, next, &app->modules) {
        struct gn_module *m = GN_LIST_ENTRY(node, struct gn_module, link);

        if (m->v1->start != NULL) {
            GN_TRY(m->v1->start(app, app->loop, m->state, err));
        }
    }
    return GN_OK;
}

void gn_modules_teardown(struct gn_application *app)
{
    while (!gn_list_is_empty(&app->modules)) {
        struct gn_module *m = GN_LIST_ENTRY(app->modules.prev, struct gn_module, link);

        gn_list_unlink(&m->link);
        if (m->v1->teardown != NULL) {
            m->v1->teardown(m->state);
        }
        gn_free(m->path);
        gn_free(m);
    }
}
