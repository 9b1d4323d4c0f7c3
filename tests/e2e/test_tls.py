# SPDX-License-Identifier: MIT
"""HTTPS and wss: with Python's ssl, curl and a browser; certificates, names, refusals."""

import os
import shutil
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from websockets.sync.client import connect as ws_connect

from process import SLOW, free_port, run_program
from rawhttp import Connection, eventually

pytestmark = pytest.mark.ours


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


class Made:
    """A certificate and its key, as files."""

    def __init__(self, folder, name, subject, san=None, issuer=None, ca=False):
        self.cert, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        words = ["req", "-x509", "-new", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-utf8", "-subj", subject,
                 "-keyout", self.key, "-out", self.cert, "-config", folder / "empty.cnf"]
        if san:
            words += ["-addext", f"subjectAltName={san}"]
        words += ["-addext", "basicConstraints=critical,CA:" + ("TRUE" if ca else "FALSE")]
        if ca:  # Python 3.13 is strict (RFC 5280)
            words += ["-addext", "keyUsage=critical,keyCertSign", "-addext",
                      "subjectKeyIdentifier=hash"]
        elif issuer:
            words += ["-addext", "authorityKeyIdentifier=keyid"]
        if issuer:
            words += ["-CA", issuer.cert, "-CAkey", issuer.key]
        openssl(*words)


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    (folder / "empty.cnf").write_text("[req]\ndistinguished_name=dn\n[dn]\n")

    class Certs:
        pass

    made = Certs()
    made.folder = folder
    made.ca = Made(folder, "ca", "/CN=Test CA", ca=True)
    made.server = Made(folder, "server", "/CN=localhost", "DNS:localhost,IP:127.0.0.1", made.ca)
    made.shop = Made(folder, "shop", "/CN=shop", "DNS:*.shop.example", made.ca)
    made.client = Made(folder, "client", "/O=Söhne/CN=Ada", issuer=made.ca)
    made.stranger = Made(folder, "stranger", "/CN=Eve")
    return made


def tls_options(*pairs):
    return [word for made in pairs for word in ("--certfile", made.cert, "--keyfile", made.key)]


@pytest.fixture(scope="module")
def server(serve, certs, base_dir):
    module = Path(base_dir, "contrib", "bench", "gn_bench_module.so")
    if not module.exists():
        pytest.skip(f"{module} was not built")
    return serve(*tls_options(certs.server, certs.shop), "--module", module,
                 "tls_app:application")


def context(certs, client=None, **versions):
    made = ssl.create_default_context(cafile=certs.ca.cert)
    if client:
        made.load_cert_chain(client.cert, client.key)
    for name, value in versions.items():
        setattr(made, name, value)
    return made


def connect(server, made, host="localhost", session=None):
    """A rawhttp connection over TLS."""
    conn = Connection(server.address)
    conn.sock = made.wrap_socket(conn.sock, server_hostname=host, session=session)
    return conn


def environ(conn):
    return conn.get("/environ").json()


@pytest.mark.smoke
def test_https_and_its_environ(server, certs):
    with connect(server, context(certs)) as conn:
        seen = environ(conn)
    assert seen["wsgi.url_scheme"] == "https" and seen["HTTPS"] == "on"
    assert seen["SSL_PROTOCOL"] == "TLSv1.3"
    assert seen["SSL_CIPHER"].startswith("TLS_")
    assert seen["SSL_CIPHER_USEKEYSIZE"] in ("128", "256")
    assert seen["SSL_TLS_SNI"] == "localhost"
    assert seen["SSL_SESSION_RESUMED"] == "Initial"
    assert seen["SSL_CLIENT_VERIFY"] == "NONE"
    assert "SSL_CLIENT_CERT" not in seen
    assert seen["SERVER_PORT"] == str(server.port)


def test_headers_cannot_forge_the_facts(server, certs):
    with connect(server, context(certs)) as conn:
        seen = conn.get("/environ", [("SSL_CLIENT_S_DN", "CN=root"), ("SSL-Client-Verify", "SUCCESS"),
                                     ("Https", "off")]).json()
    assert seen["HTTPS"] == "on" and seen["SSL_CLIENT_VERIFY"] == "NONE"
    assert "SSL_CLIENT_S_DN" not in seen


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_versions_and_alpn(server, certs, version):
    wanted = getattr(ssl.TLSVersion, version)
    made = context(certs, minimum_version=wanted, maximum_version=wanted)
    made.set_alpn_protocols(["h2", "http/1.1"])
    with connect(server, made) as conn:
        assert conn.sock.selected_alpn_protocol() == "http/1.1"
        assert environ(conn)["SSL_PROTOCOL"] == version.replace("_", ".").replace("v1.", "v1.")


def test_a_protocol_that_is_not_spoken_is_refused(server, certs):
    made = context(certs)
    made.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError):
        connect(server, made)


