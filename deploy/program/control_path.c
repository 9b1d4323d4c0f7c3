/* SPDX-License-Identifier: MIT */
#include "deploy/program/control_path.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/slice.h"

#define N_PLACES 5
#define NAMES_BYTES 128

/* ---- places ------------------------------------------------------------------------ */

static bool is_set(const char *value)
{
    return value != NULL && value[0] == '/';
}

/* $RUNTIME_DIRECTORY may be several, separated by colons. */
static void place_of_unit(char *dir, size_t size)
{
    const char *value = getenv("RUNTIME_DIRECTORY");

    dir[0] = '\0';
    if (is_set(value)) {
        (void)snprintf(dir, size, "%.*s", (int)strcspn(value, ":"), value);
    }
}

/* "" for one that does not apply; too long ones are cut, and then not found. */
static void name_places(char places[N_PLACES][GN_CONTROL_PATH_BYTES], uid_t uid)
{
    const char *xdg = getenv("XDG_RUNTIME_DIR");

    memset(places, 0, N_PLACES * GN_CONTROL_PATH_BYTES);
    place_of_unit(places[0], GN_CONTROL_PATH_BYTES);
    if (is_set(xdg)) {
        (void)snprintf(places[1], GN_CONTROL_PATH_BYTES, "%s/gustnado", xdg);
    }
    (void)snprintf(places[2], GN_CONTROL_PATH_BYTES, "/run/gustnado");
    (void)snprintf(places[3], GN_CONTROL_PATH_BYTES, "/tmp/gustnado-%u", (unsigned)uid);
    (void)snprintf(places[4], GN_CONTROL_PATH_BYTES, "/run/user/%u/gustnado", (unsigned)uid);
}

static bool join(char path_out[GN_CONTROL_PATH_BYTES], const char *dir, pid_t pid)
{
    return snprintf(path_out, GN_CONTROL_PATH_BYTES, "%s/%d.sock", dir, (int)pid) <
            GN_CONTROL_PATH_BYTES;
}

/* "123.sock" is 123; 0: it is none. */
static pid_t pid_of(const char *name)
{
    struct gn_slice rest = gn_slice_str(name);
    struct gn_slice digits;
    uint64_t pid;

    (void)gn_slice_split(&rest, '.', &digits);
    if (!gn_slice_eq(rest, GN_LIT("sock")) || gn_slice_to_u64(digits, INT32_MAX, &pid) != GN_OK) {
        return 0;
    }
    return (pid_t)pid;
}

/* ---- the server's side ---------------------------------------------------------------- */

static bool is_deserted(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_deserted;

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    is_deserted = fd >= 0 && connect(fd, (struct sockaddr *)(void *)&addr, sizeof(addr)) != 0 &&
            errno == ECONNREFUSED;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_deserted;
}

/* Another's process may be one we cannot see, in another container: then it answers. */
static void remove_deserted(const char *dir)
{
    DIR *entries = opendir(dir);
    const struct dirent *entry;

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): start-up, and the stream is ours alone */
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        pid_t pid = pid_of(entry->d_name);
        char path[GN_CONTROL_PATH_BYTES];

        if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH && join(path, dir, pid) &&
                is_deserted(path)) {
            (void)unlink(path);
        }
    }
    if (entries != NULL) {
        (void)closedir(entries);
    }
}

enum gn_err gn_control_path_make(char path_out[GN_CONTROL_PATH_BYTES], struct gn_error *err)
{
    char places[N_PLACES][GN_CONTROL_PATH_BYTES];
    struct stat st;
    unsigned i = 0;

    name_places(places, geteuid());
    if (geteuid() != 0) {
        places[2][0] = '\0';
    }
    while (places[i][0] == '\0') {
        i++;
    }
    if (mkdir(places[i], 0700) != 0 && errno != EEXIST) {
        return gn_error_set(err, GN_ERR_SYSTEM, errno, "cannot make the directory %s", places[i]);
    }
    if (lstat(places[i], &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
            (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "%s is not a directory that belongs to this user alone", places[i]);
    }
    if (!join(path_out, places[i], getpid())) {
        return gn_error_set(err, GN_ERR_INVALID, 0, "the path of %s is too long", places[i]);
    }
    remove_deserted(places[i]);
    return GN_OK;
}

/* ---- the client's side ----------------------------------------------------------------- */

static uid_t user_of(pid_t pid)
{
    char path[32];
    struct stat st;

    (void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    return pid > 0 && stat(path, &st) == 0 ? st.st_uid : geteuid();
}

struct search {
    pid_t pid; /* 0: any */
    unsigned n;
    char *path_out;
    char names[NAMES_BYTES]; /* of those found, for people */
    size_t n_names;
};

static void search_place(struct search *s, const char *dir)
{
    DIR *entries = dir[0] != '\0' ? opendir(dir) : NULL;
    const struct dirent *entry;

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a client has one thread */
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        pid_t pid = pid_of(entry->d_name);
        char path[GN_CONTROL_PATH_BYTES];

        if (pid == 0 || (s->pid != 0 && pid != s->pid) || !join(path, dir, pid) ||
                is_deserted(path) || (s->n > 0 && strcmp(path, s->path_out) == 0)) {
            continue;
        }
        memcpy(s->path_out, path, sizeof(path));
        s->n++;
        if (s->n_names + 16 < sizeof(s->names)) {
            s->n_names += (size_t)snprintf(
                    s->names + s->n_names, sizeof(s->names) - s->n_names, " %d", (int)pid);
        }
    }
    if (entries != NULL) {
        (void)closedir(entries);
    }
}

static bool is_before(char places[N_PLACES][GN_CONTROL_PATH_BYTES], unsigned i)
{
    for (unsigned k = 0; k < i; k++) {
        if (strcmp(places[k], places[i]) == 0) {
            return true;
        }
    }
    return false;
}

enum gn_err gn_control_path_find(
        pid_t pid, char path_out[GN_CONTROL_PATH_BYTES], struct gn_error *err)
{
    char places[N_PLACES][GN_CONTROL_PATH_BYTES];
    struct search s = {.pid = pid, .path_out = path_out};

    name_places(places, user_of(pid));
    for (unsigned i = 0; i < N_PLACES; i++) {
        if (!is_before(places, i)) {
            search_place(&s, places[i]);
        }
    }
    if (s.n == 0 && pid != 0) {
        return gn_error_set(err, GN_ERR_NOT_FOUND, 0,
                "no control socket of process %d was found; name it by --control", (int)pid);
    }
    if (s.n == 0) {
        return gn_error_set(err, GN_ERR_NOT_FOUND, 0,
                "no running server was found; give its PID, or its socket by --control");
    }
    if (s.n > 1 && pid == 0) {
        return gn_error_set(
                err, GN_ERR_EXISTS, 0, "several servers run; give one of these PIDs:%s", s.names);
    }
    return GN_OK;
}
