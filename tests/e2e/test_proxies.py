# SPDX-License-Identifier: MIT
"""Behind a real nginx, and behind balancers that speak the PROXY protocol."""

import os
import shutil
import socket
import ssl
import struct
import subprocess
from pathlib import Path

import pytest

from process import SLOW, free_port
from rawhttp import Connection, eventually

pytestmark = pytest.mark.ours

CLIENT = "127.0.0.2"
APP = "proxied_app:application"
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")

CONFIG = """
{load} {user}
daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  upstream tcp {{ server 127.0.0.1:{tcp}; keepalive 4; }}
  upstream local {{ server unix:{unix}; keepalive 4; }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;
    ssl_certificate {dir}/a.crt; ssl_certificate_key {dir}/a.key;
    location /shop/ {{
      proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Prefix /shop;
      proxy_pass http://tcp/;
    }}
    location /local/ {{ proxy_pass http://local; }}
    location / {{ proxy_pass http://tcp; }}
  }}
}}
{stream}
"""
STREAM = "stream {{ server {{ listen 127.0.0.1:{balanced}; proxy_pass 127.0.0.1:{proxied}; " \
         "proxy_protocol on; }} }}"


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=a",
                    "-keyout", folder / "a.key", "-out", folder / "a.crt"],
                   check=True, capture_output=True)


def tls(sock):
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    return trusting.wrap_socket(sock)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("nginx")
    make_certificate(made)
    return made


@pytest.fixture(scope="module")
def direct(serve):
    """Believes the prefix too."""
    return serve("--forwarded-headers", "x-forwarded-for,x-forwarded-proto,x-forwarded-prefix",
                 APP)


@pytest.fixture(scope="module")
def proxied(serve):
    return serve("--proxy-protocol", "auto", APP, fds=False)


@pytest.fixture(scope="module")
def proxied_tls(serve, folder):
    return serve("--proxy-protocol", "auto", "--certfile", folder / "a.crt", "--keyfile",
                 folder / "a.key", APP, fds=False)


