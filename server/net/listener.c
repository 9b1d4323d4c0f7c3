/* SPDX-License-Identifier: MIT */
#include "server/net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/log.h"

/*
 * The loop never spins on a listener: every error that leaves the backlog
 * readable pauses accepting for PAUSE_MS. One descriptor is held in reserve;
 * when the process has no other left, it is given up for a moment to accept
 * one waiting client and close it, so that the client sees an end instead of a
 * connection that never answers.
 *
 * A Unix socket is removed at the end only if it is still the file that this
 * listener made, in the process that made it: a successor may have replaced it,
 * and a forked child shares the descriptor without owning the name.
 */

#define DEFAULT_BACKLOG 2048
#define DEFAULT_UNIX_MODE 0666
#define ACCEPTS_PER_TURN 64
#define PAUSE_MS 100
#define LOG_EVERY_NS GN_NS_PER_S

struct gn_listener {
    int fd;
    int reserve_fd; /* -1 while it is used up */
    struct gn_addr addr;
    struct gn_loop *loop; /* NULL until started */
    struct gn_io io;
    struct gn_timer resume_timer; /* runs while accepting rests after an error */
    gn_accept_fn fn;
    void *arg;
    bool is_accepting; /* wanted by the owner: started and not paused */
    bool in_callback;
    gn_deadline next_log;
    /* a Unix socket's file, to remove it */
    pid_t unix_pid; /* 0: not ours to remove */
    dev_t unix_dev;
    ino_t unix_ino;
};

/* ---- opening ------------------------------------------------------------ */

static struct gn_listener *listener_alloc(void)
{
    struct gn_listener *l = gn_xcalloc(sizeof(*l));

    l->fd = -1;
    l->reserve_fd = -1;
    return l;
}

static const char *unix_path(const struct gn_addr *addr)
{
    return gn_addr_is_unix(addr) && addr->u.un.sun_path[0] != '\0' ? addr->u.un.sun_path : NULL;
}

/** True when a socket file lies there that nobody answers on. */
static bool is_stale_socket(const struct gn_addr *addr)
{
    const char *path = unix_path(addr);
    struct stat st;
    bool is_stale;
    int fd;

    if (path == NULL || lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        return false;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    is_stale = connect(fd, &addr->u.sa, addr->len) != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return is_stale;
}

/** True when something else than a socket lies there. */
static bool is_other_file(const struct gn_addr *addr)
{
    const char *path = unix_path(addr);
    struct stat st;

    return path != NULL && lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode);
}

static enum gn_err bind_failure(const struct gn_addr *addr, int sys_errno, struct gn_error *err)
{
    char text[GN_ADDR_TEXT_BYTES];

    gn_addr_format(addr, text);
    if (sys_errno == EADDRINUSE && is_other_file(addr)) {
        return gn_error_set(err, GN_ERR_EXISTS, 0,
                "%s exists and is no socket: remove it, or choose another path", text);
    }
    if (sys_errno == EADDRINUSE) {
        return gn_error_set(err, GN_ERR_EXISTS, 0,
                "%s is in use by another program: stop that one, or choose another address", text);
    }
    if (sys_errno == EADDRNOTAVAIL) {
        return gn_error_set(err, GN_ERR_SYSTEM, 0,
                "cannot bind %s: this machine has no such address; name one of its own, or "
                "0.0.0.0 or [::] for all",
                text);
    }
    if (sys_errno == ENOENT && gn_addr_is_unix(addr)) {
        return gn_error_set(err, GN_ERR_SYSTEM, 0,
                "cannot create %s: there is no such directory; make it, or choose another path",
                text);
    }
    if (sys_errno == EACCES) {
        return gn_error_set(err, GN_ERR_SYSTEM, sys_errno,
                gn_addr_is_unix(addr)
                        ? "cannot create %s: the directory must be writable"
                        : "cannot bind %s: ports below 1024 need root or CAP_NET_BIND_SERVICE",
                text);
    }
    return gn_error_set(err, GN_ERR_SYSTEM, sys_errno, "cannot bind %s", text);
}

static enum gn_err bind_socket(
        struct gn_listener *l, const struct gn_addr *addr, int unix_mode, struct gn_error *err)
{
    const char *path = unix_path(addr);
    struct stat st;

