/* SPDX-License-Identifier: MIT */

/*
 * The floor under every HTTP server on Linux: one epoll loop that reads what
 * came and writes a constant response for every read. It parses nothing, so it
 * must not be pipelined to. What a real server costs more than this is what
 * its work costs.
 *
 *   floor PORT BODY_BYTES
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, READ_BYTES = 65536, HEAD_BYTES = 512, CLIENTS = 65536 };

/* What is left to send to a client whose socket was full, by descriptor. */
static size_t left[CLIENTS];

static void die(const char *what)
{
    perror(what);
    _exit(1);
}

static int listen_on(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int on = 1;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, 4096) != 0) {
        die("listen");
    }
    return fd;
}

static void watch(int epoll, int op, int fd, unsigned events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    if (epoll_ctl(epoll, op, fd, &event) != 0) {
        die("epoll_ctl");
    }
}

static void accept_all(int epoll, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        int on = 1;

        if (fd >= CLIENTS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        left[fd] = 0;
        watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}

/* Sends the rest of the response; asks for EPOLLOUT while there is more. */
static void send_left(int epoll, int fd, const char *response, size_t size, int was_waiting)
{
    ssize_t n = write(fd, response + (size - left[fd]), left[fd]);

    if (n < 0 && errno != EAGAIN) {
        close(fd);
        return;
    }
    left[fd] -= n > 0 ? (size_t)n : 0;
    if (left[fd] != 0 && !was_waiting) {
        watch(epoll, EPOLL_CTL_MOD, fd, EPOLLOUT);
    } else if (left[fd] == 0 && was_waiting) {
        watch(epoll, EPOLL_CTL_MOD, fd, EPOLLIN);
    }
}

static void serve(int epoll, int fd, unsigned events, const char *response, size_t size)
{
    static char request[READ_BYTES];

    if (events & EPOLLOUT) {
        send_left(epoll, fd, response, size, 1);
        return;
    }
    ssize_t n = read(fd, request, sizeof(request));

    if (n > 0) {
        left[fd] = size;
        send_left(epoll, fd, response, size, 0);
    } else if (n == 0 || errno != EAGAIN) {
        close(fd);
    }
}

static char *make_response(size_t body_bytes, size_t *size)
{
    char *response = malloc(HEAD_BYTES + body_bytes);

    if (response == NULL) {
        die("malloc");
    }
    int head = snprintf(response, HEAD_BYTES,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
            "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: floor\r\n\r\n",
            body_bytes);

    memset(response + head, 'x', body_bytes);
    *size = (size_t)head + body_bytes;
    return response;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: floor PORT BODY_BYTES\n");
        return 2;
    }
    size_t size;
    char *response = make_response((size_t)strtoul(argv[2], NULL, 10), &size);
    int listener = listen_on((int)strtol(argv[1], NULL, 10));
    int epoll = epoll_create1(0);
    struct epoll_event events[EVENTS];

    watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener) {
                accept_all(epoll, listener);
            } else {
                serve(epoll, events[i].data.fd, events[i].events, response, size);
            }
        }
    }
}
