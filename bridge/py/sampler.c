/* SPDX-License-Identifier: MIT */
/*
 * Walking the frames of a thread that runs meanwhile reads memory that it may
 * free at any moment. Stopped in a signal handler, a thread can walk its own:
 * they do not move, whoever has the GIL. That is what CPython's own
 * faulthandler.register() offers, as a public interface of every version, and
 * it allocates nothing and takes no lock. (The function behind it,
 * _Py_DumpTraceback, is not exported any more since 3.13; and a walk from
 * another thread, as faulthandler.dump_traceback_later() does it, can crash.)
 *
 * Alone it has no way to say who is meant and when it has ended. So a handler
 * of ours stands in front of faulthandler's: it looks whether this thread was
 * asked, calls that one, and writes a NUL behind the text:
 *
 *   loop                     thread
 *   IDLE ─ ask: ASKED ─────► RUNNING ─ text and NUL into the pipe ─► IDLE
 *     ▲                        (a signal that comes when ASKED is over,
 *     └── late: IDLE again      or to another thread, does nothing)
 *
 * What a signal costs: a system call of that thread may end early (EINTR), which
 * Python itself and SA_RESTART repeat, but for sleeps of C libraries. Under
 * ThreadSanitizer a handler runs at the thread's next call into libc.
 */
#include <Python.h>

#include "bridge/py/sampler.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "bridge/py/pyerr.h"
#include "server/base/buf.h"
#include "server/base/log.h"

#include "bridge/py/gil_priv.h"

#define TEXT_BYTES 262144
#define EXTENSIONS 4 /* of GN_SAMPLE_MS, for a thread that has begun to write */
#define RETRY_MS 1   /* while the one before leaves its handler */
#define RETRIES 500

enum {
    BOX_IDLE,
    BOX_ASKED,
    BOX_RUNNING,
};

/* What the handler has; of the process, as the handler is. */
static struct {
    atomic_bool is_taken;
    atomic_int state;
    atomic_int thread;
    int fd;
    void (*write_stack)(int signum); /* faulthandler's handler */
} box;

struct gn_sampler {
    struct gn_loop *loop;
    int signum;
    int fds[2]; /* the pipe */
    struct gn_io io;
    struct gn_timer late;
    struct gn_defer next; /* begins with the first of `waiting` */
    struct gn_list waiting;
    struct gn_sample *sample; /* the one under way, or NULL */
    bool is_asked;            /* false: it waits for the one before to leave its handler */
    unsigned n_extensions;
    struct gn_buf text;
};

static void on_signal(int signum)
{
    int saved = errno;
    int asked = BOX_ASKED;

    if (atomic_load(&box.thread) == gettid() &&
            atomic_compare_exchange_strong(&box.state, &asked, BOX_RUNNING)) {
        box.write_stack(signum);
        (void)!write(box.fd, "", 1);
        atomic_store(&box.state, BOX_IDLE); /* last: the pipe may be closed now */
    }
    errno = saved;
}

/* ---- the loop's side --------------------------------------------------------------- */

GN_LOOP_THREAD static void begin_next(struct gn_sampler *s)
{
    if (s->sample == NULL && !gn_list_is_empty(&s->waiting)) {
        gn_loop_defer(s->loop, &s->next);
    }
}

GN_LOOP_THREAD static void finish(struct gn_sampler *s, enum gn_err rc)
{
    struct gn_sample *sample = s->sample;

    gn_timer_stop(&s->late);
    s->sample = NULL;
    sample->fn(sample, rc, gn_buf_slice(&s->text));
    begin_next(s);
}

/* Reads what is there; true when the end has been written. What does not fit is dropped. */
static bool read_text(struct gn_sampler *s)
{
    char part[2048];
    ssize_t n;

    while ((n = read(s->fds[0], part, sizeof(part))) > 0) {
        size_t len = gn_slice_find(gn_slice_of(part, (size_t)n), '\0');

        (void)!gn_buf_append(&s->text, gn_slice_of(part, len));
        if (len < (size_t)n) {
            return true;
        }
    }
    return false;
}

static void on_readable(struct gn_io *io, unsigned events)
{
    struct gn_sampler *s = GN_CONTAINER_OF(io, struct gn_sampler, io);

    (void)events;
    gn_assert_loop_thread(s->loop);
    if (read_text(s) && s->sample != NULL && s->is_asked) {
        finish(s, GN_OK);
    }
}

GN_LOOP_THREAD static void ask_thread(struct gn_sampler *s)
{
    int idle = BOX_IDLE;

    atomic_store(&box.thread, s->sample->thread);
    if (!atomic_compare_exchange_strong(&box.state, &idle, BOX_ASKED)) {
        if (s->n_extensions++ < RETRIES) {
            gn_timer_start(&s->late, gn_loop_after_ms(s->loop, RETRY_MS));
        } else {
            finish(s, GN_ERR_TIMEOUT);
        }
        return;
    }
    (void)read_text(s);
    gn_buf_clear(&s->text);
    s->is_asked = true;
    s->n_extensions = 0;
    if (tgkill(getpid(), s->sample->thread, s->signum) != 0) {
        atomic_store(&box.state, BOX_IDLE);
        finish(s, GN_ERR_NOT_FOUND);
    } else {
        gn_timer_start(&s->late, gn_loop_after_ms(s->loop, GN_SAMPLE_MS));
    }
}

