/* SPDX-License-Identifier: MIT */
#include "deploy/program/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "deploy/program/control.h"
#include "deploy/program/control_path.h"
#include "deploy/program/options.h"
#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/base/clock.h"

#define MOST_BYTES (2 * GN_CONTROL_ANSWER_BYTES) /* the server may be another version */
#define TIMEOUT_MS 10000                         /* unless --timeout says otherwise */
#define MAX_TIMEOUT_MS 3600000

struct question {
    bool show_help;
    const char *control; /* NULL: to be found */
    int64_t timeout_ms;
    struct gn_text_list positional; /* at most one PID */
};

static const struct gn_option options[] = {
        {.group = "Options",
                .name = "control",
                .value = "PATH",
                .help = "The server's control socket, as its own --control says.",
                .kind = GN_OPTION_TEXT,
                .offset = offsetof(struct question, control)},
        {.name = "timeout",
                .value = "SECONDS",
                .help = "For the whole answer to arrive.",
                .kind = GN_OPTION_MS,
                .min = 1,
                .max = MAX_TIMEOUT_MS,
                .offset = offsetof(struct question, timeout_ms)},
        {.name = "help",
                .letter = 'h',
                .help = "This text.",
                .kind = GN_OPTION_FLAG,
                .offset = offsetof(struct question, show_help)},
};

static const struct gn_option_table table = {
        .options = options,
        .n = GN_ARRAY_LEN(options),
        .positional_offset = offsetof(struct question, positional),
};

static const char *const words[] = {"stacks", "stats"};

bool gn_ask_is_meant(int argc, char *const *argv)
{
    for (unsigned i = 0; argc > 1 && i < GN_ARRAY_LEN(words); i++) {
        if (strcmp(argv[1], words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- whom ---------------------------------------------------------------------------- */

static enum gn_err find_path(
        const struct question *q, char path[GN_CONTROL_PATH_BYTES], struct gn_error *err)
{
    uint64_t pid = 0;

    if (q->positional.n > 1) {
        return gn_error_set(err, GN_ERR_INVALID, 0, "one PID at most");
    }
    if (q->positional.n == 1 &&
            (gn_slice_to_u64(gn_slice_str(q->positional.items[0]), INT32_MAX, &pid) != GN_OK ||
                    pid == 0)) {
        return gn_error_set(err, GN_ERR_INVALID, 0, "\"%s\" is no PID; --help says more",
                q->positional.items[0]);
    }
    if (q->control == NULL) {
        return gn_control_path_find((pid_t)pid, path, err);
    }
    if (pid != 0) {
        return gn_error_set(err, GN_ERR_INVALID, 0, "give a PID or --control, not both");
    }
    if (snprintf(path, GN_CONTROL_PATH_BYTES, "%s", q->control) >= GN_CONTROL_PATH_BYTES) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "--control %s: a socket's path has at most %d bytes", q->control,
                GN_CONTROL_PATH_BYTES - 1);
    }
    return GN_OK;
}

static enum gn_err connect_failed(const char *path, int sys_errno, struct gn_error *err)
{
    if (sys_errno == ENOENT) {
        return gn_error_set(err, GN_ERR_NOT_FOUND, 0,
                "there is no control socket %s; does the server run?", path);
    }
    if (sys_errno == ECONNREFUSED) {
        return gn_error_set(err, GN_ERR_NOT_FOUND, 0,
                "nobody answers at %s; its server is gone, or it is no control socket", path);
    }
    if (sys_errno == EACCES || sys_errno == EPERM) {
        return gn_error_set(err, GN_ERR_NOT_FOUND, 0,
                "not permitted to open %s; be root, or the user the server runs as", path);
    }
    return gn_error_set(err, GN_ERR_NOT_FOUND, sys_errno, "cannot reach %s", path);
}

static enum gn_err reach(const char *path, int *fd_out, struct gn_error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return gn_error_set(err, GN_ERR_SYSTEM, errno, "no socket could be had");
    }
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)(void *)&addr, sizeof(addr)) != 0) {
        int sys_errno = errno;

        (void)close(fd);
        if (sys_errno == EAGAIN) { /* nobody accepts: the queue is full */
            return gn_error_set(err, GN_ERR_TIMEOUT, 0, "the server at %s does not answer", path);
        }
        return connect_failed(path, sys_errno, err);
    }
    *fd_out = fd;
    return GN_OK;
}

/* ---- the answer ------------------------------------------------------------------------ */

/* False when `deadline` passes first. */
static bool await(int fd, short events, gn_deadline deadline)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t ms;

    while ((ms = (deadline - gn_clock_now()) / GN_NS_PER_MS) > 0) {
        int n = poll(&p, 1, (int)GN_MIN(ms, (int64_t)MAX_TIMEOUT_MS));

        if (n > 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return true; /* whatever it is, the next call says */
        }
    }
    return false;
}

static enum gn_err read_all(int fd, struct gn_buf *into, gn_deadline deadline)
{
    for (;;) {
        ssize_t n;

        if (!await(fd, POLLIN, deadline)) {
            return GN_ERR_TIMEOUT;
        }
        GN_TRY(gn_buf_reserve(into, 65536));
        n = recv(fd, into->ptr + into->len, into->cap - into->len, 0);
        if (n == 0) {
            return GN_OK;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return GN_ERR_IO;
        }
        into->len += n > 0 ? (size_t)n : 0;
    }
}

