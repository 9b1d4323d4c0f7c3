/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"
#include "tests/wsgi/wsgi_fixture.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/container_priv.h"
#include "wsgi/errors_priv.h"
#include "wsgi/file_wrapper_priv.h"

TestSuite(desk, .init = wsgi_python_start, .fini = wsgi_python_stop);

static struct gn_wsgi_mount mounts[2];

static void fill(struct gn_wsgi_container *c)
{
    gn_assert_gil();
    mounts[0] = (struct gn_wsgi_mount){.prefix = GN_LIT("/shop"), .number = 0};
    mounts[1] = (struct gn_wsgi_mount){.prefix = GN_LIT(""), .number = 1};
    memset(c, 0, sizeof(*c));
    c->mounts = mounts;
    c->n_mounts = 2;
    c->python.errors_type = gn_wsgi_errors_type_create();
    c->python.file_wrapper_type = gn_wsgi_file_wrapper_type_create();
    c->python.facts = (struct gn_wsgi_environ_facts){
            .file_wrapper = (PyObject *)c->python.file_wrapper_type,
            .server_software = GN_LIT("test"),
    };
}

static void empty(struct gn_wsgi_container *c)
{
    gn_assert_gil();
    Py_CLEAR(c->python.errors_type);
    Py_CLEAR(c->python.file_wrapper_type);
}

Test(desk, has_a_template_for_each_mount)
{
    static struct gn_wsgi_container c;
    static struct gn_wsgi_desk desk;

    gn_assert_gil();
    fill(&c);
    cr_assert_eq(gn_wsgi_desk_lay(&desk, &c), GN_OK);
    cr_assert_eq(desk.n_templates, 2);
    cr_assert_str_eq(PyUnicode_AsUTF8(desk.templates[0].script_name), "/shop");
    cr_assert_str_eq(PyUnicode_AsUTF8(desk.templates[1].script_name), "");
    gn_wsgi_desk_clear(&desk);
    cr_assert_null(desk.errors);
    gn_wsgi_desk_clear(&desk);
    empty(&c);
}

Test(desk, shares_nothing_that_changes_with_another)
{
    static struct gn_wsgi_container c;
    static struct gn_wsgi_desk desks[2];

    gn_assert_gil();
    fill(&c);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(gn_wsgi_desk_lay(&desks[i], &c), GN_OK);
    }
    cr_assert_neq(desks[0].templates[0].dict, desks[1].templates[0].dict);
    cr_assert_neq(desks[0].errors, desks[1].errors);
    cr_assert_eq(desks[0].environ.names.fixed[0], desks[1].environ.names.fixed[0],
            "names are interned, and constant");
    gn_wsgi_desk_clear(&desks[0]);
    cr_assert_not_null(desks[1].templates[1].dict);
    gn_wsgi_desk_clear(&desks[1]);
    empty(&c);
}
