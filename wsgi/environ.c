/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <stdio.h>

#include "bridge/py/gil_priv.h"
#include "wsgi/environ_priv.h"

/*
 * The template holds a key for everything that is always there, so that a copy
 * clones one table wholesale and replacing values never grows it; there is
 * room for some seventeen headers before it would. Values that equal the
 * template's (GET, HTTP/1.1, no query) are not set again.
 *
 * A header that comes twice is joined with "," in the order sent, Cookie with
 * "; " (RFC 6265 5.4, RFC 9110 5.3). Fields the parser marked hidden, those
 * with '_' in their name and Proxy, never appear.
 */

_Static_assert(GN_HDR_N <= 128, "seen ids are two words of bits");

/** Sets a key to a new reference, which is consumed; NULL means an exception is set. */
static enum gn_err put(PyObject *dict, PyObject *key, PyObject *value)
{
    int failed;

    if (value == NULL) {
        return GN_ERR_PYTHON;
    }
    failed = PyDict_SetItem(dict, key, value);
    Py_DECREF(value);
    return failed ? GN_ERR_PYTHON : GN_OK;
}

static enum gn_err put_borrowed(PyObject *dict, PyObject *key, PyObject *value)
{
    return PyDict_SetItem(dict, key, value) == 0 ? GN_OK : GN_ERR_PYTHON;
}

enum gn_err gn_wsgi_environ_init(struct gn_wsgi_environ *env)
{
    return gn_wsgi_names_init(&env->names);
}

static void peer_clear(struct gn_wsgi_peer *peer)
{
    Py_CLEAR(peer->host);
    Py_CLEAR(peer->port);
    Py_CLEAR(peer->text);
    peer->key = (struct gn_wsgi_peer_key){0};
}

void gn_wsgi_environ_fini(struct gn_wsgi_environ *env)
{
    for (unsigned i = 0; i < GN_WSGI_PEER_SETS; i++) {
        for (unsigned way = 0; way < GN_WSGI_PEER_WAYS; way++) {
            peer_clear(&env->peers[i].ways[way]);
        }
    }
    peer_clear(&env->stranger);
    gn_wsgi_text_cache_fini(&env->texts);
    gn_wsgi_names_fini(&env->names);
}

/* ---- the template ---------------------------------------------------------- */

static enum gn_err put_flags(
        PyObject *dict, PyObject *const *fixed, const struct gn_wsgi_environ_facts *facts)
{
    GN_TRY(put_borrowed(
            dict, fixed[GN_WSGI_NAME_WSGI_MULTITHREAD], facts->multithread ? Py_True : Py_False));
    GN_TRY(put_borrowed(
            dict, fixed[GN_WSGI_NAME_WSGI_MULTIPROCESS], facts->multiprocess ? Py_True : Py_False));
    GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_WSGI_RUN_ONCE], Py_False));
    GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_WSGI_INPUT_TERMINATED], Py_True));
    GN_TRY(put(dict, fixed[GN_WSGI_NAME_WSGI_VERSION], Py_BuildValue("(ii)", 1, 0)));
    GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_WSGI_ERRORS], facts->errors));
    return put_borrowed(dict, fixed[GN_WSGI_NAME_WSGI_FILE_WRAPPER], facts->file_wrapper);
}

GN_NEEDS_GIL static enum gn_err put_usual(PyObject *dict, const struct gn_wsgi_names *names,
        struct gn_slice script_name, const struct gn_wsgi_environ_facts *facts)
{
    static const enum gn_wsgi_name replaced[] = {GN_WSGI_NAME_PATH_INFO, GN_WSGI_NAME_QUERY_STRING,
            GN_WSGI_NAME_SERVER_NAME, GN_WSGI_NAME_SERVER_PORT, GN_WSGI_NAME_REMOTE_ADDR,
            GN_WSGI_NAME_REMOTE_PORT, GN_WSGI_NAME_REQUEST_URI, GN_WSGI_NAME_RAW_URI,
            GN_WSGI_NAME_WSGI_INPUT, GN_WSGI_NAME_WSGI_EARLY_HINTS,
            GN_WSGI_NAME_GUSTNADO_CLIENT_DISCONNECTED, GN_WSGI_NAME_GUSTNADO_PEER_ADDR};
    PyObject *const *fixed = names->fixed;

