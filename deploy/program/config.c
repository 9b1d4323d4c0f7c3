/* SPDX-License-Identifier: MIT */
/*
 * The options come from cli.c's table; here is what they mean together.
 */
#include "deploy/program/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/program/cli.h"
#include "deploy/program/words.h"
#include "server/base/alloc.h"

#define MOUNT_LIMIT_MAX 1024 /* as many as there may be threads */

static void add_mount(struct gn_config *config, struct gn_slice prefix, struct gn_slice name)
{
    config->mounts = gn_xrealloc(config->mounts, (config->n_mounts + 1) * sizeof(*config->mounts));
    config->mounts[config->n_mounts++] =
            (struct gn_mount){.prefix = prefix, .name = name, .buffers_requests = true};
}

static struct gn_slice trim_prefix(struct gn_slice prefix)
{
    while (prefix.len > 0 && prefix.ptr[prefix.len - 1] == '/') {
        prefix.len--;
    }
    return prefix;
}

static enum gn_err read_mount(struct gn_config *config, const char *text, struct gn_error *err)
{
    struct gn_slice rest = gn_slice_str(text);
    struct gn_slice prefix;

    (void)gn_slice_split(&rest, '=', &prefix);
    if (rest.len == 0 || prefix.len == 0 || prefix.ptr[0] != '/') {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "--mount %s: expected /PREFIX=MODULE:CALLABLE, like /shop=shop.wsgi:application",
                text);
    }
    prefix = trim_prefix(prefix);
    for (unsigned i = 0; i < config->n_mounts; i++) {
        if (gn_slice_eq(config->mounts[i].prefix, prefix)) {
            return gn_error_set(err, GN_ERR_INVALID, 0,
                    "--mount %s: \"" GN_SLICE_FMT "\" is already mounted there", text,
                    GN_SLICE_ARG(config->mounts[i].name));
        }
    }
    add_mount(config, prefix, rest);
    return GN_OK;
}

/* "/shop=4": at most four requests of what is mounted there run at once. */
static enum gn_err read_mount_limit(
        struct gn_config *config, const char *text, struct gn_error *err)
{
    struct gn_slice rest = gn_slice_str(text);
    struct gn_slice prefix;
    uint64_t limit = 0;

    (void)gn_slice_split(&rest, '=', &prefix);
    if (prefix.len == 0 || prefix.ptr[0] != '/' ||
            gn_slice_to_u64(rest, MOUNT_LIMIT_MAX, &limit) != GN_OK || limit == 0) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "--mount-limit %s: expected /PREFIX=N, N from 1 to %d, like /shop=4", text,
                MOUNT_LIMIT_MAX);
    }
    while (prefix.len > 0 && prefix.ptr[prefix.len - 1] == '/') {
        prefix.len--;
    }
    for (unsigned i = 0; i < config->n_mounts; i++) {
        if (gn_slice_eq(config->mounts[i].prefix, prefix)) {
            config->mounts[i].limit = (unsigned)limit;
            return GN_OK;
        }
    }
    return gn_error_set(
            err, GN_ERR_INVALID, 0, "--mount-limit %s: no application is mounted there", text);
}

static enum gn_err read_mounts(struct gn_config *config, struct gn_error *err)
{
    if (config->positional.n > 1) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "one application at most, but there are \"%s\" and \"%s\"; use --mount for more",
                config->positional.items[0], config->positional.items[1]);
    }
    if (config->positional.n == 1) {
        add_mount(config, GN_LIT(""), gn_slice_str(config->positional.items[0]));
    }
    for (unsigned i = 0; i < config->mount_texts.n; i++) {
        GN_TRY(read_mount(config, config->mount_texts.items[i], err));
    }
    for (unsigned i = 0; i < config->mount_limits.n; i++) {
        GN_TRY(read_mount_limit(config, config->mount_limits.items[i], err));
    }
    if (config->n_mounts == 0 && config->modules.n == 0) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "no application to serve; name one as MODULE:CALLABLE, or give --mount or "
                "--module");
    }
    return GN_OK;
}

/* "on" and "off" are for every mount, "/PREFIX=on" is for one. */
static enum gn_err set_buffering(struct gn_config *config, const char *text, struct gn_error *err)
{
    const bool is_for_one = text[0] == '/';
    struct gn_slice rest = gn_slice_str(text);
    struct gn_slice prefix = {0};
    bool is_found = !is_for_one;
    bool is_on;

