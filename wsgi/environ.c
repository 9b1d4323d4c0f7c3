/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <stdio.h>

#include "bridge/py/gil_priv.h"
#include "wsgi/environ_priv.h"

/*
 * The template holds a key for everything that is always there, so that a copy
 * clones one table wholesale and replacing values never grows it; there is
 * room for some sixteen headers before it would. It follows the traffic:
 * each value is brought up to date in the template, where the same object as
 * last time (a path, a host, a client, GET) is no work at all, and then the
 * template is copied.
 *
 * Invariants: the template never loses a key, for then its copies would stop
 * being clones. Between the first value brought up to date and the copy no
 * Python code can run and the GIL is kept, so two workers cannot mix their
 * requests. Objects of one call never enter the template: it would keep them.
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

void gn_wsgi_environ_fini(struct gn_wsgi_environ *env)
{
    gn_wsgi_peers_fini(&env->peers);
    gn_wsgi_text_cache_fini(&env->texts);
    gn_wsgi_names_fini(&env->names);
}

/* ---- the template ---------------------------------------------------------- */

/** What assigning to a template takes. */
struct target {
    struct gn_wsgi_template *template;
    PyObject *const *fixed;
};

/** Brings one key of the template up to date; the value is borrowed. */
static enum gn_err assign(const struct target *t, enum gn_wsgi_name name, PyObject *value)
{
    if (GN_LIKELY(t->template->values[name] == value)) {
        return GN_OK;
    }
    GN_TRY(put_borrowed(t->template->dict, t->fixed[name], value));
    t->template->values[name] = value;
    return GN_OK;
}

/** The same with a new reference, which is consumed; NULL means an exception is set. */
static enum gn_err assign_new(const struct target *t, enum gn_wsgi_name name, PyObject *value)
{
    enum gn_err rc;

    if (value == NULL) {
        return GN_ERR_PYTHON;
    }
    rc = assign(t, name, value);
    Py_DECREF(value);
    return rc;
}

static enum gn_err assign_facts(const struct target *t, const struct gn_wsgi_environ_facts *facts)
{
    PyObject *multithread = facts->multithread ? Py_True : Py_False;
    PyObject *multiprocess = facts->multiprocess ? Py_True : Py_False;

    GN_TRY(assign(t, GN_WSGI_NAME_WSGI_MULTITHREAD, multithread));
    GN_TRY(assign(t, GN_WSGI_NAME_WSGI_MULTIPROCESS, multiprocess));
    GN_TRY(assign(t, GN_WSGI_NAME_WSGI_RUN_ONCE, Py_False));
    GN_TRY(assign(t, GN_WSGI_NAME_GUSTNADO_DEADLINE, Py_None));
    GN_TRY(assign(t, GN_WSGI_NAME_WSGI_INPUT_TERMINATED, Py_True));
    GN_TRY(assign_new(t, GN_WSGI_NAME_WSGI_VERSION, Py_BuildValue("(ii)", 1, 0)));
    GN_TRY(assign(t, GN_WSGI_NAME_WSGI_ERRORS, facts->errors));
    GN_TRY(assign(t, GN_WSGI_NAME_WSGI_FILE_WRAPPER, facts->file_wrapper));
    return assign_new(t, GN_WSGI_NAME_GATEWAY_INTERFACE, PyUnicode_FromString("CGI/1.1"));
}

enum gn_err gn_wsgi_template_init(struct gn_wsgi_template *template, struct gn_wsgi_environ *env,
        struct gn_slice script_name, const struct gn_wsgi_environ_facts *facts)
{
    const struct target t = {.template = template, .fixed = env->names.fixed};

