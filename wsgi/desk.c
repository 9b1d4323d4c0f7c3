/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "server/base/alloc.h"

#include "bridge/py/compat_priv.h"
#include "bridge/py/gil_priv.h"
#include "wsgi/container_priv.h"
#include "wsgi/desk_priv.h"
#include "wsgi/errors_priv.h"

GN_NEEDS_GIL static enum gn_err lay(struct gn_wsgi_desk *desk, const struct gn_wsgi_container *c)
{
    struct gn_wsgi_environ_facts facts = c->python.facts;

    desk->errors = gn_wsgi_errors_new(c->python.errors_type);
    if (desk->errors == NULL) {
        return GN_ERR_PYTHON;
    }
    facts.errors = desk->errors;
    GN_TRY(gn_wsgi_environ_init(&desk->environ));
    desk->templates = gn_xcalloc((c->n_mounts + 1) * sizeof(*desk->templates));
    desk->n_templates = c->n_mounts;
    for (unsigned i = 0; i < c->n_mounts; i++) {
        GN_TRY(gn_wsgi_template_init(
                &desk->templates[i], &desk->environ, c->mounts[i].prefix, &facts));
    }
    return GN_OK;
}

enum gn_err gn_wsgi_desk_lay(struct gn_wsgi_desk *desk, const struct gn_wsgi_container *container)
{
    enum gn_err rc = lay(desk, container);

    if (rc != GN_OK) {
        PyObject *exception = gn_py_take_raised();

        gn_wsgi_desk_clear(desk);
        gn_py_raise_again(exception);
    }
    return rc;
}

void gn_wsgi_desk_clear(struct gn_wsgi_desk *desk)
{
    for (unsigned i = 0; i < desk->n_templates; i++) {
        gn_wsgi_template_fini(&desk->templates[i]);
    }
    gn_free(desk->templates);
    desk->templates = NULL;
    desk->n_templates = 0;
    gn_wsgi_environ_fini(&desk->environ);
    gn_wsgi_known_fini(&desk->known);
    Py_CLEAR(desk->errors);
}