    if (is_for_one) {
        (void)gn_slice_split(&rest, '=', &prefix);
        prefix = trim_prefix(prefix);
    }
    is_on = gn_slice_eq(rest, GN_LIT("on"));
    if (!is_on && !gn_slice_eq(rest, GN_LIT("off"))) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "--request-buffering %s: expected on, off, or one of them behind a mount's "
                "prefix, like /files=off",
                text);
    }
    for (unsigned i = 0; i < config->n_mounts; i++) {
        if (!is_for_one || gn_slice_eq(config->mounts[i].prefix, prefix)) {
            config->mounts[i].buffers_requests = is_on;
            is_found = true;
        }
    }
    return is_found ? GN_OK
                    : gn_error_set(err, GN_ERR_INVALID, 0,
                              "--request-buffering %s: no application is mounted there", text);
}

/* What names a mount goes before what is for all, wherever it stands. */
static enum gn_err read_buffering(struct gn_config *config, struct gn_error *err)
{
    for (int is_for_one = 0; is_for_one <= 1; is_for_one++) {
        for (unsigned i = 0; i < config->buffering_texts.n; i++) {
            const char *text = config->buffering_texts.items[i];

            if ((text[0] == '/') == (is_for_one == 1)) {
                GN_TRY(set_buffering(config, text, err));
            }
        }
    }
    return GN_OK;
}

static enum gn_err read_env(struct gn_config *config, struct gn_error *err)
{
    for (unsigned i = 0; i < config->env.n; i++) {
        const char *equals = strchr(config->env.items[i], '=');

        if (equals == NULL || equals == config->env.items[i]) {
            return gn_error_set(
                    err, GN_ERR_INVALID, 0, "--env %s: expected NAME=VALUE", config->env.items[i]);
        }
    }
    return GN_OK;
}

/* "a,b" is two directories; the texts are copied, because they are cut. */
static void read_pythonpath(struct gn_config *config)
{
    size_t size = 0;
    unsigned most = 0;
    char *at;

    for (unsigned i = 0; i < config->pythonpath_texts.n; i++) {
        const char *text = config->pythonpath_texts.items[i];

        size += strlen(text) + 1;
        for (most++; *text != '\0'; text++) {
            most += *text == ',' ? 1 : 0;
        }
    }
    config->owned_texts = gn_xcalloc(size + 1);
    config->pythonpath = gn_xcalloc((most + 1) * sizeof(*config->pythonpath));
    at = config->owned_texts;
    for (unsigned i = 0; i < config->pythonpath_texts.n; i++) {
        struct gn_slice rest = gn_slice_str(config->pythonpath_texts.items[i]);
        struct gn_slice part;

        while (rest.ptr != NULL && gn_slice_split(&rest, ',', &part)) {
            if (part.len > 0) {
                memcpy(at, part.ptr, part.len);
                config->pythonpath[config->n_pythonpath++] = at;
                at += part.len + 1;
            }
        }
    }
}

static enum gn_err read_binds(struct gn_config *config, struct gn_error *err)
{
    const char *port = getenv("PORT");
    uint64_t number;

    if (config->binds.n > 0) {
        return GN_OK;
    }
    (void)snprintf(config->port_bind, sizeof(config->port_bind), "127.0.0.1:8000");
    if (port != NULL && port[0] != '\0') {
        if (gn_slice_to_u64(gn_slice_str(port), 65535, &number) != GN_OK) {
            return gn_error_set(err, GN_ERR_INVALID, 0,
                    "$PORT is \"%s\", which is no port; unset it or give --bind", port);
        }
        (void)snprintf(
                config->port_bind, sizeof(config->port_bind), "0.0.0.0:%u", (unsigned)number);
    }
    config->binds.items = gn_xcalloc(sizeof(*config->binds.items));
    config->binds.items[0] = config->port_bind;
    config->binds.n = 1;
    return GN_OK;
}

static enum gn_err read_trust(
        const char *from, const char *list, struct gn_trust **trust_out, struct gn_error *err)
{
    struct gn_error why = {0};

    if (gn_trust_create(gn_slice_str(list), trust_out, &why) != GN_OK) {
        return gn_error_set(err, GN_ERR_INVALID, 0, "%s: %s", from, why.message);
    }
    return GN_OK;
}

static enum gn_err read_proxies(struct gn_config *config, struct gn_error *err)
{
    const char *from = "--forwarded-allow-ips";

    if (config->forwarded_allow == NULL) {
        from = "$FORWARDED_ALLOW_IPS";
        config->forwarded_allow = getenv("FORWARDED_ALLOW_IPS");
    }
    if (config->forwarded_allow == NULL) {
        config->forwarded_allow = "127.0.0.1,::1";
    }
    GN_TRY(read_trust(from, config->forwarded_allow, &config->forwarded, err));
    return read_trust("--proxy-allow-from", config->proxy_allow, &config->proxy_from, err);
}

