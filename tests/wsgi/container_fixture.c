/* SPDX-License-Identifier: MIT */
#include "tests/wsgi/container_fixture.h"

#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"

struct served served;

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

bool served_log_has(const char *text)
{
    bool found;

    pthread_mutex_lock(&log_lock);
    found = strstr(logged, text) != NULL;
    pthread_mutex_unlock(&log_lock);
    return found;
}

void served_await_log(const char *text)
{
    while (!served_log_has(text)) {
        gn_loop_run_once(served.loop);
        (void)usleep(1000);
    }
}

void served_forget_log(void)
{
    pthread_mutex_lock(&log_lock);
    logged[0] = '\0';
    pthread_mutex_unlock(&log_lock);
}

struct served_setup served_usual(const char *code)
{
    return (struct served_setup){
            .code = code,
            .pyexec = gn_pyexec_options_default(),
            .limits = gn_http_limits_default(),
    };
}

static void make_container(const struct served_setup *setup)
{
    static const char *const root[] = {"", "app", NULL};
    const char *const *names = setup->mounts != NULL ? setup->mounts : root;
    struct gn_wsgi_mount_options mounts[8];
    struct gn_wsgi_container_options options = {
            .loop = served.loop,
            .pyexec = served.pyexec,
            .mounts = mounts,
            .timeout_ms = setup->timeout_ms,
            .multithread = true,
    };
    struct gn_error err;

    for (unsigned i = 0; names[2 * i] != NULL; i++) {
        mounts[i] = (struct gn_wsgi_mount_options){
                .prefix = gn_slice_str(names[2 * i]),
                .application = PyDict_GetItemString(served.globals, names[2 * i + 1]),
                .streams_uploads = setup->streams_uploads ||
                        (setup->streams_only != NULL &&
                                strcmp(names[2 * i], setup->streams_only) == 0),
        };
        options.n_mounts++;
    }
    cr_assert_eq(
            gn_wsgi_container_create(&options, &served.container, &err), GN_OK, "%s", err.message);
}

void served_begin(const struct served_setup *setup)
{
    struct gn_http_server_options options = {.limits = setup->limits};

    served_forget_log();
    gn_log_set_sink(note, NULL);
    wsgi_python_start();
    served.globals = wsgi_globals("unused", Py_None);
    wsgi_run(served.globals,
            "import sys, threading, time\n"
            "notes = {}\n"
            "gate = threading.Event()\n"
            "TEXT = [('Content-Type', 'text/plain')]\n");
    wsgi_run(served.globals, setup->code);
    cr_assert_eq(gn_loop_create(&served.loop, NULL), GN_OK);
    gn_assert_loop_thread(served.loop);
    served.pyexec = gn_pyexec_create(served.loop, &setup->pyexec);
    make_container(setup);
    options.handler = gn_wsgi_container_handler(served.container);
    served.server = gn_http_server_create(served.loop, &options);
    served.python = PyEval_SaveThread();
}

static void on_stopped(void *arg)
{
    bool *has_stopped = arg;

    gn_assert_loop_thread(served.loop);
    *has_stopped = true;
    gn_loop_stop(served.loop);
}

/** Others may stop the loop as well; only the flag counts. */
static void run_until(const bool *flag)
{
    while (!*flag) {
        gn_loop_run(served.loop);
    }
}

void served_end(const char *code)
{
    bool has_stopped = false;

    gn_assert_loop_thread(served.loop);
    gn_http_server_stop(
            served.server, gn_loop_after_ms(served.loop, 10000), on_stopped, &has_stopped);
    run_until(&has_stopped);
    gn_http_server_destroy(&served.server);
    cr_assert_eq(gn_pyexec_stop(served.pyexec, gn_clock_now() + 10 * GN_NS_PER_S), GN_OK);
    gn_loop_run_once(served.loop);
    PyEval_RestoreThread(served.python);
    cr_assert_eq(gn_wsgi_container_stats(served.container).running, 0);
    gn_wsgi_container_destroy(&served.container);
    gn_assert_gil();
    gn_pyexec_destroy(&served.pyexec);
    gn_loop_destroy(&served.loop);
    wsgi_run(served.globals, code);
    PyDict_Clear(served.globals);
    Py_CLEAR(served.globals);
    wsgi_python_stop();
}

void served_python(const char *code)
{
    PyEval_RestoreThread(served.python);
    wsgi_run(served.globals, code);
    served.python = PyEval_SaveThread();
}

bool served_is(const char *expression)
{
    PyObject *value;
    bool is_true;

    PyEval_RestoreThread(served.python);
    value = PyRun_String(expression, Py_eval_input, served.globals, served.globals);
    is_true = value != NULL && PyObject_IsTrue(value) == 1;
    cr_assert(value != NULL, "%s", expression);
    Py_XDECREF(value);
    served.python = PyEval_SaveThread();
    return is_true;
}

/* ---- the client ------------------------------------------------------------------- */

static void stop_loop(struct gn_post *post)
{
    struct served_client *c = GN_CONTAINER_OF(post, struct served_client, stop);

    gn_assert_loop_thread(served.loop);
    c->has_stopped = true;
    gn_loop_stop(served.loop);
}

static void send_request(const struct served_client *c)
{
    ssize_t n;

    for (size_t at = 0, len = strlen(c->request); at < len; at += (size_t)n) {
        n = send(c->fd, c->request + at, len - at, MSG_NOSIGNAL);
        if (n <= 0) {
            break;
        }
    }
}

static void *client_main(void *arg)
{
    struct served_client *c = arg;
    size_t room = 0;
    ssize_t n = 1;

    send_request(c);
    while (n > 0) {
        if (room < c->n_received + 65536) {
            room = 2 * room + 131072;
            c->received = gn_xrealloc(c->received, room);
        }
        n = 0;
        if (c->n_received < c->read_at_most) {
            n = recv(c->fd, c->received + c->n_received,
                    GN_MIN((size_t)65535, c->read_at_most - c->n_received), 0);
        }
        c->n_received += (size_t)GN_MAX(n, 0);
    }
    c->received[c->n_received] = '\0';
    (void)close(c->fd);
    gn_loop_post(served.loop, &c->stop);
    return NULL;
}

void served_client_start(struct served_client *c, const char *request, size_t read_at_most)
{
    struct gn_addr peer = wsgi_addr("192.0.2.7:5678");
    int fds[2];

    gn_assert_loop_thread(served.loop);
    *c = (struct served_client){
            .request = request, .read_at_most = read_at_most, .stop = {.fn = stop_loop}};
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    c->fd = fds[1];
    gn_http_server_add_connection(served.server, &fds[0], &peer);
    cr_assert_eq(pthread_create(&c->thread, NULL, client_main, c), 0);
}

void served_client_join(struct served_client *c)
{
    run_until(&c->has_stopped);
    cr_assert_eq(pthread_join(c->thread, NULL), 0);
}

struct served_client served_talk_partly(const char *request, size_t read_at_most)
{
    struct served_client c;

    served_client_start(&c, request, read_at_most);
    served_client_join(&c);
    return c;
}

char *served_talk(const char *request)
{
    return served_talk_partly(request, SIZE_MAX).received;
}

void served_assert(const char *request, const char *start, const char *finish)
{
    char *got = served_talk(request);
    size_t len = strlen(got);
    size_t n_finish = strlen(finish);

    cr_assert_eq(strncmp(got, start, strlen(start)), 0, "%s: %.300s", request, got);
    cr_assert(len >= n_finish && strcmp(got + len - n_finish, finish) == 0, "%s: %.300s", request,
            got);
    gn_free(got);
}
