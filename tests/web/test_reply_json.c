/* SPDX-License-Identifier: MIT */
#include "server/base/buf.h"
#include "tests/support/test.h"
#include "tests/web/web_fixture.h"
#include "web/reply.h"
#include "web/request.h"

GN_LOOP_THREAD static enum gn_err pack(struct gn_request *r)
{
    return gn_reply_json_pack(r, 200, "{s:s, s:i, s:[b,n]}", "name", "\xc3\xa9\"", "n", 7, "l", 1);
}

GN_LOOP_THREAD static enum gn_err pack_badly(struct gn_request *r)
{
    return gn_reply_json_pack(r, 200, "{s:s}", "name", "\xff");
}

GN_LOOP_THREAD static enum gn_err unpack(struct gn_request *r)
{
    const char *name;
    int age;

    GN_TRY(gn_request_json_unpack(r, "{s:s, s:i}", "name", &name, "age", &age));
    return gn_reply_textf(r, 200, "%s is %d", name, age);
}

static void init(struct web_fixture *f)
{
    web_init(f);
    gn_app_get(f->app, "/pack", pack);
    gn_app_get(f->app, "/bad", pack_badly);
    gn_app_post(f->app, "/unpack", unpack);
    web_start(f);
}

Test(reply_json, packs)
{
    struct web_fixture f;
    struct web_answer a;

    init(&f);
    a = web_get(&f, "/pack");
    cr_assert_eq(a.status, 200);
    cr_assert(gn_slice_eq(web_field(&a, "Content-Type"), GN_LIT("application/json")));
    cr_assert(gn_slice_eq(a.body, GN_LIT("{\"name\":\"\xc3\xa9\\\"\",\"n\":7,\"l\":[true,null]}")),
            "%.*s", (int)a.body.len, a.body.ptr);
    cr_assert_eq(web_get(&f, "/bad").status, 500);
    web_end(&f);
}

Test(reply_json, unpacks)
{
    struct web_fixture f;
    struct web_answer a;

    init(&f);
    a = web_send(&f, "POST", "/unpack", "", "{\"age\": 7, \"name\": \"An\\u006ea\", \"x\": []}");
    cr_assert_eq(a.status, 200);
    cr_assert(gn_slice_eq(a.body, GN_LIT("Anna is 7")));
    web_end(&f);
}

Test(reply_json, refuses_what_it_did_not_ask_for)
{
    static const char *const bodies[] = {"", "{", "[]", "{}", "{\"name\": 1, \"age\": 2}",
            "{\"name\": \"a\", \"age\": \"b\"}", "{\"name\":\"a\",\"name\":\"b\",\"age\":1}",
            "{\"name\": \"a\", \"age\": 1} x", "\"text\"", "{\"name\": \"\xff\", \"age\": 1}"};
    struct web_fixture f;

    init(&f);
    for (size_t i = 0; i < GN_ARRAY_LEN(bodies); i++) {
        cr_assert_eq(web_send(&f, "POST", "/unpack", "", bodies[i]).status, 400, "%s", bodies[i]);
    }
    web_end(&f);
}

/** {"name":"a","age":1,"x":[[[…]]]} with `depth` levels in all. */
static int status_of_depth(struct web_fixture *f, unsigned depth)
{
    struct gn_buf body;
    int status;

    gn_buf_init(&body, 1024u * 1024);
    cr_assert_eq(gn_buf_append(&body, GN_LIT("{\"name\":\"a\",\"age\":1,\"x\":")), GN_OK);
    for (unsigned i = 1; i < depth; i++) {
        cr_assert_eq(gn_buf_append(&body, GN_LIT("[")), GN_OK);
    }
    for (unsigned i = 1; i < depth; i++) {
        cr_assert_eq(gn_buf_append(&body, GN_LIT("]")), GN_OK);
    }
    cr_assert_eq(gn_buf_append(&body, gn_slice_of("}\0", 2)), GN_OK);
    status = web_send(f, "POST", "/unpack", "", body.ptr).status;
    gn_buf_fini(&body);
    return status;
}

Test(reply_json, bounds_nesting)
{
    struct web_fixture f;

    init(&f);
    cr_assert_eq(status_of_depth(&f, 32), 200);
    cr_assert_eq(status_of_depth(&f, 33), 400);
    cr_assert_eq(status_of_depth(&f, 20000), 400);
    web_end(&f);
}