static enum gn_err check_limits(const struct gn_config *config, struct gn_error *err)
{
    const struct gn_http_limits *limits = &config->limits;

    if (limits->output_low_bytes > limits->output_bytes) {
        return gn_error_set(err, GN_ERR_INVALID, 0, "--output-low must not exceed --output-size");
    }
    if (limits->request_line_bytes > limits->head_bytes) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "--limit-request-line must not exceed --limit-request-head");
    }
    return GN_OK;
}

/* An option that makes no sense without a certificate, if there is one; else NULL. */
static const char *asks_for_tls(const struct gn_config *config)
{
    if (config->keyfiles.n != 0) {
        return "--keyfile";
    }
    if (config->ca_certs != NULL) {
        return "--ca-certs";
    }
    return config->cert_reqs != GN_TLS_CLIENT_CERTS_NONE ? "--cert-reqs" : NULL;
}

/* One key per certificate, in the same order, or all keys beside their certificates. */
static enum gn_err check_tls(const struct gn_config *config, struct gn_error *err)
{
    if (config->certfiles.n == 0 && asks_for_tls(config) != NULL) {
        return gn_error_set(err, GN_ERR_INVALID, 0, "%s needs --certfile", asks_for_tls(config));
    }
    if (config->keyfiles.n != 0 && config->keyfiles.n != config->certfiles.n) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "--certfile is given %u times, but --keyfile %u times: give each certificate its "
                "key, or leave --keyfile out where the keys are in the certificates' files",
                config->certfiles.n, config->keyfiles.n);
    }
    return GN_OK;
}

static enum gn_err read_environment(struct gn_config *config, struct gn_error *err)
{
    const char *line = getenv("GUSTNADO_CMD_ARGS");
    const struct gn_option_table table = gn_cli_table();
    struct gn_error why = {0};
    enum gn_err rc = GN_OK;

    if (line != NULL) {
        rc = gn_words_split(line, &config->owned_words, &config->n_owned_words, &why);
    }
    if (rc == GN_OK) {
        rc = gn_options_parse(&table, config, (const char *const *)(void *)config->owned_words,
                config->n_owned_words, 0, &why);
    }
    if (rc != GN_OK) {
        return gn_error_set(err, rc, 0, "in $GUSTNADO_CMD_ARGS: %s", why.message);
    }
    return GN_OK;
}

static enum gn_err read_all(
        struct gn_config *config, int argc, char *const *argv, struct gn_error *err)
{
    const struct gn_option_table table = gn_cli_table();

    GN_TRY(read_environment(config, err));
    GN_TRY(gn_options_parse(&table, config, (const char *const *)(argv + 1),
            argc > 1 ? (unsigned)argc - 1 : 0, 1, err));
    if (config->show_help || config->show_version) {
        return GN_OK;
    }
    GN_TRY(read_mounts(config, err));
    GN_TRY(read_buffering(config, err));
    GN_TRY(read_env(config, err));
    GN_TRY(read_binds(config, err));
    GN_TRY(read_proxies(config, err));
    GN_TRY(check_limits(config, err));
    GN_TRY(check_tls(config, err));
    read_pythonpath(config);
    return GN_OK;
}

enum gn_err gn_config_read(
        struct gn_config *config, int argc, char *const *argv, struct gn_error *err)
{
    enum gn_err rc;

    *config = gn_cli_defaults();
    rc = read_all(config, argc, argv, err);
    if (rc != GN_OK) {
        gn_config_fini(config);
    }
    return rc;
}

void gn_config_fini(struct gn_config *config)
{
    gn_text_list_fini(&config->positional);
    gn_text_list_fini(&config->mount_texts);
    gn_text_list_fini(&config->buffering_texts);
    gn_text_list_fini(&config->mount_limits);
    gn_text_list_fini(&config->modules);
    gn_text_list_fini(&config->pythonpath_texts);
    gn_text_list_fini(&config->env);
    gn_text_list_fini(&config->binds);
    gn_text_list_fini(&config->certfiles);
    gn_text_list_fini(&config->keyfiles);
    gn_trust_destroy(&config->forwarded);
    gn_trust_destroy(&config->proxy_from);
    gn_words_free(config->owned_words, config->n_owned_words);
    gn_words_free(config->owned_paths, config->n_owned_paths);
    gn_free(config->mounts);
    gn_free(config->pythonpath);
    gn_free(config->owned_texts);
    *config = (struct gn_config){0};
}