@pytest.fixture(scope="module")
def nginx(serve, direct, proxied, folder):
    """Its ports by name."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not os.path.exists(program):
        pytest.skip("nginx is not installed")
    local = serve("--forwarded-allow-ips", "unix", APP, bind=str(folder / "app.sock"), fds=False)
    assert local.alive()
    names = {"plain": free_port(), "tls": free_port(), "balanced": free_port(),
             "tcp": direct.port, "unix": folder / "app.sock", "proxied": proxied.port,
             "dir": folder}
    has_stream = STREAM_MODULE.exists()
    (folder / "nginx.conf").write_text(CONFIG.format(
        load=f"load_module {STREAM_MODULE};" if has_stream else "",
        user="user root;" if os.getuid() == 0 else "",
        stream=STREAM.format(**names) if has_stream else "", **names))
    process = subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf", "-e",
                                folder / "error.log"])

    def is_up():
        try:
            socket.create_connection(("127.0.0.1", names["plain"]), 1).close()
            return True
        except OSError:
            return False

    assert eventually(is_up, 10 * SLOW), (folder / "error.log").read_text()
    yield names
    process.terminate()
    process.wait(10)


def ask(port, target, headers=(), wrap=None, first=b""):
    # Not from 127.0.0.1, which is in the list of trusted hops.
    source = ("127.0.0.1" if first else CLIENT, 0)
    with Connection(("127.0.0.1", port), 20 * SLOW, source) as conn:
        conn.send(first)
        if wrap:
            conn.sock = wrap(conn.sock)
        response = conn.get(target, headers)
        assert response.status == 200, response
        return response.json()


@pytest.mark.smoke
def test_django_sees_what_the_client_sees(nginx):
    port = nginx["plain"]
    seen = ask(port, "/a?b=c", [("Host", f"site.example:{port}")])
    assert seen["url"] == f"http://site.example:{port}/a?b=c"
    assert (seen["secure"], seen["port"], seen["name"]) == (False, str(port), "site.example")
    assert (seen["addr"], seen["addr_port"]) == (CLIENT, "")
    assert seen["peer"].startswith("127.0.0.1:")


def test_https_at_the_proxy_is_https_for_django(nginx):
    seen = ask(nginx["tls"], "/a", [("Host", "site.example")], wrap=tls)
    assert seen["url"] == "https://site.example/a"
    assert seen["secure"] and seen["port"] == "443"


def test_a_prefix_taken_off_by_the_proxy_is_put_before_links(nginx):
    seen = ask(nginx["plain"], "/shop/cart", [("Host", "site.example")])
    assert seen["path"] == "/shop/cart"
    assert seen["url"] == "http://site.example/shop/cart"


def test_a_client_cannot_speak_for_itself_through_the_proxy(nginx):
    lies = [("Host", "site.example"), ("X-Forwarded-For", "6.6.6.6"),
            ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example"),
            ("Forwarded", "for=6.6.6.6;host=evil.example;proto=https")]
    seen = ask(nginx["plain"], "/a", lies)
    assert seen["addr"] == CLIENT
    assert seen["host"] == "site.example" and not seen["secure"]


def test_an_upstream_on_a_unix_socket(nginx):
    seen = ask(nginx["tls"], "/local/a", [("Host", "site.example")], wrap=tls)
    assert seen["url"] == "https://site.example/local/a"
    assert (seen["addr"], seen["peer"] == "unix") == (CLIENT, True)


def test_many_requests_over_kept_connections(nginx):
    for i in range(50):
        wrap, port = (tls, nginx["tls"]) if i % 2 else (None, nginx["plain"])
        seen = ask(port, f"/{i}", [("Host", f"site{i}.example")], wrap=wrap)
        assert seen["url"] == f"{'https' if i % 2 else 'http'}://site{i}.example/{i}"


def test_who_is_no_proxy_is_not_believed(serve):
    server = serve("--forwarded-allow-ips", "192.0.2.1", APP)
    seen = server.get("/a", [("Host", "h"), ("X-Forwarded-For", "6.6.6.6"), ("X-Real-IP", "6.6.6.6"),
                             ("X-Forwarded-Proto", "https"), ("Forwarded", "for=6.6.6.6"),
                             ("X-Forwarded-User", "root"), ("X-Own", "1")]).json()
    assert seen["addr"] == "127.0.0.1" and not seen["secure"]
    assert seen["fields"] == ["HTTP_X_OWN"]
    assert server.logs("removed X-Forwarded-For")


# ---- the PROXY protocol ------------------------------------------------------------


V1 = b"PROXY TCP4 192.0.2.9 198.51.100.1 5555 443\r\n"
V2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", 12) + bytes([192, 0, 2, 9, 198, 51, 100, 1])
      + struct.pack("!HH", 5555, 443))


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_a_header_names_the_client(proxied, proxied_tls, header):
    seen = ask(proxied.port, "/a", [("Host", "site.example")], first=header)
    assert (seen["addr"], seen["addr_port"], seen["port"]) == ("192.0.2.9", "5555", "443")
    seen = ask(proxied_tls.port, "/a", [("Host", "site.example")], wrap=tls, first=header)
    assert (seen["addr"], seen["url"]) == ("192.0.2.9", "https://site.example/a")


def test_a_trusted_peer_without_a_header_is_told(proxied):
    assert proxied.get("/a").status == 400
    assert proxied.logs("no PROXY header")


def test_a_header_of_somebody_else_is_a_bad_request(serve):
    server = serve("--proxy-protocol", "v1", "--proxy-allow-from", "192.0.2.1", APP)
    with server.connect() as conn:
        conn.send(V1 + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert conn.read().status == 400
    assert server.get("/a").status == 200


def test_nginx_sends_the_header(nginx):
    if not STREAM_MODULE.exists():
        pytest.skip("nginx has no stream module")
    with Connection(("127.0.0.1", nginx["balanced"]), 20 * SLOW) as conn:
        port = conn.sock.getsockname()[1]
        seen = conn.get("/a", [("Host", "site.example")]).json()
    assert (seen["addr"], seen["addr_port"]) == ("127.0.0.1", str(port))
    assert seen["port"] == str(nginx["balanced"])


def test_a_client_has_so_many_connections(serve):
    server = serve("--max-connections-per-ip", "3", "--forwarded-allow-ips", "", "echo:application",
                   fds=False)
    open_ones = []

    def opens_all():
        """The connection that found the server ready may still count: again."""
        while open_ones:
            open_ones.pop().close()
        open_ones.extend(server.connect() for _ in range(3))
        return all(conn.get("/").status == 200 for conn in open_ones)

    try:
        assert eventually(opens_all, 10 * SLOW)
        with server.connect() as conn:
            assert conn.get("/").status == 503
    finally:
        for conn in open_ones:
            conn.close()
    assert server.logs("raise --max-connections-per-ip")
