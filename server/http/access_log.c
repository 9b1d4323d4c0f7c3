/* SPDX-License-Identifier: MIT */
#include "server/http/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/http/access_format.h"

#include "server/http/exchange_priv.h"

/*
 * Lines gather in `buf`. A timer that runs while there are any writes them;
 * so does a line that finds FLUSH_BYTES waiting. A regular file takes
 * everything at once. A pipe or a terminal might block: it is asked first, and
 * given at most PIPE_BUF bytes at a time, which a writable pipe always takes.
 * What it does not take stays, up to BUFFER_BYTES; lines beyond are counted.
 */

#define FLUSH_BYTES (32u << 10)
#define BUFFER_BYTES (1u << 20)
#define LINE_BYTES (128u << 10)
#define FLUSH_MS 100
#define TIME_BYTES 32

struct gn_access_log {
    struct gn_loop *loop;
    struct gn_access_format *format;
    char *path; /* NULL: standard output */
    int fd;
    bool may_block; /* not a regular file */
    bool has_failed;
    struct gn_buf buf;
    struct gn_timer timer;
    uint64_t n_lost;
    int64_t time_s; /* what time_text says */
    char time_text[TIME_BYTES];
    size_t time_len;
    char utc_text[TIME_BYTES]; /* the same moment for JSON */
    size_t utc_len;
};

static void on_timer(struct gn_timer *timer);

static enum gn_err open_file(struct gn_access_log *log, struct gn_error *err)
{
    struct stat st;
    int fd = STDOUT_FILENO;

    if (log->path != NULL) {
        /* O_NONBLOCK: a named pipe that nobody reads is an error, not a wait. */
        fd = open(
                log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
    }
    if (fd < 0) {
        return gn_error_set(
                err, GN_ERR_SYSTEM, errno, "cannot open the access log '%s'", log->path);
    }
    log->fd = fd;
    log->may_block = fstat(fd, &st) != 0 || !S_ISREG(st.st_mode);
    return GN_OK;
}

enum gn_err gn_access_log_create(struct gn_loop *loop, const struct gn_access_log_options *options,
        struct gn_access_log **log_out, struct gn_error *err)
{
    struct gn_access_log *log = gn_xcalloc(sizeof(*log));
    struct gn_slice format =
            options->format.len > 0 ? options->format : GN_LIT(GN_ACCESS_LOG_COMBINED);
    enum gn_err rc;

    log->loop = loop;
    log->fd = -1;
    gn_timer_init(&log->timer, loop, on_timer);
    gn_buf_init(&log->buf, BUFFER_BYTES + LINE_BYTES);
    rc = gn_access_format_create(format, &log->format, err);
    if (rc != GN_OK) {
        goto out;
    }
    if (!gn_slice_eq(options->path, GN_LIT("-")) &&
            gn_slice_to_cstr(options->path, &log->path) != GN_OK) {
        rc = gn_error_set(err, GN_ERR_INVALID, 0, "the path of the access log holds a NUL byte");
        goto out;
    }
    rc = open_file(log, err);
    if (rc != GN_OK) {
        goto out;
    }
    *log_out = log;
    log = NULL;
out:
    gn_access_log_destroy(&log);
    return rc;
}

static void close_file(struct gn_access_log *log)
{
    if (log->fd >= 0 && log->path != NULL) {
        (void)close(log->fd);
    }
    log->fd = -1;
}

/* ---- writing ------------------------------------------------------------ */

static bool can_write(const struct gn_access_log *log)
{
    struct pollfd p = {.fd = log->fd, .events = POLLOUT};

    return !log->may_block || (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0);
}

/** A disk that is full, a reader that went: said once, until writing works again. */
static void note_failure(struct gn_access_log *log, int sys_errno)
{
    struct gn_error what;

    if (!log->has_failed) {
        (void)gn_error_set(&what, GN_ERR_SYSTEM, sys_errno, "the access log cannot be written");
        gn_log_error("%s", what.message);
    }
    log->has_failed = true;
}

/** Returns false when nothing more can be written now. */
static bool write_some(struct gn_access_log *log, size_t *at)
{
    size_t len = log->buf.len - *at;
    ssize_t n;

    if (!can_write(log)) {
        return false;
    }
    n = write(log->fd, log->buf.ptr + *at, log->may_block ? GN_MIN(len, (size_t)PIPE_BUF) : len);
    if (n < 0) {
        if (errno != EINTR && errno != EAGAIN) {
            note_failure(log, errno);
        }
        return errno == EINTR;
    }
    log->has_failed = false;
    *at += (size_t)n;
    return true;
}

void gn_access_log_flush(struct gn_access_log *log)
{
    size_t at = 0;

    while (at < log->buf.len && write_some(log, &at)) {
    }
    gn_buf_consume(&log->buf, at);
    if (log->buf.len == 0 && log->n_lost > 0) {
        gn_log_warning("%llu lines of the access log were lost: nobody took them in time",
                (unsigned long long)log->n_lost);
        log->n_lost = 0;
    }
}

static void on_timer(struct gn_timer *timer)
{
    struct gn_access_log *log = GN_CONTAINER_OF(timer, struct gn_access_log, timer);

    gn_assert_loop_thread(timer->loop);
    gn_access_log_flush(log);
    if (log->buf.len > 0) {
        gn_timer_start(timer, gn_loop_after_ms(log->loop, FLUSH_MS));
    }
}

void gn_access_log_reopen(struct gn_access_log *log)
{
    struct gn_error err;
    int before = log->fd;

    if (log->path == NULL) {
        return;
    }
    gn_access_log_flush(log);
    if (open_file(log, &err) != GN_OK) {
        gn_log_error("%s; the old file stays in use", err.message);
        log->fd = before;
        return;
    }
    (void)close(before);
}

void gn_access_log_destroy(struct gn_access_log **log_ptr)
{
    struct gn_access_log *log = *log_ptr;

    if (log == NULL) {
        return;
    }
    gn_timer_stop(&log->timer);
    if (log->fd >= 0) {
        gn_access_log_flush(log);
    }
    close_file(log);
    gn_buf_fini(&log->buf);
    gn_access_format_destroy(&log->format);
    gn_free(log->path);
    gn_free(log);
    *log_ptr = NULL;
}

/* ---- lines -------------------------------------------------------------- */

/** "2026-11-21T05:24:29". */
static void update_utc(struct gn_access_log *log, time_t now)
{
    struct tm t;

    (void)gmtime_r(&now, &t);
    log->utc_len = strftime(log->utc_text, sizeof(log->utc_text), "%Y-%m-%dT%H:%M:%S", &t);
}

/** "[21/Nov/2026:05:24:29 +0000]", made once a second. No locale: months are English. */
static void update_time(struct gn_access_log *log, int64_t now_s)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = (time_t)now_s;
    struct tm t;
    char sign;
    long offset;
    int n;

