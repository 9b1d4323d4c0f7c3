/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_HEADER_LIST_PRIV_H
#define GN_WSGI_HEADER_LIST_PRIV_H

/*
 * Response headers as an application gives them, a list of (str, str) tuples,
 * taken apart into the array the HTTP writer wants. Names and values are not
 * copied: the strings are held instead, so what the application does to its
 * list afterwards has no effect. Everything is checked here, where an error
 * can still be raised at the line that made it.
 *
 * Thread: any that holds the GIL.
 */

#include <Python.h>

#include <stdbool.h>

#include "server/base/attr.h"
#include "server/proto/headers.h"

enum { GN_WSGI_HEADERS_MAX = 1000 };

enum {
    GN_WSGI_KNOWN_NAMES = 64, /* powers of two */
    GN_WSGI_KNOWN_STATUSES = 16,
};

/**
 * Header names and statuses seen before, by the identity of the string: in an
 * application they are constants, so their checks need to be made only once.
 * Shared by the calls of a container. Zeroed is empty.
 */
struct gn_wsgi_known {
    struct {
        PyObject *name; /* held */
        uint16_t id;
    } names[GN_WSGI_KNOWN_NAMES];
    struct {
        PyObject *text; /* held */
        int code;
    } statuses[GN_WSGI_KNOWN_STATUSES];
};

GN_NEEDS_GIL void gn_wsgi_known_fini(struct gn_wsgi_known *known);

/** Where an object belongs in a table of `n` slots, a power of two. */
static inline size_t gn_wsgi_known_slot(const PyObject *object, size_t n)
{
    return ((uintptr_t)object >> 4 ^ (uintptr_t)object >> 10) & (n - 1);
}

/** Zeroed is empty and ready. */
struct gn_wsgi_headers {
    struct gn_header *items; /* n of them; slices into the held strings */
    PyObject **held;         /* 2 n strings */
    unsigned n;
    unsigned capacity;
    bool has_length;
    uint64_t length;             /* valid when has_length: of the Content-Length among them */
    struct gn_wsgi_known *known; /* borrowed; NULL: none */
};

/**
 * Replaces the contents by those of `list`.
 *
 * Returns: 0, or -1 with TypeError (not a list of pairs of str) or ValueError
 *          (bytes a header must not have, a Content-Length that is none, too many);
 *          then it is empty
 */
GN_NEEDS_GIL GN_MUST_CHECK int gn_wsgi_headers_set(struct gn_wsgi_headers *headers, PyObject *list);

/** Lets the strings go; keeps the memory for the next request. */
GN_NEEDS_GIL void gn_wsgi_headers_clear(struct gn_wsgi_headers *headers);
GN_NEEDS_GIL void gn_wsgi_headers_fini(struct gn_wsgi_headers *headers);

/**
 * A str of exactly that type for an instance of a subclass (StrEnum, Markup), so
 * that nothing of the application's runs when it is looked at or let go; anything
 * else is handed back as it is.
 *
 * Returns: a new reference, or NULL with MemoryError
 */
GN_NEEDS_GIL GN_MUST_CHECK PyObject *gn_wsgi_plain_str(PyObject *text);

/**
 * The latin-1 bytes of a str, as long as it lives.
 *
 * Returns: 0, or -1 with TypeError (not exactly a str) or ValueError (beyond latin-1);
 *          `what` names it in the message
 */
GN_NEEDS_GIL GN_MUST_CHECK int gn_wsgi_latin1(
        PyObject *text, const char *what, struct gn_slice *bytes_out);

#endif
