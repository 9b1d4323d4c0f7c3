/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/http/http_server.h"
#include "tests/support/test.h"
#include "tests/wsgi/wsgi_fixture.h"
#include "wsgi/container.h"

/*
 * A whole server around Python applications, spoken to over socket pairs. The
 * client is a thread of its own that sends, reads to the end of the stream and
 * then stops the loop; the test's thread runs the loop meanwhile and looks at
 * what came afterwards.
 */

static struct gn_loop *loop;
static struct gn_pyexec *pyexec;
static struct gn_wsgi_container *container;
static struct gn_http_server *server;
static PyObject *globals;
static PyThreadState *python;
static char logged[1 << 20];
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static void note(void *arg, enum gn_log_level level, struct gn_slice line)
{
    size_t len;

    (void)arg;
    (void)level;
    pthread_mutex_lock(&log_lock);
    len = strlen(logged);
    if (len + line.len < sizeof(logged)) {
        memcpy(logged + len, line.ptr, line.len);
        logged[len + line.len] = '\0';
    }
    pthread_mutex_unlock(&log_lock);
}

static bool log_has(const char *text)
{
    bool found;

    pthread_mutex_lock(&log_lock);
    found = strstr(logged, text) != NULL;
    pthread_mutex_unlock(&log_lock);
    return found;
}

struct setup {
    const char *code;          /* defines `app`, and others by name */
    const char *const *mounts; /* pairs of prefix and name; NULL: app at the root */
    int64_t timeout_ms;
    struct gn_pyexec_options pyexec;
    struct gn_http_limits limits;
};

static struct setup usual(const char *code)
{
    return (struct setup){
            .code = code,
            .pyexec = gn_pyexec_options_default(),
            .limits = gn_http_limits_default(),
    };
}

static void make_container(const struct setup *setup)
{
    static const char *const root[] = {"", "app", NULL};
    const char *const *names = setup->mounts != NULL ? setup->mounts : root;
    struct gn_wsgi_mount_options mounts[8];
    struct gn_wsgi_container_options options = {
            .loop = loop,
            .pyexec = pyexec,
            .mounts = mounts,
            .timeout_ms = setup->timeout_ms,
            .multithread = true,
    };
    struct gn_error err;

    for (unsigned i = 0; names[2 * i] != NULL; i++) {
        mounts[i] = (struct gn_wsgi_mount_options){
                .prefix = gn_slice_str(names[2 * i]),
                .application = PyDict_GetItemString(globals, names[2 * i + 1]),
        };
        options.n_mounts++;
    }
    cr_assert_eq(gn_wsgi_container_create(&options, &container, &err), GN_OK, "%s", err.message);
}

static void begin(const struct setup *setup)
{
    struct gn_http_server_options options = {.limits = setup->limits};

    logged[0] = '\0';
    gn_log_set_sink(note, NULL);
    wsgi_python_start();
    globals = wsgi_globals("unused", Py_None);
    wsgi_run(globals,
            "import sys, threading, time\n"
            "notes = {}\n"
            "gate = threading.Event()\n"
            "TEXT = [('Content-Type', 'text/plain')]\n");
    wsgi_run(globals, setup->code);
    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    pyexec = gn_pyexec_create(loop, &setup->pyexec);
    make_container(setup);
    options.handler = gn_wsgi_container_handler(container);
    server = gn_http_server_create(loop, &options);
    python = PyEval_SaveThread();
}

static void on_stopped(void *arg)
{
    gn_assert_loop_thread(loop);
    (void)arg;
    gn_loop_stop(loop);
}

/** Stops everything in order; `code` is then run: what the application should have seen. */
static void end(const char *code)
{
    gn_assert_loop_thread(loop);
    gn_http_server_stop(server, gn_loop_after_ms(loop, 10000), on_stopped, NULL);
    gn_loop_run(loop);
    gn_http_server_destroy(&server);
    cr_assert_eq(gn_pyexec_stop(&pyexec, gn_clock_now() + 10 * GN_NS_PER_S), GN_OK);
    gn_loop_run_once(loop);
    PyEval_RestoreThread(python);
    cr_assert_eq(gn_wsgi_container_stats(container).running, 0);
    gn_wsgi_container_destroy(&container);
    gn_loop_destroy(&loop);
    wsgi_run(globals, code);
    PyDict_Clear(globals);
    Py_CLEAR(globals);
    wsgi_python_stop();
}

