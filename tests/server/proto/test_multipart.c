/* SPDX-License-Identifier: MIT */
#include "server/proto/multipart.h"
#include "tests/support/feed.h"
#include "tests/support/test.h"

/*
 * Events are collected as text: `{name|filename|type:` a part begins, its
 * content, `}` it ends, `.` the last boundary. It must be the same however the
 * bytes arrive.
 */

#define TYPE "multipart/form-data; boundary=XX"

struct form_case {
    const char *name;
    struct gn_slice body;
    const char *events;
    const char *error; /* NULL: none */
};

static void describe(const struct gn_multipart_event *ev, struct gn_buf *log)
{
    enum gn_err rc = GN_OK;

    switch (ev->kind) {
    case GN_MULTIPART_PART:
        rc = gn_buf_printf(log, "{" GN_SLICE_FMT "|" GN_SLICE_FMT "%s|" GN_SLICE_FMT ":",
                GN_SLICE_ARG(ev->name), GN_SLICE_ARG(ev->filename),
                ev->filename.ptr == NULL ? "-" : "", GN_SLICE_ARG(ev->content_type));
        break;
    case GN_MULTIPART_DATA:
        cr_assert_gt(ev->data.len, 0);
        rc = gn_buf_append(log, ev->data);
        break;
    case GN_MULTIPART_END:
        rc = gn_buf_append(log, GN_LIT("}"));
        break;
    case GN_MULTIPART_DONE:
        rc = gn_buf_append(log, GN_LIT("."));
        break;
    case GN_MULTIPART_MORE:
    case GN_MULTIPART_ERROR:
        break;
    }
    cr_assert_eq(rc, GN_OK);
}

/* True when the decoder went on to the end of the piece. */
static bool feed_piece(struct gn_multipart *m, struct gn_slice in, struct gn_buf *log)
{
    struct gn_multipart_event ev;
    size_t n;

    do {
        gn_multipart_feed(m, in, &n, &ev);
        describe(&ev, log);
        in = gn_slice_skip(in, n);
    } while (ev.kind != GN_MULTIPART_MORE && ev.kind != GN_MULTIPART_ERROR);
    cr_assert(ev.kind == GN_MULTIPART_ERROR || in.len == 0);
    return ev.kind == GN_MULTIPART_MORE;
}

static void check(const struct gn_feed *feed, void *arg)
{
    const struct form_case *c = arg;
    struct gn_multipart_limits limits = {.parts = 3, .head_bytes = 200};
    struct gn_multipart m;
    struct gn_buf log;
    bool ok = true;

    gn_buf_init(&log, 1 << 16);
    cr_assert_eq(gn_multipart_init(&m, GN_LIT(TYPE), &limits), GN_OK);
    for (size_t i = 0; i < feed->n_pieces && ok; i++) {
        ok = feed_piece(&m, feed->pieces[i], &log);
    }
    cr_assert_eq(ok, c->error == NULL, "%s, %s: %s", c->name, feed->way,
            m.error != NULL ? m.error : "no error");
    if (!ok) {
        cr_assert_str_eq(m.error, c->error, "%s, %s", c->name, feed->way);
    }
    cr_assert(gn_slice_eq(gn_buf_slice(&log), gn_slice_str(c->events)), "%s, %s: " GN_SLICE_FMT,
            c->name, feed->way, GN_SLICE_ARG(gn_buf_slice(&log)));
    cr_assert_eq(gn_multipart_is_done(&m), gn_slice_ends_with(gn_buf_slice(&log), GN_LIT(".")),
            "%s, %s", c->name, feed->way);
    gn_multipart_fini(&m);
    gn_buf_fini(&log);
}

static void check_all(const struct form_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct form_case c = cases[i];

        gn_feed_all_ways(c.body, check, &c);
    }
}

#define DISPOSITION(parameters) "Content-Disposition: form-data; " parameters "\r\n"
#define FIELD(name, content) "--XX\r\n" DISPOSITION("name=" name) "\r\n" content "\r\n"
#define END "--XX--"
#define T(text) GN_LIT_INIT(text)

