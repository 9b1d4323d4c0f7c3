/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"
#include "tests/wsgi/wsgi_fixture.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/environ_priv.h"

TestSuite(environ, .init = wsgi_python_start, .fini = wsgi_python_stop);

static struct gn_wsgi_environ env;
static struct gn_wsgi_template template;
static struct wsgi_request request;

/** environ of the request as parsed, mounted at `script_name`, as the global `e`. */
static PyObject *build(struct gn_slice script_name, struct gn_slice path_info, uint64_t body_bytes)
{
    gn_assert_gil();
    const struct gn_wsgi_environ_facts facts = {
            .errors = Py_None,
            .file_wrapper = Py_None,
            .server_software = GN_LIT("gustnado/test"),
            .multithread = true,
    };
    const struct gn_wsgi_environ_request r = {
            .exchange = &request.exchange,
            .body_bytes = body_bytes,
            .path_info = path_info,
            .outer_script_name = request.exchange.script_name,
            .input = Py_None,
            .early_hints = Py_None,
            .client_disconnected = Py_None,
            .deadline = GN_NEVER,
    };
    struct gn_wsgi_asked asked = {0};
    PyObject *dict;
    PyObject *globals;

    if (env.names.empty == NULL) {
        cr_assert_eq(gn_wsgi_environ_init(&env), GN_OK);
    }
    if (template.dict == NULL) {
        cr_assert_eq(gn_wsgi_template_init(&template, &env, script_name, &facts), GN_OK);
    }
    dict = gn_wsgi_environ_make(&env, &template, &r, &asked);
    cr_assert_not_null(dict);
    cr_assert(asked.method != NULL && asked.uri != NULL && asked.peer != NULL);
    Py_DECREF(asked.method);
    Py_DECREF(asked.uri);
    Py_DECREF(asked.peer);
    globals = wsgi_globals("e", dict);
    Py_DECREF(dict);
    return globals;
}

static void end(PyObject *globals)
{
    gn_assert_gil();
    Py_DECREF(globals);
    wsgi_request_fini(&request);
    gn_wsgi_template_fini(&template);
    gn_wsgi_environ_fini(&env);
}

/** The usual case: at the root, nothing to decode, no body. */
static void check(const char *text, const char *code)
{
    PyObject *globals;

    wsgi_request_parse(&request, text);
    globals = build(GN_LIT(""), request.head.path, 0);
    wsgi_run(globals, code);
    end(globals);
}

Test(environ, of_a_plain_request)
{
    check("GET /a/b?x=1&y=%20 HTTP/1.1\r\nHost: example.com:8000\r\n\r\n",
            "assert e == {\n"
            " 'REQUEST_METHOD': 'GET', 'SCRIPT_NAME': '', 'PATH_INFO': '/a/b',\n"
            " 'QUERY_STRING': 'x=1&y=%20', 'SERVER_NAME': '127.0.0.1', 'SERVER_PORT': '8000',\n"
            " 'SERVER_PROTOCOL': 'HTTP/1.1', 'SERVER_SOFTWARE': 'gustnado/test',\n"
            " 'GATEWAY_INTERFACE': 'CGI/1.1', 'REMOTE_ADDR': '192.0.2.7',\n"
            " 'REMOTE_PORT': '5678', 'REQUEST_URI': '/a/b?x=1&y=%20',\n"
            " 'RAW_URI': '/a/b?x=1&y=%20', 'HTTP_HOST': 'example.com:8000',\n"
            " 'wsgi.version': (1, 0), 'wsgi.url_scheme': 'http', 'wsgi.input': None,\n"
            " 'wsgi.input_terminated': True, 'wsgi.errors': None, 'wsgi.multithread': True,\n"
            " 'wsgi.multiprocess': False, 'wsgi.run_once': False, 'wsgi.file_wrapper': None,\n"
            " 'wsgi.early_hints': None, 'gustnado.client_disconnected': None,\n"
            " 'gustnado.deadline': None, 'gustnado.peer_addr': '192.0.2.7:5678'}, e\n"
            "assert type(e) is dict and all(type(k) is str for k in e)\n");
}