    if (path != NULL) {
        /* The mode of the socket, less the umask, becomes that of the file: never a moment
         * of wider permissions. */
        (void)fchmod(l->fd, (mode_t)(unix_mode >= 0 ? unix_mode : DEFAULT_UNIX_MODE));
    }
    if (bind(l->fd, &addr->u.sa, addr->len) != 0) {
        int failure = errno;

        if (failure != EADDRINUSE || !is_stale_socket(addr) || unlink(path) != 0 ||
                bind(l->fd, &addr->u.sa, addr->len) != 0) {
            return bind_failure(addr, failure, err);
        }
    }
    if (path != NULL && stat(path, &st) == 0) {
        l->unix_pid = getpid();
        l->unix_dev = st.st_dev;
        l->unix_ino = st.st_ino;
        if (unix_mode >= 0 && chmod(path, (mode_t)unix_mode) != 0) {
            return gn_error_set(
                    err, GN_ERR_SYSTEM, errno, "cannot set the permissions of %s", path);
        }
    }
    return GN_OK;
}

static enum gn_err set_options(int fd, const struct gn_addr *addr, bool reuse_port)
{
    const int on = 1;
    const int off = 0;

    if (gn_addr_is_unix(addr)) {
        return GN_OK;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
            (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)) {
        return GN_ERR_SYSTEM;
    }
    /* "[::]" means every address, IPv4 included, whatever the system's default says. */
    if (addr->u.sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&addr->u.in6.sin6_addr)) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    return GN_OK;
}

static void learn_addr(struct gn_listener *l)
{
    socklen_t len = sizeof(l->addr.u);

    l->addr = (struct gn_addr){0};
    if (getsockname(l->fd, &l->addr.u.sa, &len) == 0) {
        l->addr.len = len;
    }
}

enum gn_err gn_listener_open(const struct gn_addr *addr, const struct gn_listener_options *options,
        struct gn_listener **listener_out, struct gn_error *err)
{
    struct gn_listener *l = listener_alloc();
    int backlog = options->backlog > 0 ? options->backlog : DEFAULT_BACKLOG;
    enum gn_err rc;

    l->fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0 || set_options(l->fd, addr, options->reuse_port) != GN_OK) {
        rc = gn_error_set(err, GN_ERR_SYSTEM, errno, "cannot create a listening socket");
        goto out;
    }
    rc = bind_socket(l, addr, options->unix_mode, err);
    if (rc != GN_OK) {
        goto out;
    }
    if (listen(l->fd, backlog) != 0) {
        rc = bind_failure(addr, errno, err);
        goto out;
    }
    learn_addr(l);
    *listener_out = l;
    l = NULL;
    rc = GN_OK;
out:
    gn_listener_destroy(&l);
    return rc;
}

enum gn_err gn_listener_adopt(int *fd, struct gn_listener **listener_out, struct gn_error *err)
{
    struct gn_listener *l;
    socklen_t len = sizeof(int);
    int is_listening = 0;
    int flags;