/* "ok 12\n" and 12 bytes; false when it is not whole. */
static bool split_answer(struct gn_slice all, bool *is_ok, struct gn_slice *text)
{
    struct gn_slice rest = all;
    struct gn_slice line;
    struct gn_slice status;
    uint64_t length;

    (void)gn_slice_split(&rest, '\n', &line);
    *text = rest;
    rest = line;
    (void)gn_slice_split(&rest, ' ', &status);
    *is_ok = gn_slice_eq(status, GN_LIT("ok"));
    return rest.ptr != NULL && gn_slice_to_u64(rest, MOST_BYTES, &length) == GN_OK &&
            text->len == length && (*is_ok || gn_slice_eq(status, GN_LIT("error")));
}

static enum gn_err ask(const char *path, const char *word, int64_t timeout_ms,
        struct gn_buf *answer, struct gn_error *err)
{
    gn_deadline deadline = gn_deadline_after_ms(gn_clock_now(), timeout_ms);
    char line[32];
    int len = snprintf(line, sizeof(line), "%s\n", word);
    enum gn_err rc;
    int fd = -1;

    GN_TRY(reach(path, &fd, err));
    (void)!send(fd, line, (size_t)len, MSG_NOSIGNAL); /* fits an empty socket; else no answer */
    rc = read_all(fd, answer, deadline);
    (void)close(fd);
    if (rc == GN_ERR_TIMEOUT) {
        return gn_error_set(err, rc, 0, "the server at %s has not answered within %g s", path,
                (double)timeout_ms / 1e3);
    }
    if (rc != GN_OK) {
        return gn_error_set(err, GN_ERR_TIMEOUT, 0, "the server at %s broke off its answer", path);
    }
    return GN_OK;
}

static enum gn_ask_exit print_answer(const char *path, struct gn_slice all)
{
    struct gn_slice text;
    bool is_ok;

    if (!split_answer(all, &is_ok, &text)) {
        (void)fprintf(stderr, "gustnado: the server at %s broke off its answer\n", path);
        return GN_ASK_NO_ANSWER;
    }
    if (!is_ok) {
        (void)fprintf(stderr, "gustnado: " GN_SLICE_FMT "\n", GN_SLICE_ARG(text));
        return GN_ASK_USAGE;
    }
    (void)fwrite(text.ptr, 1, text.len, stdout);
    return GN_ASK_OK;
}

/* ---- the command ------------------------------------------------------------------------- */

static void print_help(const struct question *defaults)
{
    struct gn_buf text;

    gn_buf_init(&text, 16384);
    (void)!gn_buf_append(&text,
            GN_LIT("Usage: gustnado stacks [OPTIONS] [PID]\n"
                   "       gustnado stats  [OPTIONS] [PID]\n"
                   "\n"
                   "stacks shows what every Python worker of a running server is doing, its stack\n"
                   "included, even while Python's global lock is stuck; stats shows counts.\n"
                   "Without PID and --control the only server of this user is asked.\n"));
    gn_options_help(&table, defaults, &text);
    (void)!gn_buf_append(&text,
            GN_LIT("\n"
                   "Exit status: 0 answered; 1 there is no such server, or it is another user's;\n"
                   "2 the command line is wrong; 6 the server has not answered in time.\n"));
    (void)fwrite(text.ptr, 1, text.len, stdout);
    gn_buf_fini(&text);
}

static enum gn_ask_exit exit_of(enum gn_err rc)
{
    return rc == GN_ERR_INVALID || rc == GN_ERR_EXISTS ? GN_ASK_USAGE
            : rc == GN_ERR_TIMEOUT                     ? GN_ASK_NO_ANSWER
                                                       : GN_ASK_NOBODY;
}

static enum gn_ask_exit answer_question(const struct question *q, const char *word)
{
    char path[GN_CONTROL_PATH_BYTES] = "";
    struct gn_error err = {0};
    struct gn_buf answer;
    enum gn_ask_exit status;
    enum gn_err rc = find_path(q, path, &err);

    gn_buf_init(&answer, MOST_BYTES);
    if (rc == GN_OK) {
        rc = ask(path, word, q->timeout_ms, &answer, &err);
    }
    if (rc == GN_OK) {
        status = print_answer(path, gn_buf_slice(&answer));
    } else {
        (void)fprintf(stderr, "gustnado: %s\n", err.message);
        status = exit_of(rc);
    }
    gn_buf_fini(&answer);
    return status;
}

int gn_ask(int argc, char *const *argv)
{
    struct question q = {.timeout_ms = TIMEOUT_MS};
    const struct question defaults = q;
    struct gn_error err = {0};
    enum gn_ask_exit status = GN_ASK_OK;

    if (gn_options_parse(&table, &q, (const char *const *)(argv + 2), (unsigned)argc - 2, 0,
                &err) != GN_OK) {
        (void)fprintf(stderr, "gustnado: %s\n", err.message);
        status = GN_ASK_USAGE;
    } else if (q.show_help) {
        print_help(&defaults);
    } else {
        status = answer_question(&q, argv[1]);
    }
    gn_text_list_fini(&q.positional);
    return (int)status;
}