/* ---- the client ------------------------------------------------------------------- */

struct client {
    int fd;
    const char *request;
    size_t read_at_most; /* then it vanishes */
    char *received;      /* NUL-terminated */
    size_t n_received;
    struct gn_post stop;
};

static void stop_loop(struct gn_post *post)
{
    gn_assert_loop_thread(loop);
    (void)post;
    gn_loop_stop(loop);
}

static void *client_main(void *arg)
{
    struct client *c = arg;
    size_t room = 0;
    ssize_t n;

    for (size_t at = 0, len = strlen(c->request); at < len; at += (size_t)n) {
        n = send(c->fd, c->request + at, len - at, MSG_NOSIGNAL);
        if (n <= 0) {
            break;
        }
    }
    for (;;) {
        if (room < c->n_received + 65536) {
            room = 2 * room + 131072;
            c->received = gn_xrealloc(c->received, room);
        }
        if (c->n_received >= c->read_at_most) {
            break;
        }
        n = recv(c->fd, c->received + c->n_received,
                GN_MIN((size_t)65535, c->read_at_most - c->n_received), 0);
        if (n <= 0) {
            break;
        }
        c->n_received += (size_t)n;
    }
    c->received[c->n_received] = '\0';
    (void)close(c->fd);
    gn_loop_post(loop, &c->stop);
    return NULL;
}

/** Sends and reads until the server closes, or `read_at_most` bytes have come. */
static struct client talk_partly(const char *request, size_t read_at_most)
{
    gn_assert_loop_thread(loop);
    struct client c = {.request = request, .read_at_most = read_at_most, .stop = {.fn = stop_loop}};
    struct gn_addr peer = wsgi_addr("192.0.2.7:5678");
    pthread_t thread;
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    c.fd = fds[1];
    gn_http_server_add_connection(server, &fds[0], &peer);
    cr_assert_eq(pthread_create(&thread, NULL, client_main, &c), 0);
    gn_loop_run(loop);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    return c;
}

