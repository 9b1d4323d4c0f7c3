/* SPDX-License-Identifier: MIT */
#include "deploy/program/banner.h"

#include <stdio.h>

#include "bridge/py/gil.h"
#include "server/base/log.h"

void gn_banner_version(void)
{
    (void)printf("gustnado %s (Python %s%s)\n", GN_VERSION, gn_py_version(), gn_gil_kind());
}

static void say_mounts(const struct gn_config *config)
{
    for (unsigned i = 0; i < config->n_mounts; i++) {
        const struct gn_mount *mount = &config->mounts[i];
        struct gn_slice where = mount->prefix.len > 0 ? mount->prefix : GN_LIT("/");

        gn_log_info("  " GN_SLICE_FMT "  WSGI " GN_SLICE_FMT, GN_SLICE_ARG(where),
                GN_SLICE_ARG(mount->name));
    }
}

static void say_modules(const struct gn_config *config, const struct gn_site *site)
{
    for (unsigned i = 0; i < config->modules.n; i++) {
        const char *version = gn_module_version(site->modules[i]);

        gn_log_info("  native module %s%s%s (%s)", gn_module_name(site->modules[i]),
                version[0] != '\0' ? " " : "", version, config->modules.items[i]);
    }
}

void gn_banner_start(const struct gn_config *config, const struct gn_site *site)
{
    if (site->host == NULL) {
        gn_log_info("gustnado %s, without Python: no application needs it", GN_VERSION);
    } else {
        const char *venv = gn_py_host_venv(site->host);

        gn_log_info("gustnado %s, Python %s%s%s%s, up to %u Python threads", GN_VERSION,
                gn_py_version(), gn_pyexec_gil_kind(site->pyexec), venv != NULL ? " in " : "",
                venv != NULL ? venv : "", config->threads.max);
    }
    say_modules(config, site);
    say_mounts(config);
}

void gn_banner_listening(const struct gn_addr *addr, bool is_tls)
{
    char text[GN_ADDR_TEXT_BYTES];

    gn_addr_format(addr, text);
    gn_log_info("listening on %s%s",
            gn_addr_is_unix(addr) ? ""
                    : is_tls      ? "https://"
                                  : "http://",
            text);
}
