/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <stdio.h>

#include "bridge/py/gil_priv.h"
#include "wsgi/environ_priv.h"

/*
 * What applications and frameworks know from Apache's mod_ssl, under the same
 * names. A key without a value is not there. No header can make one of these:
 * those are all called HTTP_.
 */

/** Sets a key to a text that comes again and again, unless it is empty. */
GN_NEEDS_GIL static enum gn_err put_text(
        struct gn_wsgi_environ *env, PyObject *dict, enum gn_wsgi_name name, struct gn_slice text)
{
    PyObject *value;
    int failed;

    if (text.len == 0) {
        return GN_OK;
    }
    value = gn_wsgi_text_cached(&env->texts, text);
    if (value == NULL) {
        return GN_ERR_PYTHON;
    }
    failed = PyDict_SetItem(dict, env->names.fixed[name], value);
    Py_DECREF(value);
    return failed ? GN_ERR_PYTHON : GN_OK;
}

GN_NEEDS_GIL static enum gn_err put_client(
        struct gn_wsgi_environ *env, PyObject *dict, const struct gn_tls_client *client)
{
    GN_TRY(put_text(env, dict, GN_WSGI_NAME_SSL_CLIENT_CERT, client->cert_pem));
    GN_TRY(put_text(env, dict, GN_WSGI_NAME_SSL_CLIENT_S_DN, client->subject_dn));
    GN_TRY(put_text(env, dict, GN_WSGI_NAME_SSL_CLIENT_S_DN_CN, client->subject_cn));
    GN_TRY(put_text(env, dict, GN_WSGI_NAME_SSL_CLIENT_I_DN, client->issuer_dn));
    GN_TRY(put_text(env, dict, GN_WSGI_NAME_SSL_CLIENT_M_SERIAL, client->serial));
    GN_TRY(put_text(env, dict, GN_WSGI_NAME_SSL_CLIENT_V_START, client->not_before));
    return put_text(env, dict, GN_WSGI_NAME_SSL_CLIENT_V_END, client->not_after);
}

enum gn_err gn_wsgi_environ_put_tls(
        struct gn_wsgi_environ *env, PyObject *dict, const struct gn_tls_facts *facts)
{
    char digits[16];
    int n = snprintf(digits, sizeof(digits), "%u", facts->cipher_bits);

    GN_TRY(put_text(env, dict, GN_WSGI_NAME_SSL_PROTOCOL, facts->protocol));
    GN_TRY(put_text(env, dict, GN_WSGI_NAME_SSL_CIPHER, facts->cipher));
    GN_TRY(put_text(env, dict, GN_WSGI_NAME_SSL_CIPHER_USEKEYSIZE, gn_slice_of(digits, (size_t)n)));
    GN_TRY(put_text(env, dict, GN_WSGI_NAME_SSL_TLS_SNI, facts->server_name));
    GN_TRY(put_text(env, dict, GN_WSGI_NAME_SSL_SESSION_RESUMED,
            facts->is_resumed ? GN_LIT("Resumed") : GN_LIT("Initial")));
    GN_TRY(put_text(env, dict, GN_WSGI_NAME_SSL_CLIENT_VERIFY,
            facts->has_client ? GN_LIT("SUCCESS") : GN_LIT("NONE")));
    return facts->has_client ? put_client(env, dict, &facts->client) : GN_OK;
}
