/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"
#include "tests/wsgi/wsgi_fixture.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/environ_priv.h"

TestSuite(environ_tls, .init = wsgi_python_start, .fini = wsgi_python_stop);

static struct gn_tls_facts plain_facts(void)
{
    return (struct gn_tls_facts){
            .refs = 1,
            .protocol = GN_LIT("TLSv1.3"),
            .cipher = GN_LIT("TLS_AES_256_GCM_SHA384"),
            .cipher_bits = 256,
            .alpn = GN_LIT("http/1.1"),
    };
}

/** The keys of those facts, as the global `e`, checked by `code`. */
static void check(const struct gn_tls_facts *facts, const char *code)
{
    gn_assert_gil();
    static struct gn_wsgi_environ env;
    PyObject *dict = PyDict_New();
    PyObject *globals;

    cr_assert_eq(gn_wsgi_environ_init(&env), GN_OK);
    cr_assert_eq(gn_wsgi_environ_put_tls(&env, dict, facts), GN_OK);
    globals = wsgi_globals("e", dict);
    Py_DECREF(dict);
    wsgi_run(globals, code);
    Py_DECREF(globals);
    gn_wsgi_environ_fini(&env);
}

Test(environ_tls, without_a_client_certificate)
{
    struct gn_tls_facts facts = plain_facts();

    check(&facts,
            "assert e == {'SSL_PROTOCOL': 'TLSv1.3', 'SSL_CIPHER': 'TLS_AES_256_GCM_SHA384',\n"
            "             'SSL_CIPHER_USEKEYSIZE': '256', 'SSL_SESSION_RESUMED': 'Initial',\n"
            "             'SSL_CLIENT_VERIFY': 'NONE'}, e\n");
}

Test(environ_tls, with_a_name_and_a_resumed_session)
{
    struct gn_tls_facts facts = plain_facts();

    facts.server_name = GN_LIT("a.example");
    facts.is_resumed = true;
    check(&facts,
            "assert e['SSL_TLS_SNI'] == 'a.example' and e['SSL_SESSION_RESUMED'] == 'Resumed'\n");
}

Test(environ_tls, with_a_client_certificate)
{
    struct gn_tls_facts facts = plain_facts();

    facts.has_client = true;
    facts.client = (struct gn_tls_client){
            .cert_pem = GN_LIT("-----BEGIN"),
            .subject_dn = GN_LIT("CN=J\xc3\xbcrgen"),
            .subject_cn = GN_LIT("J\xc3\xbcrgen"),
            .issuer_dn = GN_LIT("CN=CA"),
            .serial = GN_LIT("0A"),
            .not_before = GN_LIT("then"),
            .not_after = GN_LIT("later"),
    };
    check(&facts,
            "assert e['SSL_CLIENT_VERIFY'] == 'SUCCESS' and e['SSL_CLIENT_CERT'] == '-----BEGIN'\n"
            "assert e['SSL_CLIENT_S_DN'].encode('latin-1').decode() == 'CN=J\\u00fcrgen'\n"
            "assert e['SSL_CLIENT_S_DN_CN'].encode('latin-1').decode() == 'J\\u00fcrgen'\n"
            "assert (e['SSL_CLIENT_I_DN'], e['SSL_CLIENT_M_SERIAL']) == ('CN=CA', '0A')\n"
            "assert (e['SSL_CLIENT_V_START'], e['SSL_CLIENT_V_END']) == ('then', 'later')\n");
}
