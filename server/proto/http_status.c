/* SPDX-License-Identifier: MIT */
#include "server/proto/http_status.h"

/* One table per class, indexed by the two last digits, so that a lookup is two loads. */

static const struct gn_slice interim[] = {
        [0] = GN_LIT_INIT("Continue"),
        [1] = GN_LIT_INIT("Switching Protocols"),
        [2] = GN_LIT_INIT("Processing"),
        [3] = GN_LIT_INIT("Early Hints"),
};

static const struct gn_slice success[] = {
        [0] = GN_LIT_INIT("OK"),
        [1] = GN_LIT_INIT("Created"),
        [2] = GN_LIT_INIT("Accepted"),
        [3] = GN_LIT_INIT("Non-Authoritative Information"),
        [4] = GN_LIT_INIT("No Content"),
        [5] = GN_LIT_INIT("Reset Content"),
        [6] = GN_LIT_INIT("Partial Content"),
        [7] = GN_LIT_INIT("Multi-Status"),
        [8] = GN_LIT_INIT("Already Reported"),
        [26] = GN_LIT_INIT("IM Used"),
};

static const struct gn_slice redirection[] = {
        [0] = GN_LIT_INIT("Multiple Choices"),
        [1] = GN_LIT_INIT("Moved Permanently"),
        [2] = GN_LIT_INIT("Found"),
        [3] = GN_LIT_INIT("See Other"),
        [4] = GN_LIT_INIT("Not Modified"),
        [5] = GN_LIT_INIT("Use Proxy"),
        [7] = GN_LIT_INIT("Temporary Redirect"),
        [8] = GN_LIT_INIT("Permanent Redirect"),
};

static const struct gn_slice client_error[] = {
        [0] = GN_LIT_INIT("Bad Request"),
        [1] = GN_LIT_INIT("Unauthorized"),
        [2] = GN_LIT_INIT("Payment Required"),
        [3] = GN_LIT_INIT("Forbidden"),
        [4] = GN_LIT_INIT("Not Found"),
        [5] = GN_LIT_INIT("Method Not Allowed"),
        [6] = GN_LIT_INIT("Not Acceptable"),
        [7] = GN_LIT_INIT("Proxy Authentication Required"),
        [8] = GN_LIT_INIT("Request Timeout"),
        [9] = GN_LIT_INIT("Conflict"),
        [10] = GN_LIT_INIT("Gone"),
        [11] = GN_LIT_INIT("Length Required"),
        [12] = GN_LIT_INIT("Precondition Failed"),
        [13] = GN_LIT_INIT("Content Too Large"),
        [14] = GN_LIT_INIT("URI Too Long"),
        [15] = GN_LIT_INIT("Unsupported Media Type"),
        [16] = GN_LIT_INIT("Range Not Satisfiable"),
        [17] = GN_LIT_INIT("Expectation Failed"),
        [18] = GN_LIT_INIT("I'm a teapot"),
        [21] = GN_LIT_INIT("Misdirected Request"),
        [22] = GN_LIT_INIT("Unprocessable Content"),
        [23] = GN_LIT_INIT("Locked"),
        [24] = GN_LIT_INIT("Failed Dependency"),
        [25] = GN_LIT_INIT("Too Early"),
        [26] = GN_LIT_INIT("Upgrade Required"),
        [28] = GN_LIT_INIT("Precondition Required"),
        [29] = GN_LIT_INIT("Too Many Requests"),
        [31] = GN_LIT_INIT("Request Header Fields Too Large"),
        [51] = GN_LIT_INIT("Unavailable For Legal Reasons"),
};

static const struct gn_slice server_error[] = {
        [0] = GN_LIT_INIT("Internal Server Error"),
        [1] = GN_LIT_INIT("Not Implemented"),
        [2] = GN_LIT_INIT("Bad Gateway"),
        [3] = GN_LIT_INIT("Service Unavailable"),
        [4] = GN_LIT_INIT("Gateway Timeout"),
        [5] = GN_LIT_INIT("HTTP Version Not Supported"),
        [6] = GN_LIT_INIT("Variant Also Negotiates"),
        [7] = GN_LIT_INIT("Insufficient Storage"),
        [8] = GN_LIT_INIT("Loop Detected"),
        [10] = GN_LIT_INIT("Not Extended"),
        [11] = GN_LIT_INIT("Network Authentication Required"),
};

static const struct {
    const struct gn_slice *reasons;
    size_t n;
} classes[] = {
        {interim, GN_ARRAY_LEN(interim)},
        {success, GN_ARRAY_LEN(success)},
        {redirection, GN_ARRAY_LEN(redirection)},
        {client_error, GN_ARRAY_LEN(client_error)},
        {server_error, GN_ARRAY_LEN(server_error)},
};

struct gn_slice gn_http_status_reason(int status)
{
    unsigned class_at;
    unsigned index;

    if (!gn_http_status_is_valid(status)) {
        return GN_LIT("Unknown");
    }
    class_at = (unsigned)status / 100 - 1;
    index = (unsigned)status % 100;
    if (index >= classes[class_at].n || classes[class_at].reasons[index].ptr == NULL) {
        return GN_LIT("Unknown");
    }
    return classes[class_at].reasons[index];
}
