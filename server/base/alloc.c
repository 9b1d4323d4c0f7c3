/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static GN_COLD GN_NORETURN void out_of_memory(size_t size)
{
    gn_panic(__FILE__, __LINE__, "out of memory: %zu bytes could not be had", size);
}

void *gn_xalloc(size_t size)
{
    void *ptr = malloc(size > 0 ? size : 1);

    if (GN_UNLIKELY(ptr == NULL)) {
        out_of_memory(size);
    }
    return ptr;
}

void *gn_xcalloc(size_t size)
{
    void *ptr = calloc(1, size > 0 ? size : 1);

    if (GN_UNLIKELY(ptr == NULL)) {
        out_of_memory(size);
    }
    return ptr;
}

void *gn_xrealloc(void *ptr, size_t size)
{
    void *grown = realloc(ptr, size > 0 ? size : 1);

    if (GN_UNLIKELY(grown == NULL)) {
        out_of_memory(size);
    }
    return grown;
}

char *gn_xstrndup(const char *text, size_t len)
{
    char *copy = gn_xalloc(len + 1);

    if (len > 0) {
        memcpy(copy, text, len);
    }
    copy[len] = '\0';
    return copy;
}

void *gn_try_alloc(size_t size)
{
    return malloc(size > 0 ? size : 1);
}

void *gn_try_realloc(void *ptr, size_t size)
{
    return realloc(ptr, size > 0 ? size : 1);
}

void gn_free(void *ptr)
{
    free(ptr);
}

void gn_panic(const char *file, int line, const char *fmt, ...)
{
    va_list args;

    fprintf(stderr, "gustnado: panic at %s:%d: ", file, line);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}
