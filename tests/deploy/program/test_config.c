/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "deploy/program/config.h"
#include "server/proto/forwarded.h"
#include "tests/support/test.h"

#define MAX_WORDS 12

static struct gn_config config;
static struct gn_error err;

static void clean_environment(void)
{
    (void)unsetenv("GUSTNADO_CMD_ARGS");
    (void)unsetenv("PORT");
    (void)unsetenv("FORWARDED_ALLOW_IPS");
    err = (struct gn_error){0};
}

TestSuite(config, .init = clean_environment);

/* Words end with NULL. */
static enum gn_err read_words(const char *const *words)
{
    char *argv[MAX_WORDS + 1];
    int argc = 1;

    argv[0] = (char *)(uintptr_t) "gustnado";
    while (words[argc - 1] != NULL) {
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
        argc++;
    }
    return gn_config_read(&config, argc, argv, &err);
}

#define READ(...) read_words((const char *const[]){__VA_ARGS__, NULL})

Test(config, has_defaults)
{
    cr_assert_eq(READ("app"), GN_OK, "%s", err.message);
    cr_assert_eq(config.n_mounts, 1);
    cr_assert_eq(config.mounts[0].prefix.len, 0);
    cr_assert(gn_slice_eq(config.mounts[0].name, GN_LIT("app")));
    cr_assert_eq(config.binds.n, 1);
    cr_assert_str_eq(config.binds.items[0], "127.0.0.1:8000");
    cr_assert_eq(config.timeout_ms, 30000);
    cr_assert_eq(config.threads.min, 1);
    cr_assert_eq(config.threads.max, 8);
    gn_config_fini(&config);
}

Test(config, reads_mounts)
{
    cr_assert_eq(READ("root:app", "--mount", "/shop=shop:create(x=1)", "--mount=/a/b/=c:d"), GN_OK,
            "%s", err.message);
    cr_assert_eq(config.n_mounts, 3);
    cr_assert(gn_slice_eq(config.mounts[1].prefix, GN_LIT("/shop")));
    cr_assert(gn_slice_eq(config.mounts[1].name, GN_LIT("shop:create(x=1)")));
    cr_assert(gn_slice_eq(config.mounts[2].prefix, GN_LIT("/a/b")));
    gn_config_fini(&config);
}

Test(config, reads_request_buffering)
{
    cr_assert_eq(READ("root:app", "--mount", "/a=a:b", "--mount=/c=c:d"), GN_OK);
    cr_assert(config.mounts[0].buffers_requests && config.mounts[1].buffers_requests);
    gn_config_fini(&config);
    cr_assert_eq(READ("root:app", "--mount", "/a=a:b", "--mount=/c=c:d", "--request-buffering",
                         "/a/=on", "--request-buffering=off", "--request-buffering=/=on"),
            GN_OK, "%s", err.message);
    cr_assert(config.mounts[0].buffers_requests);
    cr_assert(config.mounts[1].buffers_requests);
    cr_assert_not(config.mounts[2].buffers_requests);
    gn_config_fini(&config);
}

Test(config, reads_the_order_of_the_queue)
{
    cr_assert_eq(READ("app"), GN_OK);
    cr_assert_eq(config.queue_order, GN_QUEUE_COST);
    gn_config_fini(&config);
    cr_assert_eq(READ("app", "--queue", "fifo"), GN_OK);
    cr_assert_eq(config.queue_order, GN_QUEUE_FIFO);
    gn_config_fini(&config);
}

Test(config, reads_limits_of_mounts)
{
    cr_assert_eq(READ("app", "--mount", "/shop=shop.wsgi", "--mount", "/blog=blog.wsgi",
                         "--mount-limit", "/shop/=4", "--mount-limit", "/=1024"),
            GN_OK, "%s", err.message);
    cr_assert_eq(config.mounts[0].limit, 1024);
    cr_assert_eq(config.mounts[1].limit, 4);
    cr_assert_eq(config.mounts[2].limit, 0);
    gn_config_fini(&config);
}

