/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include "server/base/alloc.h"
#include "server/websocket/ws_message.h"
#include "tests/support/test.h"

Test(ws_message, is_framed_once_and_whole)
{
    struct gn_ws_message *m;

    cr_assert_eq(gn_ws_message_create(GN_WS_TEXT, GN_LIT("abc"), &m), GN_OK);
    cr_assert(gn_slice_eq(gn_ws_message_frame(m),
            GN_LIT("\x81\x03"
                   "abc")));
    gn_ws_message_unref(&m);
    cr_assert_null(m);
}

Test(ws_message, lives_until_the_last_reference)
{
    struct gn_ws_message *m;
    struct gn_ws_message *other;

    cr_assert_eq(gn_ws_message_create(GN_WS_BINARY, GN_LIT("\xff"), &m), GN_OK);
    other = gn_ws_message_ref(m);
    gn_ws_message_unref(&m);
    cr_assert_eq(gn_ws_message_frame(other).len, 3);
    gn_ws_message_unref(&other);
    gn_ws_message_unref(&other);
}

Test(ws_message, takes_an_empty_payload)
{
    struct gn_ws_message *m;

    cr_assert_eq(gn_ws_message_create(GN_WS_TEXT, GN_LIT(""), &m), GN_OK);
    cr_assert_eq(gn_ws_message_frame(m).len, 2);
    gn_ws_message_unref(&m);
}

Test(ws_message, chooses_the_length_form)
{
    static const struct {
        size_t payload;
        size_t header;
    } cases[] = {{125, 2}, {126, 4}, {65535, 4}, {65536, 10}};
    char *bytes = gn_xcalloc(65536);

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_ws_message *m;

        cr_assert_eq(gn_ws_message_create(GN_WS_BINARY, gn_slice_of(bytes, cases[i].payload), &m),
                GN_OK);
        cr_assert_eq(gn_ws_message_frame(m).len, cases[i].header + cases[i].payload, "%zu",
                cases[i].payload);
        gn_ws_message_unref(&m);
    }
    gn_free(bytes);
}

Test(ws_message, refuses_text_that_is_not_utf8)
{
    struct gn_ws_message *m = NULL;

    cr_assert_eq(gn_ws_message_create(GN_WS_TEXT, GN_LIT("\xc3"), &m), GN_ERR_INVALID);
    cr_assert_null(m);
}

Test(ws_message, refuses_control_frames, .signal = SIGABRT)
{
    struct gn_ws_message *m;

    (void)!gn_ws_message_create(GN_WS_PING, GN_LIT(""), &m);
}