GN_LOOP_THREAD static void give_up_or_wait(struct gn_sampler *s)
{
    int asked = BOX_ASKED;

    if (atomic_compare_exchange_strong(&box.state, &asked, BOX_IDLE)) {
        finish(s, GN_ERR_TIMEOUT);
    } else if (read_text(s) || asked == BOX_IDLE) {
        finish(s, GN_OK); /* a full pipe may have lost the mark of the end */
    } else if (s->n_extensions++ < EXTENSIONS) {
        gn_timer_start(&s->late, gn_loop_after_ms(s->loop, GN_SAMPLE_MS));
    } else {
        finish(s, GN_ERR_TIMEOUT);
    }
}

static void on_late(struct gn_timer *timer)
{
    struct gn_sampler *s = GN_CONTAINER_OF(timer, struct gn_sampler, late);

    gn_assert_loop_thread(s->loop);
    if (s->is_asked) {
        give_up_or_wait(s);
    } else {
        ask_thread(s);
    }
}

static void on_next(struct gn_defer *defer)
{
    struct gn_sampler *s = GN_CONTAINER_OF(defer, struct gn_sampler, next);
    struct gn_list *node;

    gn_assert_loop_thread(s->loop);
    if (s->sample != NULL) {
        return;
    }
    node = gn_list_pop(&s->waiting);
    if (node != NULL) {
        s->sample = GN_LIST_ENTRY(node, struct gn_sample, link);
        s->is_asked = false;
        s->n_extensions = 0;
        ask_thread(s);
    }
}

void gn_sampler_ask(struct gn_sampler *s, struct gn_sample *sample)
{
    gn_list_append(&s->waiting, &sample->link);
    begin_next(s);
}

/* ---- life -------------------------------------------------------------------------- */

/* faulthandler.register(signum, file=fd, all_threads=False, chain=False) */
GN_NEEDS_GIL static bool register_faulthandler(int signum, int fd)
{
    PyObject *module = PyImport_ImportModule("faulthandler");
    PyObject *method = module != NULL ? PyObject_GetAttrString(module, "register") : NULL;
    PyObject *args = Py_BuildValue("(ii)", signum, fd);
    PyObject *kwargs = Py_BuildValue("{s:O,s:O}", "all_threads", Py_False, "chain", Py_False);
    PyObject *result = NULL;

    if (method != NULL && args != NULL && kwargs != NULL) {
        result = PyObject_Call(method, args, kwargs);
    }
    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    Py_XDECREF(method);
    Py_XDECREF(module);
    Py_XDECREF(result);
    return result != NULL;
}

/* Ours comes first, so that it is what faulthandler puts back at its end; then in front. */
GN_NEEDS_GIL static bool install(int signum, int fd)
{
    struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction theirs;

    (void)sigemptyset(&ours.sa_mask);
    if (sigaction(signum, &ours, NULL) != 0) {
        return false;
    }
    if (!register_faulthandler(signum, fd)) {
        gn_pyerr_log(GN_LOG_WARNING, GN_LIT("stacks will be shown only when Python can be asked"));
        return false;
    }
    if (sigaction(signum, NULL, &theirs) != 0 || (theirs.sa_flags & SA_SIGINFO) != 0) {
        return false;
    }
    if (theirs.sa_handler != on_signal) { /* else registered before, and remembered */
        box.write_stack = theirs.sa_handler;
    }
    return box.write_stack != NULL && sigaction(signum, &ours, NULL) == 0;
}

struct gn_sampler *gn_sampler_create(struct gn_loop *loop, int signum)
{
    struct gn_sampler *s;
    int fds[2];

    if (atomic_exchange(&box.is_taken, true)) {
        return NULL;
    }
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        atomic_store(&box.is_taken, false);
        return NULL;
    }
    (void)fcntl(fds[1], F_SETPIPE_SZ, TEXT_BYTES);
    box.fd = fds[1];
    if (!install(signum, fds[1])) {
        (void)close(fds[0]);
        (void)close(fds[1]);
        atomic_store(&box.is_taken, false);
        return NULL;
    }
    s = gn_xcalloc(sizeof(*s));
    *s = (struct gn_sampler){
            .loop = loop, .signum = signum, .fds = {fds[0], fds[1]}, .next.fn = on_next};
    gn_list_init(&s->waiting);
    gn_buf_init(&s->text, TEXT_BYTES);
    gn_timer_init(&s->late, loop, on_late);
    gn_io_init(&s->io, loop, fds[0], on_readable);
    gn_io_watch(&s->io, GN_IO_READ);
    return s;
}

/* False when a thread is in the handler and may write to the pipe yet. */
static bool retire_box(void)
{
    int asked = BOX_ASKED;

    (void)atomic_compare_exchange_strong(&box.state, &asked, BOX_IDLE);
    return atomic_load(&box.state) == BOX_IDLE;
}

void gn_sampler_destroy(struct gn_sampler **sampler)
{
    struct gn_sampler *s = *sampler;
    struct gn_list *node;

    if (s == NULL) {
        return;
    }
    *sampler = NULL;
    if (s->sample != NULL) {
        gn_list_prepend(&s->waiting, &s->sample->link);
    }
    gn_timer_stop(&s->late);
    gn_defer_cancel(&s->next);
    gn_io_fini(&s->io);
    while ((node = gn_list_pop(&s->waiting)) != NULL) {
        struct gn_sample *sample = GN_LIST_ENTRY(node, struct gn_sample, link);

        sample->fn(sample, GN_ERR_CLOSED, GN_LIT(""));
    }
    if (retire_box()) {
        (void)close(s->fds[0]);
        (void)close(s->fds[1]);
        atomic_store(&box.is_taken, false);
    }
    gn_buf_fini(&s->text);
    gn_free(s);
}
