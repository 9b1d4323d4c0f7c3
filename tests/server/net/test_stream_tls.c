/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/net/stream_tls.h"
#include "tests/server/net/tls_fixture.h"
#include "tests/support/test.h"

/* What a stream does once its handshake is done. */

static struct tls_made made;
static struct tls_peers p;

static void setup(void)
{
    (void)tls_dir_make();
    made = tls_make("pair", &(struct tls_spec){.cn = "a.example", .san = "DNS:a.example"});
    tls_peers_init(&p);
    tls_peers_serve(&p, &made);
}

static void teardown(void)
{
    tls_peers_fini(&p);
    tls_made_free(&made);
    tls_dir_remove();
}

TestSuite(stream_tls, .init = setup, .fini = teardown);

/** Everything the client can read now, behind `into`. */
static void client_read(struct gn_buf *into)
{
    size_t n;

    do {
        (void)tls_client_receive(&p);
        cr_assert_eq(gn_buf_reserve(into, 16384), GN_OK);
        n = 0;
        if (SSL_read_ex(p.client, into->ptr + into->len, 16384, &n) == 1) {
            into->len += n;
        }
    } while (n > 0);
}

static void client_write(const char *text, size_t len)
{
    size_t n;

    cr_assert_eq(SSL_write_ex(p.client, text, len, &n), 1);
    cr_assert_eq(n, len);
}

static enum gn_err server_read(struct gn_buf *into, size_t max)
{
    gn_assert_loop_thread(p.loop);
    cr_assert_eq(gn_buf_reserve(into, max), GN_OK);
    return gn_stream_read(p.server, into, max);
}

/** `len` bytes that do not repeat soon. */
static char *make_bytes(size_t len)
{
    char *bytes = gn_xalloc(len);
    unsigned state = 12345;

    for (size_t i = 0; i < len; i++) {
        state = state * 1103515245u + 12345u;
        bytes[i] = (char)(state >> 16);
    }
    return bytes;
}

/** The client reads while the stream writes all of `q`; afterwards it has `expected`. */
static void check_written(struct gn_bufq *q, struct gn_slice expected)
{
    struct gn_buf got;
    enum gn_err rc;

    gn_assert_loop_thread(p.loop);
    gn_buf_init(&got, expected.len + 65536);
    do {
        rc = gn_stream_write(p.server, q);
        client_read(&got);
    } while (rc == GN_ERR_WANT_WRITE);
    cr_assert_eq(rc, GN_OK);
    cr_assert(gn_bufq_is_empty(q));
    client_read(&got);
    cr_assert(gn_slice_eq(gn_buf_slice(&got), expected));
    gn_buf_fini(&got);
}

Test(stream_tls, reads_what_the_client_wrote)
{
    struct gn_buf in;

    tls_peers_establish(&p, NULL);
    gn_assert_loop_thread(p.loop);
    gn_buf_init(&in, 1 << 20);
    cr_assert_eq(server_read(&in, 100), GN_ERR_WANT_READ);
    client_write("hello", 5);
    client_write(" you", 4);
    (void)tls_client_send(&p, SIZE_MAX);
    cr_assert_eq(server_read(&in, 100), GN_OK);
    cr_assert(gn_slice_eq(gn_buf_slice(&in), GN_LIT("hello you")));
    cr_assert_not(gn_stream_has_pending(p.server));
    cr_assert_eq(server_read(&in, 100), GN_ERR_WANT_READ);
    gn_buf_fini(&in);
}

Test(stream_tls, says_that_more_is_inside_when_a_read_was_short)
{
    struct gn_buf in;
    unsigned n_reads = 0;

    tls_peers_establish(&p, NULL);
    gn_assert_loop_thread(p.loop);
    gn_buf_init(&in, 1 << 20);
    client_write("0123456789", 10);
    client_write("abcdefghij", 10);
    (void)tls_client_send(&p, SIZE_MAX);
    do {
        cr_assert_eq(server_read(&in, 3), GN_OK);
        n_reads++;
    } while (gn_stream_has_pending(p.server));
    cr_assert_geq(n_reads, 7);
    cr_assert(gn_slice_eq(gn_buf_slice(&in), GN_LIT("0123456789abcdefghij")));
    gn_buf_fini(&in);
}

