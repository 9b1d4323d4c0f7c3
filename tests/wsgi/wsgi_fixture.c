/* SPDX-License-Identifier: MIT */
#include "tests/wsgi/wsgi_fixture.h"

#include "bridge/py/lsan.h"
#include "tests/support/test.h"

void wsgi_python_start(void)
{
    PyPreConfig config;

    PyPreConfig_InitPythonConfig(&config);
    cr_assert(!PyStatus_Exception(Py_PreInitialize(&config)));
    gn_lsan_ignore_python();
#ifdef Py_GIL_DISABLED
    cr_assert_eq(setenv("PYTHON_GIL", "1", 0), 0); /* as the host has it */
#endif
    Py_InitializeEx(0);
}

void wsgi_python_stop(void)
{
    cr_assert(!PyErr_Occurred());
    cr_assert_eq(Py_FinalizeEx(), 0);
}

PyObject *wsgi_globals(const char *name, PyObject *object)
{
    PyObject *globals = PyDict_New();

    cr_assert_not_null(globals);
    cr_assert_eq(PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins()), 0);
    wsgi_set(globals, name, object);
    return globals;
}

void wsgi_set(PyObject *globals, const char *name, PyObject *object)
{
    cr_assert_not_null(object);
    cr_assert_eq(PyDict_SetItemString(globals, name, object), 0);
}

void wsgi_run(PyObject *globals, const char *code)
{
    PyObject *result = PyRun_String(code, Py_file_input, globals, globals);

    if (result == NULL) {
        PyErr_Print();
    }
    cr_assert_not_null(result, "%s", code);
    Py_DECREF(result);
}

bool wsgi_raises(PyObject *globals, const char *code, const char *expected)
{
    PyObject *type = PyDict_GetItemString(PyEval_GetBuiltins(), expected);
    PyObject *result = PyRun_String(code, Py_file_input, globals, globals);
    bool raised = result == NULL && PyErr_ExceptionMatches(type);

    if (result == NULL && !raised) {
        PyErr_Print();
    }
    Py_XDECREF(result);
    PyErr_Clear();
    return raised;
}

void wsgi_body_fill(struct gn_body *body, struct gn_slice bytes, bool in_file)
{
    gn_body_init(body, in_file ? 1 : 1024 * 1024);
    cr_assert_eq(gn_body_append(body, bytes), GN_OK);
    cr_assert_eq(gn_body_complete(body), GN_OK);
    cr_assert_eq(body->spool_fd >= 0, in_file && bytes.len > 1);
}

struct gn_addr wsgi_addr(const char *text)
{
    struct gn_addr addr = {0};
    struct gn_error err;

    cr_assert_eq(gn_addr_parse(gn_slice_str(text), &addr, &err), GN_OK, "%s", text);
    return addr;
}

void wsgi_request_parse(struct wsgi_request *request, const char *text)
{
    const struct gn_http1_limits limits = GN_HTTP1_LIMITS_DEFAULT;
    struct gn_http1_parser parser;
    size_t len = strlen(text);
    size_t consumed;

    memset(request, 0, sizeof(*request));
    cr_assert(len < sizeof(request->text));
    memcpy(request->text, text, len + 1);
    gn_http1_parser_init(&parser, &limits);
    gn_http1_parser_begin(
            &parser, &request->head, request->headers, GN_ARRAY_LEN(request->headers));
    cr_assert_eq(gn_http1_parser_feed(&parser, gn_slice_of(request->text, len), &consumed),
            GN_HTTP1_DONE, "%s", text);
    request->local = wsgi_addr("127.0.0.1:8000");
    request->exchange.head = &request->head;
    request->exchange.local = &request->local;
    request->exchange.peer = wsgi_addr("192.0.2.7:5678");
    request->exchange.path_info = request->head.path;
    gn_http1_writer_init(&request->exchange.writer, &request->head, true);
}

void wsgi_request_fini(struct wsgi_request *request)
{
    gn_arena_fini(&request->exchange.arena);
}
