/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "tests/support/test.h"
#include "tests/wsgi/container_fixture.h"

#include "bridge/py/gil_priv.h"

#define HELLO                                                                                      \
    "def app(environ, start_response):\n"                                                          \
    "    start_response('200 OK', TEXT)\n"                                                         \
    "    return [b'hello ', environ['PATH_INFO'].encode('latin-1')]\n"

Test(container, answers)
{
    struct served_setup setup = served_usual(HELLO);

    served_begin(&setup);
    served_assert(GET("/world"), "HTTP/1.1 200 OK\r\n", "\r\n\r\nhello /world");
    served_assert(GET("/caf%C3%A9"), "HTTP/1.1 200 OK\r\n", "\r\n\r\nhello /caf\xc3\xa9");
    served_end("");
}

Test(container, chooses_the_longest_mount)
{
    static const char *const mounts[] = {"/", "root", "/a", "one", "/a/b/", "two", NULL};
    static const struct {
        const char *path;
        const char *saw;
    } cases[] = {
            {"/", "root||/"},
            {"/a", "one|/a|"},
            {"/a/", "one|/a|/"},
            {"/a/x", "one|/a|/x"},
            {"/ab", "root||/ab"},
            {"/a/bc", "one|/a|/bc"},
            {"/a/b", "two|/a/b|"},
            {"/a/b/c", "two|/a/b|/c"},
            {"/%61/b/%20", "two|/a/b|/ "},
            {"/A", "root||/A"},
    };
    struct served_setup setup = served_usual(
            "def named(name):\n"
            "    def application(e, start_response):\n"
            "        start_response('200 OK', TEXT)\n"
            "        return [f\"{name}|{e['SCRIPT_NAME']}|{e['PATH_INFO']}\".encode()]\n"
            "    return application\n"
            "root, one, two = named('root'), named('one'), named('two')\n");

    setup.mounts = mounts;
    served_begin(&setup);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char request[200];
        char finish[100];

        (void)snprintf(request, sizeof(request),
                "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", cases[i].path);
        (void)snprintf(finish, sizeof(finish), "\r\n\r\n%s", cases[i].saw);
        served_assert(request, "HTTP/1.1 200 OK\r\n", finish);
    }
    served_end("");
}

Test(container, without_a_root_mount_is_404_elsewhere)
{
    static const char *const mounts[] = {"/a", "app", NULL};
    struct served_setup setup = served_usual(HELLO);

    setup.mounts = mounts;
    served_begin(&setup);
    served_assert(GET("/a/x"), "HTTP/1.1 200 OK\r\n", "hello /x");
    served_assert(GET("/b"), "HTTP/1.1 404 Not Found\r\n", "");
    served_assert(GET("/a%00"), "HTTP/1.1 400 Bad Request\r\n", "");
    served_end("");
}

/* Neither is the body asked for by 100 (Continue), nor waited for. */
Test(container, refuses_before_the_body_what_no_application_is_for)
{
    static const char *const mounts[] = {"/a", "app", NULL};
    struct served_setup setup = served_usual(HELLO);

#define POST(path, fields) "POST " path " HTTP/1.1\r\nHost: a\r\n" fields "\r\n"
    setup.mounts = mounts;
    served_begin(&setup);
    served_assert(POST("/b", "Expect: 100-continue\r\nContent-Length: 5\r\n"),
            "HTTP/1.1 404 Not Found\r\n", "");
    served_assert(POST("/b", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"),
            "HTTP/1.1 404 Not Found\r\n", "");
    served_assert(POST("/b", "Connection: close\r\nContent-Length: 5\r\n"),
            "HTTP/1.1 404 Not Found\r\n", "");
    served_assert(POST("/a%00", "Expect: 100-continue\r\nContent-Length: 5\r\n"),
            "HTTP/1.1 400 Bad Request\r\n", "");
    served_assert(POST("/a/%78", "Connection: close\r\nContent-Length: 5\r\n") "hello",
            "HTTP/1.1 200 OK\r\n", "hello /x");
    served_assert(POST("/b", "Connection: close\r\nContent-Length: 0\r\n"),
            "HTTP/1.1 404 Not Found\r\n", "");
    served_end("");
#undef POST
}

Test(container, never_passes_trace_on)
{
    struct served_setup setup = served_usual(HELLO);

    served_begin(&setup);
    served_assert("TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 405 Method Not Allowed\r\n",
            "<h1>405 Method Not Allowed</h1></body></html>\n");
    served_end("");
}

Test(container, refuses_wrong_mounts)
{
    static const struct {
        const char *prefix;
        const char *other;
        const char *application;
        enum gn_err rc;
    } cases[] = {
            {"a", "/b", "print", GN_ERR_INVALID},
            {"/a", "/a/", "print", GN_ERR_EXISTS},
            {"", "/", "print", GN_ERR_EXISTS},
            {"/a", "/b", "copyright_", GN_ERR_INVALID},
    };

    wsgi_python_start();
    cr_assert_eq(gn_loop_create(&served.loop, NULL), GN_OK);
    gn_assert_loop_thread(served.loop);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        PyObject *callable = PyDict_GetItemString(PyEval_GetBuiltins(), "print");
        PyObject *application = strcmp(cases[i].application, "print") == 0 ? callable : Py_None;
        const struct gn_wsgi_mount_options mounts[] = {
                {.prefix = gn_slice_str(cases[i].prefix), .application = application},
                {.prefix = gn_slice_str(cases[i].other), .application = callable},
        };
        const struct gn_pyexec_options pyexec_options = gn_pyexec_options_default();
        struct gn_wsgi_container_options options = {
                .loop = served.loop, .mounts = mounts, .n_mounts = GN_ARRAY_LEN(mounts)};
        struct gn_error err = {0};

        options.pyexec = gn_pyexec_create(served.loop, &pyexec_options);
        cr_assert_eq(
                gn_wsgi_container_create(&options, &served.container, &err), cases[i].rc, "%zu", i);
        cr_assert(err.message[0] != '\0');
        served.python = PyEval_SaveThread();
        cr_assert_eq(gn_pyexec_stop(options.pyexec, GN_NEVER), GN_OK);
        PyEval_RestoreThread(served.python);
        gn_assert_gil();
        gn_pyexec_destroy(&options.pyexec);
    }
    gn_loop_destroy(&served.loop);
    wsgi_python_stop();
}