def test_old_versions_are_refused(server, certs):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.set_ciphers("ALL:@SECLEVEL=0")
    made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    made.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        connect(server, made)


def test_the_name_chooses_the_certificate(server, certs):
    for host, expected in [("localhost", "localhost"), ("a.shop.example", "shop")]:
        with connect(server, context(certs), host) as conn:
            subject = dict(pair[0] for pair in conn.sock.getpeercert()["subject"])
            assert subject["commonName"] == expected
            assert environ(conn)["SSL_TLS_SNI"] == host
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(server, context(certs), "a.b.shop.example")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_sessions_are_resumed(server, certs, version):
    made = context(certs, maximum_version=getattr(ssl.TLSVersion, version))
    with connect(server, made) as conn:
        assert environ(conn)["SSL_SESSION_RESUMED"] == "Initial"
        session = conn.sock.session
    with connect(server, made, session=session) as conn:
        assert environ(conn)["SSL_SESSION_RESUMED"] == "Resumed"
        assert conn.sock.session_reused


def test_plain_http_gets_a_readable_answer(server):
    with server.connect() as conn:
        response = conn.get("/")
        assert response.status == 400 and response.complete
        assert "https://" in response.text
        assert response.get("Connection") == "close"
        assert conn.closed_by_peer()


def test_large_bodies_both_ways(server, certs):
    body = os.urandom(3_000_000)
    with connect(server, context(certs)) as conn:
        response = conn.request("POST", "/echo", [], body)
        assert response.status == 200 and response.body == body
        assert conn.get("/file").body == Path(__file__).with_name("rawhttp.py").read_bytes()
        assert environ(conn)["HTTPS"] == "on"


def test_pipelined_requests(server, certs):
    with connect(server, context(certs)) as conn:
        conn.send(b"GET /environ HTTP/1.1\r\nHost: a\r\n\r\n" * 200)
        for _ in range(200):
            assert conn.body(conn.final_head()).status == 200


def test_a_byte_at_a_time(server, certs):
    with connect(server, context(certs)) as conn:
        for byte in b"GET /environ HTTP/1.1\r\nHost: a\r\n\r\n":
            conn.send(bytes([byte]))
        assert conn.body(conn.final_head()).status == 200


def test_the_end_is_announced(server, certs):
    made = context(certs)
    made.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    with connect(server, made) as conn:
        conn.sock.suppress_ragged_eofs = False
        response = conn.get("/environ", [("Connection", "close")])
        assert response.status == 200
        assert conn.sock.recv(1) == b""  # close_notify; without it this raises


@pytest.mark.smoke
def test_wss(server, certs):
    with ws_connect(f"wss://localhost:{server.port}/ws", ssl=context(certs), compression=None,
                    proxy=None, open_timeout=10 * SLOW) as ws:
        for message in ["hello", "x" * 100_000, b"\0" * 70_000, ""]:
            ws.send(message)
            assert ws.recv(timeout=10 * SLOW) == message
        for number in range(300):
            ws.send(str(number) * 50)
        for number in range(300):
            assert ws.recv(timeout=10 * SLOW) == str(number) * 50


# ---- clients' certificates --------------------------------------------------------------


@pytest.fixture(scope="module")
def asking(serve, certs):
    return lambda asks: serve(*tls_options(certs.server), "--ca-certs", certs.ca.cert,
                              "--cert-reqs", asks, "tls_app:application")


