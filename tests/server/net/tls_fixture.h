/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_SERVER_NET_TLS_FIXTURE_H
#define GN_TESTS_SERVER_NET_TLS_FIXTURE_H

/*
 * Certificates made on the spot, and a client of OpenSSL's own opposite a TLS
 * stream. The client works on memory, so that a test decides which of its
 * bytes reach the stream, and when. A failure of the fixture ends the test.
 */

#include <openssl/ssl.h>

#include "server/net/stream_tls.h"

/* ---- certificates ----------------------------------------------------------- */

struct tls_made {
    X509 *cert;
    EVP_PKEY *key;
    char cert_path[96];
    char key_path[96];
};

struct tls_spec {
    const char *cn;
    const char *san;               /* "DNS:a.example,DNS:*.b.example"; NULL: none */
    const struct tls_made *issuer; /* NULL: itself */
    bool is_ca;
    unsigned rsa_bits; /* 0: P-256 */
    long starts_in_s;  /* from now */
    long ends_in_s;    /* from now; 0: a day */
};

/** A directory that goes, with everything in it, at tls_dir_remove. */
const char *tls_dir_make(void);
void tls_dir_remove(void);

/** Makes both and writes DIR/NAME.crt and DIR/NAME.key. */
struct tls_made tls_make(const char *name, const struct tls_spec *spec);
void tls_made_free(struct tls_made *made);
/** Writes DIR/NAME; returns its path, valid until the next call but three. */
const char *tls_write_file(const char *name, const char *text, size_t len);
/** Appends the certificate to the file. */
void tls_append_cert(const char *path, const X509 *cert);

/* ---- a client and a stream ------------------------------------------------------ */

struct tls_peers {
    struct gn_loop *loop;
    struct gn_tls_ctx *ctx;   /* the test's to set before tls_peers_connect; freed by fini */
    SSL_CTX *client_ctx;      /* made by init; verifies nothing; a test may change it */
    struct gn_stream *server; /* NULL before connect, and after a test destroyed it */
    SSL *client;
    int client_fd;     /* the other end of server's descriptor */
    enum gn_err state; /* of the server's handshake */
    int client_state;  /* SSL_get_error of the client's last handshake call; 0: done */
};

void tls_peers_init(struct tls_peers *p);
/** A context with one pair. */
void tls_peers_serve(struct tls_peers *p, const struct tls_made *made);
/** A fresh pair of sockets, stream and client; `host` is what it asks for (NULL: nothing). */
void tls_peers_connect(struct tls_peers *p, const char *host);
/** Handshake to its end, success or not. */
void tls_peers_handshake(struct tls_peers *p);
/** connect and handshake; asserts that it works. */
void tls_peers_establish(struct tls_peers *p, const char *host);
/** Ends the connection; another may follow. */
void tls_peers_hang_up(struct tls_peers *p);
void tls_peers_fini(struct tls_peers *p);

/** One step of the client's handshake; its bytes stay with it. */
void tls_client_step(struct tls_peers *p);
/** Bytes the client has to send and were not moved yet. */
size_t tls_client_n_out(const struct tls_peers *p);
/** Moves up to `max` of them to the stream's socket; returns how many. */
size_t tls_client_send(struct tls_peers *p, size_t max);
/** Moves what the stream sent to the client; returns how many bytes. */
size_t tls_client_receive(struct tls_peers *p);
/** One step of the stream's handshake. */
void tls_server_step(struct tls_peers *p);

#endif
