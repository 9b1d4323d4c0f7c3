/* SPDX-License-Identifier: MIT */
/*
 * An environment is a folder with a pyvenv.cfg. Its packages are compiled for
 * one minor version of Python, so a different one is refused before it fails
 * in strange ways. Writers of that file disagree on the key: venv says
 * `version`, virtualenv and uv say `version_info`.
 */
#include <Python.h>

#include "bridge/py/venv.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/slice.h"

#define CFG_LINE_BYTES 2048
#define OUR_MINOR Py_STRINGIFY(PY_MAJOR_VERSION) "." Py_STRINGIFY(PY_MINOR_VERSION)
#define OUR_PYTHON "python" OUR_MINOR

struct cfg {
    char *home;
    char *version; /* "3.11", or NULL when the file does not say */
};

static void cfg_fini(struct cfg *cfg)
{
    gn_free(cfg->home);
    gn_free(cfg->version);
}

static char *path_join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = gn_xalloc(size);

    (void)snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static bool file_is(const char *folder, const char *name, int mode)
{
    char *path = path_join(folder, name);
    bool is = access(path, mode) == 0;

    gn_free(path);
    return is;
}

static void set_text(char **field, struct gn_slice value)
{
    gn_free(*field);
    *field = gn_xstrndup(value.ptr, value.len);
}

/* "3.11.2.final.0" to "3.11". */
static struct gn_slice minor_of(struct gn_slice version)
{
    size_t dot = gn_slice_find(version, '.');
    size_t len = dot < version.len ? dot + 1 + gn_slice_find(gn_slice_skip(version, dot + 1), '.')
                                   : version.len;

    return gn_slice_of(version.ptr, len);
}

static void cfg_line(struct cfg *cfg, struct gn_slice line)
{
    struct gn_slice rest = line;
    struct gn_slice key;
    struct gn_slice value;

    if (gn_slice_ends_with(line, GN_LIT("\n"))) {
        rest.len--;
    }
    (void)gn_slice_split(&rest, '=', &key);
    key = gn_slice_trim_ows(key);
    value = gn_slice_trim_ows(rest);
    if (gn_slice_eq_nocase(key, GN_LIT("home"))) {
        set_text(&cfg->home, value);
    } else if (gn_slice_eq_nocase(key, GN_LIT("version_info"))) {
        set_text(&cfg->version, minor_of(value));
    } else if (gn_slice_eq_nocase(key, GN_LIT("version")) && cfg->version == NULL) {
        set_text(&cfg->version, minor_of(value));
    }
}

static bool cfg_read(const char *venv, struct cfg *cfg)
{
    char *path = path_join(venv, "pyvenv.cfg");
    FILE *file = fopen(path, "re");
    char line[CFG_LINE_BYTES];

    *cfg = (struct cfg){0};
    gn_free(path);
    if (file == NULL) {
        return false;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        cfg_line(cfg, gn_slice_str(line));
    }
    (void)fclose(file);
    return true;
}

/* An absolute path to an interpreter of our version in `folder`, or NULL. */
static char *python_in(const char *folder)
{
    return file_is(folder, OUR_PYTHON, X_OK) ? path_join(folder, OUR_PYTHON) : NULL;
}

/* The interpreter we were built against, else one of our version on PATH. */
static char *base_python(void)
{
    struct gn_slice rest = gn_slice_str(getenv("PATH"));
    struct gn_slice folder;
    char *found = python_in(GN_PYTHON_BIN);

    while (found == NULL && rest.ptr != NULL && gn_slice_split(&rest, ':', &folder)) {
        char *path = gn_xstrndup(folder.ptr, folder.len);

        found = path[0] == '/' ? python_in(path) : NULL;
        gn_free(path);
    }
    return found;
}

static bool is_same_folder(const char *a, const char *b)
{
    char *real_a = realpath(a, NULL);
    char *real_b = realpath(b, NULL);
    bool is = real_a != NULL && real_b != NULL && strcmp(real_a, real_b) == 0;

    free(real_a);
    free(real_b);
    return is;
}