Test(environ, of_other_methods_and_versions)
{
    check("POST / HTTP/1.1\r\nHost: a\r\n\r\n", "assert e['REQUEST_METHOD'] == 'POST'");
    check("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "assert e['REQUEST_METHOD'] == 'BREW'");
    check("GET / HTTP/1.0\r\n\r\n",
            "assert e['SERVER_PROTOCOL'] == 'HTTP/1.0' and 'HTTP_HOST' not in e");
}

Test(environ, headers_become_keys)
{
    check("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: me\r\nX-Some-Thing:  v w \r\nX-Empty:\r\n"
          "X-Latin: caf\xe9\r\nAccept: */*\r\nContent-Type: text/x\r\n\r\n",
            "assert e['HTTP_USER_AGENT'] == 'me' and e['HTTP_X_SOME_THING'] == 'v w'\n"
            "assert e['HTTP_X_EMPTY'] == '' and e['HTTP_X_LATIN'] == 'caf\\xe9'\n"
            "assert e['HTTP_ACCEPT'] == '*/*' and e['CONTENT_TYPE'] == 'text/x'\n"
            "assert 'HTTP_CONTENT_TYPE' not in e and 'CONTENT_LENGTH' not in e\n");
}

Test(environ, repeated_headers_are_joined_in_order)
{
    check("GET / HTTP/1.1\r\nHost: a\r\nX-Many: a\r\nAccept: b\r\nCookie: k=1\r\nX-Many: a\r\n"
          "Accept: d\r\nCookie: l=2\r\nX-Many: c\r\nAccept: d\r\n\r\n",
            "assert e['HTTP_X_MANY'] == 'a,a,c' and e['HTTP_ACCEPT'] == 'b,d,d'\n"
            "assert e['HTTP_COOKIE'] == 'k=1; l=2'\n");
}

/* Another server showed one of two; which one, a filter in front of it could not know. */
Test(environ, gunicorn_3366_two_content_types_are_both_seen)
{
    check("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Type: text/x\r\n\r\n",
            "assert e['CONTENT_TYPE'] == 'text/plain,text/x'");
}

/* Joining field by field copies what is there each time: bounded by --limit-request-fields and
 * --limit-request-head, and still right at the most that they let through. */
Test(environ, tornado_cve_2025_67725_as_many_repeated_fields_as_there_may_be)
{
    static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\n";
    static const char line[] = "X-Many: ab\r\n";
    char text[sizeof(start) + 99 * sizeof(line) + 2];
    size_t n = sizeof(start) - 1;

    memcpy(text, start, n);
    for (int i = 0; i < 99; i++) {
        memcpy(text + n, line, sizeof(line) - 1);
        n += sizeof(line) - 1;
    }
    memcpy(text + n, "\r\n", 3);
    check(text, "assert e['HTTP_X_MANY'] == ','.join(['ab'] * 99)");
}

Test(environ, hidden_headers_never_appear)
{
    check("GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: evil\r\nProxy: http://evil\r\n"
          "X-Forwarded-For: good\r\nHost_: x\r\n\r\n",
            "assert e['HTTP_X_FORWARDED_FOR'] == 'good' and 'HTTP_PROXY' not in e\n"
            "assert not [v for v in e.values() if v in ('evil', 'http://evil', 'x')]\n");
}

Test(environ, many_headers_fit)
{
    static char text[4096] = "GET / HTTP/1.1\r\nHost: a\r\n";
    size_t len = strlen(text);

    for (int i = 0; i < 60; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "X-H%d: v%d\r\n", i, i);
    }
    (void)snprintf(text + len, sizeof(text) - len, "\r\n");
    check(text, "assert all(e[f'HTTP_X_H{i}'] == f'v{i}' for i in range(60))");
}

Test(environ, content_length_is_told_from_the_framing)
{
    gn_assert_gil();
    static const struct {
        const char *fields;
        uint64_t body_bytes;
        const char *code;
    } cases[] = {
            {"", 0, "assert 'CONTENT_LENGTH' not in e"},
            {"Content-Length: 0\r\n", 0, "assert e['CONTENT_LENGTH'] == '0'"},
            {"Content-Length: 12\r\n", 12, "assert e['CONTENT_LENGTH'] == '12'"},
            {"Transfer-Encoding: chunked\r\n", 5000000000,
                    "assert e['CONTENT_LENGTH'] == '5000000000'\n"
                    "assert 'HTTP_TRANSFER_ENCODING' not in e"},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char text[256];
        PyObject *globals;

        (void)snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n", cases[i].fields);
        wsgi_request_parse(&request, text);
        globals = build(GN_LIT(""), request.head.path, cases[i].body_bytes);
        wsgi_run(globals, cases[i].code);
        Py_DECREF(globals);
    }
    gn_wsgi_template_fini(&template);
    gn_wsgi_environ_fini(&env);
}

