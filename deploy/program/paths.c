/* SPDX-License-Identifier: MIT */
#include "deploy/program/paths.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/base/alloc.h"

#define UNIX_PREFIX "unix:"

static char *join(const char *folder, const char *separator, const char *path)
{
    size_t size = strlen(folder) + strlen(separator) + strlen(path) + 1;
    char *joined = gn_xalloc(size);

    (void)snprintf(joined, size, "%s%s%s", folder, separator, path);
    return joined;
}

/* Where relative paths start, or NULL when the working directory is gone. */
static char *anchor_of(const struct gn_config *config)
{
    char *here = NULL;
    char *anchor = NULL;

    if (config->chdir != NULL && config->chdir[0] == '/') {
        return join(config->chdir, "", "");
    }
    here = gn_xalloc(PATH_MAX); /* too much for a frame */
    if (getcwd(here, PATH_MAX) != NULL) {
        anchor = config->chdir != NULL ? join(here, "/", config->chdir) : join(here, "", "");
    }
    gn_free(here);
    return anchor;
}

static void own(struct gn_config *config, char *path, const char **field)
{
    config->owned_paths = gn_xrealloc(
            config->owned_paths, (config->n_owned_paths + 1) * sizeof(*config->owned_paths));
    config->owned_paths[config->n_owned_paths++] = path;
    *field = path;
}

static void anchor_path(struct gn_config *config, const char *anchor, const char **field)
{
    const char *path = *field;

    if (path == NULL || path[0] == '/' || path[0] == '\0') {
        return;
    }
    if (path[0] == '.' && path[1] == '/') {
        path += 2; /* messages read better */
    }
    own(config, join(anchor, "/", path), field);
}

static void anchor_paths(struct gn_config *config, const char *anchor, struct gn_text_list *list)
{
    for (unsigned i = 0; i < list->n; i++) {
        anchor_path(config, anchor, &list->items[i]);
    }
}

static void anchor_socket(struct gn_config *config, const char *anchor, const char **field)
{
    const char *path = *field + strlen(UNIX_PREFIX);
    size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

    if (path[0] != '/' && path[0] != '@' && path[0] != '\0' &&
            strlen(anchor) + 1 + strlen(path) <= most) {
        char *start = join(UNIX_PREFIX, anchor, "/");

        own(config, join(start, "", path), field);
        gn_free(start);
    }
}

void gn_paths_anchor(struct gn_config *config)
{
    char *anchor = anchor_of(config);

    if (anchor == NULL) {
        return;
    }
    anchor_paths(config, anchor, &config->modules);
    anchor_paths(config, anchor, &config->certfiles);
    anchor_paths(config, anchor, &config->keyfiles);
    anchor_path(config, anchor, &config->ca_certs);
    anchor_path(config, anchor, &config->error_page);
    if (config->error_log != NULL && strcmp(config->error_log, "-") != 0) {
        anchor_path(config, anchor, &config->error_log);
    }
    anchor_path(config, anchor, &config->control);
    if (config->access_log != NULL && strcmp(config->access_log, "-") != 0) {
        anchor_path(config, anchor, &config->access_log);
    }
    for (unsigned i = 0; i < config->binds.n; i++) {
        if (strncmp(config->binds.items[i], UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) {
            anchor_socket(config, anchor, &config->binds.items[i]);
        }
    }
    gn_free(anchor);
}