    template->dict = PyDict_New();
    template->script_name = gn_wsgi_text(script_name);
    if (template->dict == NULL || template->script_name == NULL) {
        return GN_ERR_PYTHON;
    }
    for (unsigned name = 0; name < GN_WSGI_NAME_N; name++) {
        bool is_of_tls = name >= GN_WSGI_NAME_HTTPS && name <= GN_WSGI_NAME_SSL_CLIENT_V_END;

        if (!is_of_tls && name != GN_WSGI_NAME_CONTENT_LENGTH &&
                name != GN_WSGI_NAME_GUSTNADO_REQUEST_ID) {
            GN_TRY(assign(&t, (enum gn_wsgi_name)name, env->names.empty));
        }
    }
    GN_TRY(assign_new(&t, GN_WSGI_NAME_SERVER_SOFTWARE, gn_wsgi_text(facts->server_software)));
    return assign_facts(&t, facts);
}

void gn_wsgi_template_fini(struct gn_wsgi_template *template)
{
    Py_CLEAR(template->dict);
    Py_CLEAR(template->script_name);
}

/* ---- who is talking to whom ------------------------------------------------ */

GN_NEEDS_GIL static enum gn_err assign_remote(struct gn_wsgi_environ *env, const struct target *t,
        const struct gn_exchange *ex, struct gn_wsgi_asked *asked_out)
{
    const struct gn_wsgi_peer *peer = gn_wsgi_peers_find(&env->peers, &ex->peer);

    if (peer == NULL) {
        return GN_ERR_PYTHON;
    }
    asked_out->peer = Py_NewRef(peer->text);
    GN_TRY(assign(t, GN_WSGI_NAME_REMOTE_ADDR, peer->host));
    GN_TRY(assign(t, GN_WSGI_NAME_REMOTE_PORT, peer->port));
    if (GN_UNLIKELY(ex->proxy != NULL)) {
        peer = gn_wsgi_peers_find(&env->peers, ex->proxy);
    }
    return peer != NULL ? assign(t, GN_WSGI_NAME_GUSTNADO_PEER_ADDR, peer->text) : GN_ERR_PYTHON;
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

/** A listener on TCP: it has a port, and unless it is a wildcard a name. */
static bool has_port(const struct gn_addr *addr)
{
    return addr != NULL && addr->len > 0 && !gn_addr_is_unix(addr);
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

/**
 * Name and port by the client's Host, where the listener's own are not what
 * the client sees: behind a wildcard address (whose port it is), a Unix socket
 * or a proxy.
 */
GN_NEEDS_GIL static enum gn_err assign_server_by_host(
        struct gn_wsgi_environ *env, const struct target *t, const struct gn_exchange *ex)
{
    struct gn_slice host = host_without_port(ex->head->host);
    struct gn_slice port = port_of_host(ex->head->host);
    char digits[8];

    if (host.len == 0) {
        host = GN_LIT("localhost");
    }
    GN_TRY(assign_new(t, GN_WSGI_NAME_SERVER_NAME, gn_wsgi_text_cached(&env->texts, host)));
    if (ex->server_port != 0) {
        port = gn_slice_of(digits, (size_t)snprintf(digits, sizeof(digits), "%u", ex->server_port));
    } else if (has_port(ex->local)) {
        return GN_OK;
    }
    if (port.len == 0) {
        port = ex->is_tls ? GN_LIT("443") : GN_LIT("80");
    }
    return assign_new(t, GN_WSGI_NAME_SERVER_PORT, gn_wsgi_text_cached(&env->texts, port));
}

/** The listener's own address names the server. */
GN_NEEDS_GIL static enum gn_err assign_server(
        struct gn_wsgi_environ *env, const struct target *t, const struct gn_exchange *ex)
{
    const struct gn_addr *local = ex->local;

    if (GN_UNLIKELY(ex->server_port != 0 || !has_port(local))) {
        t->template->local = (struct gn_addr){0};
        return assign_server_by_host(env, t, ex);
    }
    if (GN_UNLIKELY(!is_same_addr(&t->template->local, local))) {
        GN_TRY(assign_new(t, GN_WSGI_NAME_SERVER_NAME, bracketed(local)));
        GN_TRY(assign_new(
                t, GN_WSGI_NAME_SERVER_PORT, PyUnicode_FromFormat("%d", (int)gn_addr_port(local))));
        t->template->local = *local;
    }
    return is_wildcard(local) ? assign_server_by_host(env, t, ex) : GN_OK;
}

/* ---- the request line ------------------------------------------------------ */

GN_NEEDS_GIL static enum gn_err assign_method(struct gn_wsgi_environ *env, const struct target *t,
        const struct gn_http1_head *head, struct gn_wsgi_asked *asked_out)
{
    PyObject *method = head->method == GN_METHOD_OTHER ? gn_wsgi_text(head->method_name)
                                                       : Py_NewRef(env->names.method[head->method]);

    asked_out->method = method;
    return method != NULL ? assign(t, GN_WSGI_NAME_REQUEST_METHOD, method) : GN_ERR_PYTHON;
}

/** PATH_INFO and the undecoded target, which mostly are one and the same string. */
GN_NEEDS_GIL static enum gn_err assign_paths(struct gn_wsgi_environ *env, const struct target *t,
        const struct gn_wsgi_environ_request *request, struct gn_wsgi_asked *asked_out)
{
    const struct gn_http1_head *head = request->exchange->head;
    PyObject *uri = gn_wsgi_text_cached(&env->texts, head->target);

    asked_out->uri = uri;
    if (uri == NULL) {
        return GN_ERR_PYTHON;
    }
    GN_TRY(assign(t, GN_WSGI_NAME_RAW_URI, uri));
    GN_TRY(assign(t, GN_WSGI_NAME_REQUEST_URI, uri));
    GN_TRY(assign_new(t, GN_WSGI_NAME_QUERY_STRING, gn_wsgi_text_cached(&env->texts, head->query)));
    if (gn_slice_eq(head->target, request->path_info)) {
        return assign(t, GN_WSGI_NAME_PATH_INFO, uri);
    }
    return assign_new(
            t, GN_WSGI_NAME_PATH_INFO, gn_wsgi_text_cached(&env->texts, request->path_info));
}

GN_NEEDS_GIL static enum gn_err assign_script_name(const struct target *t, struct gn_slice outer)
{
    PyObject *before;
    PyObject *joined;

    if (GN_LIKELY(outer.len == 0)) {
        return assign(t, GN_WSGI_NAME_SCRIPT_NAME, t->template->script_name);
    }
    before = gn_wsgi_text(outer);
    joined = before != NULL ? PyUnicode_Concat(before, t->template->script_name) : NULL;
    Py_XDECREF(before);
    return assign_new(t, GN_WSGI_NAME_SCRIPT_NAME, joined);
}

/** Brings the template up to date with everything that every request has. */
GN_NEEDS_GIL static enum gn_err follow(struct gn_wsgi_environ *env, const struct target *t,
        const struct gn_wsgi_environ_request *request, struct gn_wsgi_asked *asked_out)
{
    const struct gn_exchange *ex = request->exchange;
    const struct gn_wsgi_names *names = &env->names;
    const struct gn_http1_head *head = ex->head;
    PyObject *protocol = head->minor_version == 0 ? names->http_1_0 : names->http_1_1;

    GN_TRY(assign_method(env, t, head, asked_out));
    GN_TRY(assign_paths(env, t, request, asked_out));
    GN_TRY(assign_script_name(t, request->outer_script_name));
    GN_TRY(assign(t, GN_WSGI_NAME_SERVER_PROTOCOL, protocol));
    GN_TRY(assign(t, GN_WSGI_NAME_WSGI_URL_SCHEME, ex->is_tls ? names->https : names->http));
    GN_TRY(assign_new(t, GN_WSGI_NAME_HTTP_HOST, gn_wsgi_text_cached(&env->texts, head->host)));
    GN_TRY(assign_server(env, t, ex));
    return assign_remote(env, t, ex, asked_out);
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

    if (key == NULL || id == GN_HDR_HOST) {
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
    return GN_OK;
}

GN_NEEDS_GIL static enum gn_err put_body_facts(
        struct gn_wsgi_environ *env, PyObject *dict, const struct gn_wsgi_environ_request *request)
{
    char digits[24];
    int n;

    if (request->exchange->head->framing == GN_FRAMING_NONE ||
            request->body_bytes == GN_LENGTH_UNKNOWN) {
        return GN_OK;
    }
    n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)request->body_bytes);
    return put(dict, env->names.fixed[GN_WSGI_NAME_CONTENT_LENGTH],
            gn_wsgi_text(gn_slice_of(digits, (size_t)n)));
}

/** HTTP_HOST is in every copy; a request of HTTP/1.0 may be without. */
static enum gn_err drop_host(
        const struct gn_wsgi_names *names, PyObject *dict, const struct gn_http1_head *head)
{
    if (GN_LIKELY(head->host.len > 0 || gn_http1_head_find(head, GN_HDR_HOST) != NULL)) {
        return GN_OK;
    }
    return PyDict_DelItem(dict, names->fixed[GN_WSGI_NAME_HTTP_HOST]) == 0 ? GN_OK : GN_ERR_PYTHON;
}

/** The id takes the place of what the client may have sent, who need not be trusted. */
GN_NEEDS_GIL GN_COLD static enum gn_err put_request_id(
        const struct gn_wsgi_names *names, PyObject *dict, struct gn_slice id)
{
    PyObject *text = gn_wsgi_text(id);
    enum gn_err rc;

    if (text == NULL) {
        return GN_ERR_PYTHON;
    }
    rc = put_borrowed(dict, names->header[GN_HDR_X_REQUEST_ID], text);
    if (rc == GN_OK) {
        rc = put_borrowed(dict, names->fixed[GN_WSGI_NAME_GUSTNADO_REQUEST_ID], text);
    }
    Py_DECREF(text);
    return rc;
}

/** On the clock of time.monotonic(), which is ours. */
GN_NEEDS_GIL static enum gn_err put_deadline(
        struct gn_wsgi_environ *env, PyObject *dict, gn_deadline deadline)
{
    return put(dict, env->names.fixed[GN_WSGI_NAME_GUSTNADO_DEADLINE],
            PyFloat_FromDouble((double)deadline / (double)GN_NS_PER_S));
}

/** Puts in what only this request has. */
GN_NEEDS_GIL static enum gn_err fill(
        struct gn_wsgi_environ *env, PyObject *dict, const struct gn_wsgi_environ_request *request)
{
    PyObject *const *fixed = env->names.fixed;
    const struct gn_exchange *ex = request->exchange;

    GN_TRY(drop_host(&env->names, dict, ex->head));
    GN_TRY(put_headers(env, dict, ex->head));
    GN_TRY(put_body_facts(env, dict, request));
    if (ex->is_tls) {
        GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_HTTPS], env->names.on));
    }
    if (ex->tls != NULL) {
        GN_TRY(gn_wsgi_environ_put_tls(env, dict, ex->tls));
    }
    if (GN_UNLIKELY(ex->request_id.len > 0)) {
        GN_TRY(put_request_id(&env->names, dict, ex->request_id));
    }
    if (request->deadline != GN_NEVER) {
        GN_TRY(put_deadline(env, dict, request->deadline));
    }
    GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_WSGI_INPUT], request->input));
    GN_TRY(put_borrowed(dict, fixed[GN_WSGI_NAME_WSGI_EARLY_HINTS], request->early_hints));
    return put_borrowed(
            dict, fixed[GN_WSGI_NAME_GUSTNADO_CLIENT_DISCONNECTED], request->client_disconnected);
}

PyObject *gn_wsgi_environ_make(struct gn_wsgi_environ *env, struct gn_wsgi_template *template,
        const struct gn_wsgi_environ_request *request, struct gn_wsgi_asked *asked_out)
{
    const struct target t = {.template = template, .fixed = env->names.fixed};
    PyObject *dict;

    if (follow(env, &t, request, asked_out) != GN_OK) {
        return NULL;
    }
    dict = PyDict_Copy(template->dict);
    if (dict != NULL && fill(env, dict, request) != GN_OK) {
        Py_CLEAR(dict);
    }
    return dict;
}
