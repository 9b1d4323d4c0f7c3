/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/py/import.h"
#include "server/base/log.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"

static char folder[64];
static unsigned n_blocks;
static char block[8192];

static void keep_block(void *arg, enum gn_log_level level, struct gn_slice line)
{
    (void)arg;
    (void)level;
    n_blocks++;
    (void)snprintf(block, sizeof(block), GN_SLICE_FMT, GN_SLICE_ARG(line));
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    cr_assert_not_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static void begin(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/gn-test-import-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    write_file("plain.py",
            "def application(environ, start_response): pass\n"
            "other = application\n"
            "number = 3\n"
            "class site:\n"
            "    class inner:\n"
            "        app = staticmethod(application)\n"
            "def create(name='d', n=0, *, flag=False):\n"
            "    def made(e, s): pass\n"
            "    made.args = (name, n, flag)\n"
            "    return made\n"
            "def failing(): raise LookupError('not today')\n"
            "def leaving(): raise SystemExit(2)\n"
            "def empty(): return None\n"
            "def make(config, *, debug): pass\n"
            "def one(environ): pass\n"
            "def three(environ, start_response, more): pass\n"
            "def any(*args): pass\n"
            "def more(environ, start_response, more=1, *, key=2): pass\n"
            "async def asgi(scope, receive, send): pass\n"
            "class Asgi:\n"
            "    async def __call__(self, scope, receive, send): pass\n"
            "class Made:\n"
            "    def __init__(self, environ, start_response): pass\n"
            "class Object:\n"
            "    def __call__(self, environ): pass\n"
            "asgi_object, object = Asgi(), Object()\n");
    write_file("only_app.py", "app = print\n");
    write_file("neither.py", "x = 1\n");
    write_file("needs.py", "import gn_no_such_module\n");
    write_file("raises.py", "def f():\n    raise ValueError('broken here')\nf()\n");
    write_file("exits.py", "import sys\nsys.exit(1)\n");
    write_file("syntax.py", "def (:\n");
    cr_assert_eq(mkdir("shop", 0755), 0);
    write_file("shop/__init__.py", "");
    write_file("shop/wsgi.py", "application = print\n");
    gn_test_python_start("import plain");
    gn_log_set_sink(keep_block, NULL);
}

static void end(void)
{
    char command[128];

    gn_log_set_sink(NULL, NULL);
    gn_test_python_stop();
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(system(command), 0);
}

TestSuite(import, .init = begin, .fini = end);

Test(import, finds_callables)
{
    static const struct {
        const char *name;
        const char *expected; /* an expression with `found` */
    } cases[] = {
            {"plain:application", "found is plain.application"},
            {"plain:other", "found is plain.application"}, {"plain", "found is plain.application"},
            {"only_app", "found is print"}, {"plain:site.inner.app", "found is plain.application"},
            {"plain:create()", "found.args == ('d', 0, False)"},
            {"plain:create('x:y', 2, flag=True)", "found.args == ('x:y', 2, True)"},
            {"plain:create(name=['a', {'b': 1}])", "found.args == (['a', {'b': 1}], 0, False)"},
            {"plain:create(n=-1)", "found.args == ('d', -1, False)"},
            {"os.path:join", "found.__name__ == 'join'"}, {"plain:any", "found is plain.any"},
            {"plain:more", "found is plain.more"}, {"plain:Made", "found is plain.Made"},
            {"plain:object", "found is plain.object"}, /* only functions are looked at */
    };

    gn_assert_gil();
    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_error err = {0};
        void *found = NULL;

        cr_assert_eq(gn_py_import(gn_slice_str(cases[i].name), &found, &err), GN_OK, "%s: %s",
                cases[i].name, err.message);
        cr_assert_eq(PyObject_SetAttrString(PyImport_AddModule("__main__"), "found", found), 0);
        gn_py_release(found);
        cr_assert(gn_test_python_is(cases[i].expected), "%s", cases[i].name);
    }
    cr_assert_eq(n_blocks, 0);
}