static char *talk(const char *request)
{
    return talk_partly(request, SIZE_MAX).received;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define KEEP(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void assert_talk(const char *request, const char *start, const char *finish)
{
    char *got = talk(request);
    size_t len = strlen(got);
    size_t n_finish = strlen(finish);

    cr_assert_eq(strncmp(got, start, strlen(start)), 0, "%s: %.300s", request, got);
    cr_assert(len >= n_finish && strcmp(got + len - n_finish, finish) == 0, "%s: %.300s", request,
            got);
    gn_free(got);
}

/* ---- tests ------------------------------------------------------------------------ */

#define HELLO                                                                                      \
    "def app(environ, start_response):\n"                                                          \
    "    start_response('200 OK', TEXT)\n"                                                         \
    "    return [b'hello ', environ['PATH_INFO'].encode('latin-1')]\n"

Test(container, answers)
{
    struct setup setup = usual(HELLO);

    begin(&setup);
    assert_talk(GET("/world"), "HTTP/1.1 200 OK\r\n", "\r\n\r\nhello /world");
    assert_talk(GET("/caf%C3%A9"), "HTTP/1.1 200 OK\r\n", "\r\n\r\nhello /caf\xc3\xa9");
    end("");
}

Test(container, answers_pipelined_requests_in_order)
{
    struct setup setup = usual(HELLO);
    char *got;

    begin(&setup);
    got = talk(KEEP("/1") KEEP("/2") KEEP("/3") GET("/4"));
    cr_assert_not_null(strstr(got, "hello /1HTTP/1.1 200 OK"));
    cr_assert_not_null(strstr(got, "hello /2HTTP/1.1 200 OK"));
    cr_assert_not_null(strstr(got, "hello /3HTTP/1.1 200 OK"));
    cr_assert_not_null(strstr(got, "hello /4"));
    gn_free(got);
    end("");
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
    struct setup setup =
            usual("def named(name):\n"
                  "    def application(e, start_response):\n"
                  "        start_response('200 OK', TEXT)\n"
                  "        return [f\"{name}|{e['SCRIPT_NAME']}|{e['PATH_INFO']}\".encode()]\n"
                  "    return application\n"
                  "root, one, two = named('root'), named('one'), named('two')\n");

    setup.mounts = mounts;
    begin(&setup);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char request[200];
        char finish[100];

        (void)snprintf(request, sizeof(request),
                "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", cases[i].path);
        (void)snprintf(finish, sizeof(finish), "\r\n\r\n%s", cases[i].saw);
        assert_talk(request, "HTTP/1.1 200 OK\r\n", finish);
    }
    end("");
}

Test(container, without_a_root_mount_is_404_elsewhere)
{
    static const char *const mounts[] = {"/a", "app", NULL};
    struct setup setup = usual(HELLO);

    setup.mounts = mounts;
    begin(&setup);
    assert_talk(GET("/a/x"), "HTTP/1.1 200 OK\r\n", "hello /x");
    assert_talk(GET("/b"), "HTTP/1.1 404 Not Found\r\n", "");
    assert_talk(GET("/a%00"), "HTTP/1.1 400 Bad Request\r\n", "");
    end("");
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
    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        PyObject *callable = PyDict_GetItemString(PyEval_GetBuiltins(), "print");
        PyObject *application = strcmp(cases[i].application, "print") == 0 ? callable : Py_None;
        const struct gn_wsgi_mount_options mounts[] = {
                {.prefix = gn_slice_str(cases[i].prefix), .application = application},
                {.prefix = gn_slice_str(cases[i].other), .application = callable},
        };
        const struct gn_pyexec_options pyexec_options = gn_pyexec_options_default();
        struct gn_wsgi_container_options options = {
                .loop = loop, .mounts = mounts, .n_mounts = GN_ARRAY_LEN(mounts)};
        struct gn_error err = {0};

        options.pyexec = gn_pyexec_create(loop, &pyexec_options);
        cr_assert_eq(gn_wsgi_container_create(&options, &container, &err), cases[i].rc, "%zu", i);
        cr_assert(err.message[0] != '\0');
        python = PyEval_SaveThread();
        cr_assert_eq(gn_pyexec_stop(&options.pyexec, GN_NEVER), GN_OK);
        PyEval_RestoreThread(python);
    }
    gn_loop_destroy(&loop);
    wsgi_python_stop();
}

Test(container, gives_the_body_in_memory_and_from_a_file)
{
    struct setup setup = usual("def app(environ, start_response):\n"
                               "    body = environ['wsgi.input'].read()\n"
                               "    start_response('200 OK', TEXT)\n"
                               "    return [f\"{len(body)} {sum(body)} \".encode(),\n"
                               "            environ['CONTENT_LENGTH'].encode()]\n");
    size_t sizes[] = {1, 65535, 65536, 65537, 300000};

    begin(&setup);
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
        assert_talk(request, "HTTP/1.1 200 OK\r\n", finish);
        gn_free(request);
    }
    end("");
}

