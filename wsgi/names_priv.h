/* SPDX-License-Identifier: MIT */
#ifndef GN_WSGI_NAMES_PRIV_H
#define GN_WSGI_NAMES_PRIV_H

/*
 * The keys of environ as interned strings, made once: the fixed ones by name,
 * those of known request headers by header id, and a bounded cache for header
 * names nobody foresaw.
 *
 * Thread: any that holds the GIL.
 */

#include <Python.h>

#include "server/base/attr.h"
#include "server/base/err.h"
#include "server/proto/headers.h"
#include "server/proto/http_method.h"

#define GN_WSGI_FIXED_NAMES(X)                                                                     \
    X(REQUEST_METHOD, "REQUEST_METHOD")                                                            \
    X(SCRIPT_NAME, "SCRIPT_NAME")                                                                  \
    X(PATH_INFO, "PATH_INFO")                                                                      \
    X(QUERY_STRING, "QUERY_STRING")                                                                \
    X(CONTENT_LENGTH, "CONTENT_LENGTH")                                                            \
    X(SERVER_NAME, "SERVER_NAME")                                                                  \
    X(SERVER_PORT, "SERVER_PORT")                                                                  \
    X(SERVER_PROTOCOL, "SERVER_PROTOCOL")                                                          \
    X(SERVER_SOFTWARE, "SERVER_SOFTWARE")                                                          \
    X(GATEWAY_INTERFACE, "GATEWAY_INTERFACE")                                                      \
    X(REMOTE_ADDR, "REMOTE_ADDR")                                                                  \
    X(REMOTE_PORT, "REMOTE_PORT")                                                                  \
    X(REQUEST_URI, "REQUEST_URI")                                                                  \
    X(RAW_URI, "RAW_URI")                                                                          \
    X(HTTP_HOST, "HTTP_HOST")                                                                      \
    X(HTTPS, "HTTPS")                                                                              \
    X(SSL_PROTOCOL, "SSL_PROTOCOL")                                                                \
    X(SSL_CIPHER, "SSL_CIPHER")                                                                    \
    X(SSL_CIPHER_USEKEYSIZE, "SSL_CIPHER_USEKEYSIZE")                                              \
    X(SSL_TLS_SNI, "SSL_TLS_SNI")                                                                  \
    X(SSL_SESSION_RESUMED, "SSL_SESSION_RESUMED")                                                  \
    X(SSL_CLIENT_VERIFY, "SSL_CLIENT_VERIFY")                                                      \
    X(SSL_CLIENT_CERT, "SSL_CLIENT_CERT")                                                          \
    X(SSL_CLIENT_S_DN, "SSL_CLIENT_S_DN")                                                          \
    X(SSL_CLIENT_S_DN_CN, "SSL_CLIENT_S_DN_CN")                                                    \
    X(SSL_CLIENT_I_DN, "SSL_CLIENT_I_DN")                                                          \
    X(SSL_CLIENT_M_SERIAL, "SSL_CLIENT_M_SERIAL")                                                  \
    X(SSL_CLIENT_V_START, "SSL_CLIENT_V_START")                                                    \
    X(SSL_CLIENT_V_END, "SSL_CLIENT_V_END")                                                        \
    X(WSGI_VERSION, "wsgi.version")                                                                \
    X(WSGI_URL_SCHEME, "wsgi.url_scheme")                                                          \
    X(WSGI_INPUT, "wsgi.input")                                                                    \
    X(WSGI_INPUT_TERMINATED, "wsgi.input_terminated")                                              \
    X(WSGI_ERRORS, "wsgi.errors")                                                                  \
    X(WSGI_MULTITHREAD, "wsgi.multithread")                                                        \
    X(WSGI_MULTIPROCESS, "wsgi.multiprocess")                                                      \
    X(WSGI_RUN_ONCE, "wsgi.run_once")                                                              \
    X(WSGI_FILE_WRAPPER, "wsgi.file_wrapper")                                                      \
    X(WSGI_EARLY_HINTS, "wsgi.early_hints")                                                        \
    X(GUSTNADO_CLIENT_DISCONNECTED, "gustnado.client_disconnected")                                \
    X(GUSTNADO_DEADLINE, "gustnado.deadline")                                                      \
    X(GUSTNADO_PEER_ADDR, "gustnado.peer_addr")                                                    \
    X(GUSTNADO_REQUEST_ID, "gustnado.request_id")

enum gn_wsgi_name {
#define X(id, text) GN_WSGI_NAME_##id,
    GN_WSGI_FIXED_NAMES(X)
#undef X
            GN_WSGI_NAME_N
};

enum {
    GN_WSGI_OTHER_KEYS = 256,            /* a power of two */
    GN_WSGI_HEADER_NAME_MAX_BYTES = 120, /* keys of longer names are made each time */
};

/** Zeroed, gn_wsgi_names_fini accepts it. */
struct gn_wsgi_names {
    PyObject *fixed[GN_WSGI_NAME_N];
    PyObject *header[GN_HDR_N]; /* NULL: such a field does not become a key by itself */
    PyObject *other[GN_WSGI_OTHER_KEYS];
    PyObject *method[GN_METHOD_N];
    PyObject *empty;    /* "" */
    PyObject *http_1_0; /* "HTTP/1.0" */
    PyObject *http_1_1;
    PyObject *http;
    PyObject *https;
    PyObject *on;
};

/** Returns: GN_OK, GN_ERR_PYTHON (an exception is set; call fini) */
GN_NEEDS_GIL GN_MUST_CHECK enum gn_err gn_wsgi_names_init(struct gn_wsgi_names *names);
GN_NEEDS_GIL void gn_wsgi_names_fini(struct gn_wsgi_names *names);

/** `HTTP_X_NAME` for a field without a known id; a new reference, or NULL with MemoryError. */
GN_NEEDS_GIL PyObject *gn_wsgi_names_other(struct gn_wsgi_names *names, struct gn_slice name);

#endif