static enum gn_err check_version(
        const char *path, const char *source, const struct cfg *cfg, struct gn_error *err)
{
    char lib[64];

    (void)snprintf(lib, sizeof(lib), "lib/%s", OUR_PYTHON);
    if (cfg->version != NULL ? strcmp(cfg->version, OUR_MINOR) == 0 : file_is(path, lib, F_OK)) {
        return GN_OK;
    }
    return gn_error_set(err, GN_ERR_UNSUPPORTED, 0,
            "the virtual environment %s (%s) is for %s%s, but this program embeds Python %s; "
            "make one with: %s -m venv DIR",
            path, source, cfg->version != NULL ? "Python " : "another version of Python",
            cfg->version != NULL ? cfg->version : "", OUR_MINOR, OUR_PYTHON);
}

static enum gn_err use_venv(const char *path, const char *source, const struct cfg *cfg,
        struct gn_py_venv *venv, struct gn_error *err)
{
    char *real;

    GN_TRY(check_version(path, source, cfg, err));
    if (!file_is(path, "bin/python", X_OK)) {
        return gn_error_set(err, GN_ERR_NOT_FOUND, 0,
                "the virtual environment %s (%s) has no working bin/python; make it anew with: "
                "%s -m venv --clear %s",
                path, source, OUR_PYTHON, path);
    }
    real = realpath(path, NULL);
    if (real == NULL) {
        return gn_error_set(err, GN_ERR_NOT_FOUND, errno, "cannot resolve %s (%s)", path, source);
    }
    venv->path = gn_xstrndup(real, strlen(real));
    venv->python = path_join(real, "bin/python");
    free(real);
    if (cfg->home != NULL) {
        venv->home = gn_xstrndup(cfg->home, strlen(cfg->home));
        venv->is_alien = !is_same_folder(cfg->home, GN_PYTHON_BIN);
    }
    return GN_OK;
}

/* Which environment is meant, and who said so; NULL: none. */
static const char *choose(const char *option, const char **source_out)
{
    const char *surrounding = getenv("VIRTUAL_ENV");

    if (option != NULL) {
        *source_out = "--venv";
        return option[0] != '\0' ? option : NULL;
    }
    if (surrounding != NULL && surrounding[0] != '\0') {
        *source_out = "$VIRTUAL_ENV";
        return surrounding;
    }
    *source_out = "found beside the application";
    return file_is(".venv", "pyvenv.cfg", R_OK) ? ".venv" : NULL;
}

/* "site/.venv" for "site/.venv/bin" and "site/.venv/bin/python", if that is one; else NULL. */
static char *enclosing_venv(const char *path)
{
    struct gn_slice rest = gn_slice_str(path);

    for (unsigned i = 0; i < 2; i++) {
        char *folder;

        while (rest.len > 0 && rest.ptr[rest.len - 1] == '/') {
            rest.len--;
        }
        while (rest.len > 0 && rest.ptr[rest.len - 1] != '/') {
            rest.len--;
        }
        if (rest.len < 2) {
            break;
        }
        folder = gn_xstrndup(rest.ptr, rest.len - 1);
        if (file_is(folder, "pyvenv.cfg", R_OK)) {
            return folder;
        }
        gn_free(folder);
    }
    return NULL;
}

static enum gn_err no_venv(const char *path, const char *source, struct gn_error *err)
{
    char *meant = enclosing_venv(path);

    if (meant == NULL) {
        return gn_error_set(err, GN_ERR_NOT_FOUND, 0,
                "%s (%s) is not a virtual environment: it has no pyvenv.cfg; make one with: "
                "%s -m venv %s",
                path, source, OUR_PYTHON, path);
    }
    (void)gn_error_set(err, GN_ERR_NOT_FOUND, 0,
            "%s (%s) lies inside a virtual environment; name the environment itself: %s", path,
            source, meant);
    gn_free(meant);
    return GN_ERR_NOT_FOUND;
}

enum gn_err gn_py_venv_find(const char *option, struct gn_py_venv *venv_out, struct gn_error *err)
{
    struct cfg cfg;
    const char *source;
    const char *path = choose(option, &source);
    enum gn_err rc = GN_OK;

    *venv_out = (struct gn_py_venv){0};
    if (path == NULL) {
        venv_out->python = base_python();
        return GN_OK;
    }
    if (!cfg_read(path, &cfg)) {
        return no_venv(path, source, err);
    }
    rc = use_venv(path, source, &cfg, venv_out, err);
    cfg_fini(&cfg);
    return rc;
}

void gn_py_venv_fini(struct gn_py_venv *venv)
{
    gn_free(venv->path);
    gn_free(venv->python);
    gn_free(venv->home);
    *venv = (struct gn_py_venv){0};
}