Test(container, turns_what_goes_wrong_into_a_500)
{
    static const struct {
        const char *path;
        const char *logged;
    } cases[] = {
            {"/raise", "ValueError: on purpose"},
            {"/exit", "SystemExit"},
            {"/interrupt", "KeyboardInterrupt"},
            {"/started", "KeyError: 'started'"},
            {"/none", "not None"},
            {"/str", "not str"},
            {"/bytes", "not bytes"},
            {"/int", "int"},
            {"/yield_str", "must yield bytes, not str"},
            {"/list_str", "must yield bytes, not str"},
            {"/no_start", "start_response() was not called"},
            {"/no_start_empty", "start_response() was not called"},
            {"/twice", "called twice without exc_info"},
            {"/bad_header", "invalid control character in response header X"},
    };
    struct setup setup =
            usual("def app(environ, start_response):\n"
                  "    name = environ['PATH_INFO']\n"
                  "    if name == '/raise': raise ValueError('on purpose')\n"
                  "    if name == '/exit': sys.exit(3)\n"
                  "    if name == '/interrupt': raise KeyboardInterrupt\n"
                  "    if name == '/no_start': return [b'x']\n"
                  "    if name == '/no_start_empty': return []\n"
                  "    if name == '/bad_header': start_response('200 OK', [('X', 'a\\r\\nB: c')])\n"
                  "    start_response('200 OK', TEXT)\n"
                  "    if name == '/started': raise KeyError('started')\n"
                  "    if name == '/twice': start_response('200 OK', TEXT)\n"
                  "    return {'/none': None, '/str': 'x', '/bytes': b'x', '/int': 5,\n"
                  "            '/yield_str': iter(['x']), '/list_str': ['x'],\n"
                  "            '/fine': [b'fine']}[name]\n");

    begin(&setup);
    gn_assert_loop_thread(loop);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char request[300];
        char heading[100];
        char *got;

        logged[0] = '\0';
        (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n" GET("/fine"),
                cases[i].path);
        got = talk(request);
        cr_assert_eq(strncmp(got, "HTTP/1.1 500 ", 13), 0, "%s: %s", cases[i].path, got);
        cr_assert_not_null(strstr(got, "HTTP/1.1 200 OK\r\n"), "%s: %s", cases[i].path, got);
        cr_assert_not_null(strstr(got, "\r\n\r\nfine"));
        cr_assert(log_has(cases[i].logged), "%s: %s", cases[i].path, logged);
        (void)snprintf(heading, sizeof(heading),
                "exception in the WSGI application: GET %s from 192.0.2.7:5678", cases[i].path);
        cr_assert(log_has(heading), "%s", logged);
        gn_free(got);
    }
    cr_assert_eq(gn_wsgi_container_stats(container).failed, GN_ARRAY_LEN(cases));
    end("");
}

Test(container, aborts_what_fails_after_its_head)
{
    struct setup setup = usual("def app(environ, start_response):\n"
                               "    start_response('200 OK', TEXT)\n"
                               "    yield b'first'\n"
                               "    raise ValueError('too late')\n");
    char *got;

    begin(&setup);
    got = talk(KEEP("/"));
    cr_assert_eq(strncmp(got, "HTTP/1.1 200 OK\r\n", 17), 0, "%s", got);
    cr_assert_null(strstr(got, "\r\n0\r\n"), "not falsely complete: %s", got);
    cr_assert(log_has("ValueError: too late"));
    gn_free(got);
    end("");
}

#define TRACKED                                                                                    \
    "class Tracked:\n"                                                                             \
    "    def __init__(self, parts):\n"                                                             \
    "        self.parts, self.thread = iter(parts), threading.get_ident()\n"                       \
    "        notes.update(closed=0, taken=0)\n"                                                    \
    "    def __iter__(self): return self\n"                                                        \
    "    def __next__(self):\n"                                                                    \
    "        assert threading.get_ident() == self.thread\n"                                        \
    "        part = next(self.parts)\n"                                                            \
    "        notes['taken'] += 1\n"                                                                \
    "        if isinstance(part, Exception): raise part\n"                                         \
    "        return part\n"                                                                        \
    "    def close(self):\n"                                                                       \
    "        assert threading.get_ident() == self.thread\n"                                        \
    "        notes['closed'] += 1\n"                                                               \
    "        notes['open'].set() if 'open' in notes else None\n"