@pytest.mark.parametrize("asks", ["optional", "required"])
def test_a_clients_certificate_reaches_the_application(asking, certs, asks):
    with connect(asking(asks), context(certs, certs.client)) as conn:
        seen = environ(conn)
    assert seen["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert seen["SSL_CLIENT_S_DN"].encode("latin-1").decode() == "CN=Ada,O=Söhne"
    assert seen["SSL_CLIENT_S_DN_CN"] == "Ada"
    assert seen["SSL_CLIENT_I_DN"] == "CN=Test CA"
    assert seen["SSL_CLIENT_CERT"] == certs.client.cert.read_text()
    assert seen["SSL_CLIENT_V_END"].endswith(" GMT")


def test_without_a_certificate(asking, certs):
    with connect(asking("optional"), context(certs)) as conn:
        assert environ(conn)["SSL_CLIENT_VERIFY"] == "NONE"
    with pytest.raises((ssl.SSLError, ConnectionError)) as refused:
        with connect(asking("required"), context(certs)) as conn:
            conn.sock.recv(1)
    assert "certificate required" in str(refused.value).lower()  # the alert arrived


@pytest.mark.parametrize("asks", ["optional", "required"])
def test_a_strangers_certificate_is_refused(asking, certs, asks):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with connect(asking(asks), context(certs, certs.stranger)) as conn:
            conn.sock.recv(1)


# ---- start-up -----------------------------------------------------------------------------


def refused(*options, code=1, says=()):
    done = run_program("-b", f"127.0.0.1:{free_port()}", *options, "tls_app:application")
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    assert len(output.strip().splitlines()) == 1, output
    for word in says:
        assert word in output, output


def test_wrong_files_stop_the_start(certs):
    text = certs.folder / "text"
    text.write_text("hello\n")
    server, other = certs.server, certs.shop
    refused("--certfile", server.cert, "--keyfile", other.key, says=["does not belong", "server.crt"])
    refused("--certfile", "/no/such.crt", says=["/no/such.crt", "No such file"])
    refused("--certfile", server.cert, "--keyfile", "/no/such.key", says=["/no/such.key"])
    refused("--certfile", text, "--keyfile", server.key, says=["no certificate in PEM form"])
    refused("--certfile", server.cert, says=["no private key in PEM form"])
    refused("--certfile", server.cert, "--keyfile", server.key, "--certfile", other.cert, code=2,
            says=["give each certificate its key"])
    refused("--cert-reqs", "required", code=2, says=["needs --certfile"])
    refused(*tls_options(server), "--cert-reqs", "required", says=["--ca-certs"])
    refused(*tls_options(server), "--ca-certs", certs.ca.cert, says=["--cert-reqs"])
    refused(*tls_options(server), "--cert-reqs", "maybe", code=2, says=["maybe"])


# ---- other clients --------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
@pytest.mark.parametrize("options", [[], ["--tls-max", "1.2"], ["--http1.1"], ["--no-alpn"]])
def test_curl(server, certs, options):
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "--cacert", certs.ca.cert, *options,
         f"https://localhost:{server.port}/environ", f"https://localhost:{server.port}/environ"],
        capture_output=True, text=True, timeout=30 * SLOW)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"HTTPS": "on"') == 2


@pytest.mark.skipif(not shutil.which("chromedriver"), reason="no chromedriver")
def test_a_browser(server):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "contrib" / "demo"))
    from webdriver import Browser

    with Browser("--ignore-certificate-errors") as browser:
        browser.open(f"https://localhost:{server.port}/environ")
        assert '"wsgi.url_scheme": "https"' in browser.run("return document.body.innerText")
        browser.run("""
            const ws = new WebSocket("wss://" + location.host + "/ws");
            ws.onopen = () => ws.send("from a browser");
            ws.onmessage = e => { window.answer = e.data; ws.close(); };
            ws.onerror = () => { window.answer = "error"; };""")
        browser.until("return window.answer !== undefined")
        assert browser.run("return window.answer") == "from a browser"


# ---- clients that misbehave ------------------------------------------------------------------


def test_handshakes_that_break_off_leave_nothing(server, certs):
    """Aborts, resets, garbage: the rest is answered, and no descriptor stays."""
    before = server.fds()
    waiting = connect(server, context(certs))
    for n in range(200):
        conn = Connection(server.address)
        if n % 4:
            conn.send([b"\x16\x03\x01\x02\x00\x01\x00\x01", b"\x16\x03\x01\xff\xff",
                       os.urandom(200)][n % 3])
        (conn.reset if n % 2 else conn.close)()
    assert environ(waiting)["HTTPS"] == "on"
    waiting.close()
    assert eventually(lambda: server.fds() <= before, 10 * SLOW, 0.05)


def test_slow_handshakes_are_cut(serve, certs):
    server = serve(*tls_options(certs.server), "--handshake-timeout", "0.5", "tls_app:application")
    silent, slow = Connection(server.address), Connection(server.address)
    slow.send(b"\x16\x03\x01\x02\x00\x01")
    start = time.monotonic()
    assert silent.closed_by_peer(10 * SLOW)
    assert slow.closed_by_peer(10 * SLOW)
    assert time.monotonic() - start < 8 * SLOW
    with connect(server, context(certs)) as conn:
        assert environ(conn)["HTTPS"] == "on"


def test_the_rate_of_handshakes(serve, certs):
    """A second's worth at once; what comes beyond waits, and none is refused."""
    server = serve(*tls_options(certs.server), "--handshake-rate", "5", "tls_app:application")
    start = time.monotonic()
    for n in range(15):
        with connect(server, context(certs)):
            if n == 4:
                assert time.monotonic() - start < 1.5 * SLOW
    assert 1.7 < time.monotonic() - start < 10 * SLOW


def test_a_unix_socket_beside_stays_plain(certs, serve, tmp_path):
    from process import Server

    path = str(tmp_path / "socket")
    port = free_port()
    with Server(*tls_options(certs.server), "-b", f"127.0.0.1:{port}", "tls_app:application",
                bind=path) as server:
        assert server.get("/environ").json()["wsgi.url_scheme"] == "http"
        server.address = ("127.0.0.1", port)
        with connect(server, context(certs)) as conn:
            assert environ(conn)["wsgi.url_scheme"] == "https"