Test(container, gives_the_body_in_memory_and_from_a_file)
{
    struct served_setup setup = served_usual("def app(environ, start_response):\n"
                                             "    body = environ['wsgi.input'].read()\n"
                                             "    start_response('200 OK', TEXT)\n"
                                             "    return [f\"{len(body)} {sum(body)} \".encode(),\n"
                                             "            environ['CONTENT_LENGTH'].encode()]\n");
    size_t sizes[] = {1, 65535, 65536, 65537, 300000};

    served_begin(&setup);
    for (size_t i = 0; i < GN_ARRAY_LEN(sizes); i++) {
        char *request = gn_xalloc(sizes[i] + 200);
        char finish[100];
        int n = snprintf(request, 200,
                "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                sizes[i]);

        memset(request + n, 'x', sizes[i]);
        request[(size_t)n + sizes[i]] = '\0';
        (void)snprintf(finish, sizeof(finish), "\r\n\r\n%zu %zu %zu", sizes[i],
                sizes[i] * (size_t)'x', sizes[i]);
        served_assert(request, "HTTP/1.1 200 OK\r\n", finish);
        gn_free(request);
    }
    served_end("");
}

Test(container, keeps_a_small_body_in_memory_after_a_large_one)
{
    static const char small[] = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                                "Content-Length: 3\r\n\r\nabc";
    struct served_setup setup = served_usual("def app(environ, start_response):\n"
                                             "    body = environ['wsgi.input'].read()\n"
                                             "    start_response('200 OK', TEXT)\n"
                                             "    return [str(len(body)).encode()]\n");
    size_t size = 100000;
    char *large = gn_xalloc(size + 200);
    int n = snprintf(large, 200,
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", size);

    memset(large + n, 'x', size);
    large[(size_t)n + size] = '\0';
    served_begin(&setup);
    served_assert(large, "HTTP/1.1 200 OK\r\n", "\r\n\r\n100000");
    (void)setenv("TMPDIR", "/nonexistent", 1); /* where a file would be made */
    served_assert(small, "HTTP/1.1 200 OK\r\n", "\r\n\r\n3");
    served_assert(large, "HTTP/1.1 500 ", "");
    (void)unsetenv("TMPDIR");
    served_end("");
    gn_free(large);
}

Test(container, satisfies_wsgiref_validate)
{
    struct served_setup setup = served_usual(
            "from wsgiref.validate import validator\n"
            "def inner(environ, start_response):\n"
            "    kind = environ['PATH_INFO']\n"
            "    stream = environ['wsgi.input']\n"
            "    body = stream.readline() + stream.read(2) + b''.join(stream.readlines())\n"
            "    environ['wsgi.errors'].write('noted\\n')\n"
            "    environ['wsgi.errors'].flush()\n"
            "    write = start_response('200 OK', TEXT)\n"
            "    if kind == '/write':\n"
            "        write(b'written ')\n"
            "    if kind == '/generator':\n"
            "        return (part for part in [b'a', b'b', body])\n"
            "    return [b'got ', body]\n"
            "app = validator(inner)\n");

    served_begin(&setup);
    served_assert(GET("/list"), "HTTP/1.1 200 OK\r\n", "got \r\n0\r\n\r\n");
    served_assert("POST /list HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                  "Content-Type: text/plain\r\nContent-Length: 8\r\n\r\nab\ncd\nef",
            "HTTP/1.1 200 OK\r\n", "8\r\nab\ncd\nef\r\n0\r\n\r\n");
    served_assert(GET("/write"), "HTTP/1.1 200 OK\r\n", "got \r\n0\r\n\r\n");
    served_assert(GET("/generator"), "HTTP/1.1 200 OK\r\n", "b\r\n0\r\n\r\n");
    cr_assert(!served_log_has("Traceback"));
    served_end("");
}