Test(container, closes_once_whatever_happens)
{
    static const struct {
        const char *path;
        const char *start;
        const char *finish;
    } cases[] = {
            {"GET", "HTTP/1.1 200 OK\r\n", "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"},
            {"HEAD", "HTTP/1.1 200 OK\r\n", "\r\n\r\n"},
    };
    struct setup setup = usual(TRACKED "total = 0\n"
                                       "def app(environ, start_response):\n"
                                       "    start_response('200 OK', TEXT)\n"
                                       "    return Tracked([b'one', b'two'])\n");

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char request[100];

        begin(&setup);
        (void)snprintf(request, sizeof(request),
                "%s / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", cases[i].path);
        assert_talk(request, cases[i].start, cases[i].finish);
        end("assert notes['closed'] == 1, notes");
    }
    setup.code = TRACKED "def app(environ, start_response):\n"
                         "    start_response('200 OK', TEXT)\n"
                         "    return Tracked([b'one', ValueError('failed'), b'two'])\n";
    begin(&setup);
    gn_free(talk(KEEP("/")));
    end("assert notes['closed'] == 1 and notes['taken'] == 2, notes");
    setup.code = TRACKED "def app(environ, start_response):\n"
                         "    return Tracked([b'one'])\n";
    begin(&setup);
    assert_talk(GET("/"), "HTTP/1.1 500 ", "");
    end("assert notes['closed'] == 1, notes");
}

Test(container, a_failing_close_leaves_the_response)
{
    struct setup setup = usual("class Fails:\n"
                               "    def __iter__(self): return iter([b'fine'])\n"
                               "    def close(self): raise OSError('close failed')\n"
                               "def app(environ, start_response):\n"
                               "    start_response('200 OK', TEXT)\n"
                               "    return Fails()\n");

    begin(&setup);
    assert_talk(GET("/"), "HTTP/1.1 200 OK\r\n", "\r\n\r\n4\r\nfine\r\n0\r\n\r\n");
    cr_assert(log_has("exception in close() of the WSGI application's iterable: GET / from"));
    cr_assert(log_has("OSError: close failed"));
    end("");
}

Test(container, streams_with_back_pressure)
{
    struct setup setup = usual("def app(environ, start_response):\n"
                               "    start_response('200 OK', TEXT)\n"
                               "    write = None\n"
                               "    for i in range(200):\n"
                               "        yield bytes([97 + i % 26]) * 50000\n");
    struct client c;
    size_t n = 0;

    setup.limits.output_bytes = 100000;
    setup.limits.output_low_bytes = 10000;
    begin(&setup);
    c = talk_partly("GET / HTTP/1.0\r\n\r\n", SIZE_MAX);
    for (size_t i = 0; i < c.n_received; i++) {
        n += c.received[i] >= 'a' && c.received[i] <= 'z' ? 1 : 0;
    }
    cr_assert_geq(n, 200 * 50000);
    cr_assert_eq(c.received[c.n_received - 1], 'a' + 199 % 26);
    gn_free(c.received);
    end("");
}

Test(container, lets_go_when_the_client_has_left)
{
    struct setup setup =
            usual(TRACKED "import itertools\n"
                          "def app(environ, start_response):\n"
                          "    start_response('200 OK', TEXT)\n"
                          "    notes['gone'] = environ['gustnado.client_disconnected']\n"
                          "    notes['start'] = notes['gone']()\n"
                          "    return Tracked(itertools.repeat(b'x' * 1000))\n");

    begin(&setup);
    gn_free(talk_partly(KEEP("/"), 5000).received);
    end("assert notes['closed'] == 1 and notes['start'] is False, notes");
    cr_assert(!log_has("Traceback"), "%s", logged);
    cr_assert(!log_has("ERROR"), "%s", logged);
}

Test(container, parts_from_a_view_that_waits_when_the_client_has_left)
{
    struct setup setup = usual("def app(environ, start_response):\n"
                               "    gone = environ['gustnado.client_disconnected']\n"
                               "    start_response('200 OK', TEXT)(b'head')\n"
                               "    while not gone(): time.sleep(0.001)\n"
                               "    notes['saw'] = True\n"
                               "    notes['input'] = environ['wsgi.input'].read()\n"
                               "    return [b'nobody listens']\n");

    begin(&setup);
    gn_free(talk_partly("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", 20)
                    .received);
    end("assert notes == {'saw': True, 'input': b'body'}, notes");
    cr_assert(!log_has("Traceback"), "%s", logged);
}

