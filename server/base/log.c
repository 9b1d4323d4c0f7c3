/* SPDX-License-Identifier: MIT */
#include "server/base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "server/base/alloc.h"

/*
 * The loop thread logs too, so a line that standard error does not take is
 * dropped and counted: a log reader that has stopped must not stop the server.
 */

#define LINE_BYTES 1536
#define STALL_MS 20

static atomic_int threshold = GN_LOG_INFO;
static gn_log_sink_fn log_sink;
static void *log_sink_arg;
static atomic_uint n_lost; /* lines, since standard error last took one */

static const char *const level_names[] = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};

void gn_log_set_sink(gn_log_sink_fn sink, void *arg)
{
    log_sink = sink;
    log_sink_arg = arg;
}

void gn_log_set_level(enum gn_log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

bool gn_log_is_on(enum gn_log_level level)
{
    return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

bool gn_log_level_parse(struct gn_slice name, enum gn_log_level *level_out)
{
    for (unsigned i = 0; i < GN_ARRAY_LEN(level_names); i++) {
        if (gn_slice_eq_nocase(name, gn_slice_str(level_names[i]))) {
            *level_out = (enum gn_log_level)i;
            return true;
        }
    }
    return false;
}

/** A pipe whose reader rests is given a moment, and no further one until it has read on. */
static bool stderr_takes_bytes(void)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    int wait_ms = atomic_load_explicit(&n_lost, memory_order_relaxed) > 0 ? 0 : STALL_MS;
    int n;

    do {
        n = poll(&p, 1, wait_ms);
    } while (n < 0 && errno == EINTR);
    return n == 1 && (p.revents & POLLOUT) != 0;
}

/** False when the line was lost, in part or whole. A pipe with room takes PIPE_BUF bytes. */
static bool write_all(struct gn_slice line)
{
    while (line.len > 0) {
        ssize_t n;

        if (!stderr_takes_bytes()) {
            return false;
        }
        n = write(STDERR_FILENO, line.ptr, GN_MIN(line.len, (size_t)PIPE_BUF));
        if (n < 0 && errno != EINTR) {
            return false;
        }
        line = gn_slice_skip(line, n > 0 ? (size_t)n : 0);
    }
    return true;
}

static size_t format_prefix(char *into, size_t size, enum gn_log_level level)
{
    time_t now = time(NULL);
    struct tm local;
    char stamp[40];
    int n;

    (void)localtime_r(&now, &local);
    (void)strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S %z", &local);
    n = snprintf(into, size, "[%s] [%d] [%s] ", stamp, (int)getpid(), level_names[level]);
    return n > 0 ? (size_t)n : 0;
}

/** Standard error; a lost log line is not an error, but said when there is somebody to hear it. */
static void write_stderr(struct gn_slice line)
{
    char note[LINE_BYTES];
    unsigned n_before;
    size_t used;

    if (!write_all(line)) {
        (void)atomic_fetch_add_explicit(&n_lost, 1, memory_order_relaxed);
        return;
    }
    n_before = atomic_exchange_explicit(&n_lost, 0, memory_order_relaxed);
    if (n_before > 0) {
        used = format_prefix(note, sizeof(note), GN_LOG_WARNING);
        used += (size_t)snprintf(note + used, sizeof(note) - used,
                "%u lines of the log were lost: nobody took them in time\n", n_before);
        (void)write_all(gn_slice_of(note, used));
    }
}

static void emit(enum gn_log_level level, struct gn_slice line)
{
    if (log_sink != NULL) {
        log_sink(log_sink_arg, level, line);
    } else {
        write_stderr(line);
    }
}

/** U+0080 to U+009F, in UTF-8 0xc2 and one byte: terminals obey some of them as they do ESC. */
static bool is_c1(unsigned char lead, unsigned char next)
{
    return lead == 0xc2 && next >= 0x80 && next <= 0x9f;
}

static bool is_control(struct gn_slice text, size_t i)
{
    unsigned char before = i > 0 ? (unsigned char)text.ptr[i - 1] : 0;
    unsigned char c = (unsigned char)text.ptr[i];
    unsigned char next = i + 1 < text.len ? (unsigned char)text.ptr[i + 1] : 0;

    return c < 0x20 || c == 0x7f || is_c1(c, next) || is_c1(before, c);
}

/** Copies with control bytes as \xHH; stops when less than four bytes are left. */
static size_t escape_into(char *to, size_t room, struct gn_slice text, bool keep_lines)
{
    size_t used = 0;

    for (size_t i = 0; i < text.len && used + 4 < room; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool keep = keep_lines && (c == '\n' || c == '\t');

        if (keep || !is_control(text, i)) {
            to[used++] = (char)c;
        } else {
            used += (size_t)snprintf(to + used, 5, "\\x%02x", c);
        }
    }
    return used;
}

void gn_log(enum gn_log_level level, const char *fmt, ...)
{
    char text[LINE_BYTES];
    char line[LINE_BYTES];
    va_list args;
    size_t used;
    int n;

    if (!gn_log_is_on(level)) {
        return;
    }
    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n < 0) {
        return;
    }
    used = format_prefix(line, sizeof(line), level);
    used += escape_into(line + used, sizeof(line) - used - 1,
            gn_slice_of(text, GN_MIN((size_t)n, sizeof(text) - 1)), false);
    line[used++] = '\n';
    emit(level, gn_slice_of(line, used));
}

void gn_log_block(enum gn_log_level level, struct gn_slice heading, struct gn_slice text)
{
    size_t size = 128 + 4 * (heading.len + text.len) + 8;
    char *block;
    size_t used;

    if (!gn_log_is_on(level)) {
        return;
    }
    block = gn_xalloc(size);
    used = format_prefix(block, size, level);
    used += escape_into(block + used, size - used - 2, heading, false);
    block[used++] = '\n';
    used += escape_into(block + used, size - used - 1, text, true);
    if (block[used - 1] != '\n') {
        block[used++] = '\n';
    }
    emit(level, gn_slice_of(block, used));
    gn_free(block);
}