    for (size_t i = 0; i < GN_ARRAY_LEN(replaced); i++) {
        GN_TRY(put_borrowed(dict, fixed[replaced[i]], names->empty));
    }
    GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_REQUEST_METHOD], names->method[GN_METHOD_GET]));
    GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_SERVER_PROTOCOL], names->http_1_1));
    GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_WSGI_URL_SCHEME], names->http));
    GN_TRY(put(dict, fixed[GN_WSGI_NAME_SCRIPT_NAME], gn_wsgi_text(script_name)));
    GN_TRY(put(dict, fixed[GN_WSGI_NAME_SERVER_SOFTWARE], gn_wsgi_text(facts->server_software)));
    return put(dict, fixed[GN_WSGI_NAME_GATEWAY_INTERFACE], PyUnicode_FromString("CGI/1.1"));
}

PyObject *gn_wsgi_environ_template(struct gn_wsgi_environ *env, struct gn_slice script_name,
        const struct gn_wsgi_environ_facts *facts)
{
    PyObject *dict = PyDict_New();

    if (dict != NULL &&
            (put_usual(dict, &env->names, script_name, facts) != GN_OK ||
                    put_flags(dict, env->names.fixed, facts) != GN_OK)) {
        Py_CLEAR(dict);
    }
    return dict;
}

/* ---- who is talking to whom ------------------------------------------------ */

static struct gn_wsgi_peer_key peer_key(const struct gn_addr *addr)
{
    struct gn_wsgi_peer_key key = {0};

    if (addr->u.sa.sa_family == AF_INET) {
        key.family = AF_INET;
        key.port = addr->u.in.sin_port;
        memcpy(key.host, &addr->u.in.sin_addr, 4);
    } else if (addr->u.sa.sa_family == AF_INET6) {
        key.family = AF_INET6;
        key.port = addr->u.in6.sin6_port;
        key.scope = addr->u.in6.sin6_scope_id;
        memcpy(key.host, &addr->u.in6.sin6_addr, 16);
    }
    return key;
}

static struct gn_slice key_bytes(const struct gn_wsgi_peer_key *key)
{
    return gn_slice_of((const char *)(const void *)key, sizeof(*key)); /* it has no padding */
}

GN_NEEDS_GIL static PyObject *host_text(const struct gn_addr *addr)
{
    char text[GN_ADDR_TEXT_BYTES];
    size_t len = gn_addr_format_host(addr, text);

    return gn_wsgi_text(gn_slice_of(text, len));
}

static PyObject *port_text(const struct gn_addr *addr)
{
    return gn_addr_is_unix(addr) ? PyUnicode_FromString("")
                                 : PyUnicode_FromFormat("%d", (int)gn_addr_port(addr));
}

GN_NEEDS_GIL static enum gn_err peer_set(struct gn_wsgi_peer *peer, const struct gn_addr *addr)
{
    char text[GN_ADDR_TEXT_BYTES];

    gn_addr_format(addr, text);
    peer_clear(peer);
    peer->host = host_text(addr);
    peer->port = port_text(addr);
    peer->text = gn_wsgi_text(gn_slice_str(text));
    if (peer->host == NULL || peer->port == NULL || peer->text == NULL) {
        return GN_ERR_PYTHON;
    }
    peer->key = peer_key(addr);
    return GN_OK;
}

/** The strings of an address, made when it is not among those kept; NULL raised. */
GN_NEEDS_GIL static const struct gn_wsgi_peer *find_peer(
        struct gn_wsgi_environ *env, const struct gn_addr *addr)
{
    struct gn_wsgi_peer_key key = peer_key(addr);
    struct gn_wsgi_peer *peer = &env->stranger;

    if (key.family != 0) {
        uint32_t hash = gn_wsgi_text_hash(key_bytes(&key));
        struct gn_wsgi_peer_set *set = &env->peers[hash & (GN_WSGI_PEER_SETS - 1)];

        for (unsigned way = 0; way < GN_WSGI_PEER_WAYS; way++) {
            if (gn_slice_eq(key_bytes(&set->ways[way].key), key_bytes(&key))) {
                return &set->ways[way];
            }
        }
        peer = &set->ways[set->next++ % GN_WSGI_PEER_WAYS];
    }
    return peer_set(peer, addr) == GN_OK ? peer : NULL;
}