Test(stream_tls, a_record_that_trickles_in_keeps_nobody_busy)
{
    struct gn_buf in;

    tls_peers_establish(&p, NULL);
    gn_assert_loop_thread(p.loop);
    gn_buf_init(&in, 1 << 20);
    client_write("0123456789", 10);
    while (tls_client_n_out(&p) > 1) {
        cr_assert_eq(tls_client_send(&p, 1), 1);
        cr_assert_eq(server_read(&in, 100), GN_ERR_WANT_READ);
        cr_assert_not(gn_stream_has_pending(p.server));
    }
    (void)tls_client_send(&p, 1);
    cr_assert_eq(server_read(&in, 100), GN_OK);
    cr_assert(gn_slice_eq(gn_buf_slice(&in), GN_LIT("0123456789")));
    gn_buf_fini(&in);
}

Test(stream_tls, fragments_of_every_size_arrive_whole)
{
    static const size_t sizes[] = {1, 2, 15, 16383, 16384, 16385, 40000};

    tls_peers_establish(&p, NULL);
    for (size_t i = 0; i < GN_ARRAY_LEN(sizes); i++) {
        char *bytes = make_bytes(sizes[i]);
        struct gn_buf in;

        gn_buf_init(&in, 1 << 20);
        client_write(bytes, sizes[i]);
        while (in.len < sizes[i]) {
            enum gn_err rc;

            (void)tls_client_send(&p, 8192);
            rc = server_read(&in, sizes[i] - in.len);
            cr_assert(rc == GN_OK || rc == GN_ERR_WANT_READ);
        }
        cr_assert_arr_eq(in.ptr, bytes, sizes[i]);
        gn_buf_fini(&in);
        gn_free(bytes);
    }
}

Test(stream_tls, writes_segments_of_every_kind_in_order)
{
    const size_t len = 300000;
    char path[] = "/tmp/gn-stream-XXXXXX";
    char *bytes = make_bytes(len);
    int file = mkstemp(path);
    struct gn_bufq q = {0};

    (void)unlink(path);
    cr_assert_eq(write(file, bytes, len), (ssize_t)len);
    tls_peers_establish(&p, NULL);
    gn_bufq_append(&q, gn_slice_of(bytes, 100));
    for (size_t at = 100; at < 5000; at += 7) {
        gn_bufq_lend(&q, gn_slice_of(bytes + at, 7), NULL, NULL);
    }
    gn_bufq_lend(&q, gn_slice_of(bytes + 5000, 95000), NULL, NULL);
    gn_bufq_lend_file(&q, file, 100000, 100000, NULL, NULL);
    gn_bufq_append(&q, gn_slice_of(bytes + 200000, 50));
    gn_bufq_lend(&q, gn_slice_of(bytes + 200050, 99950), NULL, NULL);
    check_written(&q, gn_slice_of(bytes, len));
    (void)close(file);
    gn_free(bytes);
}

Test(stream_tls, a_file_that_shrank_is_an_error)
{
    char path[] = "/tmp/gn-stream-XXXXXX";
    int file = mkstemp(path);
    struct gn_bufq q = {0};

    (void)unlink(path);
    tls_peers_establish(&p, NULL);
    gn_assert_loop_thread(p.loop);
    gn_bufq_lend_file(&q, file, 0, 10, NULL, NULL);
    cr_assert_eq(gn_stream_write(p.server, &q), GN_ERR_IO);
    gn_bufq_clear(&q);
    (void)close(file);
}

/** As connections do: at once what the socket takes, the rest through a queue. */
static void check_writev(size_t head, size_t body)
{
    char *bytes = make_bytes(head + body);
    const struct iovec iov[2] = {
            {.iov_base = bytes, .iov_len = head}, {.iov_base = bytes + head, .iov_len = body}};
    struct gn_bufq q = {0};
    struct gn_buf got;
    size_t n_sent;
    enum gn_err rc;

    gn_assert_loop_thread(p.loop);
    gn_buf_init(&got, (head + body) + 65536);
    rc = gn_stream_writev(p.server, iov, 2, &n_sent);
    cr_assert_eq(rc, n_sent == head + body ? GN_OK : GN_ERR_WANT_WRITE);
    gn_bufq_append(&q, gn_slice_of(bytes + n_sent, n_sent < head ? head - n_sent : 0));
    n_sent = n_sent < head ? head : n_sent;
    gn_bufq_append(&q, gn_slice_of(bytes + n_sent, head + body - n_sent));
    gn_bufq_append(&q, GN_LIT("."));
    do {
        client_read(&got);
        rc = gn_stream_write(p.server, &q);
    } while (rc == GN_ERR_WANT_WRITE);
    cr_assert_eq(rc, GN_OK);
    client_read(&got);
    cr_assert_eq(got.len, head + body + 1);
    cr_assert_arr_eq(got.ptr, bytes, head + body);
    gn_buf_fini(&got);
    gn_free(bytes);
}