Test(config, reads_threads)
{
    static const struct {
        const char *text;
        unsigned min;
        unsigned max;
    } cases[] = {{"4", 1, 4}, {"1", 1, 1}, {"2:16", 2, 16}, {"0:3", 0, 3}, {"5:5", 5, 5}};

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert_eq(READ("app", "--threads", cases[i].text), GN_OK, "%s", err.message);
        cr_assert_eq(config.threads.min, cases[i].min);
        cr_assert_eq(config.threads.max, cases[i].max);
        gn_config_fini(&config);
    }
}

Test(config, reads_certificates_and_keys_in_order)
{
    cr_assert_eq(READ("app", "--certfile", "a", "--keyfile", "b", "--keyfile", "d", "--certfile",
                         "c", "--ca-certs=e", "--cert-reqs", "Optional"),
            GN_OK, "%s", err.message);
    cr_assert_eq(config.certfiles.n, 2);
    cr_assert_str_eq(config.certfiles.items[1], "c");
    cr_assert_str_eq(config.keyfiles.items[1], "d");
    cr_assert_str_eq(config.ca_certs, "e");
    cr_assert_eq(config.cert_reqs, GN_TLS_CLIENT_CERTS_OPTIONAL);
    gn_config_fini(&config);
    cr_assert_eq(READ("app", "--certfile", "a", "--cert-reqs", "2", "--ca-certs=e"), GN_OK);
    cr_assert_eq(config.keyfiles.n, 0);
    cr_assert_eq(config.cert_reqs, GN_TLS_CLIENT_CERTS_REQUIRED);
    gn_config_fini(&config);
}

Test(config, refuses_what_makes_no_sense)
{
    static const struct {
        const char *words[4];
        const char *says;
    } cases[] = {
            {{"--timeout", "3"}, "no application to serve"},
            {{"a", "b"}, "\"a\" and \"b\"; use --mount"},
            {{"--mount", "shop=app"}, "--mount shop=app: expected /PREFIX="},
            {{"--mount", "/shop"}, "--mount /shop: expected"},
            {{"--mount", "/shop="}, "expected"},
            {{"app", "--mount", "/=other"}, "\"app\" is already mounted there"},
            {{"app", "--threads", "0"}, "--threads 0: expected a number of threads"},
            {{"app", "--threads", "5:4"}, "MIN:MAX"},
            {{"app", "--threads", "2000"}, "from 1 to 1024"},
            {{"app", "--threads", ":4"}, "MIN:MAX"},
            {{"app", "--threads", "1:2:3"}, "MIN:MAX"},
            {{"app", "--queue", "lifo"}, "--queue lifo: expected cost or fifo"},
            {{"app", "--mount-limit", "/=0"}, "N from 1 to 1024"},
            {{"app", "--mount-limit", "/=1025"}, "N from 1 to 1024"},
            {{"app", "--mount-limit", "4"}, "expected /PREFIX=N"},
            {{"app", "--mount-limit", "/shop=4"}, "no application is mounted there"},
            {{"app", "--env", "NAME"}, "expected NAME=VALUE"},
            {{"app", "--env", "=x"}, "expected NAME=VALUE"},
            {{"app", "--log-level", "loud"}, "--log-level loud: expected debug, info"},
            {{"app", "--output-low", "1M"}, "--output-low must not exceed"},
            {{"app", "--limit-request-line", "1M"}, "must not exceed --limit-request-head"},
            {{"app", "--keyfile", "k"}, "--keyfile needs --certfile"},
            {{"app", "--ca-certs", "f"}, "--ca-certs needs --certfile"},
            {{"app", "--cert-reqs", "2"}, "--cert-reqs needs --certfile"},
            {{"app", "--cert-reqs", "3"}, "--cert-reqs 3: expected none, optional or required"},
            {{"app", "--request-buffering", "no"}, "no: expected on, off"},
            {{"app", "--request-buffering", "/"}, "/: expected on, off"},
            {{"app", "--request-buffering", "/x=off"}, "/x=off: no application is mounted there"},
            {{"app", "--keepalive", "3"}, "did you mean --keep-alive?"},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert_eq(read_words(cases[i].words), GN_ERR_INVALID);
        cr_assert_not_null(strstr(err.message, cases[i].says), "%s", err.message);
    }
}