Test(container, answers_504_and_goes_on)
{
    struct setup setup = usual("def app(environ, start_response):\n"
                               "    if environ['PATH_INFO'] == '/slow':\n"
                               "        gate.wait(10)\n"
                               "        notes['input'] = environ['wsgi.input'].read()\n"
                               "    start_response('200 OK', TEXT)\n"
                               "    return [b'answer']\n");

    setup.timeout_ms = 50;
    begin(&setup);
    gn_assert_loop_thread(loop);
    assert_talk(
            "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody",
            "HTTP/1.1 504 ", "");
    cr_assert(log_has("no answer within the timeout: POST /slow from 192.0.2.7:5678"));
    assert_talk(GET("/fast"), "HTTP/1.1 200 OK\r\n", "answer");
    cr_assert_eq(gn_wsgi_container_stats(container).timeouts, 1);
    cr_assert_eq(gn_wsgi_container_stats(container).orphans, 1);
    PyEval_RestoreThread(python);
    wsgi_run(globals, "gate.set()");
    python = PyEval_SaveThread();
    end("assert notes == {'input': b'body'}, notes");
}

Test(container, a_stream_that_has_begun_is_not_timed_out)
{
    struct setup setup = usual("def app(environ, start_response):\n"
                               "    start_response('200 OK', TEXT)\n"
                               "    yield b'first'\n"
                               "    time.sleep(0.2)\n"
                               "    yield b'last'\n");

    setup.timeout_ms = 50;
    begin(&setup);
    assert_talk(GET("/"), "HTTP/1.1 200 OK\r\n", "5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n");
    end("");
}

struct waiting {
    pthread_t thread;
    struct client client;
};

/** A client beside the one that stops the loop. */
static void start_waiting(struct waiting *w, const char *request)
{
    gn_assert_loop_thread(loop);
    struct gn_addr peer = wsgi_addr("192.0.2.8:1");
    int fds[2];

    *w = (struct waiting){
            .client = {.request = request, .read_at_most = SIZE_MAX, .stop = {.fn = stop_loop}}};
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    w->client.fd = fds[1];
    gn_http_server_add_connection(server, &fds[0], &peer);
    cr_assert_eq(pthread_create(&w->thread, NULL, client_main, &w->client), 0);
}

Test(container, refuses_when_the_queue_is_full)
{
    struct setup setup = usual("started = threading.Semaphore(0)\n"
                               "def app(environ, start_response):\n"
                               "    start_response('200 OK', TEXT)\n"
                               "    if environ['PATH_INFO'] == '/slow': gate.wait(10)\n"
                               "    return [b'answer']\n");
    struct waiting slow[8];
    unsigned n_refused = 0;

    setup.pyexec.max_threads = 1;
    setup.pyexec.queue_calls = 2;
    begin(&setup);
    gn_assert_loop_thread(loop);
    for (unsigned i = 0; i < GN_ARRAY_LEN(slow); i++) {
        start_waiting(&slow[i], GET("/slow"));
    }
    while (gn_wsgi_container_stats(container).refused < GN_ARRAY_LEN(slow) - 3) {
        gn_loop_run_once(loop);
    }
    PyEval_RestoreThread(python);
    wsgi_run(globals, "gate.set()");
    python = PyEval_SaveThread();
    while (gn_wsgi_container_stats(container).running > 0) {
        gn_loop_run_once(loop);
    }
    for (unsigned i = 0; i < GN_ARRAY_LEN(slow); i++) {
        char *got;

        cr_assert_eq(pthread_join(slow[i].thread, NULL), 0);
        got = slow[i].client.received;
        if (strncmp(got, "HTTP/1.1 503 ", 13) == 0) {
            cr_assert_not_null(strstr(got, "Retry-After: "), "%s", got);
            n_refused++;
        } else {
            cr_assert_eq(strncmp(got, "HTTP/1.1 200 OK", 15), 0, "%s", got);
        }
        gn_free(got);
    }
    cr_assert_geq(n_refused, GN_ARRAY_LEN(slow) - 3);
    cr_assert_eq(n_refused, gn_wsgi_container_stats(container).refused);
    end("");
}