Test(multipart, reads_forms)
{
    static const struct form_case cases[] = {
            {"one field", T(FIELD("a", "1") END), "{a|-|:1}.", NULL},
            {"as browsers end it", T(FIELD("a", "1") END "\r\n"), "{a|-|:1}.", NULL},
            {"preamble and epilogue", T("hello\r\n" FIELD("a", "1") END "\r\nbye --XX--"),
                    "{a|-|:1}.", NULL},
            {"two", T(FIELD("a", "1") FIELD("\"b c\"", "2") END), "{a|-|:1}{b c|-|:2}.", NULL},
            {"empty", T(FIELD("a", "") END), "{a|-|:}.", NULL},
            {"empty without its CRLF", T("--XX\r\n" DISPOSITION("name=a") "\r\n" END), "{a|-|:}.",
                    NULL},
            {"no parts", T(END), ".", NULL},
            {"a file",
                    T("--XX\r\n" DISPOSITION(
                            "name=\"f\"; filename=\"a.txt\"") "Content-Type: "
                                                              "text/plain\r\n\r\nabc\r\n" END),
                    "{f|a.txt|text/plain:abc}.", NULL},
            {"an empty file input",
                    T("--XX\r\n" DISPOSITION(
                            "name=\"f\"; filename=\"\"") "Content-Type: "
                                                         "application/"
                                                         "octet-stream\r\n\r\n\r\n" END),
                    "{f||application/octet-stream:}.", NULL},
            {"content like a boundary",
                    T(FIELD("a", "x\r\n--X\r\n--XY\r\r\n-\r\n\r\n--\n--XX\r") END),
                    "{a|-|:x\r\n--X\r\n--XY\r\r\n-\r\n\r\n--\n--XX\r}.", NULL},
            {"content begins like a boundary", T(FIELD("a", "--XY") END), "{a|-|:--XY}.", NULL},
            {"content begins with a line break", T(FIELD("a", "\r\nx") END), "{a|-|:\r\nx}.", NULL},
            {"padding", T("--XX \t\r\n" DISPOSITION("name=a") "\r\n1\r\n" END), "{a|-|:1}.", NULL},
            {"not complete", T(FIELD("a", "1") "--XX"), "{a|-|:1}", NULL},
            {"case of names", T("--XX\r\nCONTENT-DISPOSITION: Form-Data; NAME=a\r\n\r\n1\r\n" END),
                    "{a|-|:1}.", NULL},
            {"other fields", T("--XX\r\nX: y\r\n" DISPOSITION("name=a") "\r\n1\r\n" END),
                    "{a|-|:1}.", NULL},
    };

    check_all(cases, GN_ARRAY_LEN(cases));
}

#define FILE_NAMED(parameters) "--XX\r\n" DISPOSITION("name=f; " parameters) "\r\n\r\n" END

Test(multipart, unescapes_names)
{
    static const struct form_case cases[] = {
            {"percent", T("--XX\r\n" DISPOSITION("name=\"a%22b%0D%0A%41\"") "\r\n\r\n" END),
                    "{a\"b\r\n%41|-|:}.", NULL},
            {"backslashes", T(FILE_NAMED("filename=\"a\\\"b\\\\c.txt\"")), "{f|c.txt|:}.", NULL},
            {"a path of Windows", T(FILE_NAMED("filename=\"C:\\dir\\a.txt\"")), "{f|a.txt|:}.",
                    NULL},
            {"a path", T(FILE_NAMED("filename=\"../../etc/passwd\"")), "{f|passwd|:}.", NULL},
            {"UTF-8", T(FILE_NAMED("filename=\"\xc3\xa9.txt\"")), "{f|\xc3\xa9.txt|:}.", NULL},
            {"extended", T(FILE_NAMED("filename=x; filename*=UTF-8''%c3%a9%2f.txt")), "{f|.txt|:}.",
                    NULL},
            {"extended goes first", T(FILE_NAMED("filename*=UTF-8''%c3%a9; filename=x")),
                    "{f|\xc3\xa9|:}.", NULL},
            {"extended, other charset", T(FILE_NAMED("filename*=latin1''x")), "",
                    "malformed filename*"},
            {"extended, no charset", T(FILE_NAMED("filename*=x")), "", "malformed filename*"},
            {"extended, not UTF-8", T(FILE_NAMED("filename*=UTF-8''%ff")), "",
                    "malformed filename*"},
            {"extended, NUL", T(FILE_NAMED("filename*=UTF-8''%00")), "", "malformed filename*"},
    };

    check_all(cases, GN_ARRAY_LEN(cases));
}

#define HEAD(head) T("--XX\r\n" head "\r\nx\r\n" END)