Test(config, asks_for_no_application_when_only_asked_something)
{
    cr_assert_eq(READ("--help"), GN_OK);
    cr_assert(config.show_help);
    gn_config_fini(&config);
    cr_assert_eq(READ("-v"), GN_OK);
    cr_assert(config.show_version);
    gn_config_fini(&config);
}

Test(config, is_content_with_a_module_alone)
{
    cr_assert_eq(READ("--module", "x.so"), GN_OK);
    cr_assert_eq(config.n_mounts, 0);
    cr_assert_eq(config.modules.n, 1);
    gn_config_fini(&config);
}

Test(config, reads_the_environment_before_the_command_line)
{
    (void)setenv("GUSTNADO_CMD_ARGS", "-b :1 -b :2 --timeout 5 --keep-alive '7' env:app", 1);
    cr_assert_eq(READ("--timeout", "6"), GN_OK, "%s", err.message);
    cr_assert_eq(config.binds.n, 2);
    cr_assert_eq(config.timeout_ms, 6000);
    cr_assert_eq(config.limits.idle_ms, 7000);
    cr_assert(gn_slice_eq(config.mounts[0].name, GN_LIT("env:app")));
    gn_config_fini(&config);

    cr_assert_eq(READ("-b", ":3", "cli:app"), GN_OK);
    cr_assert_eq(config.binds.n, 1);
    cr_assert_str_eq(config.binds.items[0], ":3");
    cr_assert(gn_slice_eq(config.mounts[0].name, GN_LIT("cli:app")));
    gn_config_fini(&config);

    (void)setenv("GUSTNADO_CMD_ARGS", "--nonsense", 1);
    cr_assert_eq(READ("app"), GN_ERR_INVALID);
    cr_assert_not_null(strstr(err.message, "in $GUSTNADO_CMD_ARGS: unknown option"));
}

Test(config, listens_where_the_platform_says)
{
    (void)setenv("PORT", "5000", 1);
    cr_assert_eq(READ("app"), GN_OK);
    cr_assert_str_eq(config.binds.items[0], "0.0.0.0:5000");
    gn_config_fini(&config);
    cr_assert_eq(READ("app", "-b", "127.0.0.1:1"), GN_OK);
    cr_assert_str_eq(config.binds.items[0], "127.0.0.1:1");
    gn_config_fini(&config);
    (void)setenv("PORT", "http", 1);
    cr_assert_eq(READ("app"), GN_ERR_INVALID);
    cr_assert_not_null(strstr(err.message, "$PORT is \"http\""));
}

Test(config, splits_the_python_path)
{
    cr_assert_eq(READ("app", "--pythonpath", "/a,b", "--pythonpath", ",/c,"), GN_OK);
    cr_assert_eq(config.n_pythonpath, 3);
    cr_assert_str_eq(config.pythonpath[0], "/a");
    cr_assert_str_eq(config.pythonpath[1], "b");
    cr_assert_str_eq(config.pythonpath[2], "/c");
    gn_config_fini(&config);
}

static bool trusts(const char *address)
{
    struct gn_addr addr;

    cr_assert(gn_addr_parse_ip(gn_slice_str(address), 0, &addr));
    return gn_trust_has_peer(config.forwarded, &addr);
}

Test(config, trusts_proxies_on_this_machine_by_default)
{
    cr_assert_eq(READ("app"), GN_OK, "%s", err.message);
    cr_assert(trusts("127.0.0.1"));
    cr_assert(trusts("::1"));
    cr_assert(!trusts("127.0.0.2"));
    gn_config_fini(&config);
}

