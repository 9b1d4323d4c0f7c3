/* SPDX-License-Identifier: MIT */
/*
 * A client is one of a fixed few slots:
 *
 *   ASKING ─ a whole line ─► WORKING ─ text is there ─► ANSWERING ─ written ─► free
 *      └─ end, too long, late, or an error of the descriptor: free ◄───────────┘
 */
#include "deploy/program/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/py/gil.h"
#include "bridge/py/host.h"
#include "bridge/py/pystats.h"
#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/net/listener.h"

#define STATUS_BYTES 64 /* the line before the text */

enum step {
    FREE,
    ASKING,
    WORKING,
    ANSWERING,
};

struct client {
    struct gn_control *control;
    enum step step;
    int fd;
    struct gn_io io;
    struct gn_timer late;
    char question[GN_CONTROL_QUESTION_BYTES];
    size_t n_question;
    struct gn_buf answer;
    size_t n_written;
    struct gn_pydump *dump;
};

struct gn_control {
    struct gn_loop *loop;
    struct gn_pyexec *pyexec;
    struct gn_listener *listener;
    struct client clients[GN_CONTROL_CLIENTS];
};

GN_LOOP_THREAD static void free_client(struct client *c)
{
    gn_timer_stop(&c->late);
    gn_io_fini(&c->io);
    gn_pydump_cancel(&c->dump);
    (void)close(c->fd);
    gn_buf_fini(&c->answer);
    c->step = FREE;
}

/* ---- answers --------------------------------------------------------------------- */

GN_LOOP_THREAD static void write_answer(struct client *c)
{
    while (c->n_written < c->answer.len) {
        ssize_t n = send(c->fd, c->answer.ptr + c->n_written, c->answer.len - c->n_written,
                MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN) {
            gn_io_watch(&c->io, GN_IO_WRITE);
            return;
        }
        if (n < 0 && errno != EINTR) {
            break;
        }
        c->n_written += n > 0 ? (size_t)n : 0;
    }
    free_client(c);
}

GN_LOOP_THREAD static void answer(struct client *c, const char *status, struct gn_slice text)
{
    c->step = ANSWERING;
    (void)!gn_buf_printf(&c->answer, "%s %zu\n", status, text.len);
    (void)!gn_buf_append(&c->answer, text);
    gn_timer_start(&c->late, gn_loop_after_ms(c->control->loop, GN_CONTROL_ANSWER_MS));
    write_answer(c);
}

static void on_dumped(void *arg, struct gn_slice text)
{
    struct client *c = arg;

    gn_assert_loop_thread(c->control->loop);
    c->dump = NULL;
    answer(c, "ok", text);
}

GN_LOOP_THREAD static void tell_stacks(struct client *c)
{
    if (c->control->pyexec == NULL) {
        answer(c, "ok", GN_LIT("no Python application is served\n"));
        return;
    }
    c->step = WORKING;
    gn_io_watch(&c->io, 0);
    gn_timer_start(&c->late, gn_loop_after_ms(c->control->loop, GN_CONTROL_ANSWER_MS));
    c->dump = gn_pydump_start(c->control->pyexec, on_dumped, c);
}

GN_LOOP_THREAD static void tell_stats(struct client *c)
{
    struct gn_buf text;

    if (c->control->pyexec == NULL) {
        answer(c, "ok", GN_LIT("no Python application is served\n"));
        return;
    }
    gn_buf_init(&text, GN_CONTROL_ANSWER_BYTES);
    gn_pyexec_stats_text(c->control->pyexec, &text);
    answer(c, "ok", gn_buf_slice(&text));
    gn_buf_fini(&text);
}

GN_LOOP_THREAD static void tell_version(struct client *c)
{
    struct gn_buf text;

    gn_buf_init(&text, 256);
    (void)!gn_buf_printf(&text, "gustnado %s (Python %s%s)\n", GN_VERSION, gn_py_version(),
            c->control->pyexec != NULL ? gn_pyexec_gil_kind(c->control->pyexec) : gn_gil_kind());
    answer(c, "ok", gn_buf_slice(&text));
    gn_buf_fini(&text);
}

struct command {
    const char *word;
    void (*tell)(struct client *c);
};

static const struct command commands[] = {
        {"stacks", tell_stacks},
        {"stats", tell_stats},
        {"version", tell_version},
};