Test(environ, of_a_mount_and_a_decoded_path)
{
    PyObject *globals;

    wsgi_request_parse(&request, "GET /shop/caf%C3%A9 HTTP/1.1\r\nHost: a\r\n\r\n");
    request.exchange.script_name = GN_LIT("/outer");
    globals = build(GN_LIT("/shop"), GN_LIT("/caf\xc3\xa9"), 0);
    wsgi_run(globals,
            "assert e['SCRIPT_NAME'] == '/outer/shop' and e['PATH_INFO'] == '/caf\\xc3\\xa9'\n"
            "assert e['REQUEST_URI'] == e['RAW_URI'] == '/shop/caf%C3%A9'\n");
    end(globals);
}

Test(environ, of_an_absolute_target)
{
    check("GET http://right.example/p?q HTTP/1.1\r\nHost: right.example\r\n\r\n",
            "assert e['HTTP_HOST'] == 'right.example' and e['PATH_INFO'] == '/p'\n"
            "assert e['REQUEST_URI'] == 'http://right.example/p?q'\n");
}

Test(environ, names_the_server)
{
    gn_assert_gil();
    static const struct {
        const char *local;
        const char *host;
        bool is_tls;
        const char *name;
        const char *port;
    } cases[] = {
            {"10.0.0.1:81", "example.com", false, "10.0.0.1", "81"},
            {"[::1]:8888", "[::1]:8888", false, "[::1]", "8888"},
            {"0.0.0.0:8000", "example.com:9", false, "example.com", "8000"},
            {"[::]:8000", "[2001:db8::1]:9", false, "[2001:db8::1]", "8000"},
            {"0.0.0.0:8000", "", false, "localhost", "8000"},
            {"unix:/run/x", "example.com", false, "example.com", "80"},
            {"unix:/run/x", "example.com", true, "example.com", "443"},
            {"unix:/run/x", "example.com:9", false, "example.com", "9"},
            {"unix:/run/x", "", false, "localhost", "80"},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char text[256];
        char code[256];
        PyObject *globals;

        (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].host);
        wsgi_request_parse(&request, text);
        request.local = wsgi_addr(cases[i].local);
        request.exchange.is_tls = cases[i].is_tls;
        globals = build(GN_LIT(""), request.head.path, 0);
        (void)snprintf(code, sizeof(code),
                "assert (e['SERVER_NAME'], e['SERVER_PORT']) == ('%s', '%s'), e\n"
                "assert e['wsgi.url_scheme'] == '%s' and e.get('HTTPS') == %s\n",
                cases[i].name, cases[i].port, cases[i].is_tls ? "https" : "http",
                cases[i].is_tls ? "'on'" : "None");
        wsgi_run(globals, code);
        Py_DECREF(globals);
    }
    gn_wsgi_template_fini(&template);
    gn_wsgi_environ_fini(&env);
}

Test(environ, passes_the_request_id_on_when_there_is_one)
{
    gn_assert_gil();
    PyObject *globals;

    wsgi_request_parse(&request, "GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID: theirs\r\n\r\n");
    globals = build(GN_LIT(""), request.head.path, 0);
    wsgi_run(globals,
            "assert e['HTTP_X_REQUEST_ID'] == 'theirs' and 'gustnado.request_id' not in e, e");
    Py_DECREF(globals);
    request.exchange.request_id = GN_LIT("ours");
    globals = build(GN_LIT(""), request.head.path, 0);
    wsgi_run(globals, "assert e['HTTP_X_REQUEST_ID'] == e['gustnado.request_id'] == 'ours', e");
    end(globals);
}