    if (log->time_len > 0 && log->time_s == now_s) {
        return;
    }
    (void)localtime_r(&now, &t);
    sign = t.tm_gmtoff < 0 ? '-' : '+';
    offset = t.tm_gmtoff < 0 ? -t.tm_gmtoff : t.tm_gmtoff;
    n = snprintf(log->time_text, sizeof(log->time_text),
            "[%02d/%.3s/%04d:%02d:%02d:%02d %c%02ld%02ld]", t.tm_mday, months + 3 * t.tm_mon,
            t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec, sign, offset / 3600, offset / 60 % 60);
    log->time_len = n > 0 ? GN_MIN((size_t)n, sizeof(log->time_text) - 1) : 0;
    log->time_s = now_s;
    update_utc(log, now);
}

void gn_access_log_write(struct gn_access_log *log, const struct gn_exchange *ex)
{
    size_t before = log->buf.len;
    int64_t wall = gn_clock_wall();
    struct gn_access_facts facts;

    if (before >= BUFFER_BYTES) {
        log->n_lost++;
        return;
    }
    update_time(log, wall / GN_NS_PER_S);
    facts = (struct gn_access_facts){
            .now = gn_clock_now(),
            .time = gn_slice_of(log->time_text, log->time_len),
            .utc = gn_slice_of(log->utc_text, log->utc_len),
            .ms = (unsigned)(wall % GN_NS_PER_S / GN_NS_PER_MS),
            .response_notes = ex->priv->log_notes,
    };
    if (gn_access_format_write(log->format, ex, &facts, &log->buf) != GN_OK) {
        log->buf.len = before;
        log->n_lost++;
        return;
    }
    if (log->buf.len >= FLUSH_BYTES && !log->may_block) {
        gn_access_log_flush(log);
    } else if (!gn_timer_is_running(&log->timer)) {
        gn_timer_start(&log->timer, gn_loop_after_ms(log->loop, FLUSH_MS));
    }
}

bool gn_access_log_wants_head(const struct gn_access_log *log)
{
    return log != NULL && gn_access_format_n_response_headers(log->format) > 0;
}

void gn_access_log_note_head(
        struct gn_access_log *log, struct gn_exchange *ex, struct gn_slice head)
{
    unsigned n = gn_access_format_n_response_headers(log->format);
    struct gn_slice *notes = gn_arena_alloc(&ex->arena, n * sizeof(*notes));

    gn_access_format_scan_head(log->format, head, notes);
    for (unsigned i = 0; i < n; i++) {
        if (notes[i].ptr != NULL) {
            notes[i] = gn_arena_dup(&ex->arena, notes[i]);
        }
    }
    ex->priv->log_notes = notes;
}