GN_NEEDS_GIL static enum gn_err put_remote(struct gn_wsgi_environ *env, PyObject *dict,
        const struct gn_addr *addr, struct gn_wsgi_asked *asked_out)
{
    const struct gn_wsgi_peer *peer = find_peer(env, addr);
    PyObject *const *fixed = env->names.fixed;

    if (peer == NULL) {
        return GN_ERR_PYTHON;
    }
    asked_out->peer = Py_NewRef(peer->text);
    GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_REMOTE_ADDR], peer->host));
    GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_REMOTE_PORT], peer->port));
    return put_borrowed(dict, fixed[GN_WSGI_NAME_GUSTNADO_PEER_ADDR], peer->text);
}

/** The host of `host[:port]`, brackets of an IPv6 literal kept (RFC 3875 4.1.14). */
static struct gn_slice host_without_port(struct gn_slice host)
{
    size_t end = host.len > 0 && host.ptr[0] == '[' ? gn_slice_find(host, ']') + 1
                                                    : gn_slice_find(host, ':');

    return gn_slice_of(host.ptr, GN_MIN(end, host.len));
}

static struct gn_slice port_of_host(struct gn_slice host)
{
    return gn_slice_skip(host, host_without_port(host).len + 1);
}

static bool is_wildcard(const struct gn_addr *addr)
{
    if (addr->u.sa.sa_family == AF_INET) {
        return addr->u.in.sin_addr.s_addr == INADDR_ANY;
    }
    return addr->u.sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&addr->u.in6.sin6_addr);
}

static bool is_same_addr(const struct gn_addr *a, const struct gn_addr *b)
{
    return a->len == b->len && memcmp(&a->u, &b->u, a->len) == 0;
}

/** An address as SERVER_NAME has it: an IPv6 literal in brackets. */
GN_NEEDS_GIL static PyObject *bracketed(const struct gn_addr *addr)
{
    char text[GN_ADDR_TEXT_BYTES + 2] = "[";
    size_t len = gn_addr_format_host(addr, text + 1);

    if (addr->u.sa.sa_family != AF_INET6) {
        return gn_wsgi_text(gn_slice_of(text + 1, len));
    }
    text[len + 1] = ']';
    return gn_wsgi_text(gn_slice_of(text, len + 2));
}

/** Puts a listener's name and port into the template, for this request and all that follow. */
GN_NEEDS_GIL static enum gn_err adopt_local(
        struct gn_wsgi_environ *env, struct gn_wsgi_template *template, const struct gn_addr *local)
{
    PyObject *const *fixed = env->names.fixed;

    GN_TRY(put(template->dict, fixed[GN_WSGI_NAME_SERVER_NAME], bracketed(local)));
    GN_TRY(put(template->dict, fixed[GN_WSGI_NAME_SERVER_PORT], port_text(local)));
    template->local = *local;
    return GN_OK;
}

/**
 * The listener's own address names the server where it has one: that is in the
 * template. Where it has not (a wildcard, a Unix socket) the client's Host
 * must do.
 */
GN_NEEDS_GIL static enum gn_err put_server_by_host(
        struct gn_wsgi_environ *env, PyObject *dict, const struct gn_exchange *ex)
{
    const struct gn_addr *addr = ex->local;
    PyObject *const *fixed = env->names.fixed;
    struct gn_slice host = host_without_port(ex->head->host);
    struct gn_slice host_port = port_of_host(ex->head->host);
    bool has_port = addr != NULL && addr->len > 0 && !gn_addr_is_unix(addr);

    if (GN_LIKELY(has_port && !is_wildcard(addr))) {
        return GN_OK;
    }
    if (host.len == 0) {
        host = GN_LIT("localhost");
    }
    GN_TRY(put(dict, fixed[GN_WSGI_NAME_SERVER_NAME], gn_wsgi_text_cached(&env->texts, host)));
    if (has_port) {
        return GN_OK;
    }
    if (host_port.len == 0) {
        host_port = ex->is_tls ? GN_LIT("443") : GN_LIT("80");
    }
    return put(dict, fixed[GN_WSGI_NAME_SERVER_PORT], gn_wsgi_text_cached(&env->texts, host_port));
}

/* ---- the request line ------------------------------------------------------ */

