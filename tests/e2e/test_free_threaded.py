# SPDX-License-Identifier: MIT
"""Calls that run at the same time: a free-threaded Python whose GIL is off.

Skipped where the program embeds another; CONTRIBUTING.md says how to embed one.
"""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from process import Server, run_program

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def server():
    if "free-threaded" not in run_program("--version").stdout:
        pytest.skip("the program embeds a Python with a GIL")
    # The tests' own environment is one for another Python.
    with Server("free_threaded:application", threads=4,
                env={"PYTHON_GIL": "0", "VIRTUAL_ENV": None}) as running:
        yield running


def test_the_gil_is_off(server):
    assert server.get("/gil").body == b"False"
    assert server.logs("GIL off")


def test_two_calls_compute_at_the_same_time(server):
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(server.get, "/meet") for _ in range(2)]
        assert [answer.result().body for answer in answers] == [b"met", b"met"]


def exchange(port, client, n):
    """Many requests over one connection, each unlike the others; counts what came back wrong."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    wrong = 0
    for i in range(n):
        mark = f"{client}-{i}"
        method = ("GET", "POST", "PUT")[i % 3]
        headers = {"User-Agent": f"agent-{client}-{i % 2}", f"X-Own-{client}": mark,
                   f"X-Turn-{i % 7}": mark, "X-Same": mark}
        connection.request(method, f"/echo/{mark}?q={mark}", headers=headers)
        port_of_ours = connection.sock.getsockname()[1]
        response = connection.getresponse()
        seen = json.loads(response.read())
        expected = {"HTTP_" + name.upper().replace("-", "_"): value
                    for name, value in headers.items()}
        expected |= {"PATH_INFO": f"/echo/{mark}", "QUERY_STRING": f"q={mark}",
                     "REQUEST_METHOD": method, "REQUEST_URI": f"/echo/{mark}?q={mark}",
                     "REMOTE_PORT": str(port_of_ours), "HTTP_HOST": f"127.0.0.1:{port}"}
        wrong += seen != expected or response.getheader("X-Echo") != f"q={mark}"
    connection.close()
    return wrong


def test_calls_see_nothing_of_each_other(server):
    with ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(exchange, server.port, client, 300) for client in range(8)]
        assert [run.result() for run in runs] == [0] * 8
