# SPDX-License-Identifier: MIT
"""wsgiref.validate between our server and the applications: it must find nothing.

Frameworks are validated in test_frameworks.py.
"""

import pytest


@pytest.fixture(scope="module")
def validated(serve):
    servers = set()

    def start(name):
        server = serve(f"validated:{name}")
        servers.add(server)
        return server
    yield start
    for server in servers:
        assert "AssertionError" not in server.output(), server.output()
        assert "WSGIWarning" not in server.output(), server.output()


CASES = ["environ_dump", "environ_mutable", "list_one", "list_many", "generator", "write_only",
         "write_then_iterate", "empty_list", "tuple_iterable", "tracked", "exc_info_before",
         "headers_kept", "start_late", "big?size=300000", "big?size=300000&how=parts",
         "file?kind=bytesio", "file?kind=plain", "length?declare=10", "early_hints"]


@pytest.mark.parametrize("case", CASES)
def test_conformance_application(validated, case):
    server = validated("conformance_app")
    with server.connect() as conn:
        response = conn.get("/" + case)
        assert response.complete and response.status in (200, 503)
        assert conn.get("/").text == "ok\n"


@pytest.mark.parametrize("step", ["read:5,read:100", "readline,readline,readline",
                                  "readlines,readlines", "iter"])
def test_input(validated, step):
    response = validated("conformance_app").request(
        "POST", f"/input_steps?steps={step}", [("Content-Type", "text/plain")], b"one\ntwo\nthree")
    assert response.status == 200
    assert "one\n" in response.text.replace("\\n", "\n")


def test_methods(validated):
    server = validated("conformance_app")
    with server.connect() as conn:
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            assert conn.request(method, "/head").status == 200


def test_echo(validated):
    for size in (0, 1, 65537):
        response = validated("echo_app").request(
            "PUT", "/x?y=z", [("Content-Type", "a/b")], b"x" * size)
        assert response.json()["query"] == "y=z"