GN_NEEDS_GIL static enum gn_err put_method(struct gn_wsgi_environ *env, PyObject *dict,
        const struct gn_http1_head *head, struct gn_wsgi_asked *asked_out)
{
    PyObject *method = head->method == GN_METHOD_OTHER ? gn_wsgi_text(head->method_name)
                                                       : Py_NewRef(env->names.method[head->method]);

    asked_out->method = method;
    if (GN_LIKELY(head->method == GN_METHOD_GET)) {
        return GN_OK; /* as in the template */
    }
    return method != NULL
            ? put_borrowed(dict, env->names.fixed[GN_WSGI_NAME_REQUEST_METHOD], method)
            : GN_ERR_PYTHON;
}

/** PATH_INFO and the undecoded target, which mostly are one and the same string. */
GN_NEEDS_GIL static enum gn_err put_paths(struct gn_wsgi_environ *env, PyObject *dict,
        const struct gn_wsgi_environ_request *request, struct gn_wsgi_asked *asked_out)
{
    const struct gn_http1_head *head = request->exchange->head;
    PyObject *const *fixed = env->names.fixed;
    PyObject *uri = gn_wsgi_text_cached(&env->texts, head->target);

    if (uri == NULL) {
        return GN_ERR_PYTHON;
    }
    asked_out->uri = uri;
    GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_RAW_URI], uri));
    GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_REQUEST_URI], uri));
    if (gn_slice_eq(head->target, request->path_info)) {
        return put_borrowed(dict, fixed[GN_WSGI_NAME_PATH_INFO], uri);
    }
    return put(dict, fixed[GN_WSGI_NAME_PATH_INFO],
            gn_wsgi_text_cached(&env->texts, request->path_info));
}

GN_NEEDS_GIL static enum gn_err put_outer_script_name(
        struct gn_wsgi_environ *env, PyObject *dict, struct gn_slice outer)
{
    PyObject *key = env->names.fixed[GN_WSGI_NAME_SCRIPT_NAME];
    PyObject *own = PyDict_GetItemWithError(dict, key);
    PyObject *before = own != NULL ? gn_wsgi_text(outer) : NULL;
    PyObject *joined = before != NULL ? PyUnicode_Concat(before, own) : NULL;

    Py_XDECREF(before);
    return put(dict, key, joined);
}

GN_NEEDS_GIL static enum gn_err put_request_line(struct gn_wsgi_environ *env, PyObject *dict,
        const struct gn_wsgi_environ_request *request, struct gn_wsgi_asked *asked_out)
{
    const struct gn_http1_head *head = request->exchange->head;
    PyObject *const *fixed = env->names.fixed;

    GN_TRY(put_method(env, dict, head, asked_out));
    GN_TRY(put_paths(env, dict, request, asked_out));
    if (head->query.len > 0) {
        GN_TRY(put(dict, fixed[GN_WSGI_NAME_QUERY_STRING],
                gn_wsgi_text_cached(&env->texts, head->query)));
    }
    if (GN_UNLIKELY(head->minor_version == 0)) {
        GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_SERVER_PROTOCOL], env->names.http_1_0));
    }
    if (GN_UNLIKELY(request->outer_script_name.len > 0)) {
        GN_TRY(put_outer_script_name(env, dict, request->outer_script_name));
    }
    if (request->exchange->is_tls) {
        GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_WSGI_URL_SCHEME], env->names.https));
        GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_HTTPS], env->names.on));
    }
    return GN_OK;
}

/* ---- headers --------------------------------------------------------------- */

/** Puts "," (or "; ") and another value behind what is there. */
static enum gn_err join(PyObject *dict, PyObject *key, PyObject *value, bool is_cookie)
{
    PyObject *before = PyDict_GetItemWithError(dict, key);

    if (before == NULL) {
        return GN_ERR_PYTHON;
    }
    return put(dict, key, PyUnicode_FromFormat("%U%s%U", before, is_cookie ? "; " : ",", value));
}

GN_NEEDS_GIL static enum gn_err put_known(struct gn_wsgi_environ *env, PyObject *dict,
        const struct gn_header *header, uint64_t seen[2])
{
    unsigned id = header->id;
    uint64_t bit = UINT64_C(1) << (id & 63);
    PyObject *key = env->names.header[id];
    PyObject *value;
    enum gn_err rc;

    if (key == NULL) {
        return GN_OK;
    }
    value = id == GN_HDR_COOKIE || id == GN_HDR_AUTHORIZATION || id == GN_HDR_PROXY_AUTHORIZATION
            ? gn_wsgi_text(header->value)
            : gn_wsgi_text_cached(&env->texts, header->value);
    if (value == NULL) {
        return GN_ERR_PYTHON;
    }
    rc = GN_UNLIKELY(seen[id >> 6] & bit) ? join(dict, key, value, id == GN_HDR_COOKIE)
                                          : put_borrowed(dict, key, value);
    Py_DECREF(value);
    seen[id >> 6] |= bit;
    return rc;
}