Test(config, takes_trusted_proxies_from_the_environment_and_the_line)
{
    (void)setenv("FORWARDED_ALLOW_IPS", "10.0.0.0/8", 1);
    cr_assert_eq(READ("app"), GN_OK, "%s", err.message);
    cr_assert(trusts("10.1.2.3"));
    cr_assert(!trusts("127.0.0.1"));
    gn_config_fini(&config);
    cr_assert_eq(READ("app", "--forwarded-allow-ips", "192.0.2.1 ,::1"), GN_OK, "%s", err.message);
    cr_assert(trusts("192.0.2.1"));
    cr_assert(!trusts("10.1.2.3"));
    gn_config_fini(&config);
    cr_assert_eq(READ("app", "--forwarded-allow-ips="), GN_OK, "%s", err.message);
    cr_assert(!trusts("127.0.0.1"));
    gn_config_fini(&config);
}

Test(config, says_which_list_of_proxies_is_wrong)
{
    cr_assert_eq(READ("app", "--forwarded-allow-ips", "localhost"), GN_ERR_INVALID);
    cr_assert_not_null(strstr(err.message, "--forwarded-allow-ips: 'localhost'"));
    (void)setenv("FORWARDED_ALLOW_IPS", "10.0.0.1/8", 1);
    cr_assert_eq(READ("app"), GN_ERR_INVALID);
    cr_assert_not_null(strstr(err.message, "$FORWARDED_ALLOW_IPS: '10.0.0.1/8'"));
}

Test(config, reads_which_fields_proxies_write)
{
    static const struct {
        const char *text;
        unsigned want;
    } cases[] = {
            {"x-forwarded-for", GN_FORWARDED_FOR},
            {"X-Real-IP, Forwarded", GN_FORWARDED_REAL_IP | GN_FORWARDED_RFC7239},
            {"x-forwarded-proto,x-forwarded-host,x-forwarded-port,x-forwarded-prefix",
                    GN_FORWARDED_PROTO | GN_FORWARDED_HOST | GN_FORWARDED_PORT |
                            GN_FORWARDED_PREFIX},
            {"none", 0},
    };

    cr_assert_eq(READ("app"), GN_OK, "%s", err.message);
    cr_assert_eq(config.forwarded_fields, GN_FORWARDED_DEFAULT);
    gn_config_fini(&config);
    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        cr_assert_eq(READ("app", "--forwarded-headers", cases[i].text), GN_OK, "%s", err.message);
        cr_assert_eq(config.forwarded_fields, cases[i].want, "%s", cases[i].text);
        gn_config_fini(&config);
    }
    cr_assert_eq(READ("app", "--forwarded-headers", "x-forwarded-for,host"), GN_ERR_INVALID);
    cr_assert_not_null(strstr(err.message, "'host' is not one of"), "%s", err.message);
    cr_assert_eq(READ("app", "--forwarded-headers="), GN_ERR_INVALID);
}

Test(config, reads_the_proxy_protocol)
{
    struct gn_addr here;

    cr_assert(gn_addr_parse_ip(GN_LIT("127.0.0.1"), 0, &here));
    cr_assert_eq(READ("app"), GN_OK, "%s", err.message);
    cr_assert_eq(config.proxy_protocol, GN_PROXY_PROTOCOL_OFF);
    cr_assert(gn_trust_has_peer(config.proxy_from, &here));
    gn_config_fini(&config);
    cr_assert_eq(READ("app", "--proxy-protocol", "V2", "--proxy-allow-from", "10.0.0.0/8"), GN_OK,
            "%s", err.message);
    cr_assert_eq(config.proxy_protocol, GN_PROXY_PROTOCOL_V2);
    cr_assert(!gn_trust_has_peer(config.proxy_from, &here));
    gn_config_fini(&config);
    cr_assert_eq(READ("app", "--proxy-protocol", "v3"), GN_ERR_INVALID);
    cr_assert_not_null(strstr(err.message, "expected off, v1, v2 or auto"), "%s", err.message);
    cr_assert_eq(READ("app", "--proxy-allow-from", "lb.example"), GN_ERR_INVALID);
    cr_assert_not_null(strstr(err.message, "--proxy-allow-from: 'lb.example'"), "%s", err.message);
}
