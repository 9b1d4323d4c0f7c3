# SPDX-License-Identifier: MIT
"""What a browser does with cookies, forms and redirects, in forty lines."""

import re
from urllib.parse import urlencode


class Visitor:
    """Keeps cookies over requests to one server."""

    def __init__(self, server, prefix=""):
        self.server, self.prefix, self.cookies = server, prefix, {}
        self.conn = None

    def __enter__(self):
        self.conn = self.server.connect()
        return self

    def __exit__(self, *_):
        self.conn.close()

    def request(self, method, target, body=None, headers=()):
        headers = list(headers)
        if self.cookies:
            headers.append(("Cookie", "; ".join(f"{k}={v}" for k, v in self.cookies.items())))
        response = self.conn.request(method, target, headers, body)
        for cookie in response.all("Set-Cookie"):
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value
        if "close" in response.get("Connection", "").lower() or response.framing == "close":
            self.conn.close()
            self.conn = self.server.connect()
        return response

    def get(self, target, headers=()):
        return self.request("GET", target, None, headers)

    def post(self, target, fields, headers=()):
        kind = ("Content-Type", "application/x-www-form-urlencoded")
        return self.request("POST", target, urlencode(fields).encode(), [kind, *headers])

    def follow(self, response):
        assert response.status in (301, 302, 303), response
        return self.get(re.sub(r"^https?://[^/]*", "", response.get("Location")))


def token(page):
    """The CSRF token of a form."""
    return re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page).group(1)


def multipart(name, filename, data, fields=()):
    """A multipart/form-data body with one file: (headers, body)."""
    boundary = "----gustnado-e2e-7d93b2"
    out = []
    for key, value in fields:
        out.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"'
                   f"\r\n\r\n{value}\r\n".encode())
    out.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; '
               f'filename="{filename}"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode()
               + data + b"\r\n")
    out.append(f"--{boundary}--\r\n".encode())
    return [("Content-Type", f"multipart/form-data; boundary={boundary}")], b"".join(out)