/** No id, so whether it has come before is asked of the dict: did it grow? */
GN_NEEDS_GIL static enum gn_err put_other(
        struct gn_wsgi_environ *env, PyObject *dict, const struct gn_header *header)
{
    PyObject *key = gn_wsgi_names_other(&env->names, header->name);
    PyObject *value = gn_wsgi_text(header->value);
    Py_ssize_t before = PyDict_Size(dict);
    enum gn_err rc = GN_ERR_PYTHON;

    if (key != NULL && value != NULL && PyDict_SetDefault(dict, key, value) != NULL) {
        rc = PyDict_Size(dict) > before ? GN_OK : join(dict, key, value, false);
    }
    Py_XDECREF(value);
    Py_XDECREF(key);
    return rc;
}

GN_NEEDS_GIL static enum gn_err put_headers(
        struct gn_wsgi_environ *env, PyObject *dict, const struct gn_http1_head *head)
{
    uint64_t seen[2] = {0, 0};

    for (unsigned i = 0; i < head->n_headers; i++) {
        const struct gn_header *header = &head->headers[i];

        if (GN_UNLIKELY((header->flags & GN_HEADER_HIDDEN) != 0)) {
            continue;
        }
        if (header->id > GN_HDR_OTHER) {
            GN_TRY(put_known(env, dict, header, seen));
        } else {
            GN_TRY(put_other(env, dict, header));
        }
    }
    if (GN_UNLIKELY(head->form == GN_FORM_ABSOLUTE)) { /* RFC 9112 3.2.2: Host is ignored */
        return put(dict, env->names.header[GN_HDR_HOST], gn_wsgi_text(head->host));
    }
    return GN_OK;
}

GN_NEEDS_GIL static enum gn_err put_body_facts(
        struct gn_wsgi_environ *env, PyObject *dict, const struct gn_wsgi_environ_request *request)
{
    char digits[24];
    int n;

    if (request->exchange->head->framing == GN_FRAMING_NONE) {
        return GN_OK;
    }
    n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)request->body_bytes);
    return put(dict, env->names.fixed[GN_WSGI_NAME_CONTENT_LENGTH],
            gn_wsgi_text(gn_slice_of(digits, (size_t)n)));
}

GN_NEEDS_GIL static enum gn_err fill(struct gn_wsgi_environ *env, PyObject *dict,
        const struct gn_wsgi_environ_request *request, struct gn_wsgi_asked *asked_out)
{
    PyObject *const *fixed = env->names.fixed;
    const struct gn_exchange *ex = request->exchange;

    GN_TRY(put_request_line(env, dict, request, asked_out));
    GN_TRY(put_server_by_host(env, dict, ex));
    GN_TRY(put_remote(env, dict, &ex->peer, asked_out));
    GN_TRY(put_headers(env, dict, ex->head));
    GN_TRY(put_body_facts(env, dict, request));
    GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_WSGI_INPUT], request->input));
    GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_WSGI_EARLY_HINTS], request->early_hints));
    return put_borrowed(
            dict, fixed[GN_WSGI_NAME_GUSTNADO_CLIENT_DISCONNECTED], request->client_disconnected);
}

PyObject *gn_wsgi_environ_make(struct gn_wsgi_environ *env, struct gn_wsgi_template *template,
        const struct gn_wsgi_environ_request *request, struct gn_wsgi_asked *asked_out)
{
    const struct gn_addr *local = request->exchange->local;
    PyObject *dict;

    if (local != NULL && GN_UNLIKELY(!is_same_addr(&template->local, local)) &&
            adopt_local(env, template, local) != GN_OK) {
        return NULL;
    }
    dict = PyDict_Copy(template->dict);
    if (dict != NULL && fill(env, dict, request, asked_out) != GN_OK) {
        Py_CLEAR(dict);
    }
    return dict;
}
