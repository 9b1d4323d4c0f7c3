/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "deploy/program/ask.h"
#include "deploy/program/banner.h"
#include "deploy/program/cli.h"
#include "deploy/program/config.h"
#include "deploy/program/paths.h"
#include "deploy/program/serve.h"
#include "deploy/program/site.h"

#define THREAD_STACK_BYTES ((size_t)8 << 20)

/* Arenas of malloc beyond two cost memory per thread and gain nothing behind one GIL. */
static void limit_arenas(void)
{
#ifdef __GLIBC__
    if (getenv("MALLOC_ARENA_MAX") == NULL) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): main has not started a thread yet */
        (void)mallopt(M_ARENA_MAX, 2);
    }
#endif
}

/*
 * Threads get what `ulimit -s` says, or 2 MiB when it is unlimited. Python's
 * bounds of recursion assume the usual 8 MiB: with less, deep recursion ends
 * the process instead of raising RecursionError. Only what is touched costs.
 */
static void raise_thread_stacks(void)
{
#ifdef __GLIBC__
    pthread_attr_t attr;
    size_t size;

    if (pthread_getattr_default_np(&attr) != 0) {
        return;
    }
    if (pthread_attr_getstacksize(&attr, &size) == 0 && size < THREAD_STACK_BYTES &&
            pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES) == 0) {
        (void)pthread_setattr_default_np(&attr);
    }
    (void)pthread_attr_destroy(&attr);
#endif
}

/*
 * A program may be started with its standard descriptors closed. Whatever it
 * opened next would take their numbers, and log lines would go to a client.
 */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0) {
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY); /* the lowest: fd */
        }
    }
}

static void print_help(void)
{
    struct gn_buf text;

    gn_buf_init(&text, 65536);
    gn_cli_help(&text);
    (void)fwrite(text.ptr, 1, text.len, stdout);
    gn_buf_fini(&text);
}

int main(int argc, char **argv)
{
    struct gn_config config;
    struct gn_error err = {0};
    int status = GN_EXIT_OK;

    fill_standard_descriptors();
    if (gn_ask_is_meant(argc, argv)) {
        return gn_ask(argc, argv);
    }
    limit_arenas();
    raise_thread_stacks();
    if (gn_config_read(&config, argc, argv, &err) != GN_OK) {
        (void)fprintf(stderr, "gustnado: %s\n", err.message);
        return GN_EXIT_USAGE;
    }
    if (config.show_help) {
        print_help();
    } else if (config.show_version) {
        gn_banner_version();
    } else {
        gn_paths_anchor(&config);
        status = gn_serve(&config, argc, argv);
    }
    gn_config_fini(&config);
    return status;
}