GN_LOOP_THREAD static void obey(struct client *c, struct gn_slice word)
{
    struct gn_buf text;

    for (unsigned i = 0; i < GN_ARRAY_LEN(commands); i++) {
        if (gn_slice_eq(word, gn_slice_str(commands[i].word))) {
            commands[i].tell(c);
            return;
        }
    }
    gn_buf_init(&text, 512);
    (void)!gn_buf_printf(
            &text, "this server does not know \"" GN_SLICE_FMT "\"; it knows", GN_SLICE_ARG(word));
    for (unsigned i = 0; i < GN_ARRAY_LEN(commands); i++) {
        (void)!gn_buf_printf(&text, " %s", commands[i].word);
    }
    answer(c, "error", gn_buf_slice(&text));
    gn_buf_fini(&text);
}

/* ---- questions ------------------------------------------------------------------- */

GN_LOOP_THREAD static void read_question(struct client *c)
{
    ssize_t n =
            recv(c->fd, c->question + c->n_question, GN_CONTROL_QUESTION_BYTES - c->n_question, 0);
    struct gn_slice word;

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        free_client(c);
        return;
    }
    c->n_question += (size_t)n;
    word = gn_slice_of(c->question, c->n_question);
    word.len = gn_slice_find(word, '\n');
    if (word.len < c->n_question) {
        obey(c, word);
    } else if (c->n_question == GN_CONTROL_QUESTION_BYTES) {
        answer(c, "error", GN_LIT("the question is too long"));
    }
}

static void on_ready(struct gn_io *io, unsigned events)
{
    struct client *c = GN_CONTAINER_OF(io, struct client, io);

    (void)events;
    gn_assert_loop_thread(c->control->loop);
    if (c->step == ASKING) {
        read_question(c);
    } else {
        write_answer(c);
    }
}

static void on_late(struct gn_timer *timer)
{
    struct client *c = GN_CONTAINER_OF(timer, struct client, late);

    gn_assert_loop_thread(c->control->loop);
    free_client(c);
}

static void on_accept(struct gn_listener *listener, void *arg, int *fd, const struct gn_addr *peer)
{
    struct gn_control *control = arg;

    (void)listener, (void)peer;
    gn_assert_loop_thread(control->loop);
    for (unsigned i = 0; i < GN_CONTROL_CLIENTS; i++) {
        struct client *c = &control->clients[i];

        if (c->step != FREE) {
            continue;
        }
        *c = (struct client){.control = control, .step = ASKING, .fd = *fd};
        *fd = -1;
        gn_buf_init(&c->answer, GN_CONTROL_ANSWER_BYTES + STATUS_BYTES);
        gn_timer_init(&c->late, control->loop, on_late);
        gn_timer_start(&c->late, gn_loop_after_ms(control->loop, GN_CONTROL_ASK_MS));
        gn_io_init(&c->io, control->loop, c->fd, on_ready);
        gn_io_watch(&c->io, GN_IO_READ);
        return;
    }
}

/* ---- life ------------------------------------------------------------------------ */

enum gn_err gn_control_open(struct gn_loop *loop, const char *path, struct gn_control **control_out,
        struct gn_error *err)
{
    const struct gn_listener_options options = {.backlog = GN_CONTROL_CLIENTS, .unix_mode = 0600};
    struct gn_addr addr = {0};
    struct gn_listener *listener = NULL;
    struct gn_error why = {0};
    enum gn_err rc;

    if (strlen(path) >= sizeof(addr.u.un.sun_path)) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "--control %s: a socket's path has at most %zu bytes", path,
                sizeof(addr.u.un.sun_path) - 1);
    }
    addr.u.un.sun_family = AF_UNIX;
    memcpy(addr.u.un.sun_path, path, strlen(path) + 1);
    addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
    rc = gn_listener_open(&addr, &options, &listener, &why);
    if (rc == GN_ERR_EXISTS) {
        return gn_error_set(err, rc, 0,
                "--control %s: another server answers there, or it is no socket: choose another "
                "path",
                path);
    }
    if (rc != GN_OK) {
        return gn_error_set(err, rc, 0, "--control %s: %s", path, why.message);
    }
    *control_out = gn_xcalloc(sizeof(**control_out));
    (*control_out)->loop = loop;
    (*control_out)->listener = listener;
    return GN_OK;
}

void gn_control_start(struct gn_control *control, struct gn_pyexec *pyexec)
{
    control->pyexec = pyexec;
    gn_listener_start(control->listener, control->loop, on_accept, control);
}

const struct gn_addr *gn_control_addr(const struct gn_control *control)
{
    return gn_listener_addr(control->listener);
}

void gn_control_destroy(struct gn_control **control_ptr)
{
    struct gn_control *control = *control_ptr;

    if (control == NULL) {
        return;
    }
    *control_ptr = NULL;
    for (unsigned i = 0; i < GN_CONTROL_CLIENTS; i++) {
        if (control->clients[i].step != FREE) {
            free_client(&control->clients[i]);
        }
    }
    gn_listener_destroy(&control->listener);
    gn_free(control);
}