Test(environ, names_the_client)
{
    gn_assert_gil();
    static const struct {
        const char *peer;
        const char *host;
        const char *port;
        const char *text;
    } cases[] = {
            {"192.0.2.7:5678", "192.0.2.7", "5678", "192.0.2.7:5678"},
            {"192.0.2.7:5679", "192.0.2.7", "5679", "192.0.2.7:5679"},
            {"[2001:db8::7]:5678", "2001:db8::7", "5678", "[2001:db8::7]:5678"},
            {"unix:/run/x", "", "", "unix:/run/x"},
            {"192.0.2.7:5678", "192.0.2.7", "5678", "192.0.2.7:5678"},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char code[256];
        PyObject *globals;

        wsgi_request_parse(&request, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        request.exchange.peer = wsgi_addr(cases[i].peer);
        globals = build(GN_LIT(""), request.head.path, 0);
        (void)snprintf(code, sizeof(code),
                "assert (e['REMOTE_ADDR'], e['REMOTE_PORT'], e['gustnado.peer_addr']) == "
                "('%s', '%s', '%s'), e\n",
                cases[i].host, cases[i].port, cases[i].text);
        wsgi_run(globals, code);
        Py_DECREF(globals);
    }
    gn_wsgi_template_fini(&template);
    gn_wsgi_environ_fini(&env);
}

Test(environ, names_server_and_client_as_a_proxy_does)
{
    gn_assert_gil();
    const struct gn_addr proxy = wsgi_addr("127.0.0.1:4444");
    static const struct {
        const char *local;
        unsigned port;
        const char *host;
        const char *name;
    } cases[] = {
            {"10.0.0.1:81", 443, "a.example", "a.example"},
            {"10.0.0.1:81", 8443, "a.example:8443", "a.example"},
            {"unix:/run/x", 80, "[::1]:9", "[::1]"},
            {"0.0.0.0:8000", 443, "", "localhost"},
    };
    PyObject *globals;

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        char text[256];
        char code[256];

        (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].host);
        wsgi_request_parse(&request, text);
        request.local = wsgi_addr(cases[i].local);
        request.exchange.server_port = (uint16_t)cases[i].port;
        request.exchange.peer = wsgi_addr("192.0.2.7:0");
        request.exchange.proxy = &proxy;
        globals = build(GN_LIT(""), request.head.path, 0);
        (void)snprintf(code, sizeof(code),
                "assert (e['SERVER_NAME'], e['SERVER_PORT']) == ('%s', '%u'), e\n"
                "assert (e['REMOTE_ADDR'], e['REMOTE_PORT']) == ('192.0.2.7', ''), e\n"
                "assert e['gustnado.peer_addr'] == '127.0.0.1:4444', e\n",
                cases[i].name, cases[i].port);
        wsgi_run(globals, code);
        Py_DECREF(globals);
    }
    wsgi_request_parse(&request, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    request.local = wsgi_addr("10.0.0.1:81");
    request.exchange.peer = wsgi_addr("192.0.2.8:1");
    globals = build(GN_LIT(""), request.head.path, 0);
    wsgi_run(globals,
            "assert (e['SERVER_NAME'], e['SERVER_PORT']) == ('10.0.0.1', '81'), e\n"
            "assert e['gustnado.peer_addr'] == '192.0.2.8:1', e\n");
    end(globals);
}

Test(environ, of_one_request_does_not_show_in_the_next)
{
    PyObject *globals;

    wsgi_request_parse(&request,
            "BREW /one?q HTTP/1.0\r\nX-One: 1\r\nCookie: a=b\r\nContent-Length: 1\r\n\r\n");
    globals = build(GN_LIT(""), request.head.path, 1);
    wsgi_run(globals, "e['REQUEST_METHOD'] = 'MANGLED'; e['new'] = 1; del e['wsgi.version']");
    Py_DECREF(globals);
    wsgi_request_parse(&request, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    globals = build(GN_LIT(""), request.head.path, 0);
    wsgi_run(globals,
            "assert e['REQUEST_METHOD'] == 'GET' and 'new' not in e and 'HTTP_X_ONE' not in e\n"
            "assert e['HTTP_HOST'] == 'a' and e['SERVER_PROTOCOL'] == 'HTTP/1.1'\n"
            "assert e['wsgi.version'] == (1, 0) and e['QUERY_STRING'] == ''\n"
            "assert 'CONTENT_LENGTH' not in e and 'HTTP_COOKIE' not in e\n");
    end(globals);
}