Test(multipart, refuses_malformed_forms)
{
    static const struct form_case cases[] = {
            {"junk behind a boundary", T("--XXY\r\n"), "", "junk behind a boundary"},
            {"one dash", T("--XX-\r\n"), "", "junk behind a boundary"},
            {"bare LF behind a boundary", T("--XX\nA: b\r\n\r\n"), "", "junk behind a boundary"},
            {"bare CR behind a boundary", T("--XX\rA: b\r\n\r\n"), "", "junk behind a boundary"},
            {"no head", HEAD(""), "", "part without a name"},
            {"no disposition", HEAD("Content-Type: a/b\r\n"), "", "part without a name"},
            {"no name", HEAD(DISPOSITION("filename=x")), "", "part without a name"},
            {"two names", HEAD(DISPOSITION("name=a; name=b")), "", "part with two names"},
            {"two file names", HEAD(DISPOSITION("name=a; filename=b; filename=c")), "",
                    "part with two file names"},
            {"two extended ones",
                    HEAD(DISPOSITION("name=a; filename*=UTF-8''b; filename*=UTF-8''c")), "",
                    "part with two file names"},
            {"attachment", HEAD("Content-Disposition: attachment; name=a\r\n"), "",
                    "part that is not form-data"},
            {"two dispositions", HEAD(DISPOSITION("name=a") DISPOSITION("name=a")), "",
                    "part with two Content-Disposition fields"},
            {"open quote", HEAD(DISPOSITION("name=\"a")), "", "malformed Content-Disposition"},
            {"no colon", HEAD("A\r\n"), "", "malformed header of a part"},
            {"folded", HEAD(DISPOSITION("name=a") " x\r\n"), "", "malformed header of a part"},
            {"CR in a value", HEAD("A: b\rc\r\n"), "", "malformed header of a part"},
            {"NUL in a value", HEAD("A: \0\r\n"), "", "malformed header of a part"},
            {"bare LF", HEAD("A: b\nC: d\r\n"), "", "bare LF in the head of a part"},
            {"head too long",
                    HEAD("A: 0123456789012345678901234567890123456789012345678901234567890123456789"
                         "0123456789012345678901234567890123456789012345678901234567890123456789"
                         "0123456789012345678901234567890123456789012345678901234567890\r\n"),
                    "", "head of a part too long"},
            {"too many parts, werkzeug CVE-2023-25577 CVE-2023-46136",
                    T(FIELD("a", "") FIELD("a", "") FIELD("a", "") FIELD("a", "") END),
                    "{a|-|:}{a|-|:}{a|-|:}", "too many parts"},
    };

    check_all(cases, GN_ARRAY_LEN(cases));
}

Test(multipart, judges_content_types)
{
    static const struct {
        struct gn_slice type;
        enum gn_err rc;
    } cases[] = {
            {T(TYPE), GN_OK},
            {T("Multipart/Form-Data; charset=x; Boundary=\"a b'()+_,-./:=?c\""), GN_OK},
            {T("multipart/form-data; boundary="
               "0123456789012345678901234567890123456789012345678901234567890123456789"),
                    GN_OK},
            {T("multipart/form-data; boundary="
               "01234567890123456789012345678901234567890123456789012345678901234567890"),
                    GN_ERR_INVALID},
            {T("multipart/form-data"), GN_ERR_INVALID},
            {T("multipart/form-data; boundary=\"\""), GN_ERR_INVALID},
            {T("multipart/form-data; boundary=\"a \""), GN_ERR_INVALID},
            {T("multipart/form-data; boundary=\"a\\\"\""), GN_ERR_INVALID},
            {T("multipart/form-data; boundary=\"\xff\""), GN_ERR_INVALID},
            {T("multipart/mixed; boundary=a"), GN_ERR_UNSUPPORTED},
            {T("text/plain"), GN_ERR_UNSUPPORTED},
            {T(""), GN_ERR_UNSUPPORTED},
    };
    struct gn_multipart_limits limits = GN_MULTIPART_LIMITS_DEFAULT;

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_multipart m;

        cr_assert_eq(gn_multipart_init(&m, cases[i].type, &limits), cases[i].rc, "%zu", i);
        gn_multipart_fini(&m);
    }
}

Test(multipart, tells_limits_from_mistakes)
{
    struct gn_multipart_limits limits = {.parts = 0, .head_bytes = 99};
    struct gn_multipart_event ev;
    struct gn_multipart m;
    size_t n;

    cr_assert_eq(gn_multipart_init(&m, GN_LIT(TYPE), &limits), GN_OK);
    gn_multipart_feed(&m, GN_LIT("--XX\r\n"), &n, &ev);
    cr_assert_eq(ev.kind, GN_MULTIPART_ERROR);
    cr_assert_eq(m.error_code, GN_ERR_TOO_BIG);
    gn_multipart_feed(&m, GN_LIT("x"), &n, &ev);
    cr_assert_eq(ev.kind, GN_MULTIPART_ERROR, "stays failed");
    gn_multipart_fini(&m);
}
