# SPDX-License-Identifier: MIT
"""Row 3: applications that fail or leave. (Odd views without load: ../test_careless.py.)"""

import pytest

from load import under_load
from process import Server
from rawhttp import Broken

FAILING = ["sys_exit", "interrupt", "base_exception", "recursion"]


@pytest.mark.smoke
def test_row03_an_exception_is_answered_500_once(server):
    """The connection goes on, the process stays the same."""
    with under_load(server):
        pid = server.pid
        with server.connect() as conn:
            for n in range(40):
                response = conn.get(f"/careless/{FAILING[n % len(FAILING)]}")
                assert response.status == 500 and response.complete
                assert conn.get("/careless/context").status == 200
        assert server.alive() and server.pid == pid


def test_row03_an_exception_after_the_first_bytes_cuts_the_response(server):
    with under_load(server):
        for _ in range(20):
            response = server.get("/careless/generator_exit")
            assert response.status == 200 and not response.complete


@pytest.mark.parametrize("when", ["before", "within"])
def test_row03_a_process_that_leaves_completes_no_answer(everything, when):
    """os._exit in a view: whoever waits sees the end of the connection, not half an answer."""
    server = Server(*everything)
    try:
        with under_load(server, recovers=False, forgives={"refused", "lost"}) as load:
            with server.connect() as conn:
                conn.start("GET", f"/careless/leaves?when={when}")
                with pytest.raises((Broken, OSError)):
                    response = conn.read()
                    if not response.complete:
                        raise Broken("cut")
            assert server.wait() == 3
            assert load.answered() > 0
    finally:
        server.kill()