Test(stream_tls, what_a_writev_leaves_is_offered_again)
{
    static const struct {
        size_t head;
        size_t body;
    } cases[] = {{0, 1}, {1, 0}, {200, 1000}, {200, 16184}, {200, 16384}, {200, 400000},
            {16384, 16384}, {40000, 1}, {200, 3000000}};

    tls_peers_establish(&p, NULL);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        check_writev(cases[i].head, cases[i].body);
    }
}

Test(stream_tls, a_full_socket_at_every_size_loses_nothing)
{
    const int small = 1;

    tls_peers_establish(&p, NULL);
    (void)setsockopt(gn_io_fd(&p.server->io), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    for (size_t size = 100; size < 60000; size += 4999) {
        check_writev(size / 3, size);
    }
}

Test(stream_tls, a_client_that_went_is_an_error_and_no_signal)
{
    struct gn_bufq q = {0};
    enum gn_err rc = GN_OK;

    tls_peers_establish(&p, NULL);
    gn_assert_loop_thread(p.loop);
    (void)close(p.client_fd);
    p.client_fd = -1;
    for (int i = 0; i < 3 && rc == GN_OK; i++) {
        gn_bufq_append(&q, GN_LIT("hello"));
        rc = gn_stream_write(p.server, &q);
    }
    cr_assert_eq(rc, GN_ERR_IO);
    cr_assert_eq(gn_stream_write(p.server, &q), GN_ERR_IO);
    cr_assert_eq(gn_stream_shutdown(p.server), GN_ERR_IO);
    gn_bufq_clear(&q);
}

/* ---- the end ------------------------------------------------------------------ */

/** What the client's next read meets. */
static int client_end(void)
{
    char byte;
    int rc;

    (void)tls_client_receive(&p);
    rc = SSL_read(p.client, &byte, 1);
    return rc > 0 ? 0 : SSL_get_error(p.client, rc);
}

Test(stream_tls, shutdown_and_destroy_say_goodbye_once)
{
    for (int shuts = 0; shuts < 2; shuts++) {
        char byte;

        tls_peers_establish(&p, NULL);
        gn_assert_loop_thread(p.loop);
        if (shuts) {
            cr_assert_eq(gn_stream_shutdown(p.server), GN_OK);
            cr_assert_eq(client_end(), SSL_ERROR_ZERO_RETURN);
        }
        gn_stream_destroy(&p.server);
        cr_assert_eq(client_end(), SSL_ERROR_ZERO_RETURN);
        cr_assert_eq(recv(p.client_fd, &byte, 1, 0), 0);
        tls_peers_hang_up(&p);
    }
}

Test(stream_tls, an_aborted_stream_does_not_look_complete)
{
    tls_peers_establish(&p, NULL);
    gn_assert_loop_thread(p.loop);
    gn_stream_abort(&p.server);
    cr_assert_eq(client_end(), SSL_ERROR_WANT_READ); /* no close_notify came */
}

Test(stream_tls, the_clients_end_is_an_end_with_and_without_a_word)
{
    for (int says = 0; says < 2; says++) {
        struct gn_buf in;

        gn_buf_init(&in, 1000);
        tls_peers_establish(&p, NULL);
        gn_assert_loop_thread(p.loop);
        client_write("bye", 3);
        if (says) {
            (void)SSL_shutdown(p.client);
        }
        (void)tls_client_send(&p, SIZE_MAX);
        if (!says) {
            (void)shutdown(p.client_fd, SHUT_WR);
        }
        cr_assert_eq(server_read(&in, 100), GN_OK);
        cr_assert(gn_slice_eq(gn_buf_slice(&in), GN_LIT("bye")));
        cr_assert(!says || gn_stream_has_pending(p.server)); /* the descriptor is quiet */
        cr_assert_eq(server_read(&in, 100), GN_ERR_EOF);
        cr_assert_eq(server_read(&in, 100), GN_ERR_EOF);
        cr_assert_not(gn_stream_has_pending(p.server));
        gn_buf_fini(&in);
        tls_peers_hang_up(&p);
    }
}

Test(stream_tls, an_answer_still_goes_out_after_the_clients_end)
{
    struct gn_bufq q = {0};
    struct gn_buf in;

    gn_buf_init(&in, 1000);
    tls_peers_establish(&p, NULL);
    gn_assert_loop_thread(p.loop);
    (void)shutdown(p.client_fd, SHUT_WR);
    cr_assert_eq(server_read(&in, 100), GN_ERR_EOF);
    gn_bufq_append(&q, GN_LIT("answer"));
    check_written(&q, GN_LIT("answer"));
    gn_buf_fini(&in);
}

/* ---- what clients should not do ---------------------------------------------------- */

Test(stream_tls, a_forged_record_ends_it)
{
    struct gn_buf in;
    char last;

    gn_buf_init(&in, 1000);
    tls_peers_establish(&p, NULL);
    gn_assert_loop_thread(p.loop);
    client_write("hello", 5);
    (void)tls_client_send(&p, tls_client_n_out(&p) - 1);
    cr_assert_eq(BIO_read(SSL_get_wbio(p.client), &last, 1), 1);
    last = (char)(last ^ 1);
    cr_assert_eq(write(p.client_fd, &last, 1), 1);
    cr_assert_eq(server_read(&in, 100), GN_ERR_IO);
    cr_assert_eq(server_read(&in, 100), GN_ERR_IO);
    cr_assert_eq(client_end(), SSL_ERROR_SSL); /* bad_record_mac */
    gn_buf_fini(&in);
}

Test(stream_tls, renegotiation_is_declined)
{
    struct gn_buf in;

    gn_buf_init(&in, 1000);
    cr_assert_eq(SSL_CTX_set_max_proto_version(p.client_ctx, TLS1_2_VERSION), 1);
    tls_peers_establish(&p, NULL);
    gn_assert_loop_thread(p.loop);
    cr_assert_eq(SSL_renegotiate(p.client), 1);
    for (int i = 0; i < 5 && p.client_state != SSL_ERROR_SSL; i++) {
        tls_client_step(&p);
        (void)tls_client_send(&p, SIZE_MAX);
        cr_assert_neq(server_read(&in, 100), GN_OK);
        (void)tls_client_receive(&p);
    }
    cr_assert_eq(p.client_state, SSL_ERROR_SSL); /* a no_renegotiation alert */
    gn_buf_fini(&in);
}

/** The client asks for new keys without ever reading the answers; what the reads say at last. */
static enum gn_err flood_with_key_updates(struct gn_buf *in, int n)
{
    enum gn_err rc = GN_ERR_WANT_READ;

    for (int i = 0; i < n && rc == GN_ERR_WANT_READ; i++) {
        cr_assert_eq(SSL_key_update(p.client, SSL_KEY_UPDATE_REQUESTED), 1);
        tls_client_step(&p);
        (void)tls_client_send(&p, SIZE_MAX);
        rc = server_read(in, 100);
    }
    return rc;
}

Test(stream_tls, key_updates_are_answered)
{
    struct gn_buf in;

    gn_buf_init(&in, 1000);
    tls_peers_establish(&p, NULL);
    gn_assert_loop_thread(p.loop);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(flood_with_key_updates(&in, 10), GN_ERR_WANT_READ);
        (void)tls_client_receive(&p);
        client_write("still here", 10);
        (void)tls_client_send(&p, SIZE_MAX);
        cr_assert_eq(server_read(&in, 100), GN_OK);
        cr_assert(gn_slice_eq(gn_buf_slice(&in), GN_LIT("still here")));
        gn_buf_clear(&in);
    }
    gn_buf_fini(&in);
}

Test(stream_tls, who_asks_for_keys_and_never_reads_them_is_not_read_from)
{
    struct gn_buf in;

    gn_buf_init(&in, 1000);
    tls_peers_establish(&p, NULL);
    gn_assert_loop_thread(p.loop);
    cr_assert_eq(flood_with_key_updates(&in, 100000), GN_ERR_WANT_WRITE);
    cr_assert_eq(server_read(&in, 100), GN_ERR_WANT_WRITE);
    (void)tls_client_receive(&p);
    cr_assert_eq(server_read(&in, 100), GN_ERR_WANT_READ);
    gn_buf_fini(&in);
}