Test(container, refuses_what_has_waited_too_long)
{
    struct setup setup = usual("def app(environ, start_response):\n"
                               "    start_response('200 OK', TEXT)\n"
                               "    notes.setdefault('calls', []).append(environ['PATH_INFO'])\n"
                               "    if environ['PATH_INFO'] == '/slow': gate.wait(10)\n"
                               "    return [b'answer']\n");
    struct waiting slow;

    setup.pyexec.max_threads = 1;
    setup.pyexec.queue_ms = 30;
    begin(&setup);
    gn_assert_loop_thread(loop);
    start_waiting(&slow, GET("/slow"));
    while (gn_pyexec_stats(pyexec).busy < 1) {
        gn_loop_run_once(loop);
    }
    assert_talk(GET("/late"), "HTTP/1.1 503 ", "");
    PyEval_RestoreThread(python);
    wsgi_run(globals, "gate.set()");
    python = PyEval_SaveThread();
    gn_loop_run(loop);
    cr_assert_eq(pthread_join(slow.thread, NULL), 0);
    cr_assert_eq(strncmp(slow.client.received, "HTTP/1.1 200 OK", 15), 0);
    gn_free(slow.client.received);
    end("assert notes['calls'] == ['/slow'], notes");
}

Test(container, sends_hints_and_still_a_500)
{
    struct setup setup = usual("def app(environ, start_response):\n"
                               "    environ['wsgi.early_hints']([('Link', '</a.css>')])\n"
                               "    if environ['PATH_INFO'] == '/fail': raise ValueError\n"
                               "    start_response('200 OK', TEXT)\n"
                               "    return [b'answer']\n");
    char *got;

    begin(&setup);
    assert_talk(GET("/"), "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n",
            "answer");
    got = talk(GET("/fail"));
    cr_assert_not_null(strstr(got, "\r\n\r\nHTTP/1.1 500 Internal Server Error\r\n"), "%s", got);
    gn_free(got);
    end("");
}

Test(container, sends_files)
{
    struct setup setup = usual("import tempfile\n"
                               "def app(environ, start_response):\n"
                               "    f = tempfile.TemporaryFile()\n"
                               "    f.write(b'x' * 500000 + b'end'); f.seek(100)\n"
                               "    start_response('200 OK', TEXT)\n"
                               "    return environ['wsgi.file_wrapper'](f)\n");
    struct client c;

    begin(&setup);
    c = talk_partly(GET("/"), SIZE_MAX);
    cr_assert_not_null(strstr(c.received, "Content-Length: 499903\r\n"), "%.300s", c.received);
    cr_assert_str_eq(c.received + c.n_received - 4, "xend");
    cr_assert_eq(c.n_received - (size_t)(strstr(c.received, "\r\n\r\n") + 4 - c.received), 499903);
    gn_free(c.received);
    end("");
}

Test(container, each_call_has_a_context_of_its_own)
{
    struct setup setup = usual("import contextvars\n"
                               "var = contextvars.ContextVar('var', default='fresh')\n"
                               "def app(environ, start_response):\n"
                               "    before = var.get()\n"
                               "    var.set('used')\n"
                               "    start_response('200 OK', TEXT)\n"
                               "    yield before.encode()\n"
                               "    yield var.get().encode()\n");

    begin(&setup);
    for (int i = 0; i < 3; i++) {
        assert_talk(GET("/"), "HTTP/1.1 200 OK\r\n", "5\r\nfresh\r\n4\r\nused\r\n0\r\n\r\n");
    }
    end("");
}

Test(container, satisfies_wsgiref_validate)
{
    struct setup setup =
            usual("from wsgiref.validate import validator\n"
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

    begin(&setup);
    assert_talk(GET("/list"), "HTTP/1.1 200 OK\r\n", "got \r\n0\r\n\r\n");
    assert_talk("POST /list HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                "Content-Type: text/plain\r\nContent-Length: 8\r\n\r\nab\ncd\nef",
            "HTTP/1.1 200 OK\r\n", "8\r\nab\ncd\nef\r\n0\r\n\r\n");
    assert_talk(GET("/write"), "HTTP/1.1 200 OK\r\n", "got \r\n0\r\n\r\n");
    assert_talk(GET("/generator"), "HTTP/1.1 200 OK\r\n", "b\r\n0\r\n\r\n");
    cr_assert(!log_has("Traceback"), "%s", logged);
    end("");
}