Test(import, says_what_is_wrong)
{
    static const struct {
        const char *name;
        enum gn_err rc;
        const char *says[3];
        bool is_logged;
    } cases[] = {
            {"gn_absent:app", GN_ERR_NOT_FOUND,
                    {"No module named 'gn_absent'", "searched: /tmp/gn-test", "--chdir"}, false},
            {"gn_absent.sub:app", GN_ERR_NOT_FOUND, {"No module named 'gn_absent'"}, false},
            {"shop:wsgi", GN_ERR_NOT_FOUND, {"did you mean the module \"shop.wsgi\"?"}, false},
            {"shop.wsg:app", GN_ERR_NOT_FOUND, {"did you mean \"shop.wsgi\"?"}, false},
            {"shpo.wsgi:app", GN_ERR_NOT_FOUND, {"did you mean \"shop\"?"}, false},
            {"plain.sub:app", GN_ERR_NOT_FOUND, {"No module named 'plain.sub'"}, false},
            {"needs:app", GN_ERR_PYTHON, {"gn_no_such_module", "a module it needs", "--venv"},
                    true},
            {"raises:app", GN_ERR_PYTHON, {"ValueError: broken here", "in the log"}, true},
            {"exits:app", GN_ERR_PYTHON, {"SystemExit: 1"}, true},
            {"syntax:app", GN_ERR_PYTHON, {"SyntaxError", "syntax.py"}, true},
            {"neither", GN_ERR_NOT_FOUND, {"neither \"application\" nor \"app\""}, false},
            {"plain:aplication", GN_ERR_NOT_FOUND, {"did you mean \"application\"?"}, false},
            {"plain:site.outer.app", GN_ERR_NOT_FOUND,
                    {"\"plain:site\" has no attribute \"outer\""}, false},
            {"plain:number", GN_ERR_INVALID, {"type int", "cannot be called"}, false},
            {"plain:number()", GN_ERR_INVALID, {"leave the parentheses out"}, false},
            {"plain:make", GN_ERR_INVALID,
                    {"does not take (environ, start_response)", "write \"plain:make()\""}, false},
            {"plain:one", GN_ERR_INVALID, {"does not take (environ"}, false},
            {"plain:three", GN_ERR_INVALID, {"does not take (environ"}, false},
            {"plain:empty", GN_ERR_INVALID, {"write \"plain:empty()\""}, false},
            {"plain:asgi", GN_ERR_INVALID, {"asynchronous", "ASGI"}, false},
            {"plain:asgi_object", GN_ERR_INVALID, {"asynchronous", "ASGI"}, false},
            {"plain:empty()", GN_ERR_INVALID, {"is None"}, false},
            {"plain:failing()", GN_ERR_PYTHON, {"LookupError: not today"}, true},
            {"plain:leaving()", GN_ERR_PYTHON, {"SystemExit"}, true},
            {"plain:create(x)", GN_ERR_INVALID, {"must be literals"}, false},
            {"plain:create(**{})", GN_ERR_INVALID, {"must be literals"}, false},
            {"plain:a + b", GN_ERR_INVALID, {"neither a name"}, false},
            {"plain:(", GN_ERR_INVALID, {"neither a name"}, false},
            {"plain:", GN_ERR_INVALID, {"nothing behind its colon"}, false},
            {":app", GN_ERR_INVALID, {"names no module"}, false},
            {"", GN_ERR_INVALID, {"names no module"}, false},
            {"my-site:app", GN_ERR_INVALID, {"not a module name"}, false},
            {"./site/wsgi.py:app", GN_ERR_INVALID, {"try \"site.wsgi:app\""}, false},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_error err = {0};
        void *found = NULL;
        enum gn_err rc;

        n_blocks = 0;
        rc = gn_py_import(gn_slice_str(cases[i].name), &found, &err);
        cr_assert_eq(rc, cases[i].rc, "%s: %s: %s", cases[i].name, gn_err_name(rc), err.message);
        for (unsigned k = 0; k < 3 && cases[i].says[k] != NULL; k++) {
            cr_assert_not_null(
                    strstr(err.message, cases[i].says[k]), "%s: %s", cases[i].name, err.message);
        }
        cr_assert_eq(n_blocks, cases[i].is_logged ? 1 : 0, "%s: %u", cases[i].name, n_blocks);
        cr_assert_null(PyErr_Occurred());
    }
}

Test(import, refuses_green_threads)
{
    struct gn_error err = {0};
    void *found = NULL;

    write_file("green.py",
            "import threading\n"
            "real = threading.get_ident\n"
            "threading.get_ident = lambda: real()\n"
            "app = print\n");
    cr_assert_eq(gn_py_import(GN_LIT("green:app"), &found, &err), GN_ERR_INVALID);
    cr_assert_not_null(strstr(err.message, "gevent and eventlet"), "%s", err.message);
    gn_test_python_run("threading = __import__('threading')\n"
                       "threading.get_ident = __import__('green').real\n");
    cr_assert_eq(gn_py_import(GN_LIT("green:app"), &found, &err), GN_OK, "%s", err.message);
    gn_py_release(found);
}

Test(import, logs_only_the_applications_frames)
{
    struct gn_error err = {0};
    void *found = NULL;

    cr_assert_eq(gn_py_import(GN_LIT("raises:app"), &found, &err), GN_ERR_PYTHON);
    cr_assert_not_null(strstr(block, "raises.py\", line 2, in f"), "%s", block);
    cr_assert_null(strstr(block, "importlib"), "%s", block);
    cr_assert_null(strstr(block, "gustnado import"), "%s", block);
}