    if (getsockopt(*fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) != 0 || !is_listening) {
        return gn_error_set(err, GN_ERR_SYSTEM, 0, "descriptor %d is not a listening socket", *fd);
    }
    flags = fcntl(*fd, F_GETFL);
    if (flags < 0 || fcntl(*fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
            fcntl(*fd, F_SETFD, FD_CLOEXEC) != 0) {
        return gn_error_set(
                err, GN_ERR_SYSTEM, errno, "cannot prepare the listening descriptor %d", *fd);
    }
    l = listener_alloc();
    l->fd = *fd;
    *fd = -1;
    learn_addr(l);
    *listener_out = l;
    return GN_OK;
}

/* ---- accepting ---------------------------------------------------------- */

static void open_reserve(struct gn_listener *l)
{
    if (l->reserve_fd < 0) {
        l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

GN_LOOP_THREAD static void rest(struct gn_listener *l)
{
    gn_io_watch(&l->io, 0);
    gn_timer_start(&l->resume_timer, gn_loop_after_ms(l->loop, PAUSE_MS));
}

GN_LOOP_THREAD static void log_failure(struct gn_listener *l, int sys_errno)
{
    char text[GN_ADDR_TEXT_BYTES];
    struct gn_error what;
    gn_deadline now = gn_loop_now(l->loop);

    if (now < l->next_log) {
        return;
    }
    l->next_log = now + LOG_EVERY_NS;
    gn_addr_format(&l->addr, text);
    (void)gn_error_set(&what, GN_ERR_SYSTEM, sys_errno,
            sys_errno == EMFILE ? "accepting on %s rests for %d ms; raise the limit of open files"
                                : "accepting on %s rests for %d ms",
            text, PAUSE_MS);
    gn_log_warning("%s", what.message);
}

/** No descriptor left: one waiting client gets an end, the rest wait in the backlog. */
static void turn_one_away(struct gn_listener *l)
{
    int fd;

    if (l->reserve_fd < 0) {
        return;
    }
    (void)close(l->reserve_fd);
    l->reserve_fd = -1;
    fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        (void)close(fd);
    }
    open_reserve(l);
}

/** Says whether accepting may go on at once after this error. */
GN_LOOP_THREAD static bool survive(struct gn_listener *l, int sys_errno)
{
    switch (sys_errno) {
    case EAGAIN:
        return false;
    case EINTR:
    case ECONNABORTED:
    /* Linux passes errors of the new connection on here; they are the client's (accept(2)). */
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
    case EPERM: /* a firewall rule */
        return true;
    case EMFILE:
    case ENFILE:
        log_failure(l, sys_errno);
        turn_one_away(l);
        break;
    default:
        log_failure(l, sys_errno);
        break;
    }
    rest(l);
    return false;
}

/** Returns false when there is nothing more to accept now. */
GN_LOOP_THREAD static bool accept_one(struct gn_listener *l)
{
    const int on = 1;
    struct gn_addr peer = {.len = sizeof(peer.u)};
    int fd = accept4(l->fd, &peer.u.sa, &peer.len, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        return survive(l, errno);
    }
    if (!gn_addr_is_unix(&l->addr)) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        gn_addr_unmap(&peer); /* how one socket for both families spells an IPv4 client */
    }
    l->in_callback = true;
    l->fn(l, l->arg, &fd, &peer);
    l->in_callback = false;
    if (fd >= 0) {
        (void)close(fd);
    }
    return true;
}

static void on_readable(struct gn_io *io, unsigned events)
{
    struct gn_listener *l = GN_CONTAINER_OF(io, struct gn_listener, io);

    (void)events;
    gn_assert_loop_thread(io->loop);
    for (int i = 0; i < ACCEPTS_PER_TURN && l->is_accepting; i++) {
        if (!accept_one(l)) {
            return;
        }
    }
}

static void on_resume(struct gn_timer *timer)
{
    struct gn_listener *l = GN_CONTAINER_OF(timer, struct gn_listener, resume_timer);

    gn_assert_loop_thread(timer->loop);
    open_reserve(l);
    gn_io_watch(&l->io, l->is_accepting ? GN_IO_READ : 0);
}

void gn_listener_start(
        struct gn_listener *listener, struct gn_loop *loop, gn_accept_fn fn, void *arg)
{
    gn_assert(listener->loop == NULL);
    listener->loop = loop;
    listener->fn = fn;
    listener->arg = arg;
    open_reserve(listener);
    gn_io_init(&listener->io, loop, listener->fd, on_readable);
    gn_timer_init(&listener->resume_timer, loop, on_resume);
    gn_listener_resume(listener);
}

void gn_listener_pause(struct gn_listener *listener)
{
    listener->is_accepting = false;
    gn_timer_stop(&listener->resume_timer);
    gn_io_watch(&listener->io, 0);
}

void gn_listener_resume(struct gn_listener *listener)
{
    listener->is_accepting = true;
    if (!gn_timer_is_running(&listener->resume_timer)) {
        gn_io_watch(&listener->io, GN_IO_READ);
    }
}

const struct gn_addr *gn_listener_addr(const struct gn_listener *listener)
{
    return &listener->addr;
}

/* ---- the end ------------------------------------------------------------ */

static void remove_unix_file(const struct gn_listener *l)
{
    const char *path = unix_path(&l->addr);
    struct stat st;

    if (l->unix_pid != getpid() || path == NULL || lstat(path, &st) != 0) {
        return;
    }
    if (st.st_dev == l->unix_dev && st.st_ino == l->unix_ino) {
        (void)unlink(path);
    }
}

static void stop_watching(struct gn_listener *l)
{
    if (l->loop == NULL) {
        return;
    }
    gn_assert_loop_thread(l->loop);
    gn_timer_stop(&l->resume_timer);
    gn_io_fini(&l->io);
}

void gn_listener_destroy(struct gn_listener **listener)
{
    struct gn_listener *l = *listener;

    if (l == NULL) {
        return;
    }
    gn_assert(!l->in_callback);
    stop_watching(l);
    remove_unix_file(l);
    if (l->reserve_fd >= 0) {
        (void)close(l->reserve_fd);
    }
    if (l->fd >= 0) {
        (void)close(l->fd);
    }
    gn_free(l);
    *listener = NULL;
}
